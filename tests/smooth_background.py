"""A background whose features follow m along curves, and a simulation of it that is wrong in a known way."""

from functools import cache

import numpy as np

from lamppost.core import Array, Events, Rng, View, Window
from small_specs import sample

WINDOW = Window(1.0, 2.0, 1.0)
LOWEST, HIGHEST = 0.0, 3.0
DECAY = 0.5  # the spectrum falls like exp(-DECAY m)
# less weight decay: the default holds a flow of few events back by more than their statistical error
SMALL_FLOW = {"kind": "spline", "layers": 4, "hidden": [32, 32], "weight_decay": 0.3}
SMALL_NETWORK = {"kind": "network", "members": 3, "hidden": [32, 32]}
FEW_TREES = {"kind": "boosted", "members": 4}


def masses(n: int, rng: Rng, lo: float = WINDOW.lo, hi: float = WINDOW.hi) -> Array:
    """Masses (n,) between lo and hi."""
    steps = np.exp(-DECAY * np.array([lo, hi]))
    return -np.log(rng.uniform(steps[1], steps[0], n)) / DECAY


def features(g: Array, m: Array) -> Array:
    """Features (n, 2) made of normal numbers g (n, 2): mean and width go with m, one mean like its square."""
    return np.column_stack([0.2 * m**2 + (0.5 + 0.2 * m) * g[:, 0], 0.6 * g[:, 0] + 0.8 * g[:, 1] - 0.3 * m])


def distorted(g: Array, m: Array) -> Array:
    """What a simulation makes of g: too wide, and off by something that goes with m."""
    return 1.2 * g + np.column_stack([0.1 + 0.1 * m, 0.4 - 0.1 * m])


def background(rng: Rng, n: int, lo: float = WINDOW.lo, hi: float = WINDOW.hi, *, simulated: bool = False) -> Events:
    """Events between lo and hi."""
    m, g = masses(n, rng, lo, hi), rng.normal(size=(n, 2))
    return sample(features(distorted(g, m) if simulated else g, m), m, seed=int(rng.integers(2**31)))


def beside(rng: Rng, n: int) -> Events:
    """About n events of the sidebands."""
    everything = background(rng, int(1.5 * n), LOWEST, HIGHEST)
    return everything[WINDOW.beside(everything.m)]


def signal(rng: Rng, n: int) -> Events:
    """A blob in the region, where there is little background."""
    return sample(rng.normal([2.5, 1.0], 0.2, (n, 2)), rng.uniform(1.3, 1.7, n), seed=int(rng.integers(2**31)))


@cache
def view(seed: int = 1, signals: int = 60) -> View:
    """2 % of signal in the region, 1.9 sigma before any cut."""
    rng = np.random.default_rng(seed)
    return View(
        sr=Events.concatenate([background(rng, 3000), signal(rng, signals)]),
        sb=beside(rng, 8000),
        window=WINDOW,
        sim=background(rng, 16_000, LOWEST, HIGHEST, simulated=True),
        sample_m=masses,
    )
