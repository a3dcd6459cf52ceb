"""The spurious signal: where it comes from, and what carrying it does to a significance."""

import numpy as np
import pytest
from iminuit import Minuit
from scipy.stats import kstest
from smooth_spectra import falling, published

from lamppost.core import Array
from lamppost.errors import FitError
from lamppost.stats import Dijet, Gaussian, Spectrum, fit_background, scan
from lamppost.stats import signal as parse_signal
from lamppost.stats.fits.fit import unmasked
from lamppost.stats.scans.search import prepare
from lamppost.stats.scans.spurious import largest_excess, spurious_signal

NARROW = {"kind": "gaussian", "resolution": 0.03}
MASSES = np.arange(3000.0, 6001.0, 250.0)


def with_bump(spectrum: Spectrum, events: float) -> Spectrum:
    """The expectation of this many signal events at 3500 added."""
    return Spectrum(spectrum.edges, spectrum.counts + events * Gaussian().fractions(spectrum.edges, 3500.0))


def test_the_same_family_has_none() -> None:
    found = spurious_signal(falling(20000), "dijet", ["dijet"], signal=NARROW, masses=MASSES)
    assert found.used == (True,)
    assert np.abs(found.largest / found.yield_errors[0]).max() < 1e-3


def test_it_is_what_a_scan_of_the_alternative_finds() -> None:
    spectrum = falling(20000)
    found = spurious_signal(spectrum, "dijet", ["polynomial", "ua2"], signal=NARROW, masses=MASSES, n_parameters=3)
    nominal = fit_background(spectrum, "dijet", 3)
    truth = fit_background(spectrum, "polynomial", masked=largest_excess(spectrum, nominal, parse_signal(NARROW)))
    asimov = Spectrum(spectrum.edges, truth.expected)
    by_hand = scan(asimov, n_parameters=3, signal=NARROW, masses=MASSES, toys=0)
    np.testing.assert_allclose(found.yields[0], by_hand.yields, atol=0.01)
    assert found.alternatives[0] == truth.function
    assert (found.largest >= np.abs(found.yields).max(axis=0) - 1e-9).all()


def test_a_signal_in_the_data_is_not_held_against_the_alternatives() -> None:
    """An excess that no smooth family describes leaves them, and what they find spurious, as they were."""
    spectrum = falling(20000)
    bumped = with_bump(spectrum, 500.0)
    assert fit_background(bumped, "ua2").p_value < 0.01
    before, after = (
        spurious_signal(s, "dijet", ["ua2"], signal=NARROW, masses=MASSES, n_parameters=3) for s in (spectrum, bumped)
    )
    assert after.used == (True,)
    assert np.abs(after.yields - before.yields).max() < before.yield_errors.max()


def test_families_that_do_not_fit_are_not_believed() -> None:
    spectrum = published("atlas_dijet_1910.08447")
    found = spurious_signal(spectrum, "dijet", ["diphoton", "ua2"], masses=np.array([3000.0]))
    assert found.used == (True, False)
    assert found.p_values[1] < 0.01
    assert found.largest[0] < np.abs(found.yields[1]).max() + 1e-9
    with pytest.raises(FitError, match=r"no alternative describes the spectrum with p >= 0\.01: ua24 with p = 0\.0021"):
        spurious_signal(spectrum, "dijet", ["ua2"], masses=np.array([3000.0]))


def test_significance_with_it_agrees_with_iminuit() -> None:
    """Null and free fit with a constrained second yield of the same shape, minimised by another program."""
    spectrum, width = with_bump(falling(3000), 60.0), 15.0
    bins = unmasked(spectrum, None)
    ready = prepare(spectrum, Dijet(), Gaussian(), np.array([3500.0]), bins, 3, None, np.full(1, width))
    basis, weight, n, f = ready.model.basis[:, :3], ready.model.weight, ready.model.n, ready.fractions[0]

    def nll(theta: Array) -> float:
        mu = np.sum(weight * np.exp(np.einsum("qpi,p->qi", basis, theta[:3])), axis=0) + (theta[3] + theta[4]) * f
        return float(np.sum(mu - n * np.log(mu)) + 0.5 * (theta[4] / width) ** 2)

    minima = []
    for free in (False, True):
        minuit = Minuit(nll, np.append(ready.starts[3, :3], [10.0 if free else 0.0, 1.0]))
        minuit.errordef, minuit.strategy, minuit.tol = Minuit.LIKELIHOOD, 1, 1e-3
        minuit.fixed[3] = not free
        minuit.migrad()
        assert minuit.valid
        minima.append(minuit.fval)
    q0, signal, error, _ = ready.found[0]
    assert q0 == pytest.approx(2.0 * (minima[0] - minima[1]), abs=1e-4)
    assert signal == pytest.approx(minuit.values[3], rel=5e-3)
    assert error == pytest.approx(minuit.errors[3], rel=0.02)


