"""How far each feature follows m: the degree that its quantiles need, as polynomials in ln m."""

import numpy as np

from lamppost.core import Array, Events, Window, uniform_of
from lamppost.errors import DataError
from lamppost.search.selection import mid_sums

__all__ = ["MOST", "needed_degrees", "outside_of", "scaled"]

MOST = 3
"""The highest degree."""
_MOMENTS = 4  # of a feature's distribution given m
_TIES = 1 << 33  # keys of the draws that order ties


def needed_degrees(events: Events, window: Window) -> tuple[int, ...]:
    """The degree in ln m, 0 to 3, that the quantiles of each feature (d,) need outside the signal region: by AIC.

    The first four moments of every feature's distribution, Legendre polynomials of its overall probability, are
    followed along ln m: each degree has four coefficients, and is needed if they lower chi2 by more than 2 each.

    Raises
    ------
    DataError
        If fewer than 200 events are outside the region.
    """
    outside = outside_of(events, window)
    powers = np.polynomial.legendre.legvander(scaled(np.log(outside.m)), MOST)
    root = np.sqrt(np.maximum(outside.w, 0.0))
    orthogonal = np.linalg.qr(root[:, None] * powers)[0] / np.where(root > 0, root, 1.0)[:, None]  # by weight
    along = outside.w[:, None] * orthogonal
    spread = np.sum(along**2, axis=0)
    degrees = []
    for j, x in enumerate(outside.x.T.astype(np.float64)):
        level = _levels(x, outside.w, uniform_of(outside.id, _TIES + j))
        moments = np.polynomial.legendre.legvander(2.0 * level - 1.0, _MOMENTS)[:, 1:]
        moments *= np.sqrt(2.0 * np.arange(1, _MOMENTS + 1) + 1.0)
        chi2 = np.sum((moments.T @ along) ** 2, axis=0)[1:] / np.where(spread > 0, spread, 1.0)[1:]
        degrees.append(int(np.argmax(np.append(0.0, np.cumsum(chi2 - 2.0 * _MOMENTS)))))
    return tuple(degrees)


def outside_of(events: Events, window: Window) -> Events:
    """The events outside the region; DataError if they are fewer than 200."""
    outside = events[~window.inside(events.m)]
    if len(outside) < 200:
        msg = f"decorrelation: window {window} leaves {len(outside)} training events outside, expected >= 200"
        raise DataError(msg)
    return outside


def _levels(x: Array, w: Array, tie: Array) -> Array:
    """The part of the weight below each value (n,), ties in the order of their draws `tie` (n,)."""
    order = np.lexsort((tie, x))
    level = np.empty(len(x))
    level[order] = mid_sums(w[order]) / w.sum() if w.sum() > 0 else np.linspace(0, 1, len(x))
    return level


def scaled(t: Array, low: float | None = None, high: float | None = None) -> Array:
    """t (n,) taken to [-1, 1] from [low, high], by default from the range it has."""
    low, high = (t.min() if low is None else low), (t.max() if high is None else high)
    return 2.0 * (t - low) / (high - low) - 1.0
