"""A small signal next to a known background: the normal density whose mixture with it is most likely."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from lamppost.core import Array, Rng
from lamppost.errors import DataError

__all__ = ["Normals", "fit_signal"]

_STARTS = 192
_COARSE, _KEPT, _FINE = 12, 24, 15
"""Rounds with all starts; how many of these go on, and for how many rounds."""
_WIDTH = 0.5
_PRIOR = 2.0
"""Events of this width that every component is told of beforehand: nothing becomes a spike on single events."""
_LEAST = 10.0
"""Fewer events than these are no signal, and no single one counts for more than _MOST: see `fit_signal`."""
_MOST = 4.0
_STRAY, _BROAD = 1e-3, 2.0
"""Part of the background that may be anywhere within this many times the width of all events."""
_START = 1e-3
_NARROWEST, _WIDEST = 1e-3, 1.0
_STEEPEST = 30.0
_BLOCK = 32_768


@dataclass(frozen=True, eq=False)
class Normals:
    """sum_k part_k N(y | centre_k, variance_k): weights `part` (k,), `centre` and `variance` (k, d), uncorrelated."""

    centre: Array
    variance: Array
    part: Array

    def log_prob(self, y: Array) -> Array:
        """Log density (n,) at y (n, d); the marginal one where y has fewer features."""
        d = y.shape[1]
        total = np.full(len(y), -np.inf)
        for centre, variance, part in zip(self.centre[:, :d], self.variance[:, :d], self.part, strict=True):
            each = ((y - centre) ** 2 / variance + np.log(2 * np.pi * variance)).sum(axis=1)
            total = np.logaddexp(total, np.log(part) - 0.5 * each)
        return total

    def sample(self, n: int, rng: Rng, last: tuple[float, float] = (-np.inf, np.inf)) -> Array:
        """Events (n, d), the last feature between the limits `last`."""
        k = rng.choice(len(self.part), n, p=self.part)
        centre, width = self.centre[k], np.sqrt(self.variance[k])
        y = rng.normal(centre, width)
        low, high = (ndtr((limit - centre[:, -1]) / width[:, -1]) for limit in last)
        drawn = centre[:, -1] + width[:, -1] * ndtri(low + (high - low) * rng.random(n))
        y[:, -1] = np.clip(drawn, *last)
        return np.asarray(y)


def fit_signal(
    y: Array, log_background: Array, w: Array, rng: Rng, fraction: float | None
) -> tuple[Normals, float, float]:
    """The signal p_S and its fraction f of the events that maximise sum w log[f p_S(y) + (1 - f) p_B(y)].

    Returns p_S, f, and by how much that sum is larger than without a signal, in units of log likelihood.

    y (n, d) in coordinates in which all events together are about a unit normal, log_background (n,) log p_B there,
    w (n,) >= 0, counted as (sum w)^2 / sum w^2 events; `fraction` None: learned. The likelihood has many maxima, one
    for every place where there is by chance more than expected, and the largest are spikes on single events that p_B
    calls impossible. So normal densities, of two numbers per feature, start from many events at a fixed width and climb
    by expectation maximisation, the best of them to the end. Each keeps `_LEAST` events if f is learned, and is told of
    `_PRIOR` more of that width; where they are ranked no event counts for more than `_MOST`; one in 1 / `_STRAY` events
    of the background may be where p_B knows of none. The answer is the mean of where all of them ended, weighted by
    their likelihood: one place if it stands out.

    Raises
    ------
    DataError
        If weights are negative, or worth no more than 20 events.
    """
    if not ((w >= 0).all() and w.sum() ** 2 > 2 * _LEAST * (w @ w)):
        msg = f"signal density: {len(w)} events of weight {w.sum():g} in the region, expected weights >= 0 "
        raise DataError(msg + f"worth more than {2 * _LEAST:g} events")
    climb = _Climb.of(y, log_background, w, fraction)
    first = rng.choice(np.flatnonzero(w), min(_STARTS, int((w > 0).sum())), replace=False)
    state = climb.start(y[first])
    for _ in range(_COARSE):
        state, gain = climb.step(*state)
    best = np.argsort(-gain, kind="stable")[:_KEPT]
    state = state[0][best], state[1][best], state[2][best]
    for _ in range(_FINE):
        state, gain = climb.step(*state)
    part = np.exp(gain - gain.max())
    part /= part.sum()
    known = part > 1e-6
    part = part[known] / part[known].sum()
    return Normals(state[0][known], state[1][known], part), float(part @ state[2][known]), float(gain.max())


State = tuple[Array, Array, Array]
"""Centres (k, d), variances (k, d) and fractions (k,) of k models, each a single normal density."""


@dataclass(frozen=True, eq=False)
class _Climb:
    terms: NDArray[np.float32]
    """1, y, y^2 (n, 2 d + 1): a log density of the models is linear in them."""
    log_background: NDArray[np.float32]
    w: NDArray[np.float32]
    """The weights, scaled so that their sum is the number of unweighted events that would tell as much."""
    fraction: float | None

    @classmethod
    def of(cls, y: Array, log_background: Array, w: Array, fraction: float | None) -> Self:
        narrow = y.astype(np.float32)
        terms = np.concatenate([np.ones((len(y), 1), np.float32), narrow, narrow**2], axis=1)
        log_broad = -0.5 * ((y / _BROAD) ** 2 + np.log(2 * np.pi * _BROAD**2)).sum(axis=1)
        log_b = np.logaddexp(np.log1p(-_STRAY) + log_background, np.log(_STRAY) + log_broad)
        return cls(terms, log_b.astype(np.float32), (w * w.sum() / (w @ w)).astype(np.float32), fraction)

    @property
    def total(self) -> float:
        return float(self.w.sum(dtype=np.float64))

    @property
    def least(self) -> float:
        return _LEAST / self.total

    def start(self, centre: Array) -> State:
        fraction = self.fraction or max(_START, 2 * self.least)
        return centre, np.full(centre.shape, _WIDTH**2), np.full(len(centre), fraction)

    def step(self, centre: Array, variance: Array, fraction: Array) -> tuple[State, Array]:
        """One round of expectation and maximisation, and the gain (k,) over no signal before it."""
        d = centre.shape[1]
        constant = -0.5 * (centre**2 / variance + np.log(2 * np.pi * variance)).sum(axis=1) + np.log(
            fraction / (1 - fraction)
        )
        weights = np.column_stack([constant, centre / variance, -0.5 / variance]).astype(np.float32)
        sums, gain = np.zeros((len(centre), 2 * d + 1)), self.total * np.log1p(-fraction)
        most = np.float32(np.exp(_MOST))
        for rows in (slice(i, i + _BLOCK) for i in range(0, len(self.w), _BLOCK)):
            log_odds = self.terms[rows] @ weights.T - self.log_background[rows, None]
            odds = np.exp(np.minimum(log_odds, np.float32(_STEEPEST)))
            gain = gain + self.w[rows] @ np.log1p(np.minimum(odds, most))
            sums += (odds / (1 + odds)).T @ (self.terms[rows] * self.w[rows, None])
        n = np.maximum(sums[:, :1], 1e-9)
        centre = sums[:, 1 : d + 1] / n
        spread = np.maximum(sums[:, d + 1 :] - n * centre**2, 0.0)
        variance = np.clip((spread + _PRIOR * _WIDTH**2) / (n + _PRIOR), _NARROWEST, _WIDEST)
        if self.fraction is None:
            fraction = np.clip(n[:, 0] / self.total, self.least, 0.5)
        return (centre, variance, fraction), gain
