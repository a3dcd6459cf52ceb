"""The tables that every search shares: where to look, and what is fitted to the mass."""

from itertools import pairwise
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BeforeValidator, Field, SerializeAsAny, ValidationInfo, field_validator, model_validator

from lamppost.core import Array
from lamppost.search import Grid
from lamppost.spec import Spec
from lamppost.stats import Background, Signal, bin_edges

__all__ = ["Fit", "Regions", "Scan", "somewhere"]

Regions = Grid | list[tuple[float, float]]


def somewhere(value: Regions) -> Regions:
    """The windows; ValueError if there are none."""
    if not value:
        msg = "expected at least one window"
        raise ValueError(msg)
    return value


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
        return somewhere(value)

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

    @field_validator("n_parameters")
    @classmethod
    def _in_the_family(cls, value: int | None, info: ValidationInfo) -> int | None:
        family = info.data.get("function")  # missing if it was no family
        if value is not None and family and not family.min_parameters <= value <= family.max_parameters:
            expected = f"{family.min_parameters} to {family.max_parameters} for {family.kind!r}"
            msg = f"expected {expected}, found {value}"
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

    @property
    def edges(self) -> Array:
        """The bins (k + 1,) of the spectrum: those given, or half a resolution wide over the fit range."""
        if self.bins is not None:
            return np.asarray(self.bins, dtype=np.float64)
        return bin_edges(*self.range, self.signal.resolution, width=self.signal.width)
