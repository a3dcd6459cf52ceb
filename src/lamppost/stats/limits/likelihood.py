"""A `Workspace` ready to be fitted: its arrays, one data set, and the parameters that are held."""

from dataclasses import dataclass, replace
from math import log
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lamppost.core import Array
from lamppost.errors import ConfigError, FitError
from lamppost.stats.fits.model import Model, build, nodes_needed
from lamppost.stats.limits.shape_table import shape_table
from lamppost.stats.limits.statistic import Point, Profile
from lamppost.stats.limits.systematics import MassShift, Normalisation, TemplateShift, WidthShift
from lamppost.stats.limits.workspace import SPURIOUS, Workspace

if TYPE_CHECKING:
    from lamppost.stats.limits.profile import Arrays

__all__ = ["Likelihood", "of_one_background"]


@dataclass(frozen=True, eq=False)
class Likelihood(Profile):
    """The profile likelihood of a workspace with one background, for one data set; see `Profile`.

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
        return (SPURIOUS, *(source.name for source in self.workspace.systematics))

    @property
    def first(self) -> int:
        """Index of the first nuisance parameter: the number of background parameters."""
        return int(self.arrays.basis.shape[1])

    @property
    def moves(self) -> NDArray[np.bool_]:
        return self.free[self.first : -1]

    def fit(self, signal: float | None = None, start: Point | None = None) -> Point:
        from lamppost.stats.limits import profile, profiling

        theta, free = np.array(self.start if start is None else start.theta), self.free.copy()
        free[-1] = signal is None
        if signal is not None:
            theta[-1] = signal
        value, status = profiling.minimise(self.n, self.arrays, self.centres, free, theta, profile.scratch(self.arrays))
        return Point(theta, float(value), status == profiling.CONVERGED)

    def covariance(self, point: Point) -> Array:
        """Covariance (size, size) of all parameters at a minimum; zero for those that are held."""
        from lamppost.stats.limits import profile

        work = profile.scratch(self.arrays)
        profile.evaluate(self.n, self.arrays, self.centres, False, point.theta, work)
        lower = np.tril(work.information)
        information = (lower + np.tril(lower, -1).T)[np.ix_(self.free, self.free)]
        result = np.zeros((len(self.free), len(self.free)))
        try:
            result[np.ix_(self.free, self.free)] = np.linalg.pinv(information, hermitian=True)
        except np.linalg.LinAlgError:
            msg = f"workspace: the fit at mass {self.workspace.mass:g} has no covariance, bins expect next to nothing"
            raise FitError(msg) from None
        return result

    def errors(self, point: Point) -> Array:
        return np.sqrt(np.maximum(np.diag(self.covariance(point))[self.first : -1], 0.0))

    def error(self, point: Point) -> float:
        return float(np.sqrt(max(self.covariance(point)[-1, -1], 0.0)))

    def expected(self, point: Point) -> Array:
        from lamppost.stats.limits import profile

        work = profile.scratch(self.arrays)
        profile.evaluate(self.n, self.arrays, self.centres, False, point.theta, work)
        background, signal = work.rows[0], work.numbers[0] * work.numbers[1] * work.form[0]
        part = signal / background
        return np.asarray(
            np.where(part < -0.5, 0.5 * np.exp(2.0 * np.clip(part, -300.0, -0.5) + 1.0), 1.0 + part) * background
        )

    def with_data(self, n: Array, centres: Array) -> "Likelihood":
        return replace(self, n=n, centres=centres)

    def begin_at(self, point: Point) -> "Likelihood":
        return replace(self, start=point.theta.copy())

    def held(self, name: str, value: float) -> "Likelihood":
        index = self.first + self.names.index(name)
        free, start = self.free.copy(), self.start.copy()
        free[index], start[index] = False, value
        return replace(self, free=free, start=start)

    def fit_toys(self, counts: Array, centres: Array, start: Point, truth: float) -> Array:
        from lamppost.stats.limits import profiling

        return profiling.fit_toys(counts, self.arrays, centres, self.free, start.theta, truth)[:, :4]

    def q_toys(self, counts: Array, centres: Array, start: Point, yields: Array) -> Array:
        from lamppost.stats.limits import profiling

        rows = profiling.q_tilde_toys(counts, self.arrays, centres, self.free, start.theta, yields)
        return np.asarray(np.delete(rows, -2, axis=1))


def of_one_background(workspace: Workspace) -> Likelihood:
    """The profile likelihood of the observation, with the background that the workspace fits to it.

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
