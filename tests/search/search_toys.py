"""Events for the tests of the search: a falling mass, features that change with it or do not."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from lamppost.core import Array, Events, Rng, Window

WINDOW = Window(3400.0, 3800.0, 400.0)


def events(m: Array, features: Mapping[str, Array], *, first: int = 0, w: Array | None = None) -> Events:
    """Events with consecutive ids from `first` on."""
    x: NDArray[np.float32] = np.column_stack(list(features.values())).astype(np.float32)
    ids = np.arange(first, first + len(m)).astype(np.uint64)
    return Events(ids, x, m, np.ones(len(m)) if w is None else w, tuple(features))


def falling(rng: Rng, n: int) -> Array:
    """n masses between 3 and 8 TeV, most of them low."""
    return 3000.0 - 700.0 * np.log(1.0 - rng.random(n) * (1.0 - np.exp(-5000.0 / 700.0)))


def drifting(rng: Rng, m: Array) -> dict[str, Array]:
    """Features whose quantiles move with m: bell, skewed, counts, and a pile-up at zero."""
    u = np.log(m / 3000.0)
    return {
        "bell": rng.normal(size=len(m)) * (1 + u) + 3 * u**2,
        "skewed": rng.exponential(size=len(m)) * (1 + 2 * u),
        "count": rng.poisson(1 + 4 * u).astype(float),
        "pile-up": np.where(rng.random(len(m)) < 0.2 + 0.5 * u, 0.0, rng.gamma(2.0, 1 + u)),
    }
