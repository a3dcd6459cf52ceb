"""The table of the mass spectrum: what is fitted to it, and how its p-values become one."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Any, Literal, TypeVar

import numpy as np
from pydantic import (
    BeforeValidator,
    Field,
    PositiveInt,
    SerializeAsAny,
    ValidationInfo,
    field_validator,
    model_validator,
)

from lamppost.core import Array
from lamppost.spec import Spec, kinds
from lamppost.stats import Background, Criterion, Signal, bin_edges

__all__ = ["Family", "Fit", "Several", "refuse_in_vain", "share_scale"]

R = TypeVar("R")


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


Several = Annotated[tuple[R, ...], BeforeValidator(_listed)]
Family = Annotated[SerializeAsAny[Background], BeforeValidator(Background.parse)]


def share_scale(table: Any, chosen: str, *others: str) -> Any:
    """A table whose `sqrt_s` has gone to those families under these names that have it.

    Where none has it, it goes to all of them: each refuses it itself. The families under `chosen` are dijet by default.
    """
    if not isinstance(table, dict) or "sqrt_s" not in table:
        return table
    if any(isinstance(one, Background) for name in (chosen, *others) for one in _listed(table.get(name, ()))):
        msg = "sqrt_s: expected names or tables of families beside it, found one that is made already"
        raise ValueError(msg)
    named = {chosen: _listed(table.get(chosen, "dijet"))} | {name: _listed(table.get(name, ())) for name in others}
    some = any(_has_scale(family) for families in named.values() for family in families)
    shared = {
        name: [_with_scale(one, table["sqrt_s"]) if _has_scale(one) or not some else one for one in families]
        for name, families in named.items()
    }
    return {name: value for name, value in {**table, **shared}.items() if name != "sqrt_s"}


def refuse_in_vain(background: Sequence[Background], spurious: Sequence[Background], criterion: Criterion) -> None:
    """ValueError where a spurious signal would be none: of the same family, or in an envelope."""
    if twice := sorted({one.kind for one in background} & {one.kind for one in spurious}):
        msg = (
            f"spurious: a family takes nothing in its own spectra for a signal: expected no {twice[0]!r} in both lists"
        )
        raise ValueError(msg)
    if spurious and criterion == "envelope":
        msg = "an envelope has no spurious signal: expected the other families among its backgrounds"
        raise ValueError(msg)


def _has_scale(family: Any) -> bool:
    """Whether this is the name or the table of a family with a scale."""
    kind = family.get("kind") if isinstance(family, dict) else family
    known = (Background.registry.get(kind) or kinds(Background).get(kind)) if isinstance(kind, str) else None
    return known is not None and "sqrt_s" in known.model_fields


def _with_scale(family: Any, sqrt_s: Any) -> Any:
    named = {"kind": family} if isinstance(family, str) else family
    return {"sqrt_s": sqrt_s, **named} if isinstance(named, dict) else named


class Fit(Spec):
    """`[fit]`: the spectrum of m and what is fitted to it."""

    range: tuple[float, float] = Field(description="fit range [lo, hi) in the units of m")
    function: Several[Family] = Field(
        default_factory=lambda: (Background.parse("dijet"),),
        min_length=1,
        description="background family, or several of which the smallest AIC decides, in every toy anew",
    )
    n_parameters: PositiveInt | Literal["aic"] | None = Field(
        None, description='parameters of the family, or `"aic"`; default: by F-test'
    )
    criterion: Criterion = Field(
        "aic", description="how one of several families is chosen, or `envelope`: all their orders are profiled"
    )
    spurious: Several[Family] = Field(
        (), description="families whose spectra `function` may mistake for a signal, a nuisance of every fit"
    )
    signal: Annotated[SerializeAsAny[Signal], BeforeValidator(Signal.parse)] = Field(
        default_factory=lambda: Signal.parse("crystal_ball"), description="signal shape and detector resolution"
    )
    bins: list[float] | None = Field(None, description="bin edges; default: fine against the resolution")
    toys: int = Field(10000, ge=100, description="pseudo-experiments behind every global p-value, at most")
    combine: Literal["independent", "bonferroni", "bootstrap"] = Field(
        "independent",
        description="windows and methods together: each counts in full, or as their shared events say, by a bootstrap",
    )

    @model_validator(mode="before")
    @classmethod
    def _sqrt_s_beside_function(cls, table: Any) -> Any:
        """`sqrt_s` may stand beside the names of the families that have it."""
        return share_scale(table, "function", "spurious")

    @field_validator("range")
    @classmethod
    def _not_empty(cls, value: tuple[float, float]) -> tuple[float, float]:
        if not 0 < value[0] < value[1]:
            msg = f"expected 0 < lo < hi, found [{value[0]:g}, {value[1]:g}]"
            raise ValueError(msg)
        return value

    @field_validator("n_parameters", mode="before")
    @classmethod
    def _a_number_or_aic(cls, value: Any) -> Any:
        number = isinstance(value, int) and not isinstance(value, bool) and value > 0
        if not (value is None or value == "aic" or number):
            msg = f"expected a number of parameters from 1, or 'aic', found {value!r}"
            raise ValueError(msg)
        return value

    @field_validator("n_parameters")
    @classmethod
    def _in_the_family(cls, value: int | str | None, info: ValidationInfo) -> int | str | None:
        for family in info.data.get("function", ()):  # missing if one was no family
            if isinstance(value, int) and not family.min_parameters <= value <= family.max_parameters:
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

    @model_validator(mode="after")
    def _one_remedy(self) -> "Fit":
        refuse_in_vain(self.function, self.spurious, self.criterion)
        return self

    @property
    def single(self) -> "Fit":
        """What of it concerns a single spectrum: the same however several are combined."""
        return self.model_copy(update={"combine": "independent"})

    @property
    def edges(self) -> Array:
        """The bins (k + 1,) of the spectrum: those given, or half a resolution wide over the fit range."""
        if self.bins is not None:
            return np.asarray(self.bins, dtype=np.float64)
        return bin_edges(*self.range, self.signal.resolution, width=self.signal.width)
