"""Decorrelation of features from m: a conditional quantile map learnt outside the signal region.

Every feature x is replaced by z = Phi^-1(F(x | m)), a standard normal whatever m is. The quantiles of x are measured
in slices of m outside the signal region, each quantile is smoothed as a polynomial in ln m, and the smooth curves are
interpolated across the region. Where nothing but background is, z then carries no trace of m feature by feature, and
a classifier of region against sidebands cannot find "the middle of m". What several features together say about m
remains: `mass_r2` measures it.

A polynomial makes an error inside the region that more events make no smaller next to that of the counts there, and
one more degree than the feature needs makes a larger one. So the degree is what the data ask for, feature by feature:
none where a feature does not follow m.

Quantiles of counts jump with m, and a pile-up holds many of them at once: no polynomial follows that. A feature with
values that repeat is first spread into a continuous one, each tied value over its own range of probability.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from lamppost.core import Array, Events, Window, uniform_of
from lamppost.search.degrees import needed_degrees, outside_of, scaled
from lamppost.search.selection import mid_sums, rising

__all__ = ["QuantileMap"]

_NORMAL = np.linspace(-3.0, 3.0, 61)  # the quantiles followed, as standard normal values
_LIMIT = 6.0  # z beyond the followed quantiles is extrapolated linearly in x, to here at most
_PER_SLICE, _SLICES = 300, 100  # events in one at least; at most so many: the outermost reach close to the ends of m
_CELLS = 48
_TIED = 0.002  # a value that this part of the events shares, and no fewer than _TIES of them, is a tie
_TIES = 5
_SPREAD = 1 << 32  # keys of the draws that spread ties


@dataclass(frozen=True)
class Spread:
    """Spreads tied values: the ascending values of all events (n,) and the part of their weight up to each (n + 1,)."""

    values: Array
    below: Array

    @classmethod
    def fit(cls, x: Array, w: Array) -> "Spread | None":
        """Learn where ties lie among x (n,) with weights (n,); None where no value is shared by many."""
        if np.unique(x, return_counts=True)[1].max() < max(_TIED * len(x), _TIES):
            return None
        order = np.argsort(x, kind="stable")
        below = rising(np.concatenate([[0.0], np.cumsum(w[order])]))
        return cls(x[order], below / below[-1]) if below[-1] > 0 else None

    def __call__(self, x: Array, draw: Array) -> Array:
        """Normal scores (n,) of x; `draw` (n,) in [0, 1) says where inside a tie."""
        low, high = (self.below[np.searchsorted(self.values, x, side)] for side in ("left", "right"))
        half = 0.5 / len(self.values)
        spread: Array = ndtri(np.clip(low + draw * (high - low), half, 1 - half))
        return spread

    def inverse(self, z: Array) -> Array:
        """The values (n,) that are spread to the normal scores z (n,)."""
        values: Array = self.values[np.clip(np.searchsorted(self.below, ndtr(z)) - 1, 0, len(self.values) - 1)]
        return values


@dataclass(frozen=True)
class QuantileMap:
    """Curves x_q(m) of every feature on a grid of ln m: `t` (cells + 1,), `curves` (d, cells + 1, quantiles).

    `spreads` (d,): how the ties of a feature are spread beforehand, None where it has none.
    """

    t: Array
    curves: Array
    spreads: tuple[Spread | None, ...]

    @classmethod
    def fit(cls, events: Events, window: Window, degrees: Sequence[int] | None = None) -> "QuantileMap":
        """Learn the map from the events outside the signal region; `degrees` (d,): by default what these events need.

        Raises
        ------
        DataError
            If fewer than 200 events are outside the region.
        """
        outside = outside_of(events, window)
        log_m = np.log(outside.m)
        order = np.argsort(log_m, kind="stable")
        slices = np.array_split(order, int(np.clip(len(order) // _PER_SLICE, 4, _SLICES)))
        centre = np.array([log_m[rows].mean() for rows in slices])
        t = np.linspace(centre[0], centre[-1], _CELLS + 1)
        spreads = tuple(Spread.fit(x, outside.w) for x in outside.x.T.astype(np.float64))
        degrees = needed_degrees(events, window) if degrees is None else degrees
        curves = [
            _smooth(np.stack([_quantiles(x[rows], outside.w[rows]) for rows in slices]), centre, t, degree)
            for x, degree in zip(_continuous(outside, spreads), degrees, strict=True)
        ]
        return cls(t, np.stack(curves), spreads)

    def __call__(self, events: Events) -> Events:
        """The same events with decorrelated features (n, d)."""
        z = np.empty(events.x.shape, np.float32)
        cells = list(self._cells(events.m))
        for j, x in enumerate(_continuous(events, self.spreads)):
            tie = uniform_of(events.id, j)
            for i, rows, fraction in cells:
                near, far = (_normal_score(x[rows], curve, tie[rows]) for curve in self.curves[j, i : i + 2])
                z[rows, j] = near + fraction * (far - near)
        return events.with_x(z)

    def inverse(self, z: Array, m: Array) -> Array:
        """Features (n, d) of normal scores z (n, d) at masses m (n,): what the map takes to z."""
        x = np.empty(z.shape)
        cells = list(self._cells(m))
        for j, spread in enumerate(self.spreads):
            for i, rows, fraction in cells:
                near, far = (_extrapolate(z[rows, j], _NORMAL, curve) for curve in self.curves[j, i : i + 2])
                x[rows, j] = near + fraction * (far - near)
            if spread is not None:
                x[:, j] = spread.inverse(x[:, j])
        return x

    def _cells(self, m: Array) -> Iterator[tuple[int, NDArray[np.int64], Array]]:
        """Cells of the grid that hold events: number, rows, how far between the cell's two curves each is."""
        position = np.interp(np.log(m), self.t, np.arange(len(self.t)))
        cell = np.minimum(position.astype(np.int64), len(self.t) - 2)
        order = np.argsort(cell, kind="stable")
        bounds = np.searchsorted(cell[order], np.arange(len(self.t)))
        for i in range(len(self.t) - 1):
            rows = order[bounds[i] : bounds[i + 1]]
            if len(rows):
                yield i, rows, position[rows] - i