def test_it_weakens_a_significance_as_an_error_in_quadrature() -> None:
    spectrum = with_bump(falling(20000), 200.0)
    masses = np.array([3500.0])
    plain = scan(spectrum, n_parameters=3, signal=NARROW, masses=masses, toys=0)
    for width in (10.0, 50.0, 200.0):
        found = scan(spectrum, n_parameters=3, signal=NARROW, masses=masses, toys=0, spurious=width)
        assert found.signal == pytest.approx(plain.signal, rel=1e-5)
        assert found.signal_error == pytest.approx(np.hypot(plain.signal_error, width), rel=1e-5)
        # Gaussian up to the change of the errors with the yield
        gaussian = plain.z_local * plain.signal_error / found.signal_error
        assert found.z_local == pytest.approx(gaussian, rel=0.06)
    none = scan(spectrum, n_parameters=3, signal=NARROW, masses=masses, toys=0, spurious=0.0)
    assert none.z_local == plain.z_local


def test_local_p_values_with_it_are_uniform() -> None:
    """4000 null toys with the measurement of the spurious yield drawn anew: half below zero, the rest uniform."""
    spectrum = falling(20000)
    ready = prepare(
        spectrum, Dijet(), Gaussian(), np.array([3500.0]), unmasked(spectrum, None), 3, None, np.full(1, 40.0)
    )
    rng = np.random.default_rng(1006)
    counts = rng.poisson(ready.expected, size=(4000, len(ready.expected))).astype(float)
    z = np.sqrt(ready.repeat(counts, ready.measured(rng.standard_normal(counts.shape))).q0[:, 0])
    assert np.mean(z > 0.0) == pytest.approx(0.5, abs=4 * 0.5 / np.sqrt(4000))
    assert kstest(z[z > 0.0], "halfnorm").pvalue > 1e-3
    # the same toys without that draw: too narrow, the test can fail
    narrow = np.sqrt(ready.repeat(counts).q0[:, 0])
    assert kstest(narrow[narrow > 0.0], "halfnorm").pvalue < 1e-3


def test_looking_elsewhere_costs_as_much_with_it() -> None:
    """Global p at one and the same local z, with and without: 3000 toys know it to 8 %."""
    spectrum = falling(20000)
    masses = np.arange(3000.0, 6001.0, 50.0)
    rng = np.random.default_rng(1007)
    tails = []
    for width in (0.0, 30.0):
        bins = unmasked(spectrum, None)
        ready = prepare(spectrum, Dijet(), Gaussian(), masses, bins, 3, None, np.full(len(masses), width))
        counts = rng.poisson(ready.expected, size=(3000, len(ready.expected))).astype(float)
        q0 = ready.repeat(counts, ready.measured(rng.standard_normal(counts.shape))).q0.max(axis=1)
        tails.append(np.mean(q0 > 4.0))
    assert tails[1] == pytest.approx(tails[0], rel=4 * np.sqrt(2.0) * 0.05)


@pytest.mark.parametrize(
    ("spurious", "message"),
    [
        (np.ones(3), "expected a number or one value for each of 13 masses"),
        (-1.0, "a standard deviation is finite and not negative"),
        (np.nan, "a standard deviation is finite and not negative"),
    ],
)
def test_impossible_values_are_refused(spurious: float, message: str) -> None:
    with pytest.raises(FitError, match=message):
        scan(falling(1000), masses=MASSES, spurious=spurious, toys=0)
