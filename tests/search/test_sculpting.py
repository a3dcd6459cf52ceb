"""The flatness test: uniform where the cut leaves m alone, small where it does not."""

import numpy as np
import pytest
from scipy.stats import kstest

from lamppost.search import kept_fraction_flatness

EDGES = np.linspace(3000.0, 4000.0, 13)


def p_values(efficiency: float, slope: float = 0.0, *, weighted: bool = False, toys: int = 200) -> list[float]:
    rng = np.random.default_rng(1)
    found = []
    for _ in range(toys):
        m = rng.uniform(3000, 4000, 20_000)
        w = rng.uniform(0.5, 2.0, 20_000) if weighted else np.ones(20_000)
        kept = rng.random(20_000) < efficiency * (1 + slope * (m - 3500) / 500)
        found.append(kept_fraction_flatness(m, w, kept, EDGES).p_value)
    return found


@pytest.mark.parametrize("efficiency", [0.1, 0.01])
@pytest.mark.parametrize("weighted", [False, True])
def test_uniform_on_a_flat_fraction(efficiency: float, weighted: bool) -> None:
    assert kstest(p_values(efficiency, weighted=weighted), "uniform").pvalue > 1e-3


def test_small_on_a_sculpted_one() -> None:
    """A slope of 20 % at 2,000 kept events: chi2 grows by about 27 over 11 degrees of freedom."""
    assert np.median(p_values(0.1, 0.2, toys=30)) < 1e-2
    assert np.median(p_values(0.1, 0.4, toys=30)) < 1e-6


def test_numbers() -> None:
    m = np.repeat([3250.0, 3750.0], 1000)
    kept = np.concatenate([np.arange(1000) < 120, np.arange(1000) < 80])
    found = kept_fraction_flatness(m, np.ones(2000), kept, np.array([3000.0, 3500.0, 4000.0]))
    np.testing.assert_allclose(found.fraction, [0.12, 0.08])
    assert found.ndf == 1
    assert found.chi2 == pytest.approx(2 * 0.02**2 / (0.1 * 0.9 / 1000))  # Pearson's of the 2 x 2 table
    assert found.p_value == pytest.approx(0.00285, rel=0.01)


def test_scale_of_weights_does_not_matter() -> None:
    rng = np.random.default_rng(2)
    m, w, kept = rng.uniform(3000, 4000, 5000), rng.uniform(0.5, 2, 5000), rng.random(5000) < 0.1
    one, other = (kept_fraction_flatness(m, scale * w, kept, EDGES) for scale in (1.0, 1e-3))
    assert one.chi2 == pytest.approx(other.chi2)
    assert one.ndf == other.ndf


def test_empty_bins_are_merged() -> None:
    rng = np.random.default_rng(3)
    m = 3000 + rng.exponential(60, 3000)
    m, kept = m[m < 4000], rng.random(int((m < 4000).sum())) < 0.05
    found = kept_fraction_flatness(m, np.ones(len(m)), kept, EDGES)
    assert (found.edges[0], found.edges[-1]) == (3000.0, 4000.0)
    assert 0 < found.ndf < 12
    assert (found.total * kept.mean() >= 9.9).all()


@pytest.mark.parametrize("kept", [np.zeros(100, bool), np.ones(100, bool)])
def test_nothing_to_test(kept: np.ndarray) -> None:
    found = kept_fraction_flatness(np.linspace(3000, 3999, 100), np.ones(100), kept, EDGES)
    assert found.p_value == 1.0
    assert np.isfinite(found.fraction).all()


def test_no_events() -> None:
    empty = np.empty(0)
    assert kept_fraction_flatness(empty, empty, empty.astype(bool), EDGES).p_value == 1.0
