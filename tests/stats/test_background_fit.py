"""Background fits against iminuit, quadrature and their own rules."""

from typing import Any

import numpy as np
import pytest
from iminuit import Minuit
from scipy.integrate import quad
from smooth_spectra import falling

from lamppost.core import Array
from lamppost.errors import ConfigError, FitError
from lamppost.stats import Background, BackgroundFit, Dijet, Spectrum, background, fit_background


def half_deviance(spectrum: Spectrum, family: Background, size: int, origin: Array, parameters: Array) -> float:
    """-ln L against the saturated model, with 16 points per bin; parameters are counted from `origin`."""
    x, w = np.polynomial.legendre.leggauss(16)
    half = 0.5 * np.diff(spectrum.edges)
    m = spectrum.edges[:-1] + half + np.outer(x, half)
    design = family.design(m.ravel(), spectrum.lo, spectrum.hi)[:, :size]
    mu = (w @ np.exp(design @ (origin + parameters)).reshape(m.shape)) * half
    n = spectrum.counts
    return float(np.sum(mu - n + n * np.log(np.where(n > 0, n, 1.0) / mu)))


def minuit_minimum(spectrum: Spectrum, family: Background, fit: BackgroundFit) -> float:
    """The minimum iminuit finds, started off the fitted point along the axes of its covariance."""
    axes = np.linalg.cholesky(fit.covariance)

    def objective(theta: Array) -> float:
        return half_deviance(spectrum, family, fit.n_parameters, fit.parameters, axes @ theta)

    minuit = Minuit(objective, np.full(fit.n_parameters, 0.5))
    minuit.errordef, minuit.strategy, minuit.tol = Minuit.LIKELIHOOD, 1, 1e-3
    minuit.migrad()
    assert minuit.valid
    return float(minuit.fval)


@pytest.mark.parametrize("family", [Dijet(), background("polynomial")])
def test_minimum_agrees_with_iminuit(family: Background) -> None:
    for seed in range(50):
        events = (500, 5000, 50000)[seed % 3]
        spectrum, size = falling(events, seed), 2 + seed % 3
        fit = fit_background(spectrum, family, size)
        assert fit.converged
        assert 0.5 * fit.deviance == pytest.approx(minuit_minimum(spectrum, family, fit), abs=1e-5)


@pytest.mark.parametrize("family", ["dijet", "polynomial"])
def test_expected_is_the_integral_of_the_function(family: str) -> None:
    spectrum = falling(20000)
    fit = fit_background(spectrum, family)
    for i in (0, 10, 40):
        exact, _ = quad(lambda m: float(fit.density(np.array([m]))[0]), *spectrum.edges[i : i + 2], epsrel=1e-12)
        assert fit.expected[i] == pytest.approx(exact, rel=1e-10)
    assert fit.expected_in(spectrum.lo, spectrum.hi)[0] == pytest.approx(fit.expected.sum(), rel=1e-10)
    # a Poisson likelihood with a free normalisation conserves the number of events
    assert fit.expected.sum() == pytest.approx(spectrum.counts.sum(), rel=1e-6)


def test_error_of_an_expectation_is_its_spread_in_toys() -> None:
    """400 toys: the spread is known to 3.5 %."""
    fit = fit_background(falling(20000), "dijet", 3, masked=(3300.0, 3700.0))
    rng = np.random.default_rng(2)
    edges = falling(1).edges
    values = [
        fit_background(Spectrum(edges, counts), "dijet", 3, masked=(3300.0, 3700.0)).expected_in(3317.0, 3688.0)[0]
        for counts in rng.poisson(fit.expected, size=(400, len(fit.expected)))
    ]
    _, error = fit.expected_in(3317.0, 3688.0)
    assert np.std(values) == pytest.approx(error, rel=0.15)


def test_masked_bins_do_not_count() -> None:
    spectrum = falling(5000)
    inside = (spectrum.edges[1:] > 3300.0) & (spectrum.edges[:-1] < 3700.0)
    other = Spectrum(spectrum.edges, spectrum.counts + 1000.0 * inside)
    masked = [fit_background(s, masked=(3300.0, 3700.0)) for s in (spectrum, other)]
    np.testing.assert_allclose(masked[0].expected, masked[1].expected, rtol=1e-7)
    assert masked[0].chi2 == pytest.approx(masked[1].chi2, rel=1e-7)
    assert masked[1].pulls[inside].min() > 10.0


