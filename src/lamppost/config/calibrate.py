"""The table that says how a hunt is calibrated: `[calibrate]`."""

from typing import Annotated

from pydantic import Field, field_validator

from lamppost.config.fit import Several
from lamppost.spec import Spec

__all__ = ["Calibrate"]


class Calibrate(Spec):
    """`[calibrate]`: the whole hunt in pseudo-data without signal, and with signal of known size."""

    experiments: int = Field(100, ge=1, le=100_000, description="pseudo-experiments without signal")
    events: float | None = Field(
        None, gt=0, description="expected events in the fit range; default: as many as the data are worth"
    )
    signal: str | None = Field(
        None, description="which of `[samples]` `signals` is injected; default: the only one there is"
    )
    strengths: Several[Annotated[int, Field(ge=1)]] = Field(
        (), description="expected signal events of any mass in the fit range, for power and coverage"
    )
    injected: int = Field(50, ge=1, le=100_000, description="pseudo-experiments with each of `strengths`")
    neighbours: float = Field(
        0.5, gt=0, le=1, description="part of the data, the nearest in m, of which the features of an event are drawn"
    )

    @field_validator("strengths")
    @classmethod
    def _rising(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(sorted(set(value)))
