"""A background whose features go with m, and a blob of signal in the region."""

import numpy as np
from scipy.stats import rankdata

from lamppost.core import Array, Events, Rng, View, Window
from lamppost.spec import load_kinds

load_kinds()
WINDOW = Window(1.0, 2.0, 1.0)
CENTRE, WIDTH = np.array([2.5, 1.0]), 0.25
FLOW = {"kind": "spline", "layers": 4, "hidden": [32, 32], "steps": 600}
RATIO = {"kind": "boosted", "members": 4}


def events_at(rng: Rng, x: Array, m: Array) -> Events:
    ids = rng.integers(2**63, size=len(m)).astype(np.uint64)
    return Events(ids, x.astype(np.float32), m, np.ones(len(m)), tuple("abcdef"[: x.shape[1]]))


def background(rng: Rng, n: int, lo: float, hi: float, slope: float = 0.5) -> Events:
    """Two normal features: the mean of the first and the width of the second go with m."""
    m = rng.uniform(lo, hi, n)
    g = rng.normal(size=(n, 2))
    return events_at(rng, np.column_stack([slope * m + g[:, 0], (1 + 0.4 * slope * m) * g[:, 1]]), m)


def log_background(events: Events, slope: float = 0.5) -> Array:
    a, b = events.x.T.astype(np.float64)
    width = 1 + 0.4 * slope * events.m
    return np.asarray(-0.5 * ((a - slope * events.m) ** 2 + (b / width) ** 2) - np.log(2 * np.pi * width))


def signal(rng: Rng, n: int) -> Events:
    return events_at(rng, rng.normal(CENTRE, WIDTH, (n, 2)), rng.normal(1.5, 0.1, n).clip(1.0, 1.99))


def log_signal(events: Events) -> Array:
    """Of the features alone."""
    z = (events.x.astype(np.float64) - CENTRE) / WIDTH
    return np.asarray(-0.5 * (z**2).sum(axis=1) - np.log(2 * np.pi * WIDTH**2))


def view(n: int, n_signal: int, seed: int = 1, slope: float = 0.5) -> View:
    """n events of background in the region and in either sideband."""
    rng = np.random.default_rng(seed)
    return View(
        sr=Events.concatenate([background(rng, n, 1, 2, slope), signal(rng, n_signal)]),
        sb=Events.concatenate([background(rng, n, 0, 1, slope), background(rng, n, 2, 3, slope)]),
        window=WINDOW,
        sample_m=lambda n, rng: rng.uniform(1, 2, n),
    )


def improvement(high: Array, low: Array, efficiency: float = 0.01) -> float:
    """eps_S / sqrt(eps_B) at this eps_B."""
    return float((high > np.quantile(low, 1 - efficiency)).mean() / np.sqrt(efficiency))


def auc(high: Array, low: Array) -> float:
    ranks = rankdata(np.concatenate([high, low]))[: len(high)]
    return float((ranks.mean() - (len(high) + 1) / 2) / len(low))
