"""The table that says how limits are set: `[limits]`."""

from collections.abc import Container
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, NonNegativeFloat, PositiveFloat, SerializeAsAny, field_validator

from lamppost.config.fit import Several
from lamppost.errors import ConfigError
from lamppost.expressions import columns_of
from lamppost.spec import Spec
from lamppost.stats import Systematic

__all__ = ["INCLUSIVE", "Limits", "SignalModel"]

INCLUSIVE = "inclusive"
"""Name of the fit to all events, which no selection and no cut may have."""
RESERVED = ("spurious", "signal sample", "retraining")
"""Names of uncertainties that are measured."""
Sources = Several[Annotated[SerializeAsAny[Systematic], BeforeValidator(Systematic.parse)]]


class SignalModel(Spec):
    """`[limits.signals.NAME]`: what is known of a signal of `[samples]` `signals` of that name."""

    mass: PositiveFloat = Field(description="its mass, in the units of m: what decides about its windows")
    acceptance: float | None = Field(
        None, gt=0, le=1, description="part of the produced events that is in its sample and in the fit range"
    )
    generated: PositiveFloat | None = Field(
        None, description="produced events that its sample is what is left of, a sum of weights; instead of acceptance"
    )
    cross_section: PositiveFloat | None = Field(None, description="predicted cross-section in fb, drawn beside limits")
    systematics: Sources = Field((), description="uncertainties of this signal, beside those of all")


class Limits(Spec):
    """`[limits]`: for every signal, what is excluded by hunts that are trained anew with it injected.

    Strengths are expected signal events in the fit range before any selection, with `luminosity` also cross-sections.
    """

    signals: dict[str, SignalModel] = Field(default_factory=dict, description="the signals by name")
    level: float = Field(0.95, ge=0.5, lt=1, description="confidence level of CLs")
    precision: float = Field(
        0.1, ge=0.02, le=1, description="relative distance of the strengths between which the limit is looked for"
    )
    strengths: Several[NonNegativeFloat] = Field(
        (), description="expected events, or fb if there is a luminosity; default: looked for between 0 and the sample"
    )
    injections: int = Field(14, ge=2, le=1000, description="strengths that are looked at in one window, at most")
    repeats: int = Field(3, ge=1, le=1000, description="trainings at each strength, with other events injected")
    toys: int = Field(500, ge=20, le=100_000, description="pseudo-spectra behind the expected limits")
    pseudo_data: int = Field(
        16, ge=0, le=1000, description="sets of pseudo-data trained in around the limit, to tell how analyses differ"
    )
    experiments: int = Field(
        0, ge=0, le=100_000, description="pseudo-experiments with all trainings, instead of pseudo-spectra, if any"
    )
    windows: Literal["nearest", "all"] = Field(
        "nearest", description="of the windows that contain the mass: the one whose centre is nearest, or all"
    )
    shape: Literal["sample", "fit"] = Field(
        "sample", description="the peak that is fitted: masses of selected signal events, or `signal` of `[fit]`"
    )
    cuts: dict[str, str] = Field(
        default_factory=dict, description="fixed selections for comparison: conditions on the features and the mass"
    )
    luminosity: PositiveFloat | None = Field(None, description="integrated luminosity in 1/fb")
    systematics: Sources = Field((), description="uncertainties of all signals: their yield, position and width")
    summed: bool = Field(False, description="one nuisance parameter for all sources of a kind, added in quadrature")

    @field_validator("pseudo_data")
    @classmethod
    def _none_or_several(cls, value: int) -> int:
        if value == 1:
            msg = "expected 0, or at least 2 to know a spread"
            raise ValueError(msg)
        return value

    @field_validator("strengths")
    @classmethod
    def _rising(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        return tuple(sorted(set(value)))

    def refuse(self, signals: Container[str], names: Container[str], columns: Container[str]) -> None:
        """ConfigError for what does not fit to the signals, methods and columns (features, mass) of a search."""
        for name, model in self.signals.items():
            where = f"limits.signals.{name}"
            if name not in signals:
                msg = f"{where}: expected the name of one of samples.signals"
                raise ConfigError(msg)
            names_of = [source.name for source in (*self.systematics, *model.systematics)]
            if twice := [one for one in names_of if names_of.count(one) > 1 or one in RESERVED]:
                msg = f"{where}: every systematic uncertainty needs a name of its own, found {twice[0]!r} again"
                raise ConfigError(msg)
            given = (model.acceptance is not None) + (model.generated is not None)
            if given > 1 or (given == 0 and self.luminosity is not None):
                msg = f"{where}: expected `acceptance` or `generated`, found {'both' if given else 'neither'}"
                raise ConfigError(msg)
        if self.signals and INCLUSIVE in names:
            msg = f"methods.{INCLUSIVE}: the fit without any selection has this name, expected another"
            raise ConfigError(msg)
        for name, text in self.cuts.items():
            if name == INCLUSIVE or name in names:
                msg = f"limits.cuts.{name}: expected a name that no other selection has"
                raise ConfigError(msg)
            if unknown := [column for column in columns_of(text) if column not in columns]:
                msg = f"limits.cuts.{name}: expected the names of features or of the mass, found {unknown[0]!r}"
                raise ConfigError(msg)
