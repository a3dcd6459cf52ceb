"""The `Search` that a TOML file describes."""

from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, SerializeAsAny, ValidationError, field_validator, model_validator

from lamppost.config.samples import Samples, rooted_samples
from lamppost.config.toml import read_toml, rooted
from lamppost.core import Method, Window
from lamppost.errors import ConfigError
from lamppost.io import Data
from lamppost.search import Grid, windows
from lamppost.spec import Spec, explain
from lamppost.stats import Background, Signal

__all__ = ["Fit", "Scan", "Search", "load", "named_methods", "parse"]

Regions = Grid | list[tuple[float, float]]


class Scan(Spec):
    """`[scan]`: where to look and how events are selected."""

    windows: Regions = Field(description="a grid {from, to, width, step} or a list of [lo, hi]")
    validation: Regions | None = Field(
        None, description="windows for which no claim is made, where flatness is tested across the region itself"
    )
    sidebands: float | None = Field(
        None, gt=0, description="reach of the sidebands on either side, in the units of m; default: the window's width"
    )
    folds: int = Field(5, ge=3, le=100, description="one tests, the next calibrates, the others train")
    efficiency: tuple[float, ...] = Field(
        (0.01,), min_length=1, description="kept background fraction; several are scanned together, inside the toys"
    )
    decorrelate: Literal["quantile", "none"] | None = Field(
        None, description="conditional quantile map of every feature given m; default: what the method needs"
    )

    @field_validator("windows")
    @classmethod
    def _somewhere(cls, value: Regions) -> Regions:
        if not value:
            msg = "expected at least one window"
            raise ValueError(msg)
        return value

    @field_validator("efficiency", mode="before")
    @classmethod
    def _one_or_several(cls, value: Any) -> Any:
        return value if isinstance(value, list | tuple) else (value,)

    @field_validator("efficiency")
    @classmethod
    def _fractions(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        for efficiency in value:
            if not 0 < efficiency <= 1:
                msg = f"expected a kept background fraction in (0, 1], found {efficiency:g}"
                raise ValueError(msg)
        return tuple(sorted(set(value), reverse=True))  # loosest first: the others are nested in it


class Fit(Spec):
    """`[fit]`: the spectrum of m and what is fitted to it."""

    range: tuple[float, float] = Field(description="fit range [lo, hi) in the units of m")
    function: Annotated[SerializeAsAny[Background], BeforeValidator(Background.parse)] = Field(
        default_factory=lambda: Background.parse("dijet"), description="background family"
    )
    n_parameters: int | None = Field(None, ge=1, description="parameters of the family; default: by F-test")
    signal: Annotated[SerializeAsAny[Signal], BeforeValidator(Signal.parse)] = Field(
        default_factory=lambda: Signal.parse("crystal_ball"), description="signal shape and detector resolution"
    )
    bins: list[float] | None = Field(None, description="bin edges; default: fine against the resolution")
    toys: int = Field(10000, ge=100, description="pseudo-experiments behind every global p-value, at most")

    @model_validator(mode="before")
    @classmethod
    def _sqrt_s_beside_function(cls, table: Any) -> Any:
        """`sqrt_s` may stand beside the name of the function that uses it."""
        if isinstance(table, dict) and "sqrt_s" in table:
            table = dict(table)
            function = table.get("function", "dijet")
            named = {"kind": function} if isinstance(function, str) else function
            table["function"] = {**named, "sqrt_s": table.pop("sqrt_s")} if isinstance(named, dict) else named
        return table

    @field_validator("range")
    @classmethod
    def _not_empty(cls, value: tuple[float, float]) -> tuple[float, float]:
        if not 0 < value[0] < value[1]:
            msg = f"expected 0 < lo < hi, found [{value[0]:g}, {value[1]:g}]"
            raise ValueError(msg)
        return value

    @model_validator(mode="after")
    def _bins_cover_the_range(self) -> "Fit":
        if self.bins is not None:
            rising = len(self.bins) > 5 and all(a < b for a, b in pairwise(self.bins))
            if not rising or (self.bins[0], self.bins[-1]) != self.range:
                lo, hi = self.range
                msg = f"bins: expected more than 5 rising edges from {lo:g} to {hi:g}, the fit range"
                raise ValueError(msg)
        return self


def named_methods(table: dict[str, Any]) -> dict[str, Any]:
    """`[method]` as a single entry of `[methods]`, under the name of its kind."""
    table = dict(table)
    single = table.pop("method", None)
    if single is not None and "methods" in table:
        msg = "give either [method] or [methods.NAME], not both"
        raise ValueError(msg)
    if isinstance(single, dict):
        single = {"kind": "weak", **single}
    if single is not None:
        method = Method.parse(single)
        table["methods"] = {method.kind: method}
    return table


class Search(Spec):
    """A whole blind search: one TOML file."""

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
        return named_methods(table) if isinstance(table, dict) else table

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

    def sample(self, paths: str | list[str]) -> Data:
        """How a simulated sample is read: as the data are, but for label and identifiers."""
        return self.data.model_copy(update={"path": paths, "label": None, "id": []})

    def decorrelated(self, method: Method) -> bool:
        """Whether this method sees decorrelated features."""
        return method.decorrelate if self.scan.decorrelate is None else self.scan.decorrelate == "quantile"


def parse(table: dict[str, Any], where: str = "configuration") -> Search:
    """The search that a table describes.

    Raises
    ------
    ConfigError
        One line that names the key, what was expected and what was found.
    """
    try:
        search = Search.model_validate(table)
        search.claim_windows(), search.validation_windows()
    except ValidationError as error:
        msg = f"{where}: {explain(error)}"
        raise ConfigError(msg) from None
    except ConfigError as error:
        msg = f"{where}: {error}"
        raise ConfigError(msg) from None
    return search


def load(path: Path) -> Search:
    """Read and check a TOML file; relative data paths are relative to its folder."""
    folder = path.resolve().parent
    return parse(rooted_samples(rooted(read_toml(path), folder), folder), str(path))
