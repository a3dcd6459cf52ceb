"""Hidden bins: nothing that is in them reaches a fit, a scan or a toy, and what is beside them is fitted as ever."""

from typing import Any

import numpy as np
import pytest
from smooth_spectra import falling

from lamppost.stats import Gaussian, Spectrum, fit_background, scan

SIGNAL = Gaussian(resolution=0.03)
HIDDEN = ((3400.0, 3900.0), (5000.0, 5300.0))
WINDOW = (4200.0, 4700.0)


def hidden(spectrum: Spectrum, extra: float = 0.0, at: float = 3650.0) -> Spectrum:
    """The spectrum with a signal that is hidden, but for tails of it that would be seen."""
    counts = np.array(spectrum.counts)
    inside = ~Spectrum(spectrum.edges, counts, hidden=HIDDEN).open_bins()
    counts[inside] += extra * SIGNAL.fractions(spectrum.edges, at)[inside]
    return Spectrum(spectrum.edges, counts, hidden=HIDDEN)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"n_parameters": 3, "spurious": 2.0},
        {"background": ["dijet", "ua2"], "n_parameters": "aic"},
        {"background": ["dijet", "ua2"], "criterion": "envelope"},
    ],
)
def test_what_is_hidden_does_not_matter(options: dict[str, Any]) -> None:
    options = {"signal": SIGNAL, "window": WINDOW, "toys": 100, **options}
    with_signal, without = (scan(hidden(falling(8000), n), **options) for n in (4000.0, 0.0))
    assert with_signal.summary() == without.summary()
    np.testing.assert_array_equal(with_signal.z, without.z)
    np.testing.assert_array_equal(with_signal.background.expected, without.background.expected)
    assert without.n_failed == 0


def test_a_hidden_interval_is_a_masked_one() -> None:
    spectrum = falling(8000)
    masked = fit_background(spectrum, "dijet", 3, masked=HIDDEN[0])
    fit = fit_background(Spectrum(spectrum.edges, spectrum.counts, hidden=HIDDEN[:1]), "dijet", 3)
    np.testing.assert_allclose(fit.expected, masked.expected, rtol=1e-6)
    assert (fit.chi2, fit.ndf) == pytest.approx((masked.chi2, masked.ndf), rel=1e-6)


def test_a_signal_beside_it_is_found() -> None:
    spectrum = falling(20_000)
    counts = spectrum.counts + 300.0 * SIGNAL.fractions(spectrum.edges, 4450.0)
    found = scan(hidden(Spectrum(spectrum.edges, counts)), signal=SIGNAL, window=WINDOW, toys=0, n_parameters=3)
    assert abs(found.signal - 300.0) < 3.0 * found.signal_error
    assert abs(found.best_mass - 4450.0) < 3.0 * 0.03 * 4450.0 * found.signal_error / 300.0
    assert found.z_local > 5.0


def test_toys_are_spread_as_p_values_should() -> None:
    """Of 60 spectra the share with p <= 0.5 is binomial: 0.5 +- 0.065, and 4 sigma are allowed."""
    rng = np.random.default_rng(1001)
    expected = fit_background(falling(8000), "dijet", 3).expected
    edges = falling(8000).edges
    options: dict[str, Any] = {"signal": SIGNAL, "window": WINDOW, "toys": 100, "n_parameters": 3}
    p = [scan(Spectrum(edges, rng.poisson(expected), hidden=HIDDEN), seed=i, **options).p_global for i in range(60)]
    assert abs(np.mean(np.array(p, dtype=float) <= 0.5) - 0.5) < 4 * 0.065
    assert min(value for value in p if value is not None) > 1e-3
