"""Goodness of fit: right in its asymptotics, calibrated by toys, able to fail."""

import numpy as np
import pytest
from scipy.stats import kstest
from smooth_spectra import falling, published

from lamppost.errors import FitError
from lamppost.stats import Spectrum, fit_background
from lamppost.stats.fits.kernel import kolmogorov
from lamppost.stats.scans.goodness import deviance_shift, goodness_of_fit


def test_it_describes_the_fit_of_the_data() -> None:
    spectrum = falling(20000)
    fit, found = fit_background(spectrum), goodness_of_fit(spectrum, toys=0)
    assert found.function == fit.function
    assert found.pearson.value == pytest.approx(fit.chi2, rel=1e-6)
    assert found.pearson.p_value == pytest.approx(fit.p_value, rel=1e-6)
    assert found.saturated.value == pytest.approx(fit.deviance, rel=1e-6)
    distance = np.abs(np.cumsum(spectrum.counts - fit.expected)).max() / spectrum.counts.sum()
    assert found.kolmogorov.value == pytest.approx(distance, rel=1e-4)
    assert (found.kolmogorov.p_value, found.n_toys) == (None, 0)
    assert found.kolmogorov.method.startswith("not computed without toys")


def test_it_says_where_asymptotics_hold() -> None:
    full = goodness_of_fit(published("atlas_dijet_1910.08447"), n_parameters=5, toys=250)
    assert full.saturated.method.startswith("asymptotic: ")
    assert full.saturated.p_value == pytest.approx(0.0116, abs=0.0005)
    empty = goodness_of_fit(published("cms_diphoton"), n_parameters=3, toys=250)
    assert empty.saturated.method.startswith("toys, ")
    assert "-1.4" in empty.saturated.method
    assert empty.pearson.method.startswith("asymptotic: ")


def test_mean_of_the_deviance() -> None:
    """Against 200,000 Poisson counts, whose mean deviance is known to 1 %."""
    rng = np.random.default_rng(1003)
    for mu in (0.1, 1.0, 3.0, 30.0):
        n = rng.poisson(mu, 200000)
        deviance = 2.0 * (mu - n + n * np.log(np.maximum(n, 1) / mu))
        assert deviance_shift(np.array([mu]), 1) * np.sqrt(2.0) + 1.0 == pytest.approx(deviance.mean(), abs=0.02)
    assert abs(deviance_shift(np.array([1e7]), 1)) < 2e-3


def test_p_values_are_uniform() -> None:
    """150 spectra of 3000 events from the family, refitted in 100 toys each: Kolmogorov-Smirnov on three p-values."""
    truth = fit_background(falling(3000), n_parameters=3)
    rng = np.random.default_rng(1004)
    p = []
    for i, counts in enumerate(rng.poisson(truth.expected, size=(150, len(truth.expected)))):
        found = goodness_of_fit(Spectrum(falling(1).edges, counts), toys=100, seed=1000 + i)
        p.append([test.p_value for test in (found.pearson, found.saturated, found.kolmogorov)])
    for column in np.array(p, dtype=float).T:
        assert kstest(column, "uniform").pvalue > 1e-3


def test_a_wave_is_found() -> None:
    """A slow wave of 10 % that no bin shows: Kolmogorov sees it, and a spectrum that fits is left alone."""
    spectrum = falling(20000)
    wave = 1.0 + 0.1 * np.sin(np.linspace(0.0, 4.0 * np.pi, len(spectrum.counts)))
    rng = np.random.default_rng(1005)
    bad = goodness_of_fit(Spectrum(spectrum.edges, rng.poisson(spectrum.counts * wave)), n_parameters=2, toys=400)
    assert bad.kolmogorov.p_value is not None
    assert bad.kolmogorov.p_value < 0.02


def test_masked_bins_are_left_out() -> None:
    spectrum = falling(5000)
    inside = (spectrum.edges[1:] > 3300.0) & (spectrum.edges[:-1] < 3700.0)
    other = Spectrum(spectrum.edges, spectrum.counts + 1000.0 * inside)
    first, second = (goodness_of_fit(s, "dijet", 3, (3300.0, 3700.0), toys=100) for s in (spectrum, other))
    assert second.saturated.value == pytest.approx(first.saturated.value, abs=1e-4)
    with pytest.raises(FitError, match="no events"):
        goodness_of_fit(Spectrum(spectrum.edges, np.zeros_like(spectrum.counts)))


def test_kolmogorov_of_equal_shapes_is_zero() -> None:
    assert kolmogorov(np.array([1.0, 2.0, 3.0]), np.array([2.0, 4.0, 6.0])) == pytest.approx(0.0, abs=1e-15)
    assert kolmogorov(np.array([4.0, 0.0]), np.array([1.0, 1.0])) == pytest.approx(0.5)
