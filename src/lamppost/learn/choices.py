"""Which bijections a feature needs, judged from its own values: integers, hard edges, heavy tails.

Everything is measured with quantiles of the weighted sample, so that units do not matter and a few wild values do not
decide.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import ndtr, ndtri

from lamppost.core import Array
from lamppost.learn.bijections import Asinh, Bijection, Dequantise, Log, Logit, Quantile, Standardise

__all__ = ["CHOICES", "Column", "fit_chain"]

_SMOOTH = 2000  # effective events from which on a quantile map is fitted
_KNOTS = 8, 64
_TAIL = 10  # effective events beyond the outermost knot
_SLIVER = 1e-3  # part of the events between an edge and its join
_NARROWEST = 1e-9  # sliver in units of the feature's extent
_EDGE = 0.2  # a density that is finite at its edge gives 0.11, one that rises linearly 0.46, a Gaussian tail 0.8 to 1.6
_EDGE_EVENTS = 30  # effective events that an edge is judged by, at least
_HEAVY = 8.0  # a Gaussian tail gives 3.1, an exponential one 5.5
_INTEGERS = 2.0**24  # float32 holds nothing but integers from here on


@dataclass(frozen=True)
class Column:
    """The values x (n,) of one feature in ascending order and their weights w (n,) > 0."""

    x: Array
    w: Array

    @classmethod
    def sort(cls, x: Array, w: Array) -> "Column":
        """A column of values in any order."""
        order = np.argsort(x, kind="stable")
        return cls(x[order], w[order])

    @cached_property
    def effective(self) -> float:
        """Kish's number of equally weighted events, (sum w)^2 / sum w^2."""
        return float(self.w.sum() ** 2 / (self.w**2).sum())

    @cached_property
    def _level(self) -> Array:
        total = np.cumsum(self.w)
        level: Array = (total - 0.5 * self.w) / total[-1]
        return level

    def quantile(self, level: float | list[float] | Array) -> Array:
        """Values below which these parts of the weight lie."""
        return np.asarray(np.interp(np.asarray(level), self._level, self.x))

    def mapped(self, step: Bijection) -> "Column":
        """The column after a step."""
        return Column(step.forward(self.x)[0], self.w)

    def reflected(self) -> "Column":
        """The column of -x."""
        return Column(-self.x[::-1], self.w[::-1])

    def above(self) -> "Column":
        """What lies above the smallest value, at which events may pile up."""
        first = int(np.searchsorted(self.x, self.x[0], side="right"))
        return Column(self.x[first:], self.w[first:])

    def integers(self) -> bool:
        """Whether all values are integers, and most are of a size where float32 has other numbers too."""
        return bool(abs(self.x[len(self.x) // 2]) < _INTEGERS and (self.x == np.floor(self.x)).all())

    def spread(self) -> "Column":
        """Integers k as they are after dequantisation, evenly over [k, k + 1)."""
        _, first, value = np.unique(self.x, return_index=True, return_inverse=True)
        below = np.cumsum(self.w) - self.w
        part = (below - below[first][value] + 0.5 * self.w) / np.add.reduceat(self.w, first)[value]
        return Column(self.x + part, self.w)


def fit_chain(column: Column, choice: str) -> tuple[Bijection, ...]:
    """The bijections of one feature that is not constant, ending at unit scale; `choice` is one of CHOICES."""
    steps: tuple[Bijection, ...] = ()
    if column.integers():
        steps, column = (Dequantise(),), column.spread()
    shape = CHOICES[choice](column)
    if shape is not None:
        steps, column = (*steps, shape), column.mapped(shape)
    smooth = choice == "quantile" or (choice == "auto" and column.effective >= _SMOOTH)
    return (*steps, (smooth and _quantile(column)) or _standardise(column))


def _automatic(column: Column) -> Bijection | None:
    mirror = column.reflected()
    low, high = _hard_edge(column), _hard_edge(mirror)
    below, above = _tail(mirror), _tail(column)
    if low and high:
        return _logit(column)
    if low or high:
        return _log(column, upper=high)
    if max(below, above) < _HEAVY:
        return None
    return _log(column, upper=below > above) if min(below, above) < 0.5 * _HEAVY else _asinh(column)


def _hard_edge(column: Column) -> bool:
    """Whether the density is finite where the column begins: how far the outermost events reach out tells."""
    column = column.above()
    level = max(_SLIVER, _EDGE_EVENTS / column.effective)
    if level > 0.05:
        return False
    near, far = column.quantile([level, 10 * level])
    return bool(near - column.x[0] < _EDGE * (far - near))


def _tail(column: Column) -> float:
    """Length of the upper tail, (q99.9 - q50) / (q84 - q50); 0 where events pile up at the median."""
    median, one, far = column.quantile([0.5, ndtr(1.0), 0.999])
    return float((far - median) / (one - median)) if one > median else 0.0


def _log(column: Column, upper: bool) -> Log:
    """Below a tail that starts softly and close to zero, zero is the edge; else the smallest value is."""
    side = column.reflected() if upper else column
    edge, above = side.x[0], side.above()
    if not upper and 0.0 < edge < 0.1 * side.quantile(0.5) and not _hard_edge(side):
        edge, above = 0.0, side
    near, median = above.quantile([_SLIVER, 0.5])
    margin = max(near - edge, _NARROWEST * (median - edge))
    return Log(float(-edge if upper else edge), float(margin), upper)


def _logit(column: Column) -> Logit:
    lo, hi = column.x[[0, -1]]
    near_lo = column.above().quantile(_SLIVER) - lo
    near_hi = column.reflected().above().quantile(_SLIVER) + hi
    low, high = (np.clip(near, _NARROWEST * (hi - lo), 0.1 * (hi - lo)) for near in (near_lo, near_hi))
    return Logit(float(lo), float(hi), float(lo + low), float(hi - high))


def _asinh(column: Column) -> Asinh:
    low, median, high = column.quantile(ndtr([-1.0, 0.0, 1.0]))
    return Asinh(float(median), float(0.5 * (high - low)) or _standardise(column).scale)


def _standardise(column: Column) -> Standardise:
    mean = np.average(column.x, weights=column.w)
    return Standardise(float(mean), float(np.sqrt(np.average((column.x - mean) ** 2, weights=column.w))))


def _quantile(column: Column) -> Quantile | None:
    """Quantiles evenly spaced in the normal variable; None where nearly all events share one value."""
    n = column.effective
    reach = -ndtri(min(_TAIL / n, 0.1))
    z = np.linspace(-reach, reach, int(np.clip(round(n ** (1 / 3)), *_KNOTS)))
    x = column.quantile(ndtr(z))
    gaps = np.diff(x)
    if not (gaps > 0).any():
        return None
    # quantiles that fall on one value become one knot, in the middle of the probability that is piled up there
    apart = gaps > 1e-6 * np.median(gaps[gaps > 0])
    first, last = np.flatnonzero(np.r_[True, apart]), np.flatnonzero(np.r_[apart, True])
    x, z = x[first], np.where(first == last, z[first], ndtri(0.5 * (ndtr(z[first]) + ndtr(z[last]))))
    return Quantile(tuple(x.tolist()), tuple(z.tolist()), tuple(_slopes(x, z).tolist()))


def _slopes(x: Array, z: Array) -> Array:
    """Slopes at knots: harmonic means of the neighbouring secants (Fritsch and Butland 1984), mean ones at the ends."""
    width, secant = np.diff(x), np.diff(z) / np.diff(x)
    left, right = width[:-1] + 2.0 * width[1:], 2.0 * width[:-1] + width[1:]
    n = len(x) // 16 + 1  # the slope of a tail rests on more than its last cell
    ends = (z[n] - z[0]) / (x[n] - x[0]), (z[-1] - z[-1 - n]) / (x[-1] - x[-1 - n])
    inner = (left + right) / (left / secant[:-1] + right / secant[1:])
    return np.concatenate([ends[:1], inner, ends[1:]])


CHOICES: dict[str, Callable[[Column], Bijection | None]] = {
    "auto": _automatic,
    "standardise": lambda column: None,
    "logit": _logit,
    "log": lambda column: _log(column, upper=_tail(column.reflected()) > _tail(column)),
    "asinh": _asinh,
    "quantile": lambda column: None,
}
"""What a feature can be asked to be prepared with."""
