"""Discrete profiling of a workspace: the choice of its background is a nuisance that every fit makes anew."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from lamppost.core import Array
from lamppost.stats.limits.likelihood import Likelihood, of_one_background
from lamppost.stats.limits.statistic import Point, Profile
from lamppost.stats.limits.workspace import Workspace
from lamppost.stats.scans.envelope import PENALTY

__all__ = ["Envelope", "likelihood"]


@dataclass(frozen=True, eq=False)
class Envelope(Profile):
    """The lowest of several likelihoods at every yield (arXiv:1408.6865); see `Profile`.

    With D the deviance and P the number of background parameters: -2 ln L(s) = min_c (D_c(s) + P_c). A member whose
    fit fails is left out of that minimum.
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
        begin = {} if start is None else {start.member: start}
        return lowest(self._alone if signal == 0.0 else self._points(signal, begin))

    @cached_property
    def _alone(self) -> list[Point]:
        """The fit of every member without a signal."""
        return [self._priced(number, member.fit(0.0)) for number, member in enumerate(self.members)]

    @cached_property
    def _free(self) -> list[Point]:
        """The fit of every member with a yield of either sign."""
        return self._points(None, {})

    @cached_property
    def positive(self) -> Point:  # one with a negative yield may be the lowest, and not that at any yield above
        """The best fit with s >= 0."""
        return lowest([free if free.signal > 0.0 else null for free, null in zip(self._free, self._alone, strict=True)])

    def _points(self, signal: float | None, begin: Mapping[int, Point]) -> list[Point]:
        """The fit of every member, by default begun where there is no signal."""
        return [
            self._priced(number, member.fit(signal, begin.get(number, null)))
            for number, (member, null) in enumerate(zip(self.members, self._alone, strict=True))
        ]

    def _priced(self, number: int, point: Point) -> Point:
        return point._replace(value=point.value + penalty(self.members[number]), member=number)

    def errors(self, point: Point) -> Array:
        """Those of its member; that of the yield is at least yield / sqrt(q), q what the yield lowers -2 ln L by."""
        errors = self.members[point.member].errors(point)
        gained = 2.0 * (self.null.value - point.value)
        if gained > 0.0:
            errors[-1] = max(errors[-1], abs(point.signal) / np.sqrt(gained))
        return errors

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

        rows = []
        for member, begin in self._begin(start):
            found = profiling.fit_toys(counts, member.arrays, centres, member.free, begin, truth)
            value = np.where(found[:, 3] > 0, np.inf, found[:, 4] + penalty(member))
            rows.append(np.column_stack([found[:, :2], value + 0.5 * found[:, 2], value]))
        signal, error, at_truth, value = np.stack(rows, axis=2).transpose(1, 0, 2)
        best, toys = value.argmin(axis=1), np.arange(len(counts))
        failed = np.isinf(value[toys, best])
        with np.errstate(invalid="ignore"):
            rise = np.maximum(0.0, 2.0 * (at_truth.min(axis=1) - value[toys, best]))
        return np.column_stack([signal[toys, best], error[toys, best], np.where(failed, 0.0, rise), failed])

    def q_toys(self, counts: Array, centres: Array, start: Point, yields: Array) -> Array:
        from lamppost.stats.limits import profiling

        values, signals = [], []
        for member, begin in self._begin(start):
            found = profiling.value_toys(counts, member.arrays, centres, member.free, begin, yields)
            values.append(np.where(found[:, -1:] > 0, np.inf, found[:, :-2] + penalty(member)))
            signals.append(found[:, -2])
        lowest = np.min(values, axis=0)
        best = np.array(values)[:, :, -1].argmin(axis=0)
        signal, failed = np.array(signals)[best, np.arange(len(counts))], np.isinf(lowest[:, -1])
        with np.errstate(invalid="ignore"):
            q = np.maximum(0.0, 2.0 * (lowest[:, :-1] - lowest[:, -1:]))
        q[:, : len(yields)][yields <= signal[:, None]] = 0.0
        return np.column_stack([np.where(failed[:, None], 0.0, q), failed])

    def _begin(self, start: Point) -> list[tuple[Likelihood, Array]]:
        """Where the fits of every member begin."""
        return [
            (member, start.theta if number == start.member else np.append(member.start[:-1], start.signal))
            for number, member in enumerate(self.members)
        ]


def lowest(points: Sequence[Point]) -> Point:
    """The lowest minimum; one that is none only if there is no other."""
    return min(points, key=lambda point: (not point.converged, point.value))


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
