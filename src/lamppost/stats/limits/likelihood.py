"""A `Workspace` ready to be fitted: its arrays, one data set, and the parameters that are held."""

from dataclasses import dataclass, replace
from functools import cached_property
from math import log
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lamppost.core import Array, Rng
from lamppost.errors import ConfigError, FitError
from lamppost.stats.fits.model import Model, build, nodes_needed
from lamppost.stats.limits.shape_table import shape_table
from lamppost.stats.limits.systematics import MassShift, Normalisation, TemplateShift, WidthShift
from lamppost.stats.limits.workspace import SPURIOUS, Workspace
from lamppost.stats.scans.local import events_under_peak

if TYPE_CHECKING:
    from lamppost.stats.limits.profile import Arrays

__all__ = ["Likelihood", "Point", "likelihood"]


class Point(NamedTuple):
    """A fitted point: all parameters (size,), half the deviance with constraints, whether it is a minimum."""

    theta: Array
    value: float
    converged: bool

    @property
    def signal(self) -> float:
        """The yield, a sum of weights."""
        return float(self.theta[-1])


@dataclass(frozen=True, eq=False)
class Likelihood:
    """The profile likelihood of a workspace for one data set.

    n (bins,): equivalent events; centres (K + 1,): of the constraints, spurious signal first, zero in the data
    free (size,): which parameters may move; start (size,): where fits begin
    """

    workspace: Workspace
    model: Model
    arrays: "Arrays"
    n: Array
    centres: Array
    free: NDArray[np.bool_]
    start: Array

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the nuisance parameters, in their order (K + 1,)."""
        return (SPURIOUS, *(source.name for source in self.workspace.systematics))

    @property
    def first(self) -> int:
        """Index of the first nuisance parameter: the number of background parameters."""
        return int(self.arrays.basis.shape[1])

    def fit(self, signal: float | None = None, start: Array | None = None) -> Point:
        """The minimum for a given yield, or with the yield free and of either sign."""
        from lamppost.stats.limits import profile, profiling

        theta, free = np.array(self.start if start is None else start), self.free.copy()
        free[-1] = signal is None
        if signal is not None:
            theta[-1] = signal
        value, status = profiling.minimise(self.n, self.arrays, self.centres, free, theta, profile.scratch(self.arrays))
        return Point(theta, float(value), status == profiling.CONVERGED)

    @cached_property
    def null(self) -> Point:
        """The fit without a signal.

        Raises
        ------
        FitError
            If it does not converge.
        """
        return self._reached(self.fit(0.0), "without a signal")

    @cached_property
    def best(self) -> Point:
        """The fit with a yield of either sign.

        Raises
        ------
        FitError
            If it does not converge.
        """
        return self._reached(self.fit(start=self.null.theta), "with a signal")

    @cached_property
    def positive(self) -> Point:
        """The best fit with s >= 0."""
        return self.best if self.best.signal > 0.0 and self.best.value < self.null.value else self.null

    def _reached(self, point: Point, what: str) -> Point:
        if not point.converged:
            msg = f"workspace: the fit {what} at mass {self.workspace.mass:g} does not converge"
            raise FitError(msg)
        return point

    def at(self, signal: float, start: Point | None = None) -> Point:
        """The fit for a given yield; FitError if it does not converge."""
        begin = (start or self.positive).theta
        return self._reached(self.fit(signal, begin), f"with {signal:g} signal events")

    def q(self, signal: float) -> float:
        """q-tilde of a yield (arXiv:1007.1727): zero below the fitted one, which counts as zero if negative."""
        best = self.positive
        return 0.0 if signal <= best.signal else max(0.0, 2.0 * (self.at(signal).value - best.value))

    @property
    def q0(self) -> float:
        """The one-sided discovery statistic: zero if the fitted yield is negative."""
        return max(0.0, 2.0 * (self.null.value - self.positive.value))

    def covariance(self, point: Point) -> Array:
        """Covariance (size, size) of all parameters at a minimum; zero for those that are held."""
        from lamppost.stats.limits import profile

        work = profile.scratch(self.arrays)
        profile.evaluate(self.n, self.arrays, self.centres, False, point.theta, work)
        lower = np.tril(work.information)
        information = (lower + np.tril(lower, -1).T)[np.ix_(self.free, self.free)]
        result = np.zeros((len(self.free), len(self.free)))
        result[np.ix_(self.free, self.free)] = np.linalg.pinv(information, hermitian=True)
        return result

    def error(self, point: Point) -> float:
        """Error of the yield at a minimum, all else profiled."""
        return float(np.sqrt(max(self.covariance(point)[-1, -1], 0.0)))

    def expected(self, theta: Array) -> Array:
        """Equivalent events expected at a point (bins,)."""
        from lamppost.stats.limits import profile

        work = profile.scratch(self.arrays)
        profile.evaluate(self.n, self.arrays, self.centres, False, np.asarray(theta), work)
        background, signal = work.rows[0], work.numbers[0] * work.numbers[1] * work.form[0]
        part = signal / background
        return np.asarray(
            np.where(part < -0.5, 0.5 * np.exp(2.0 * np.clip(part, -300.0, -0.5) + 1.0), 1.0 + part) * background
        )

    @property
    def under_peak(self) -> float:
        """Background events that the peak competes with (`local.events_under_peak`)."""
        fractions = self.workspace.fractions / self.workspace.spectrum.scale
        return events_under_peak(self.expected(self.null.theta), fractions)

    def asimov(self, point: Point) -> "Likelihood":
        """The data set that expects exactly this point, constraints centred on it."""
        centres = point.theta[self.first : -1].copy()
        return replace(self, n=self.expected(point.theta), centres=centres, start=point.theta.copy())

    @cached_property
    def expected_only(self) -> "Likelihood":
        """The background-only Asimov data set: that of the fit without a signal."""
        return self.asimov(self.null)

    def with_data(self, n: Array, centres: Array) -> "Likelihood":
        """The same model of other data: equivalent events (bins,), centres of the constraints (K + 1,)."""
        return replace(self, n=n, centres=centres)

    def held(self, name: str, value: float) -> "Likelihood":
        """The same with one nuisance parameter held at a value."""
        index = self.first + self.names.index(name)
        free, start = self.free.copy(), self.start.copy()
        free[index], start[index] = False, value
        return replace(self, free=free, start=start)

    def draw(self, point: Point, toys: int, rng: Rng) -> tuple[Array, Array]:
        """Toy data sets of a point: equivalent events (toys, bins) and centres of the constraints (toys, K + 1)."""
        counts = rng.poisson(self.expected(point.theta), size=(toys, len(self.n))).astype(np.float64)
        moves = self.free[self.first : -1]
        return counts, point.theta[self.first : -1] + moves * rng.standard_normal((toys, len(moves)))


def likelihood(workspace: Workspace) -> Likelihood:
    """The profile likelihood of the observation.

    Raises
    ------
    FitError
        If there is nothing to fit, or the background fit does not converge.
    """
    from lamppost.stats.limits.profile import Arrays

    fit = workspace.background_fit
    model = build(workspace.spectrum, workspace.background)
    model = build(workspace.spectrum, workspace.background, nodes_needed(model, fit.parameters))
    sources, scale = workspace.systematics, workspace.spectrum.scale
    table, axes = shape_table(workspace)
    rates, ramps = np.zeros((2, len(sources))), np.zeros((2, len(sources), len(scale)))
    moves = np.array([[s.shift(1.0) for s in sources], [s.stretch(1.0) for s in sources]]).reshape(2, len(sources))
    for k, source in enumerate(sources):
        for side, nu in enumerate((-1.0, 1.0)):
            rates[side, k] = nu * log(source.kappa(nu))
            ramps[side, k] = nu * source.ramp(nu, workspace.fractions) / scale
    known = (Normalisation, MassShift, WidthShift, TemplateShift)
    if other := [source.kind for source in sources if not isinstance(source, known)]:
        msg = f"workspace: a likelihood knows no systematic uncertainty of kind {other[0]!r}"
        raise ConfigError(msg)
    kinked = ~(np.isclose(rates[0], rates[1], rtol=1e-12) & np.isclose(ramps[0], ramps[1], rtol=1e-12).all(axis=1))
    arrays = Arrays(
        basis=np.ascontiguousarray(model.basis[:, : fit.n_parameters]),
        weight=model.weight,
        table=table / scale,
        axes=axes,
        spurious=float(workspace.spurious),
        rates=rates,
        ramps=ramps,
        moves=moves,
        kinked=kinked,
    )
    start = np.concatenate([model.whitened(fit.parameters), np.zeros(len(sources) + 2)])
    free = np.ones(len(start), dtype=np.bool_)
    free[fit.n_parameters] = workspace.spurious > 0.0
    return Likelihood(workspace, model, arrays, model.n, np.zeros(len(sources) + 1), free, start)