def _continuous(events: Events, spreads: tuple[Spread | None, ...]) -> Iterator[Array]:
    """Every feature (n,), ties spread by a draw that only the event's id and the feature decide."""
    for j, spread in enumerate(spreads):
        x = events.x[:, j].astype(np.float64)
        yield x if spread is None else spread(x, uniform_of(events.id, _SPREAD + j))


def _quantiles(x: Array, w: Array) -> Array:
    order = np.argsort(x, kind="stable")
    level = mid_sums(w[order]) / w.sum() if w.sum() > 0 else np.linspace(0, 1, len(x))
    quantiles: Array = np.interp(ndtr(_NORMAL), level, x[order])
    return quantiles


def _smooth(values: Array, centre: Array, t: Array, degree: int) -> Array:
    """Polynomials in ln m through the quantiles (slices, quantiles) -> (cells + 1, quantiles), never crossing."""
    along, at = (scaled(v, centre[0], centre[-1]) for v in (centre, t))
    degree = min(degree, len(centre) - 1)
    coefficients = np.polynomial.legendre.legfit(along, values, degree)
    smooth = np.polynomial.legendre.legval(at, coefficients).T
    constant = np.ptp(values, axis=0) == 0  # a pile-up keeps its exact value
    smooth[:, constant] = values[0, constant]
    curves: Array = np.maximum.accumulate(smooth, axis=1)
    return curves


def _normal_score(x: Array, curve: Array, tie: Array) -> Array:
    """z of x along one curve of quantiles; inside ties uniform between the lowest and the highest z."""
    high = _interpolate(x, curve, _NORMAL)
    low = -_interpolate(-x, -curve[::-1], -_NORMAL[::-1])
    return low + tie * (high - low)


def _interpolate(x: Array, knots: Array, values: Array) -> Array:
    """z of x at most the limit, piecewise linear through the quantiles; at equal knots the highest value."""
    found: NDArray[np.float64] = np.clip(_extrapolate(x, knots, values), -_LIMIT, _LIMIT)
    return found


def _extrapolate(x: Array, knots: Array, values: Array) -> Array:
    """Piecewise linear, with the slope of the outermost decile of knots beyond the ends."""
    z: Array = np.interp(x, knots, values)
    n = len(knots) // 10
    for beyond, end, inner in ((x > knots[-1], -1, -1 - n), (x < knots[0], 0, n)):
        run = knots[end] - knots[inner]
        slope = (values[end] - values[inner]) / run if run != 0 else 0.0
        z = np.where(beyond, values[end] + slope * (x - knots[end]), z)
    return z
