"""The simulated samples that methods may see beside the data: `[samples]`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from lamppost.config.toml import rooted
from lamppost.spec import Spec

__all__ = ["Samples", "rooted_samples"]

_Name = Annotated[str, Field(min_length=1)]
Paths = _Name | Annotated[list[_Name], Field(min_length=1)]


class Samples(Spec):
    """`[samples]`: simulated files with the columns of the data."""

    simulation: Paths | None = Field(None, description="reference simulation of the background, whole fit range")
    signals: dict[str, Paths] = Field(default_factory=dict, description="named samples of imagined signals")


def rooted_samples(table: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The tables with absolute paths of samples, relative ones being relative to `folder`."""
    samples = table.get("samples")
    if not isinstance(samples, Mapping):
        return table
    found = dict(samples)
    if "simulation" in found:
        found["simulation"] = _rooted_paths(found["simulation"], folder)
    if isinstance(found.get("signals"), Mapping):
        found["signals"] = {name: _rooted_paths(paths, folder) for name, paths in found["signals"].items()}
    return {**table, "samples": found}


def _rooted_paths(paths: Any, folder: Path) -> Any:
    return rooted({"data": {"path": paths}}, folder)["data"]["path"]
