"""The `Search` that a TOML file describes."""

from pathlib import Path
from typing import Any

from pydantic import model_validator

from lamppost.config.setup import Setup, loaded, parsed
from lamppost.core import Window
from lamppost.search import windows

__all__ = ["Search", "load", "parse"]


class Search(Setup):
    """A whole blind search: one TOML file."""

    @model_validator(mode="after")
    def _blind(self) -> "Search":
        for name, method in self.methods.items():
            if method.needs_truth:
                msg = f"methods.{name}: {method.kind!r} sees the truth, a hunt cannot use it"
                raise ValueError(msg)
        return self

    def claim_windows(self) -> list[Window]:
        """The windows a claim is made for."""
        return windows(self.scan.windows, self.scan.sidebands, self.fit.range)

    def validation_windows(self) -> list[Window]:
        """The windows that only test the procedure."""
        return windows(self.scan.validation or [], self.scan.sidebands, self.fit.range, "scan.validation")

    def check_windows(self) -> None:
        """Look at every window once: ConfigError if one of them does not fit."""
        self.claim_windows(), self.validation_windows()


def parse(table: dict[str, Any], where: str = "configuration") -> Search:
    """The search that a table describes; ConfigError, one line, if it describes none."""
    return parsed(Search, table, where)


def load(path: Path) -> Search:
    """Read and check a TOML file; relative data paths are relative to its folder."""
    return loaded(Search, path)
