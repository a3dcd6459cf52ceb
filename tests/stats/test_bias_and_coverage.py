"""Injected signals: what fits find, and how often limits cover them."""

import numpy as np
import pytest
from models import MASS, SIGNAL, observed, workspace

from lamppost.errors import FitError
from lamppost.stats import fit_background
from lamppost.stats.limits.pulls import bias_test, coverage


@pytest.mark.parametrize("systematics", [(), ({"kind": "mass", "size": 0.005}, {"kind": "width", "size": 0.1})])
def test_pulls_are_standard_normal(systematics: tuple[dict[str, object], ...]) -> None:
    """20,000 events, 1500 toys at each of 0, 2, 5 sigma: mean and width within four standard deviations."""
    for found in bias_test(workspace(observed(20000), *systematics), toys=1500, seed=2):
        assert len(found.pulls) == 1500
        assert found.n_failed == 0
        assert abs(found.mean) < 4.0 * found.mean_error + 0.02
        assert found.width == pytest.approx(1.0, abs=4.0 / np.sqrt(3000))
        assert found.signals.mean() == pytest.approx(found.injected, abs=0.15 * found.errors.mean())


def test_the_signal_is_free_to_be_negative() -> None:
    """Half of all yields without a signal, of 300 events in 70 bins too, and no fit is lost."""
    (found,) = bias_test(workspace(observed(300), n_parameters=2), [0.0], toys=1000, seed=1)
    assert found.n_failed == 0
    assert np.mean(found.signals < 0.0) == pytest.approx(0.5, abs=0.08)
    assert found.width == pytest.approx(1.0, abs=0.1)


def test_another_truth_biases_and_a_spurious_signal_covers_it() -> None:
    """The truth has a broad hump that three parameters do not follow."""
    spectrum = observed(20000)
    smooth = fit_background(spectrum, n_parameters=3).expected
    hump = SIGNAL.fractions(spectrum.edges, MASS, stretch=2.0)
    plain, repaired = (
        bias_test(workspace(spectrum, spurious=size), [0.0], truth=smooth + 100.0 * hump, toys=800, seed=3)[0]
        for size in (0.0, 60.0)
    )
    assert plain.mean > 0.5
    # errors grow in quadrature, and so do pulls shrink
    ratio = np.median(plain.errors / repaired.errors)
    assert ratio == pytest.approx(1.0 / np.hypot(1.0, 60.0 / np.median(plain.errors)), rel=0.01)
    assert repaired.mean == pytest.approx(ratio * plain.mean, rel=0.1)


def test_limits_cover() -> None:
    """CLs covers at least 94 %, all at zero, and 95 % far away; the median limit is Asimov's within 3 %."""
    found = coverage(workspace(observed(20000)), [0.0, 2.0, 5.0], toys=300, limits=True, seed=4)
    for each in found:
        assert each.covered > 0.95 - 4.0 * np.sqrt(0.05 * 0.95 / 300)
        assert each.n_failed == 0
    assert found[0].covered == 1.0
    assert found[2].covered == pytest.approx(0.95, abs=4.0 * np.sqrt(0.05 * 0.95 / 300))
    # the median of 300 limits is known to 1.25 * 40 % / sqrt(300) = 3 %
    assert found[0].median == pytest.approx(found[0].asimov, rel=0.08)
    assert found[0].median < found[1].median < found[2].median


def test_covering_and_the_limit_agree() -> None:
    """The limit lies above the injected yield exactly where that is not excluded."""
    (found,) = coverage(workspace(observed(3000)), [2.0], toys=100, limits=True, seed=5)
    assert found.covered == np.mean(found.limits >= found.injected)


def test_the_seed_decides_every_bit() -> None:
    model = workspace(observed(1000))
    first, second, other = (bias_test(model, [1.0], toys=50, seed=seed)[0].pulls for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, other)


def test_a_truth_of_other_bins_is_refused() -> None:
    with pytest.raises(FitError, match="the true background needs"):
        bias_test(workspace(), truth=np.ones(3), toys=10)
    with pytest.raises(FitError, match="the true background needs"):
        coverage(workspace(), truth=np.full(len(observed().counts), np.nan), toys=10)
