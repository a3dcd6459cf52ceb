"""Pseudo-data without signal: m from a smooth fit of the data, features resampled given m."""

import numpy as np
from numpy.typing import NDArray

from lamppost.core import Array, Events, Rng, Window, splitmix64
from lamppost.errors import DataError
from lamppost.search import QuantileMap
from lamppost.stats import Background, BackgroundFit, Spectrum, fit_background

__all__ = ["NullGenerator"]

_JITTER = 0.1
_NOWHERE = Window(0.0, 0.0, 0.0)


class NullGenerator:
    """Draws events that hold no resonance, whatever the data it is made from hold.

    m comes from a smooth background fit of all events, so a bump in m is gone. The features of a drawn m are those of
    a random one of its nearest data events in m, carried along from that event's m to the drawn one by the quantiles
    of every feature given m, and jittered: z -> sqrt(1 - e^2) z + e N(0, 1) with e = 0.1 for the normal scores z. So
    every feature keeps its distribution given m, and their correlations (to 1 %).

    `neighbours` is the part of the data that counts as near, half of it by default, and wider than any window with its
    sidebands on purpose: resampled from close by, pseudo-events would repeat the data's own fluctuations at that m, in
    the training folds and in the scored ones alike, and a classifier would find them.
    """

    def __init__(
        self,
        events: Events,
        edges: Array,
        *,
        background: Background | str = "dijet",
        n_parameters: int | None = None,
        neighbours: float = 0.5,
    ) -> None:
        inside = (events.m >= edges[0]) & (events.m < edges[-1])
        if inside.sum() < 200:
            msg = f"null generator: {inside.sum()} events in the fit range, expected at least 200"
            raise DataError(msg)
        if np.any(events.w < 0):
            msg = f"null generator: {int(np.sum(events.w < 0))} events have negative weights and cannot be resampled"
            raise DataError(msg)
        held = events[inside]
        held = held[np.argsort(held.m, kind="stable")]
        self.fit: BackgroundFit = fit_background(Spectrum.from_masses(held.m, edges, held.w), background, n_parameters)
        self._map = QuantileMap.fit(held, _NOWHERE)
        self._events, self._z = held, self._map(held).x.astype(np.float64)
        self._near = int(np.clip(neighbours * len(held), 100, len(held)))
        self._weight = np.concatenate([[0.0], np.cumsum(held.w)])
        self._whole = np.all(held.x == np.round(held.x), axis=0)  # counts stay counts
        self._grid, self._cumulative = _inverse(self.fit, edges)

    def sample(self, n: int, rng: Rng) -> Events:
        """n unweighted events (the caller may draw n from a Poisson distribution)."""
        m = np.interp(rng.random(n), self._cumulative, self._grid)
        z = self._z[self._draw(m, rng)]
        z = np.sqrt(1 - _JITTER**2) * z + _JITTER * rng.standard_normal(z.shape)
        low, high = self._events.x.min(axis=0), self._events.x.max(axis=0)
        x = np.clip(self._map.inverse(z, m), low, high)
        x = np.where(self._whole, np.round(x), x)
        ids = splitmix64(rng.integers(2**63, size=n).astype(np.uint64))
        return Events(ids, x.astype(np.float32), m, np.ones(n), self._events.names, self._events.groups)

    def _draw(self, m: Array, rng: Rng) -> NDArray[np.int64]:
        """One of the nearest data events of each m (n,), drawn by weight."""
        start = np.searchsorted(self._events.m, m) - self._near // 2
        start = np.clip(start, 0, len(self._events) - self._near)
        low, high = self._weight[start], self._weight[start + self._near]
        drawn = np.searchsorted(self._weight, low + rng.random(len(m)) * (high - low), side="right") - 1
        return np.asarray(np.clip(drawn, start, start + self._near - 1))


def _inverse(fit: BackgroundFit, edges: Array) -> tuple[Array, Array]:
    """A fine grid of m and the cumulative probability of the fitted shape on it."""
    grid = np.linspace(edges[0], edges[-1], 20_001)
    density = fit.density(grid)
    cumulative = np.concatenate([[0.0], np.cumsum(0.5 * (density[1:] + density[:-1]) * np.diff(grid))])
    return grid, cumulative / cumulative[-1]
