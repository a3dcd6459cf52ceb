"""Which of several injections sets the limit, and which is looked at next."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor, inf, log

import numpy as np

from lamppost.core import Array

__all__ = ["Grid", "Target", "best"]

FACTOR = 2.0
"""Steps in which a crossing is looked for until there is an injection on either side of it."""


def best(strengths: Sequence[float] | Array, expected: Sequence[float] | Array) -> tuple[int, bool]:
    """The injection by which a limit is quoted, of those at `strengths` (k,) with `expected` (k,) medians of e.

    Returned are its number, and whether any injection was crossed: large enough for what it is expected to exclude to
    lie below it.

    A selection trained on data and an injection s excludes, in the data alone, signals above e(s) = N(s) / eps(s): a
    statement about events that it was not trained on, right for any selection, however it was found. Not all of these
    limits are those of the search: a selection may only be credited with what a signal in the data could have taught
    it. Hence max(s, e(s)): cross-sections above it are excluded by e(s), and large enough to have trained a selection
    at least as well as the injection did. Each max(s, e(s)) is such a bound by itself, and nothing has to be assumed
    about how e falls with s.

    Which of them is quoted must not depend on the counts that decide e(s): the smallest of several that fluctuate is
    too small more often than each of them. So it is the one whose median for background alone, with the same
    selections, is smallest. Where none is crossed that is still a bound, and more signal might have trained a better
    selection.
    """
    larger = np.maximum(strengths, expected)
    return int(np.argmin(larger)), bool(np.any(np.asarray(expected) <= np.asarray(strengths)))


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

    @property
    def strengths(self) -> tuple[float, ...]:
        """All of them."""
        return tuple(self[k] for k in range(self.top + 1))


@dataclass(frozen=True)
class Target:
    """The crossing of what is excluded, by number of the strength: looked for to within one step."""

    grid: Grid
    excluded: Mapping[int, float]

    @property
    def crossed(self) -> bool:
        """Whether one of the strengths is as large as what it excludes."""
        return bool(self._crossed)

    @property
    def proposal(self) -> int | None:
        """The strength to look at next; None if there is none, for the crossing is known as well as it is asked for."""
        if not self.crossed:
            last = max(self.excluded)
            return None if last >= self.grid.top else min(max(last + 1, self._hoped(last)), self.grid.top)
        high = min(self._crossed)
        below = [k for k in self.excluded if k < high]
        if not below:
            return high - self._stride if self.grid[high] > 1.0 else None
        low = max(below)
        return None if high - low <= 1 else self._inside(low, high)

    @property
    def beyond(self) -> int:
        """Twice the crossing, or as near to it as the sample allows."""
        return min(min(self._crossed, default=self.grid.top) + self._stride, self.grid.top)

    @property
    def _crossed(self) -> list[int]:
        return [k for k, e in self.excluded.items() if e <= self.grid[k]]

    @property
    def _stride(self) -> int:
        return max(1, round(log(FACTOR) / log(1.0 + self.grid.precision)))

    def _hoped(self, last: int) -> int:
        """Above all that was tried: no farther than where nothing more would be excluded than now."""
        e = self.excluded[last]
        return min(last + self._stride, self.grid.above(e)) if e < inf else last + self._stride

    def _inside(self, low: int, high: int) -> int:
        """Where a line in the logarithms would cross, but never close to one end of a long interval."""
        ends = [log(max(self.excluded[k], 1e-300) / self.grid[k]) for k in (low, high) if self.excluded[k] < inf]
        part = ends[0] / (ends[0] - ends[1]) if len(ends) == 2 and ends[0] > ends[1] else 0.5
        margin = (high - low) // 4
        guess = low + ceil(part * (high - low))
        return min(max(guess, low + max(1, margin)), high - max(1, margin))
