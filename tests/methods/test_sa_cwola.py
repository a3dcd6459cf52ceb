"""Simulation that has the right edge in m, and the wrong slope behind it: what is wrong with it goes with m as well."""

from functools import cache

import numpy as np
import pytest
from method_toys import RATIO, WINDOW, events_at, improvement

from lamppost.core import Events, Method, Rng, View
from lamppost.errors import DataError
from lamppost.spec import make


def falling(rng: Rng, n: int, lo: float, hi: float, slope: float = 0.4) -> Events:
    """The first feature starts at m and falls off; the second knows nothing of m."""
    m = rng.uniform(lo, hi, n)
    return events_at(rng, np.column_stack([m + rng.exponential(slope, n), rng.normal(size=n)]), m)


def signal(rng: Rng, n: int) -> Events:
    m = rng.normal(1.5, 0.1, n).clip(1, 1.99)
    return events_at(rng, np.column_stack([m + rng.normal(1.0, 0.1, n), rng.normal(1.5, 0.2, n)]), m)


@cache
def view(n_signal: int) -> View:
    rng = np.random.default_rng(31)
    return View(
        sr=Events.concatenate([falling(rng, 8000, 1, 2), signal(rng, n_signal)]),
        sb=Events.concatenate([falling(rng, 8000, 0, 1), falling(rng, 8000, 2, 3)]),
        window=WINDOW,
        sim=falling(rng, 60_000, 0, 3, 0.5),
    )


def significance(kind: str, n_signal: int) -> float:
    """eps_S / sqrt(eps_B) at eps_B = 1 %, known to 0.2: 2,000 signal events, 300 of background above the cut."""
    rng = np.random.default_rng(5)
    high, low = signal(rng, 2000), falling(rng, 30_000, 1, 2)
    score = method(kind).fit(view(n_signal), np.random.default_rng(3))
    return improvement(score(high), score(low))


def method(kind: str) -> Method:
    return make(Method, {"kind": kind, "ratio": RATIO})


@pytest.mark.parametrize("n_signal", [100, 250])
def test_it_finds_what_the_edge_hides_from_cwola(n_signal: int) -> None:
    assert significance("cwola", n_signal) < 1
    assert significance("sa_cwola", n_signal) > 2


def test_simulation_beside_the_region_only() -> None:
    whole = view(100)
    assert whole.sim is not None
    beside = View(whole.sr, whole.sb, whole.window, sim=whole.sim[~WINDOW.inside(whole.sim.m)])
    with pytest.raises(DataError, match="0 simulated events"):
        method("sa_cwola").fit(beside, np.random.default_rng(1))
