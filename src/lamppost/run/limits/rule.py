"""From what is excluded at each injection to a limit, and which injection is looked at next."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor, inf, log

import numpy as np

from lamppost.core import Array

__all__ = ["Grid", "Target", "bound", "interpolated"]

FACTOR = 2.0
"""Steps in which a crossing is looked for until there is an injection on either side of it."""


def bound(strengths: Sequence[float], excluded: Sequence[float]) -> tuple[float, int, bool]:
    """The limit from injections at `strengths` (k,) of which cross-sections above `excluded` (k,) are excluded.

    Returned are the limit, the number of the injection that sets it, and whether it was crossed: whether an injection
    was large enough for what it excludes to lie below it.

    A selection trained on data and an injection s excludes, in the data alone, signals above e(s) = N(s) / eps(s): a
    statement about events that it was not trained on, right for any selection, however it was found. Not all of these
    limits are those of the search: a selection may only be credited with what a signal in the data could have taught
    it. Hence max(s, e(s)): cross-sections above it are excluded by e(s), and large enough to have trained a selection
    at least as well as the injection did. Each max(s, e(s)) is such a bound by itself, and nothing has to be assumed
    about how e falls with s: where it rises and falls again, only injections that were made count, and what lies
    between two of them is never read off a line. The smallest of them is chosen by the data: where several e(s)
    fluctuate on their own, it is too small more often than each of them. Where none is crossed the limit is the
    smallest e(s), still a bound, and more signal might have trained a better selection.
    """
    largest = np.maximum(strengths, excluded)
    best = int(np.argmin(largest))
    return float(largest[best]), best, bool(np.any(np.asarray(excluded) <= np.asarray(strengths)))


def interpolated(strengths: Array, excluded: Array, grid: Array) -> Array:
    """What pseudo-spectra exclude (n, m) at strengths (m,) between those that were injected (k,), from (n, k).

    Lines in the logarithms of both. A strength of zero, if it is the first, is beside that: it goes in and out as it
    is. For expected limits only: what is observed counts at injections that were made.
    """
    first = int(strengths[0] == 0.0)
    s, e = np.log(strengths[first:]), np.log(excluded[:, first:])
    x = np.log(grid[first:])
    found = np.exp([np.interp(x, s, row) for row in e]) if len(s) else np.empty((len(excluded), 0))
    return np.concatenate([excluded[:, :first], found], axis=1)


@dataclass(frozen=True)
class Grid:
    """Strengths (1 + precision)^k: all selections and signals share them, and with them trainings.

    top: the largest number k that the sample allows
    """

    precision: float
    top: int

    @classmethod
    def up_to(cls, largest: float, precision: float) -> "Grid":
        """All strengths up to the largest."""
        return cls(precision, floor(log(max(largest, 1.0)) / log(1.0 + precision)))

    def __getitem__(self, number: int) -> float:
        return float((1.0 + self.precision) ** number)

    def above(self, strength: float) -> int:
        """The first number whose strength is not below."""
        return ceil(log(strength) / log(1.0 + self.precision) - 1e-9)

    def between(self, lowest: float, highest: float) -> list[float]:
        """The strengths from one to another, both on the grid."""
        return [self[k] for k in range(self.above(lowest), self.above(highest) + 1)]


@dataclass(frozen=True)
class Target:
    """A crossing that is looked for: of what is excluded, by number of the strength, to within so many steps."""

    grid: Grid
    excluded: Mapping[int, float]
    steps: int

    @property
    def proposal(self) -> int | None:
        """The strength to look at next; None if there is none, for the crossing is known as well as it is asked for."""
        crossed = [k for k, e in self.excluded.items() if e <= self.grid[k]]
        stride = max(1, round(log(FACTOR) / log(1.0 + self.grid.precision)))
        if not crossed:
            last = max(self.excluded)
            return None if last >= self.grid.top else min(max(last + 1, self._hoped(last, stride)), self.grid.top)
        high = min(crossed)
        below = [k for k in self.excluded if k < high]
        if not below:
            return high - stride if self.grid[high] > 1.0 else None
        low = max(below)
        return None if high - low <= self.steps else self._inside(low, high)

    def _hoped(self, last: int, stride: int) -> int:
        """Above all that was tried: no farther than where nothing more would be excluded than now."""
        e = self.excluded[last]
        return min(last + stride, self.grid.above(e)) if e < inf else last + stride

    def _inside(self, low: int, high: int) -> int:
        """Where a line in the logarithms would cross, but never close to one end of a long interval."""
        ends = [log(max(self.excluded[k], 1e-300) / self.grid[k]) for k in (low, high) if self.excluded[k] < inf]
        part = ends[0] / (ends[0] - ends[1]) if len(ends) == 2 and ends[0] > ends[1] else 0.5
        margin = (high - low) // 4
        guess = low + ceil(part * (high - low))
        return min(max(guess, low + max(1, margin)), high - max(1, margin))
