"""Systematic uncertainties of a signal: named sources, each with one nuisance parameter nu ~ N(0, 1)."""

from collections.abc import Sequence
from math import exp, hypot, log
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import Field, NonNegativeFloat, PositiveFloat, model_validator

from lamppost.core import Array
from lamppost.errors import ConfigError
from lamppost.spec import Role

__all__ = ["MassShift", "Normalisation", "Systematic", "TemplateShift", "WidthShift", "summed", "systematic"]


class Systematic(Role):
    """A named source of uncertainty. What it does not override, it leaves as it is."""

    kind: str
    name: str = Field(default="", description="name of the source; the kind if empty")

    @model_validator(mode="after")
    def _named(self) -> Self:
        if not self.name:
            object.__setattr__(self, "name", self.kind)
        return self

    def kappa(self, nu: float) -> float:
        """Factor on the signal yield."""
        del nu
        return 1.0

    def shift(self, nu: float) -> float:
        """Relative shift of the peak position."""
        del nu
        return 0.0

    def stretch(self, nu: float) -> float:
        """Relative change of the peak width."""
        del nu
        return 0.0

    def ramp(self, nu: float, fractions: Array) -> Array:
        """What is added to the nominal fractions (bins,)."""
        del nu
        return np.zeros_like(fractions)


class Normalisation(Systematic):
    """Log-normal uncertainty of the signal yield: kappa = up^nu for nu >= 0, down^-nu below.

    Luminosity, efficiency, cross section: `up` and `down` are yields relative to the nominal one at nu = +1 and -1.
    """

    kind: Literal["normalisation"] = "normalisation"
    up: PositiveFloat = Field(default=1.0, description="relative yield at +1 sigma, e.g. 1.05")
    down: PositiveFloat = Field(default=1.0, description="relative yield at -1 sigma, e.g. 0.95; 1 / up if not given")

    @model_validator(mode="after")
    def _symmetric(self) -> Self:
        if "down" not in self.model_fields_set:
            object.__setattr__(self, "down", 1.0 / self.up)
        return self

    @classmethod
    def of_efficiencies(cls, name: str, nominal: float, up: float, down: float) -> Self:
        """The source that moves an efficiency from `nominal` to `up` and `down`.

        Raises
        ------
        ConfigError
            If an efficiency is not positive.
        """
        if not min(nominal, up, down) > 0.0:
            msg = f"systematic {name!r}: efficiencies must be positive, found {nominal:g}, {up:g} and {down:g}"
            raise ConfigError(msg)
        return cls(name=name, up=up / nominal, down=down / nominal)

    def kappa(self, nu: float) -> float:
        return float(self.up**nu if nu >= 0.0 else self.down**-nu)


class MassShift(Systematic):
    """Uncertainty of the peak position: M (1 + size nu), e.g. an energy scale."""

    kind: Literal["mass"] = "mass"
    size: Annotated[float, Field(gt=-0.5, lt=0.5)] = Field(
        default=0.0, description="relative shift of the position at +1 sigma"
    )

    def shift(self, nu: float) -> float:
        return self.size * nu


class WidthShift(Systematic):
    """Uncertainty of the peak width: sigma (1 + size nu), e.g. an energy resolution."""

    kind: Literal["width"] = "width"
    size: Annotated[float, Field(gt=-0.5, lt=0.5)] = Field(
        default=0.0, description="relative change of the width at +1 sigma"
    )

    def stretch(self, nu: float) -> float:
        return self.size * nu


class TemplateShift(Systematic):
    """Signal histograms at +1 and -1 sigma, in the bins of the spectrum; each is scaled to unit sum.

    The fractions move by nu (up - nominal) for nu >= 0 and -nu (down - nominal) below. A change of the yield that
    comes with them is a `Normalisation`.
    """

    kind: Literal["template"] = "template"
    up: tuple[NonNegativeFloat, ...] = Field(default=(), description="signal in each bin at +1 sigma, any unit")
    down: tuple[NonNegativeFloat, ...] = Field(default=(), description="signal in each bin at -1 sigma, any unit")

    def ramp(self, nu: float, fractions: Array) -> Array:
        side = np.array(self.up if nu >= 0.0 else self.down)
        if side.shape != fractions.shape or not side.sum() > 0.0:
            msg = (
                f"systematic {self.name!r}: expected a signal in {len(fractions)} bins, "
                f"found {len(side)} with the sum {side.sum():g}"
            )
            raise ConfigError(msg)
        return np.asarray(abs(nu) * (side / side.sum() - fractions))


def systematic(value: object) -> Systematic:
    """The source that a table with a `kind` or a spec describes; ConfigError if none does."""
    return Systematic.parse(value)


def summed(sources: Sequence[Systematic], name: str = "summed") -> tuple[Systematic, ...]:
    """One source for each kind, its size the sum in quadrature; template histograms stay as they are.

    Exact for symmetric log-normals and for shifts: a sum of normal nuisance parameters is normal again.
    """
    yields = [source for source in sources if isinstance(source, Normalisation)]
    masses = [source.size for source in sources if isinstance(source, MassShift)]
    widths = [source.size for source in sources if isinstance(source, WidthShift)]
    merged: list[Systematic] = []
    if yields:
        up, down = ([log(source.kappa(nu)) for source in yields] for nu in (1.0, -1.0))
        # what is larger at +1 sigma adds upwards, whichever way each source was signed
        high = hypot(*(max(pair) for pair in zip(up, down, strict=True)))
        low = hypot(*(min(pair) for pair in zip(up, down, strict=True)))
        merged.append(Normalisation(name=f"{name} normalisation", up=exp(high), down=exp(-low)))
    if masses:
        merged.append(MassShift(name=f"{name} mass", size=hypot(*masses)))
    if widths:
        merged.append(WidthShift(name=f"{name} width", size=hypot(*widths)))
    return (*merged, *(source for source in sources if isinstance(source, TemplateShift)))
