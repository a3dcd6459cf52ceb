"""Pseudo-data without signal: m from a smooth fit of the data, features resampled given m."""

import numpy as np
from numpy.typing import NDArray

from lamppost.core import Array, Events, Rng, splitmix64
from lamppost.errors import DataError
from lamppost.stats import Background, BackgroundFit, Spectrum, fit_background

__all__ = ["NullGenerator"]

_BLOCK = 20_000


class NullGenerator:
    """Draws events that hold no resonance, whatever the data it is made from hold.

    m comes from a smooth background fit of all events, so a bump in m is gone. The features of a drawn m are those of
    a random one of its `neighbours` nearest data events in m, each feature then moved part of the way to the next
    larger or next smaller value among these neighbours: the joint distribution given m stays, correlations included,
    nothing leaves the support, and no two pseudo-events are copies. The neighbours must span a range of m that is
    narrow against the scale on which features change with m.
    """

    def __init__(
        self,
        events: Events,
        edges: Array,
        *,
        background: Background | str = "dijet",
        n_parameters: int | None = None,
        neighbours: int = 100,
    ) -> None:
        inside = (events.m >= edges[0]) & (events.m < edges[-1])
        if inside.sum() < 2 * neighbours:
            msg = f"null generator: {inside.sum()} events in the fit range, expected at least {2 * neighbours}"
            raise DataError(msg)
        if np.any(events.w < 0):
            msg = f"null generator: {int(np.sum(events.w < 0))} events have negative weights and cannot be resampled"
            raise DataError(msg)
        held = events[inside]
        self.events = held[np.argsort(held.m, kind="stable")]
        self.fit: BackgroundFit = fit_background(Spectrum.from_masses(held.m, edges, held.w), background, n_parameters)
        self.neighbours = neighbours
        self._weight = np.concatenate([[0.0], np.cumsum(self.events.w)])
        self._whole = np.all(held.x == np.round(held.x), axis=0)  # counts stay counts
        self._grid, self._cumulative = _inverse(self.fit, edges)

    def sample(self, n: int, rng: Rng) -> Events:
        """n unweighted events (the caller may draw n from a Poisson distribution)."""
        m = np.sort(np.interp(rng.random(n), self._cumulative, self._grid))
        start = np.searchsorted(self.events.m, m) - self.neighbours // 2
        start = np.clip(start, 0, len(self.events) - self.neighbours)
        blocks = [slice(i, i + _BLOCK) for i in range(0, n, _BLOCK)]
        x = np.concatenate([self._features(start[block], rng) for block in blocks])
        order = rng.permutation(n)
        ids = splitmix64(rng.integers(2**63, size=n).astype(np.uint64))
        return Events(ids, x[order].astype(np.float32), m[order], np.ones(n), self.events.names, self.events.groups)

    def _features(self, start: NDArray[np.int64], rng: Rng) -> Array:
        """Features (n, d) drawn from the neighbours that begin at `start` (n,), and moved."""
        drawn = self._draw(start, rng)
        x = self.events.x[drawn].astype(np.float64)
        near = start[:, None] + np.arange(self.neighbours)
        for j in range(x.shape[1]):
            gap = np.where(near == drawn[:, None], np.inf, self.events.x[near, j] - x[:, j, None])
            up, down = np.where(gap >= 0, gap, np.inf).min(axis=1), np.where(gap <= 0, gap, -np.inf).max(axis=1)
            step = np.where(rng.random(len(x)) < 0.5, up, down)
            x[:, j] += 0.5 * rng.random(len(x)) * np.where(np.isfinite(step), step, 0.0)
        return np.where(self._whole, np.round(x), x)

    def _draw(self, start: NDArray[np.int64], rng: Rng) -> NDArray[np.int64]:
        """One of the neighbours of each, drawn by weight."""
        low, high = self._weight[start], self._weight[start + self.neighbours]
        drawn = np.searchsorted(self._weight, low + rng.random(len(start)) * (high - low), side="right") - 1
        return np.asarray(np.clip(drawn, start, start + self.neighbours - 1))


def _inverse(fit: BackgroundFit, edges: Array) -> tuple[Array, Array]:
    """A fine grid of m and the cumulative probability of the fitted shape on it."""
    grid = np.linspace(edges[0], edges[-1], 20_001)
    density = fit.density(grid)
    cumulative = np.concatenate([[0.0], np.cumsum(0.5 * (density[1:] + density[:-1]) * np.diff(grid))])
    return grid, cumulative / cumulative[-1]
