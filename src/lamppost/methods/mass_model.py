"""The background's mass in a region: how many events the sidebands promise, and how they are distributed."""

from dataclasses import dataclass, replace

import numpy as np

from lamppost.core import Array, Events, Rng, View, Window
from lamppost.errors import ConfigError

__all__ = ["MassDensity", "at_nearest_mass", "expected_in_region", "masses_in_region"]

_BINS = 24
_ROUNDS = 50
_LEAST = 20


def at_nearest_mass(events: Events, lo: float, hi: float) -> Events:
    """The events, those outside [lo, hi] moved to the nearer edge: a density learnt inside knows no other mass."""
    return replace(events, m=np.clip(events.m, lo, hi))


def masses_in_region(view: View, n: int, rng: Rng, kind: str) -> Array:
    """Masses (n,) of the background in the region; ConfigError if nothing can draw them."""
    if view.sample_m is None:
        msg = f"method {kind!r} needs masses from a smooth model of the sidebands: the view has no sample_m"
        raise ConfigError(msg)
    return np.asarray(view.sample_m(n, rng), dtype=np.float64)


@dataclass(frozen=True, eq=False)
class MassDensity:
    """log p(m) (k,) at `nodes` (k,) in the region, from drawn masses; straight lines between."""

    nodes: Array
    log_p: Array

    @classmethod
    def fit(cls, m: Array, window: Window) -> "MassDensity":
        """Counts of masses (n,) in equal bins."""
        counts, edges = np.histogram(m, _BINS, (window.lo, window.hi))
        # half an event more: an empty bin is no proof that nothing can be there
        density = (counts + 0.5) / ((counts + 0.5).sum() * (edges[1] - edges[0]))
        return cls(0.5 * (edges[1:] + edges[:-1]), np.log(density))

    def __call__(self, m: Array) -> Array:
        """log p(m) (n,), that of the nearest mass outside the region."""
        return np.asarray(np.interp(m, self.nodes, self.log_p))


def expected_in_region(view: View) -> tuple[float, float] | None:
    """Background weight in the region and its error, from the sidebands' masses.

    A curve log(dN/dm) = a + b t + c t^2, t the mass in units of the window, fitted by Poisson likelihood to 12 bins of
    either sideband and integrated across the region; the error is that of the fit. For weights the variance of a bin is
    scaled by sum w^2 / sum w. None if a sideband has fewer than 20 events, or no weight.
    """
    window, sb = view.window, view.sb
    middle, half = 0.5 * (window.lo + window.hi), 0.5 * (window.hi - window.lo)
    counts, t, width = [], [], []
    # data may end within a sideband: nothing beyond is measured
    first, last = sb.m.min(initial=window.lo), np.nextafter(sb.m.max(initial=window.hi), np.inf)
    for lo, hi in ((max(window.lo - window.reach, first), window.lo), (window.hi, min(window.hi + window.reach, last))):
        if ((sb.m >= lo) & (sb.m < hi)).sum() < _LEAST:
            return None
        found, edges = np.histogram(sb.m, _BINS // 2, (lo, hi), weights=sb.w)
        if not found.sum() > 0:
            return None
        counts.append(found)
        t.append((0.5 * (edges[1:] + edges[:-1]) - middle) / half)
        width.append(np.diff(edges) / half)
    n, design, dt = np.concatenate(counts), np.vander(np.concatenate(t), 3, increasing=True), np.concatenate(width)
    curve, covariance = _poisson(n, design, dt)
    inside = np.linspace(-1, 1, 201)
    powers = np.vander(0.5 * (inside[1:] + inside[:-1]), 3, increasing=True)
    rate = np.exp(powers @ curve) * np.diff(inside)
    gradient = rate @ powers
    scale = float((sb.w**2).sum() / sb.w.sum())
    return float(rate.sum()), float(np.sqrt(gradient @ covariance @ gradient * scale))


def _poisson(n: Array, design: Array, width: Array) -> tuple[Array, Array]:
    """Maximum likelihood of log(rate) = design @ curve by Newton's method, and its covariance."""
    curve = np.linalg.lstsq(design, np.log(np.maximum(n, 0.5) / width), rcond=None)[0]
    information = np.eye(len(curve))
    for _ in range(_ROUNDS):
        mu = np.exp(np.clip(design @ curve, -50, 50)) * width
        information = design.T @ (mu[:, None] * design)
        step = np.linalg.solve(information, design.T @ (n - mu))
        curve = curve + step * min(1.0, 1.0 / max(np.abs(step).max(), 1e-300))
        if np.abs(step).max() < 1e-10:
            break
    return np.asarray(curve, dtype=np.float64), np.asarray(np.linalg.inv(information), dtype=np.float64)
