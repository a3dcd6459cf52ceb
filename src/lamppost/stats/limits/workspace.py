"""The statistical model of one mass hypothesis."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import isfinite, prod
from typing import Self

import numpy as np

from lamppost.core import Array
from lamppost.errors import ConfigError, FitError
from lamppost.stats.fits.fit import BackgroundFit, Order, fit_background, orders
from lamppost.stats.limits.systematics import Systematic, summed
from lamppost.stats.limits.systematics import systematic as parse_systematic
from lamppost.stats.scans.envelope import PENALTY
from lamppost.stats.scans.search import NotConverged
from lamppost.stats.shapes.background import Background, Dijet
from lamppost.stats.shapes.background import background as parse_background
from lamppost.stats.shapes.signals import CrystalBall, Signal
from lamppost.stats.shapes.signals import signal as parse_signal
from lamppost.stats.spectrum import Spectrum

__all__ = ["SPURIOUS", "Workspace"]

SPURIOUS = "spurious"  # name of the nuisance parameter of the spurious signal


@dataclass(frozen=True, eq=False)
class Workspace:
    """The statistical model of one mass hypothesis: observation, background, signal, systematic uncertainties.

    Bin i of `spectrum` expects the sum of weights

        b_i(theta) + (s + spurious nu_sp) prod_k kappa_k(nu_k) f_i(mass, width; nu),

    s the signal yield (events in the fit range, before any kappa), nuisance parameters nu constrained by N(0, 1). The
    likelihood is the scaled Poisson of `Spectrum.effective`. A spec or table describes `background`, each of its
    `alternatives`, `signal` and each of `systematics`. Without `n_parameters` no background is chosen: all orders of
    all families are profiled, each with a penalty of one half per parameter in -ln L (arXiv:1408.6865), for a choice
    made on the data makes p-values and errors too small where no toys repeat it. A number fixes the order; "f_test" and
    "aic" find it on the data, background only. `spurious` is the standard deviation of an extra signal yield: what
    fitting the wrong function may fake.

    Raises
    ------
    FitError
        If the mass is not inside the range, or a background or signal cannot be fitted to it.
    ConfigError
        If a description makes no sense, two sources share a name, a template does not fit the bins, or one order is
        to be chosen of several families.
    """

    spectrum: Spectrum
    mass: float
    background: Background = field(default_factory=Dijet)
    n_parameters: Order = None
    signal: Signal = field(default_factory=CrystalBall)
    systematics: tuple[Systematic, ...] = ()
    spurious: float = 0.0
    alternatives: tuple[Background, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "mass", float(self.mass))
        object.__setattr__(self, "background", parse_background(self.background))
        others = self.alternatives
        listed = others if isinstance(others, list | tuple) else (others,)
        object.__setattr__(self, "alternatives", tuple(parse_background(family) for family in listed))
        object.__setattr__(self, "signal", parse_signal(self.signal))
        object.__setattr__(self, "systematics", tuple(parse_systematic(source) for source in self.systematics))
        names = [SPURIOUS, *(source.name for source in self.systematics)]
        if len(set(names)) < len(names):
            msg = f"workspace: every systematic uncertainty needs a name of its own, found {', '.join(names[1:])}"
            raise ConfigError(msg)
        if not (isfinite(self.spurious) and self.spurious >= 0.0):
            msg = f"workspace: the spurious signal must be zero or more events, found {self.spurious!r}"
            raise ConfigError(msg)
        if self.alternatives and isinstance(self.n_parameters, str):
            found = f"expected a number as n_parameters, or none, found {self.n_parameters!r}"
            msg = f"workspace: several backgrounds are profiled: {found}"
            raise ConfigError(msg)
        for source in self.systematics:  # also refuses a mass outside the range
            for nu in (-1.0, 1.0):
                source.ramp(nu, self.fractions)
        if not self.fractions.sum() > 0.0:
            msg = f"workspace: the signal at {self.mass:g} leaves nothing in the bins"
            raise FitError(msg)

    @cached_property
    def fractions(self) -> Array:
        """Share of the nominal signal in each bin (bins,), unit sum."""
        return self.signal.fractions(self.spectrum.edges, self.mass)

    @cached_property
    def members(self) -> tuple[Self, ...]:
        """The models of one background each that this one profiles; itself, if that is the only one.

        Raises
        ------
        FitError
            If none of the backgrounds converges, or one cannot be fitted to the spectrum.
        """
        if self.n_parameters is not None and not self.alternatives:
            return (self,)
        asked = self.n_parameters if isinstance(self.n_parameters, int) else None
        found, failed = [], []
        for family in dict.fromkeys((self.background, *self.alternatives)):
            lowest, highest = orders(family, asked, len(self.spectrum.counts))
            for order in range(lowest, highest + 1):
                member = replace(self, background=family, alternatives=(), n_parameters=order)
                try:
                    member.background_fit  # noqa: B018  # kept by the member
                except NotConverged as error:
                    failed.append(error)
                else:
                    found.append(member)
        if not found:
            raise failed[0]
        return tuple(found)

    @cached_property
    def chosen(self) -> Self:
        """The model of one background: that of the smallest deviance + parameters in the data, background only."""
        if self.members[0] is self:
            return self
        fits = [member.background_fit for member in self.members]
        costs = [fit.deviance + PENALTY * fit.n_parameters for fit in fits]
        return self.members[int(np.argmin(costs))]

    @cached_property
    def background_fit(self) -> BackgroundFit:
        """The background fitted alone, that of `chosen`.

        Raises
        ------
        FitError
            If the fit does not converge.
        """
        if self.members[0] is not self:
            return self.chosen.background_fit
        fit = fit_background(self.spectrum, self.background, self.n_parameters)
        if not fit.converged:
            raise NotConverged(fit.function, *fit.range)
        return fit

    def moved(self, shift: float, stretch: float) -> Array:
        """Fractions (bins,) of a signal at mass (1 + shift), its width times (1 + stretch)."""
        return self.signal.fractions(self.spectrum.edges, self.mass * (1.0 + shift), stretch=1.0 + stretch)

    def response(self, nuisances: Mapping[str, float] | None = None) -> Array:
        """Sum of weights (bins,) expected per unit of yield at values of nuisance parameters, by name; 0 if absent."""
        values = dict(nuisances or {})
        pairs = [(source, float(values.get(source.name, 0.0))) for source in self.systematics]
        shift, stretch = sum(s.shift(nu) for s, nu in pairs), sum(s.stretch(nu) for s, nu in pairs)
        shape = self.moved(shift, stretch) if shift or stretch else np.array(self.fractions)
        for source, nu in pairs:
            shape = shape + source.ramp(nu, self.fractions)
        return np.asarray(prod(source.kappa(nu) for source, nu in pairs) * shape)

    def expected(self, background: Array, signal: float, nuisances: Mapping[str, float] | None = None) -> Array:
        """Sum of weights (bins,) expected for a background (bins,), a yield and nuisance parameters by name.

        The nuisance parameter of the spurious signal is called "spurious".
        """
        extra = self.spurious * float(dict(nuisances or {}).get(SPURIOUS, 0.0))
        return np.asarray(background + (signal + extra) * self.response(nuisances))

    def summed(self) -> Self:
        """The same model with one source of each kind, sizes added in quadrature (`systematics.summed`)."""
        return replace(self, systematics=summed(self.systematics))
