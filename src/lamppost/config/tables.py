"""The table that says where every search looks."""

from typing import Any, Literal

from pydantic import Field, field_validator

from lamppost.search import Grid
from lamppost.spec import Spec

__all__ = ["Regions", "Scan", "somewhere"]

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
