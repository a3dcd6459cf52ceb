"""What a hunt and a comparison have in common, and how their TOML files are read."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BeforeValidator, Field, SerializeAsAny, ValidationError, model_validator

from lamppost.config.fit import Fit
from lamppost.config.samples import Samples, rooted_samples
from lamppost.config.tables import Scan
from lamppost.config.toml import read_toml, rooted
from lamppost.core import Method
from lamppost.errors import ConfigError
from lamppost.io import Data
from lamppost.methods.subset import Subset
from lamppost.spec import Spec, explain

__all__ = ["Setup", "loaded", "parsed", "with_roots"]


class Setup(Spec, ABC):
    """The events, the methods that look at them, and the fit that follows."""

    seed: int = Field(1, ge=0, lt=2**63, description="every random stream derives from it")
    data: Data = Field(description="what to read")
    scan: Scan = Field(description="where to look and how events are selected")
    methods: dict[str, Annotated[SerializeAsAny[Method], BeforeValidator(Method.parse)]] = Field(
        default_factory=lambda: {"weak": Method.parse("weak")}, min_length=1, description="anomaly methods by name"
    )
    fit: Fit = Field(description="the spectrum of m and what is fitted to it")
    samples: Samples = Field(default_factory=Samples, description="simulated samples that methods may see")

    @model_validator(mode="before")
    @classmethod
    def _one_or_several_methods(cls, table: Any) -> Any:
        """`[method]` is a single entry of `[methods]`, under the name of its kind."""
        if not isinstance(table, dict) or "method" not in table:
            return table
        if "methods" in table:
            msg = "give either [method] or [methods.NAME], not both"
            raise ValueError(msg)
        rest = {name: value for name, value in table.items() if name != "method"}
        single = table["method"]
        if single is None:
            return rest
        method = Method.parse({"kind": "weak", **single} if isinstance(single, dict) else single)
        return {**rest, "methods": {method.kind: method}}

    @model_validator(mode="after")
    def _known_features(self) -> "Setup":
        known = self.data.names
        for name, method in self.methods.items():
            for seen in _subsets(method):
                if unknown := [feature for feature in seen.features if feature not in known]:
                    msg = f"methods.{name}: no feature {unknown[0]!r}, known are {', '.join(known)}"
                    raise ValueError(msg)
        return self

    @abstractmethod
    def check_windows(self) -> None:
        """Look at every window once: ConfigError if one of them does not fit."""

    def sample(self, paths: str | list[str]) -> Data:
        """How a simulated sample is read: as the data are, but for label and identifiers."""
        return self.data.model_copy(update={"path": paths, "label": None, "id": []})

    def decorrelated(self, method: Method) -> bool:
        """Whether this method sees decorrelated features."""
        return method.decorrelate if self.scan.decorrelate is None else self.scan.decorrelate == "quantile"


def _subsets(method: Method) -> Iterator[Subset]:
    """The subsets of features that a method, or one that it is made of, is shown."""
    if isinstance(method, Subset):
        yield method
    for inner in (getattr(method, "method", None), *getattr(method, "methods", ())):
        if isinstance(inner, Method):
            yield from _subsets(inner)


S = TypeVar("S", bound=Setup)


def parsed(kind: type[S], table: dict[str, Any], where: str) -> S:
    """What a table describes.

    Raises
    ------
    ConfigError
        One line that names the key, what was expected and what was found.
    """
    try:
        setup = kind.model_validate(table)
        setup.check_windows()
    except (ValidationError, ConfigError) as error:
        msg = f"{where}: {explain(error) if isinstance(error, ValidationError) else error}"
        raise ConfigError(msg) from None
    return setup


def loaded(kind: type[S], path: Path) -> S:
    """Read and check a TOML file; relative paths are relative to its folder."""
    return parsed(kind, with_roots(read_toml(path), path.resolve().parent), str(path))


def with_roots(table: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The tables with absolute paths of data, samples and a certificate, relative ones being relative to `folder`."""
    return rooted_samples(rooted(rooted(table, folder), folder, "blind"), folder)
