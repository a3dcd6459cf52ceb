"""Decorrelation: a standard normal whatever m is, and no signal learnt away."""

from itertools import pairwise

import numpy as np
import pytest
from scipy.stats import ks_2samp, kstest, spearmanr
from search_toys import WINDOW, drifting, events, falling

from lamppost.core import Events, Window
from lamppost.errors import DataError
from lamppost.search import QuantileMap

BINS = [3000, 3100, 3400, 3500, 3600, 3700, 3800, 4200, 5000, 8000]


@pytest.fixture(scope="module")
def background() -> Events:
    rng = np.random.default_rng(1)
    m = falling(rng, 100_000)
    return events(m, drifting(rng, m))


@pytest.fixture(scope="module")
def learnt(background: Events) -> QuantileMap:
    return QuantileMap.fit(background, WINDOW)


@pytest.mark.parametrize(("feature", "slack"), [("bell", 0.008), ("skewed", 0.008), ("count", 0.02), ("pile-up", 0.02)])
def test_standard_normal_in_every_bin_of_mass(learnt: QuantileMap, feature: str, slack: float) -> None:
    """In the masked region too. KS distance: 1.95 / sqrt(n) is p = 1e-3; `slack` is for the cubic curves."""
    rng = np.random.default_rng(2)
    m = falling(rng, 60_000)
    fresh = learnt(events(m, drifting(rng, m), first=10**6))
    z = fresh.x[:, fresh.names.index(feature)]
    for lo, hi in pairwise(BINS):
        rows = (m >= lo) & (m < hi)
        assert kstest(z[rows], "norm").statistic < 1.95 / np.sqrt(rows.sum()) + slack, (lo, hi)
    assert abs(spearmanr(z, m).statistic) < 4 / np.sqrt(len(m)) + slack / 2


def test_raw_features_fail_that_test(background: Events) -> None:
    """So that the test above is known to see something."""
    for x in background.x.T:
        low, high = x[background.m < 3100], x[(background.m > 4200) & (background.m < 5000)]
        assert ks_2samp(low, high).statistic > 0.1


def test_monotone_where_nothing_is_tied(learnt: QuantileMap) -> None:
    x = np.linspace(-8, 12, 400)
    m = np.full(400, 3521.0)
    probe = learnt(events(m, {"bell": x, "skewed": x, "count": 0 * x, "pile-up": x}))
    assert (np.diff(probe.x[:, 0]) >= 0).all()
    assert (np.diff(probe.x[:, 1]) >= 0).all()
    assert np.isfinite(probe.x).all()
    assert abs(probe.x).max() <= 6


def test_tied_values_keep_their_order(learnt: QuantileMap, background: Events) -> None:
    """Every count below every larger one at the same mass; where in between is up to the event's id."""
    rows = np.flatnonzero(abs(background.m - 3600) < 1)
    count, z = background.x[rows, 2], learnt(background[rows]).x[:, 2]
    for k in range(4):
        assert z[count <= k].max() <= z[count > k].min() + 0.05
    again = learnt(background[rows[::-1]]).x[::-1, 2]
    np.testing.assert_array_equal(again, z)


def test_only_values_change(learnt: QuantileMap, background: Events) -> None:
    mapped = learnt(background[:500])
    assert mapped.names == background.names
    np.testing.assert_array_equal(mapped.id, background.id[:500])
    np.testing.assert_array_equal(mapped.m, background.m[:500])
    np.testing.assert_array_equal(mapped.x[100:200], learnt(background[100:200]).x)
    np.testing.assert_array_equal(mapped.x, QuantileMap.fit(background, WINDOW)(background[:500]).x)


def test_region_is_not_learnt(background: Events) -> None:
    """Whatever happens inside the region changes nothing anywhere."""
    inside = WINDOW.inside(background.m)
    x = np.where(inside[:, None], 1e4, background.x).astype(np.float32)
    learnt, blinded = (QuantileMap.fit(sample, WINDOW) for sample in (background, background.with_x(x)))
    np.testing.assert_array_equal(blinded(background).x, learnt(background).x)


