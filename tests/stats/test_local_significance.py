"""Local p-values: asymptotic where that holds, toys where it does not, always with the reason."""

import numpy as np
import pytest
from smooth_spectra import falling, published

from lamppost.errors import ConfigError, FitError
from lamppost.stats import CrystalBall, Dijet, Gaussian, Spectrum, fit_background, p_from_z
from lamppost.stats.fits.fit import unmasked
from lamppost.stats.scans.local import events_under_peak, local_significance
from lamppost.stats.scans.search import prepare

NARROW = {"kind": "gaussian", "resolution": 0.03}
WIDE = {"kind": "crystal_ball", "resolution": 0.04}


def bumpy(events: int, mass: float, signal: float) -> Spectrum:
    """A falling spectrum with the expectation of a signal added."""
    spectrum = falling(events)
    return Spectrum(spectrum.edges, spectrum.counts + signal * Gaussian().fractions(spectrum.edges, mass))


def test_events_under_a_peak() -> None:
    """A lone bin is its own background; a Gaussian on b per bin sees 1.5 sqrt(pi) sigma b."""
    assert events_under_peak(np.array([7.0, 3.0]), np.array([1.0, 0.0])) == pytest.approx(7.0)
    t = np.arange(-100, 101) / 10.0
    assert events_under_peak(np.full(201, 4.0), np.exp(-0.5 * t**2)) == pytest.approx(
        1.5 * np.sqrt(np.pi) * 10.0 * 4.0, rel=1e-6
    )


def test_asymptotic_where_that_holds() -> None:
    found = local_significance(published("reference_case"), 3000.0, signal=WIDE, n_parameters=4)
    assert found.method == "asymptotic"
    assert found.z == pytest.approx(3.4943, abs=0.001)
    assert found.p == found.p_asymptotic == pytest.approx(p_from_z(found.z))
    assert found.reason == "812 background events under the peak"
    assert (found.p_error, found.n_toys) == (0.0, 0)


def test_the_upper_end_of_the_reference_case() -> None:
    """At 5.8 TeV P(Z > 3) is 0.79 +- 0.11 of the asymptotic value, P(Z > 1) 0.880 (40,000 toys: 1.2 %)."""
    spectrum, mass = published("reference_case"), np.array([5800.0])
    search = prepare(spectrum, Dijet(), CrystalBall(resolution=0.04), mass, unmasked(spectrum, None), 4)
    counts = np.random.default_rng(1000).poisson(search.expected, size=(40000, len(search.expected)))
    q0 = search.toys(counts.astype(float))
    assert np.mean(q0 > 1.0) / p_from_z(1.0) == pytest.approx(0.88, abs=0.05)
    found = local_significance(spectrum, 5800.0, signal=WIDE, n_parameters=4, seed=1001)
    assert found.reason == "only 2.6 background events are expected under the peak"
    assert found.method.startswith("toys, stopped at 400")
    # the same share of the same toys: 400 exceedances know it to 5 %
    assert found.p == pytest.approx(np.mean(q0 >= found.q0), rel=0.2)
    assert abs(found.p - np.mean(q0 >= found.q0)) < 4.0 * found.p_error


def test_the_end_of_the_range_is_a_reason() -> None:
    found = local_significance(bumpy(20000, 2850.0, 400.0), 2850.0, signal=NARROW, n_parameters=3, toys=1000, seed=1002)
    assert found.reason == "the peak lies 0.58 sigma from the end of the range at 2800"
    assert found.method.startswith("toys")
    assert found.p_error > 0.0


def test_beyond_the_toys_the_tail_is_carried_on() -> None:
    """Six sigma by 2,000 toys where toys and asymptotics agree: within the error that is quoted."""
    spectrum = bumpy(20000, 3500.0, 450.0)
    found = local_significance(spectrum, 3500.0, signal=NARROW, n_parameters=3, method="toys", toys=2000, seed=1003)
    assert 5.0 < np.sqrt(found.q0) < 7.0
    assert "from there the asymptotic tail" in found.method
    assert 0.1 * found.p < found.p_error < found.p
    assert abs(found.p - found.p_asymptotic) < 4.0 * found.p_error
    assert found.reason == "as asked"


def test_toys_are_calibrated_where_asymptotics_are_not() -> None:
    """400 spectra of 300 events at a mass with few of them: 5 % of the p-values below 0.05, by definition of p."""
    spectrum = falling(300)
    fit = fit_background(spectrum, n_parameters=3)
    drawn = np.random.default_rng(1004).poisson(fit.expected, size=(400, len(fit.expected)))
    found = [
        local_significance(Spectrum(spectrum.edges, n), 5000.0, signal=NARROW, n_parameters=3, toys=250, seed=1000 + i)
        for i, n in enumerate(drawn)
    ]
    assert {one.method.split()[0].strip(",") for one in found} == {"toys", "asymptotic"}
    assert all(one.p == 0.5 for one in found if one.method == "asymptotic")  # without an excess
    p = np.array([one.p for one in found])
    assert np.mean(p <= 0.05) == pytest.approx(0.05, abs=4.0 * np.sqrt(0.05 * 0.95 / 400))
    assert np.mean(p <= 0.2) == pytest.approx(0.2, abs=4.0 * np.sqrt(0.2 * 0.8 / 400))


def test_no_excess_is_one_half() -> None:
    spectrum = falling(5000)
    counts = np.where((spectrum.edges[1:] > 3300.0) & (spectrum.edges[:-1] < 3700.0), 0.0, spectrum.counts)
    found = local_significance(Spectrum(spectrum.edges, counts), 3500.0, signal=NARROW, n_parameters=3, method="toys")
    assert (found.p, found.z, found.n_toys, found.method) == (0.5, 0.0, 0, "asymptotic")
    assert found.reason.startswith("no excess")
    assert found.signal < 0.0


def test_what_is_asked_for_is_done_and_said() -> None:
    found = local_significance(published("reference_case"), 5800.0, signal=WIDE, n_parameters=4, method="asymptotic")
    assert found.method == "asymptotic"
    assert found.reason == "as asked, although only 2.6 background events are expected under the peak"


def test_a_spurious_signal_lowers_the_significance() -> None:
    spectrum = bumpy(20000, 3500.0, 200.0)
    plain, wary = (
        local_significance(spectrum, 3500.0, signal=NARROW, n_parameters=3, spurious=width) for width in (None, 60.0)
    )
    assert 1.0 < wary.z < plain.z - 0.3


def test_bad_input() -> None:
    with pytest.raises(FitError, match="mass 9000 lies outside"):
        local_significance(falling(1000), 9000.0)
    with pytest.raises(ConfigError, match='must be "auto", "asymptotic" or "toys", found \'exact\''):
        local_significance(falling(1000), 3500.0, method="exact")  # type: ignore[arg-type]
    with pytest.raises(FitError, match="no events"):
        local_significance(Spectrum(np.linspace(3000.0, 4000.0, 11), np.zeros(10)), 3500.0)


def test_a_peak_where_nothing_is_expected_needs_toys() -> None:
    """Bins without any background are next to none under the peak, and no undefined number."""
    fractions = np.array([0.25, 0.5, 0.25])
    assert 0.0 <= events_under_peak(np.zeros(3), fractions) < 1e-6
    assert events_under_peak(np.full(3, 100.0), fractions) > 100.0