def test_f_test_is_recorded_and_rarely_wrong() -> None:
    """The true order is 2 where the spectrum is exponential: one more is accepted in 5 % of 400 toys (+- 1.1 %)."""
    edges = np.linspace(0.0, 10.0, 41)
    expected = 5000.0 * np.diff(-np.exp(-0.3 * edges))
    rng = np.random.default_rng(3)
    fits = [fit_background(Spectrum(edges, rng.poisson(expected)), "polynomial") for _ in range(400)]
    assert sum(fit.n_parameters > 2 for fit in fits) / 400 == pytest.approx(0.05, abs=0.044)
    for fit in fits:
        assert [step.n_parameters for step in fit.steps] == list(range(2, 2 + len(fit.steps)))
        assert fit.steps[-1].p_value > 0.05 or fit.n_parameters == 7
        assert all(step.p_value <= 0.05 for step in fit.steps[1 : fit.n_parameters - 1])


def test_a_fit_that_does_not_converge_says_so() -> None:
    counts = 1e200 * (1.0 + np.arange(40) % 3)  # beyond what squares can hold
    fit = fit_background(Spectrum(np.linspace(1.0, 2.0, 41), counts), "polynomial", 3)
    assert not fit.converged
    assert np.isnan(fit.deviance)
    assert fit.failed_orders == (3,)


def test_a_minimum_at_infinity_is_reached() -> None:
    """A spike: the polynomial narrows without end, and its likelihood to that of a perfect fit."""
    counts = np.zeros(40)
    counts[17] = 25.0
    fit = fit_background(Spectrum(np.linspace(1.0, 2.0, 41), counts), "polynomial", 3)
    assert fit.converged
    assert fit.deviance == pytest.approx(0.0, abs=1e-3)


def test_families_are_found_by_kind() -> None:
    assert background({"kind": "dijet", "sqrt_s": 8000.0}) == Dijet(sqrt_s=8000.0)
    with pytest.raises(ConfigError, match="unknown kind 'spline'"):
        background("spline")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_parameters": 6}, "dijet: 2 to 5 parameters, not 6"),
        ({"n_parameters": 1}, "dijet: 2 to 5 parameters, not 1"),
        ({"background": {"kind": "dijet", "sqrt_s": 7000.0}}, r"dijet: the range \[2800, 8000\] does not lie between"),
        ({"masked": (2000.0, 7900.0)}, "unmasked bins are too few"),
    ],
)
def test_impossible_fits_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(FitError, match=message):
        fit_background(falling(1000), **change)


def test_nothing_to_fit_is_refused() -> None:
    edges = np.linspace(1000.0, 2000.0, 21)
    with pytest.raises(FitError, match="no events between 1000 and 2000"):
        fit_background(Spectrum(edges, np.zeros(20)))
    counts = np.zeros(20)
    counts[10] = 7.0
    with pytest.raises(FitError, match="no events outside the masked window"):
        fit_background(Spectrum(edges, counts), masked=(1400.0, 1700.0))
    with pytest.raises(FitError, match="bins are too few"):
        fit_background(Spectrum(edges[:3], np.ones(2)))
    with pytest.raises(FitError, match=r"window \[500, 1500\) is not inside"):
        fit_background(falling(1000, resolution=0.1)).expected_in(500.0, 1500.0)


def test_band_is_the_spread_of_the_density_in_toys() -> None:
    """400 toys: the spread is known to 3.5 %."""
    fit = fit_background(falling(20000), "dijet", 3)
    m = np.array([[3000.0, 4000.0], [5000.0, 7000.0]])
    rng = np.random.default_rng(1010)
    edges = falling(1).edges
    toys = [
        fit_background(Spectrum(edges, counts), "dijet", 3).density(m)
        for counts in rng.poisson(fit.expected, size=(400, len(fit.expected)))
    ]
    np.testing.assert_allclose(np.std(toys, axis=0), fit.band(m), rtol=0.15)
    values, errors = fit.expected_between(edges)
    np.testing.assert_allclose(values, fit.expected, rtol=1e-9)
    assert errors[5] == pytest.approx(fit.expected_in(edges[5], edges[6])[1], rel=1e-9)
    # a narrow bin is the density times its width
    _, narrow = fit.expected_between(np.array([3999.9, 4000.1]))
    assert narrow[0] == pytest.approx(0.2 * fit.band(np.array([4000.0]))[0], rel=1e-4)
    with pytest.raises(FitError, match="with rising edges"):
        fit.expected_between(np.array([4000.0, 3000.0]))
