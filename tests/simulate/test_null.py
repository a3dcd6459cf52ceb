"""The null generator: smooth in m, features as in the data given m, no resonance whatever the data hold."""

import numpy as np
import pytest
from scipy.stats import ks_2samp

from lamppost.core import Events, splitmix64
from lamppost.errors import DataError
from lamppost.simulate.null import NullGenerator
from lamppost.stats import Spectrum, bin_edges, scan

EDGES = bin_edges(1000, 4000, 0.04)


def toy(n: int, seed: int, *, peak: int = 0, w: float | None = None) -> Events:
    """Falling m; a feature that grows with m, one that is correlated with it, a count, a pile-up at zero."""
    rng = np.random.default_rng(seed)
    m = 1000 * (1 - rng.random(n) * (1 - 4.0**-5)) ** (-1 / 5)
    m = np.concatenate([m, rng.normal(2000, 60, peak)])
    a = 0.05 * m * rng.gamma(2.0, size=n + peak)
    b = rng.normal(size=n + peak) + 0.01 * a
    count = rng.poisson(m / 300)
    pile = np.maximum(rng.normal(size=n + peak), 0.0)
    x = np.stack([a, b, count, pile], axis=1).astype(np.float32)
    weights = np.ones(n + peak) if w is None else np.where(rng.random(n + peak) < 0.5, w, 1.0)
    return Events(splitmix64(np.arange(n + peak).astype(np.uint64)), x, m, weights, ("a", "b", "count", "pile"))


def test_features_are_those_of_the_data_given_m() -> None:
    data = toy(60_000, 0)
    null = NullGenerator(data, EDGES).sample(20_000, np.random.default_rng(1))
    assert null.names == data.names
    for lo, hi in ((1000, 1200), (1200, 1700), (1700, 4000)):
        old, new = data[(data.m >= lo) & (data.m < hi)], null[(null.m >= lo) & (null.m < hi)]
        for j in range(4):  # 12 comparisons: the smallest of 12 p-values is below 1e-4 in one case of 800
            assert ks_2samp(old.x[:, j], new.x[:, j]).pvalue > 1e-4, (lo, j)
    np.testing.assert_allclose(np.corrcoef(null.x[:, :2].T), np.corrcoef(data.x[:, :2].T), atol=0.03)
    assert np.all(null.x[:, 2] == np.round(null.x[:, 2]))
    assert np.mean(null.x[:, 3] == 0) == pytest.approx(0.5, abs=0.02)
    assert null.x[:, 3].min() == 0.0


def test_no_resonance_is_left() -> None:
    data = toy(60_000, 2, peak=1500)
    assert scan(Spectrum.from_masses(data.m, EDGES), n_parameters=3, toys=0).z_local > 10
    null = NullGenerator(data, EDGES, n_parameters=3).sample(60_000, np.random.default_rng(3))
    assert scan(Spectrum.from_masses(null.m, EDGES), n_parameters=3, toys=0).z_local < 4


def test_no_copies_and_fresh_identifiers() -> None:
    data = toy(5_000, 4)
    null = NullGenerator(data, EDGES).sample(5_000, np.random.default_rng(5))
    assert len(np.unique(null.id)) == len(null)
    assert not np.isin(null.id, data.id).any()
    assert len(np.unique(null.x[:, 1])) > 0.99 * len(null)


def test_same_stream_same_events() -> None:
    generator = NullGenerator(toy(5_000, 6), EDGES)
    one, two = (generator.sample(1_000, np.random.default_rng(7)) for _ in range(2))
    assert np.array_equal(one.x, two.x)
    assert np.array_equal(one.m, two.m)
    assert not np.array_equal(one.m, generator.sample(1_000, np.random.default_rng(8)).m)


def test_weights_decide_how_often_an_event_is_drawn() -> None:
    data = toy(40_000, 9, w=3.0)
    heavy = data.with_x(np.column_stack([data.w, data.x[:, 1:]]).astype(np.float32))
    null = NullGenerator(heavy, EDGES).sample(20_000, np.random.default_rng(10))
    assert np.all(null.w == 1.0)
    # three quarters of the weight sits in events of weight 3; a draw lies between values of neighbours
    assert np.mean(null.x[:, 0] > 2.0) == pytest.approx(0.75, abs=0.02)


def test_what_cannot_be_resampled_is_refused() -> None:
    data = toy(5_000, 11)
    with pytest.raises(DataError, match="negative weights"):
        NullGenerator(Events(data.id, data.x, data.m, np.where(data.m < 1010, -1.0, 1.0), data.names), EDGES)
    with pytest.raises(DataError, match="expected at least 200"):
        NullGenerator(data[:150], EDGES)
