"""Discrete profiling of a workspace: the choice of its background is a nuisance that every fit makes anew."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from lamppost.core import Array
from lamppost.errors import FitError
from lamppost.stats.limits.likelihood import Likelihood, of_one_background
from lamppost.stats.limits.statistic import Point, Profile, crossing
from lamppost.stats.limits.workspace import Workspace
from lamppost.stats.scans.envelope import PENALTY

__all__ = ["Envelope", "likelihood"]


@dataclass(frozen=True, eq=False)
class Envelope(Profile):
    """The lowest of several likelihoods at every yield (arXiv:1408.6865); see `Profile`.

    With D the deviance and P the number of background parameters: -2 ln L(s) = min_c (D_c(s) + P_c).
    """

    workspace: Workspace
    members: tuple[Likelihood, ...]

    @property
    def n(self) -> Array:  # type: ignore[override]
        return self.members[0].n

    @property
    def centres(self) -> Array:  # type: ignore[override]
        return self.members[0].centres

    @property
    def profiled(self) -> str:
        return f", {len(self.members)} backgrounds profiled"

    @property
    def names(self) -> tuple[str, ...]:
        return self.members[0].names

    @property
    def moves(self) -> NDArray[np.bool_]:
        return self.members[0].moves

    def fit(self, signal: float | None = None, start: Point | None = None) -> Point:
        if signal is None:
            return lowest(self._free)
        if signal == 0.0:
            return lowest(self._alone)
        return lowest([self._at(number, signal, start) for number in range(len(self.members))])

    @cached_property
    def _alone(self) -> list[Point]:
        """The fit of every member without a signal."""
        return [self._priced(number, member.fit(0.0)) for number, member in enumerate(self.members)]

    @cached_property
    def _free(self) -> list[Point]:
        """The fit of every member with a yield of either sign, begun where there is none."""
        members = enumerate(zip(self.members, self._alone, strict=True))
        return [self._priced(number, member.fit(None, null)) for number, (member, null) in members]

    @cached_property
    def positive(self) -> Point:  # one with a negative yield may be the lowest, and not that at any yield above
        """The best fit with s >= 0."""
        pairs = zip(self._free, self._alone, strict=True)
        best = lowest([free if free.signal > 0.0 and free.value < null.value else null for free, null in pairs])
        return self._reached(best, "with a signal")

    def _at(self, number: int, signal: float, start: Point | None) -> Point:
        """The fit of a member for a given yield; where it does not converge from there, it begins elsewhere."""
        own = [start] if start is not None and start.member == number else []
        points = []
        for begin in (*own, self._alone[number], self._free[number], None):
            points.append(self._priced(number, self.members[number].fit(signal, begin)))
            if points[-1].converged:
                return points[-1]
        return lowest(points)

    def _priced(self, number: int, point: Point) -> Point:
        return point._replace(value=point.value + penalty(self.members[number]), member=number)

    def errors(self, point: Point) -> Array:
        return self.members[point.member].errors(point)

    def error(self, point: Point) -> float:
        """Half the interval of yields whose likelihood is within exp(-1/2) of that of the point."""
        step, sides = self.expected_error, []
        for sign in (1.0, -1.0):
            with suppress(FitError):
                sides.append(crossing(lambda s, sign=sign: self._rise(point, point.signal + sign * s), step))  # type: ignore[misc]
        if not sides:
            msg = f"workspace: the error of the yield at mass {self.workspace.mass:g} is not to be had"
            raise FitError(msg)
        return sum(sides) / len(sides)

    def _rise(self, point: Point, signal: float) -> float:
        """By how much -2 ln L at a yield lies above a point."""
        return 2.0 * (self.at(signal, point).value - point.value)

    def expected(self, point: Point) -> Array:
        return self.members[point.member].expected(point)

    def with_data(self, n: Array, centres: Array) -> "Envelope":
        return replace(self, members=tuple(member.with_data(n, centres) for member in self.members))

    def begin_at(self, point: Point) -> "Envelope":
        begun = self.members[point.member].begin_at(point)
        return replace(self, members=(*self.members[: point.member], begun, *self.members[point.member + 1 :]))

    def held(self, name: str, value: float) -> "Envelope":
        return replace(self, members=tuple(member.held(name, value) for member in self.members))

    def fit_toys(self, counts: Array, centres: Array, start: Point, truth: float) -> Array:
        from lamppost.stats.limits import profiling

        rows, failed = [], np.ones(len(counts), dtype=np.bool_)
        for member, begin in self._begin(start):
            found = profiling.fit_toys(counts, member.arrays, centres, member.free, begin, truth)
            value = reached(found[:, 4] + penalty(member))
            rows.append(np.column_stack([found[:, :2], reached(value + 0.5 * found[:, 2]), value]))
            failed &= found[:, 3] > 0
        signal, error, at_truth, value = np.stack(rows, axis=2).transpose(1, 0, 2)
        best, toys = value.argmin(axis=1), np.arange(len(counts))
        with np.errstate(invalid="ignore"):
            rise = np.maximum(0.0, 2.0 * (at_truth.min(axis=1) - value[toys, best]))
        return np.column_stack([signal[toys, best], error[toys, best], np.where(failed, 0.0, rise), failed])

    def q_toys(self, counts: Array, centres: Array, start: Point, yields: Array) -> Array:
        from lamppost.stats.limits import profiling

        values, signals, failed = [], [], np.ones(len(counts), dtype=np.bool_)
        for member, begin in self._begin(start):
            found = profiling.value_toys(counts, member.arrays, centres, member.free, begin, yields)
            values.append(reached(found[:, :-2] + penalty(member)))
            signals.append(found[:, -2])
            failed &= found[:, -1] > 0
        lowest_of = np.min(values, axis=0)
        best = np.array(values)[:, :, -1].argmin(axis=0)
        signal = np.array(signals)[best, np.arange(len(counts))]
        with np.errstate(invalid="ignore"):
            q = np.maximum(0.0, 2.0 * (lowest_of[:, :-1] - lowest_of[:, -1:]))
        q[:, : len(yields)][yields <= signal[:, None]] = 0.0
        failed |= ~np.isfinite(q).all(axis=1)
        return np.column_stack([np.where(failed[:, None], 0.0, q), failed])

    def _begin(self, start: Point) -> list[tuple[Likelihood, Array]]:
        """Where the fits of every member begin."""
        return [
            (member, start.theta if number == start.member else np.append(member.start[:-1], start.signal))
            for number, member in enumerate(self.members)
        ]


def lowest(points: Sequence[Point]) -> Point:
    """The lowest value that was reached: what a fit that did not converge reached is above its minimum all the same.

    Left out at one yield and not at the next, such a member would tear a step into the likelihood. The result counts
    as converged if any of them did.
    """
    best = min(points, key=lambda point: point.value if np.isfinite(point.value) else np.inf)
    return best._replace(converged=bool(np.isfinite(best.value)) and any(point.converged for point in points))


def reached(values: Array) -> Array:
    """Values that a fit reached, infinite where it has none."""
    return np.where(np.isfinite(values), values, np.inf)


def penalty(member: Likelihood) -> float:
    """What a member pays for its parameters, in units of -ln L."""
    return 0.5 * PENALTY * member.first


def likelihood(workspace: Workspace) -> Profile:
    """The profile likelihood of the observation.

    Raises
    ------
    FitError
        If there is nothing to fit, or no background fit converges.
    """
    members = tuple(of_one_background(member) for member in workspace.members)
    return members[0] if len(members) == 1 else Envelope(workspace, members)
