"""The published families: their formulae, their fits, the order by AIC."""

import numpy as np
import pytest
from smooth_spectra import falling, published
from test_background_fit import minuit_minimum

from lamppost.errors import ConfigError, FitError
from lamppost.stats import Background, Spectrum, background, fit_background
from lamppost.stats.shapes.families import UA2, Diphoton

M = np.array([1000.0, 2500.0, 9000.0])


def test_columns_are_the_published_formulae() -> None:
    x = M / 13000.0
    p = np.array([0.3, 9.0, -4.0, 0.2, 0.05])
    log_f = Diphoton().design(M, 500.0, 10000.0) @ p
    expected = np.exp(0.3) * (1 - x ** (1 / 3)) ** 9.0 * x ** (-4.0 + 0.2 * np.log(x) + 0.05 * np.log(x) ** 2)
    np.testing.assert_allclose(np.exp(log_f), expected, rtol=1e-12)
    log_f = UA2().design(M, 500.0, 10000.0) @ np.array([0.3, 5.0, 4.0, 2.0])
    np.testing.assert_allclose(np.exp(log_f), np.exp(0.3) * x**-5.0 * np.exp(-4.0 * x - 2.0 * x**2), rtol=1e-12)


@pytest.mark.parametrize("family", [Diphoton(), UA2()])
def test_minimum_agrees_with_iminuit(family: Background) -> None:
    for seed in range(20):
        spectrum = falling((500, 5000, 50000)[seed % 3], seed)
        size = family.min_parameters + seed % 2
        fit = fit_background(spectrum, family, size)
        assert fit.converged
        assert 0.5 * fit.deviance == pytest.approx(minuit_minimum(spectrum, family, fit), abs=1e-5)


def test_ranges_outside_the_family_are_refused() -> None:
    spectrum = Spectrum(np.linspace(0.0, 20000.0, 21), np.full(20, 10.0))
    with pytest.raises(FitError, match=r"diphoton: the range \[0, 20000\]"):
        fit_background(spectrum, "diphoton")
    with pytest.raises(FitError, match=r"ua2: the range \[0, 20000\]"):
        fit_background(spectrum, "ua2")
    assert background({"kind": "diphoton", "sqrt_s": 8000.0}) == Diphoton(sqrt_s=8000.0)


def test_aic_takes_the_smallest_of_all_orders() -> None:
    for seed in range(10):
        spectrum = falling(20000, seed)
        fit = fit_background(spectrum, "polynomial", "aic")
        fixed = {size: fit_background(spectrum, "polynomial", size).deviance + 2 * size for size in range(2, 8)}
        assert fit.n_parameters == min(fixed, key=lambda size: fixed[size])
        assert [step.n_parameters for step in fit.steps] == list(range(2, 8))
        np.testing.assert_allclose([step.aic for step in fit.steps], list(fixed.values()), atol=1e-5)


def test_aic_adds_a_useless_parameter_as_often_as_it_must() -> None:
    """Orders 2 and 3 of an exponential: Akaike keeps the third where chi2_1 > 2, 15.7 % of 800 toys (+- 1.3 %)."""
    edges = np.linspace(0.0, 10.0, 41)
    rng = np.random.default_rng(1001)
    expected = 5000.0 * np.diff(-np.exp(-0.3 * edges))
    kept = []
    for counts in rng.poisson(expected, size=(800, 40)):
        steps = fit_background(Spectrum(edges, counts), "polynomial", "aic").steps
        kept.append(steps[1].aic < steps[0].aic)
    assert np.mean(kept) == pytest.approx(0.157, abs=4 * 0.013)


def test_a_way_to_choose_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ConfigError, match="n_parameters: expected a number, 'aic' or 'f_test', found 'bic'"):
        fit_background(falling(1000), "dijet", "bic")  # type: ignore[arg-type]


@pytest.mark.parametrize("family", ["dijet", "diphoton", "ua2", "polynomial"])
def test_fits_of_nearly_empty_spectra_reach_their_minimum(family: str) -> None:
    """50 spectra of some 30 events, every order: minima at infinity, where empty bins expect nothing, are reached."""
    rng = np.random.default_rng(1002)
    fitted = fit_background(falling(30, 5), family)
    edges = falling(1).edges
    found = background(family)
    for counts in rng.poisson(fitted.expected, size=(50, len(fitted.expected))):
        deviances = []
        for size in range(found.min_parameters, found.max_parameters + 1):
            fit = fit_background(Spectrum(edges, counts), found, size)
            assert fit.converged
            deviances.append(fit.deviance)
        assert np.diff(deviances).max() < 1e-4  # a richer model fits no worse


def test_published_spectrum_in_another_family() -> None:
    """ATLAS's 28 million dijets: the diphoton function with five parameters is as good as the dijet function."""
    fits = [fit_background(published("atlas_dijet_1910.08447"), family, 5) for family in ("dijet", "diphoton")]
    assert fits[0].deviance == pytest.approx(fits[1].deviance, abs=1.0)