def test_a_peak_of_strange_features_survives(background: Events) -> None:
    rng = np.random.default_rng(3)
    m = rng.normal(3600, 60, 600)
    u = np.log(m / 3000)
    quiet = drifting(rng, m)
    peak = events(m, {**quiet, "bell": 2.5 * (1 + u) + 3 * u**2 + 0.2 * rng.normal(size=600)}, first=10**7)
    z = QuantileMap.fit(Events.concatenate([background, peak]), WINDOW)(peak)
    assert abs(np.median(z.x[:, 0]) - 2.5) < 0.15
    assert np.std(z.x[:, 0]) < 0.4


def test_weights_are_used() -> None:
    """An event of weight 2 is the event twice; weights that halve one side of a feature move its median."""
    rng = np.random.default_rng(4)
    m = falling(rng, 30_000)
    x = rng.normal(size=30_000)
    heavy = np.where(x > 0.5, 2.0, 1.0)
    twice = np.repeat(np.arange(30_000), heavy.astype(int))
    probe = events(np.full(9, 3600.0), {"x": np.linspace(-2, 2, 9)})
    weighted = QuantileMap.fit(events(m, {"x": x}, w=heavy), WINDOW)(probe).x
    doubled = QuantileMap.fit(events(m[twice], {"x": x[twice]}), WINDOW)(probe).x
    plain = QuantileMap.fit(events(m, {"x": x}), WINDOW)(probe).x
    np.testing.assert_allclose(weighted, doubled, atol=0.06)
    assert (plain - weighted)[2:].min() > 0.15


def test_negative_weights_cancel_events() -> None:
    """Events added with weight 1 and again with weight -1 leave the map where it was, up to their noise."""
    rng = np.random.default_rng(5)
    m = falling(rng, 60_000)
    x = np.concatenate([rng.normal(size=40_000), rng.normal(2.0, 0.5, 20_000)])
    w = np.concatenate([np.ones(40_000), np.tile([1.0, -1.0], 10_000)])
    probe = events(np.full(7, 3600.0), {"x": np.linspace(-1.5, 1.5, 7)})
    with_them = QuantileMap.fit(events(m, {"x": x}, w=w), WINDOW)(probe).x[:, 0]
    np.testing.assert_allclose(with_them, probe.x[:, 0], atol=0.12)


@pytest.mark.parametrize("scale", [1e-3, 1e3])
def test_units_of_mass_and_features(background: Events, scale: float) -> None:
    sample = background[:20_000]
    other = Events(sample.id, (sample.x * scale).astype(np.float32), sample.m * scale, sample.w, sample.names)
    window = Window(WINDOW.lo * scale, WINDOW.hi * scale, WINDOW.reach * scale)
    z, same = QuantileMap.fit(sample, WINDOW)(sample).x, QuantileMap.fit(other, window)(other).x
    assert np.quantile(abs(z - same), 0.999) < 1e-3


def test_few_events() -> None:
    rng = np.random.default_rng(6)
    m = falling(rng, 500)
    sample = events(m, drifting(rng, m))
    with pytest.raises(DataError, match=r"window \[3400, 3800\) leaves \d+ training events outside, expected >= 200"):
        QuantileMap.fit(sample[:150], WINDOW)
    mapped = QuantileMap.fit(sample, WINDOW)(sample)
    assert np.isfinite(mapped.x).all()
    assert abs(mapped.x.std(axis=0) - 1).max() < 0.25


def test_constant_and_nearly_constant_features() -> None:
    rng = np.random.default_rng(7)
    m = falling(rng, 5000)
    sample = events(m, {"constant": np.ones(5000), "flag": (rng.random(5000) < 0.01).astype(float)})
    z = QuantileMap.fit(sample, WINDOW)(sample).x
    assert np.isfinite(z).all()
    for column in z.T:
        assert kstest(column, "norm").statistic < 0.03
