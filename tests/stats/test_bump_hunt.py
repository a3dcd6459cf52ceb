"""The scan: its local significances, its toys, its independence of units, weights and batches."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from iminuit import Minuit
from scipy.stats import kstest
from smooth_spectra import falling, falling_masses

from lamppost.core import Array
from lamppost.errors import FitError
from lamppost.stats import (
    Dijet,
    Gaussian,
    ScanResult,
    Spectrum,
    bin_edges,
    fit_background,
    joint_scan,
    mass_grid,
    scan,
)
from lamppost.stats.fits.fit import unmasked
from lamppost.stats.scans.search import Search, prepare

WINDOW = (3300.0, 3700.0)
NARROW = {"kind": "gaussian", "resolution": 0.03}


def search(spectrum: Spectrum, masses: Array, n_parameters: int | None = None) -> Search:
    """A search over all bins."""
    return prepare(spectrum, Dijet(), Gaussian(), masses, unmasked(spectrum, None), n_parameters)


def with_bump(spectrum: Spectrum, mass: float, events: float) -> Spectrum:
    """The expectation of this many signal events added."""
    return Spectrum(spectrum.edges, spectrum.counts + events * Gaussian().fractions(spectrum.edges, mass))


def minuit_fit(found: Search, j: int, free: bool) -> Minuit:
    """Three background parameters and a yield >= 0, free or zero, for mass hypothesis j."""
    basis, weight, n, f = found.model.basis[:, :3], found.model.weight, found.model.n, found.fractions[j]

    def nll(theta: Array) -> float:
        mu = np.sum(weight * np.exp(np.einsum("qpi,p->qi", basis, theta[:3])), axis=0) + theta[3] * f
        return float(np.sum(mu - n * np.log(mu)))

    minuit = Minuit(nll, np.append(found.starts[3, :3], 1.0 if free else 0.0))
    minuit.errordef, minuit.strategy, minuit.tol = Minuit.LIKELIHOOD, 1, 1e-3
    minuit.limits[3], minuit.fixed[3] = (0.0, None), not free
    minuit.migrad()
    minuit.limits[3] = (None, None)  # a limit distorts the errors
    return minuit.hesse()


def test_local_significance_agrees_with_iminuit() -> None:
    """Twice the drop of -ln L when a signal is allowed, minimised by another program."""
    spectrum = with_bump(falling(3000), 3500.0, 60.0)
    masses = np.linspace(3000.0, 7500.0, 10)
    result = scan(spectrum, signal=NARROW, n_parameters=3, masses=masses, toys=0)
    found = search(spectrum, masses, 3)
    for j in np.flatnonzero(result.z > 0.1):
        null, free = (minuit_fit(found, j, free) for free in (False, True))
        assert result.z[j] ** 2 == pytest.approx(2.0 * (null.fval - free.fval), abs=1e-4)
        assert result.yields[j] == pytest.approx(free.values[3], rel=5e-3)
        assert result.yield_errors[j] == pytest.approx(free.errors[3], rel=0.01)
    assert np.sum(result.z > 0.1) >= 3


def test_summary_is_plain_json() -> None:
    result = scan(with_bump(falling(2000), 3500.0, 50.0), window=WINDOW, toys=200)
    summary = result.summary()
    wanted = "function n_parameters chi2 ndf p_value best_mass z_local p_local p_global signal signal_error"
    wanted += " z_global p_global_method p_global_error n_toys n_failed n_unfitted n_failed_masses fit_range"
    assert set(summary) == set(wanted.split())
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary
    assert WINDOW[0] <= result.best_mass <= WINDOW[1]
    assert (result.chi2, result.ndf, result.p_value) == (summary["chi2"], summary["ndf"], summary["p_value"])
    masked = fit_background(result.spectrum, masked=WINDOW)
    assert masked.function == summary["function"]
    np.testing.assert_array_equal(result.pulls, masked.pulls)


def same(a: ScanResult, b: ScanResult) -> bool:
    """Equal to the last bit."""
    arrays = all(np.array_equal(getattr(a, k), getattr(b, k)) for k in ("masses", "z", "p", "yields", "yield_errors"))
    return arrays and a.summary() == b.summary()


def test_the_seed_decides_every_bit() -> None:
    spectrum = falling(1000)
    first = scan(spectrum, window=WINDOW, toys=600, seed=7)
    assert same(first, scan(spectrum, window=WINDOW, toys=600, seed=np.random.SeedSequence(7)))
    assert first.p_global != scan(spectrum, window=WINDOW, toys=600, seed=8).p_global
    generators = [np.random.default_rng(3) for _ in range(2)]
    assert same(*(scan(spectrum, window=WINDOW, toys=300, seed=rng) for rng in generators))


@settings(max_examples=10, deadline=None)
@given(first=st.integers(0, 39), last=st.integers(1, 40))
def test_a_toy_does_not_see_its_batch(first: int, last: int) -> None:
    ready = search(falling(500), np.linspace(3000.0, 7000.0, 12))
    counts = np.random.default_rng(5).poisson(ready.expected, size=(40, len(ready.expected))).astype(float)
    part = slice(min(first, last - 1), last)
    np.testing.assert_array_equal(ready.toys(counts)[part], ready.toys(counts[part]))


@settings(max_examples=10, deadline=None)
@given(unit=st.floats(1e-4, 1e4), family=st.sampled_from(["dijet", "polynomial"]))
def test_the_unit_of_mass_does_not_matter(unit: float, family: str) -> None:
    spectrum = falling(2000)
    options = {"kind": family} | ({"sqrt_s": 13000.0} if family == "dijet" else {})
    scaled = options | ({"sqrt_s": 13000.0 * unit} if family == "dijet" else {})
    here = scan(spectrum, background=options, signal=NARROW, window=WINDOW, toys=0)
    there = scan(
        Spectrum(spectrum.edges * unit, spectrum.counts),
        background=scaled,
        signal=NARROW,
        window=(WINDOW[0] * unit, WINDOW[1] * unit),
        toys=0,
    )
    np.testing.assert_allclose(there.masses, here.masses * unit, rtol=1e-9)
    np.testing.assert_allclose(there.z, here.z, atol=1e-4)
    np.testing.assert_allclose(there.yields, here.yields, atol=1e-3)


@settings(max_examples=10, deadline=None)
@given(weight=st.floats(1e-3, 1e3))
def test_a_common_weight_changes_yields_but_not_significance(weight: float) -> None:
    m = falling_masses(2000, np.random.default_rng(4))
    edges = bin_edges(2800.0, 8000.0, 0.03)
    plain = scan(Spectrum.from_masses(m, edges), window=WINDOW, toys=50)
    scaled = scan(Spectrum.from_masses(m, edges, np.full(len(m), weight)), window=WINDOW, toys=50)
    np.testing.assert_allclose(scaled.z, plain.z, atol=1e-4)
    np.testing.assert_allclose(scaled.yields, weight * plain.yields, rtol=1e-4, atol=1e-3 * weight)
    np.testing.assert_allclose(scaled.background.expected, weight * plain.background.expected, rtol=1e-6)
    assert scaled.p_global == plain.p_global


def test_weighted_events_are_less_significant_than_counts() -> None:
    """Weights 0.5 and 1.5 at random: variances are 1.25 times the counts, so Z falls by about sqrt(1.25)."""
    rng = np.random.default_rng(6)
    m = np.concatenate([falling_masses(40000, rng), rng.normal(3500.0, 105.0, 700)])
    edges = bin_edges(2800.0, 8000.0, 0.03)
    plain = scan(Spectrum.from_masses(m, edges), signal=NARROW, n_parameters=3, masses=np.array([3500.0]), toys=0)
    w = rng.choice([0.5, 1.5], len(m))
    weighted = scan(Spectrum.from_masses(m, edges, w), signal=NARROW, n_parameters=3, masses=plain.masses, toys=0)
    assert weighted.yield_errors[0] / plain.yield_errors[0] == pytest.approx(np.sqrt(1.25), rel=0.03)


def test_weights_do_not_bias_a_fit_of_few_events() -> None:
    """30 weighted spectra of 300 events in 70 bins: the fit keeps the sum of weights within the spread of 30 scales."""
    rng, ratio = np.random.default_rng(13), []
    for _ in range(30):
        m, w = falling_masses(300, rng), rng.choice([0.5, 1.5], 300)
        spectrum = Spectrum.from_masses(m, bin_edges(2800.0, 8000.0, 0.03), w)
        ratio.append(fit_background(spectrum, n_parameters=3).expected.sum() / spectrum.counts.sum())
    assert np.mean(ratio) == pytest.approx(1.0, abs=0.02)


def test_local_p_values_are_uniform_at_a_fixed_mass() -> None:
    """Half of all toys have q0 = 0 (binomial), the p-values of the others are uniform below 0.5."""
    spectrum = falling(20000)
    ready = search(spectrum, np.array([3500.0]), 3)
    counts = np.random.default_rng(8).poisson(ready.expected, size=(4000, len(ready.expected))).astype(float)
    q0 = ready.toys(counts)
    assert np.isfinite(q0).all()
    z = np.sqrt(q0[q0 > 0.0])
    assert len(z) / 4000 == pytest.approx(0.5, abs=4 * 0.5 / np.sqrt(4000))
    assert kstest(z, "halfnorm").pvalue > 1e-3


def test_pulls_of_the_yield_are_normal() -> None:
    """300 toys with 400 injected events: mean within 4 / sqrt(300), width within 4 / sqrt(600) of one."""
    ready = search(falling(20000), np.array([3500.0]), 3)
    edges = ready.model.spectrum.edges
    expected = ready.expected + 400.0 * Gaussian().fractions(edges, 3500.0)
    rng = np.random.default_rng(9)
    pulls = []
    for counts in rng.poisson(expected, size=(300, len(expected))):
        result = scan(Spectrum(edges, counts), signal=NARROW, n_parameters=3, masses=ready.masses, toys=0)
        pulls.append((result.yields[0] - 400.0) / result.yield_errors[0])
    assert abs(np.mean(pulls)) < 4.0 / np.sqrt(300)
    assert abs(np.std(pulls) - 1.0) < 4.0 / np.sqrt(600)


def test_global_p_values_are_uniform() -> None:
    """80 background-only spectra of 500 events, everything repeated in 300 toys each: Kolmogorov-Smirnov."""
    expected = fit_background(falling(500), n_parameters=3).expected
    edges = falling(1).edges
    rng = np.random.default_rng(10)
    p = [
        scan(Spectrum(edges, counts), masses=np.arange(3000.0, 5001.0, 250.0), toys=300, seed=i).p_global
        for i, counts in enumerate(rng.poisson(expected, size=(80, len(expected))))
    ]
    # p = 1 where no mass shows an excess: an atom at the upper end, so test below it
    values = np.array(p, dtype=float)
    assert kstest(values, "uniform", alternative="greater").pvalue > 1e-3
    assert np.mean(values < 0.5) == pytest.approx(0.5, abs=4 * 0.5 / np.sqrt(80))


def test_an_obvious_bump() -> None:
    result = scan(with_bump(falling(3000), 3500.0, 400.0), signal=NARROW, toys=500)
    assert result.best_mass == pytest.approx(3500.0, rel=0.01)
    assert result.z_local > 10.0
    assert result.p_global is not None
    assert result.z_global is not None
    assert 0.0 <= result.p_global < 1e-15
    assert 8.0 < result.z_global < result.z_local
    assert "Gross-Vitells" in result.p_global_method


def test_a_bump_far_beyond_double_precision() -> None:
    result = scan(with_bump(falling(3000), 3500.0, 30000.0), signal=NARROW, n_parameters=3, toys=250)
    assert result.z_local > 40.0
    assert result.p_local == 0.0
    assert result.z_global is not None
    assert 38.4 < result.z_global < result.z_local


def test_a_deficit_is_no_signal() -> None:
    spectrum = falling(5000)
    counts = np.where((spectrum.edges[1:] > 3300.0) & (spectrum.edges[:-1] < 3700.0), 0.0, spectrum.counts)
    result = scan(Spectrum(spectrum.edges, counts), n_parameters=3, masses=np.array([3450.0, 3500.0]), toys=100)
    assert (result.z_local, result.p_local, result.p_global) == (0.0, 0.5, 1.0)
    assert result.signal <= 0.0
    assert np.isfinite(result.signal_error)


@pytest.mark.parametrize("events", [30, 100, 300])
@pytest.mark.parametrize("family", ["dijet", "polynomial"])
def test_few_events_in_many_bins(events: int, family: str) -> None:
    """Hundreds of events, most bins empty: every mass is fitted, and nearly every toy."""
    result = scan(falling(events, seed=11), background=family, toys=500)
    assert result.converged.all()
    assert result.n_failed <= 0.01 * result.n_toys
    assert np.isfinite([value for value in result.summary().values() if isinstance(value, float)]).all()


def test_nested_selections() -> None:
    rng = np.random.default_rng(12)
    m, score = falling_masses(20000, rng), rng.random(20000)
    m = np.concatenate([m, rng.normal(3500.0, 105.0, 18)])
    score = np.concatenate([score, np.full(18, 0.995)])
    edges = bin_edges(2800.0, 8000.0, 0.03)
    spectra = [Spectrum.from_masses(m[score > cut], edges) for cut in (0.5, 0.9, 0.99)]
    joint = joint_scan(spectra, signal=NARROW, n_parameters=3, window=WINDOW, toys=4000)
    alone = scan(spectra[0], signal=NARROW, n_parameters=3, window=WINDOW, toys=0)
    np.testing.assert_array_equal(joint.results[0].z, alone.z)
    assert joint.best == 2
    assert joint.p_global is not None
    best = joint.results[2]
    assert best.p_global is not None
    # looking at three selections costs something, but not more than three independent ones
    assert best.p_global <= joint.p_global <= 3.5 * best.p_global
    assert best.p_global < 0.1
    assert joint.n_failed <= 5


def test_spectra_that_are_not_nested_are_refused() -> None:
    spectrum = falling(1000)
    more = Spectrum(spectrum.edges, spectrum.counts + 1.0)
    with pytest.raises(FitError, match="selection 1 holds more than selection 0"):
        joint_scan([spectrum, more])
    with pytest.raises(FitError, match="do not share their bins"):
        joint_scan([spectrum, falling(500, resolution=0.05)])
    with pytest.raises(FitError, match="no spectrum"):
        joint_scan([])


def test_default_masses_are_fine_against_the_resolution() -> None:
    spectrum = falling(10)
    assert np.diff(np.log(mass_grid(spectrum, Gaussian()))).max() <= 0.03 / 6 + 1e-12
    grid = mass_grid(spectrum, Gaussian(width=50.0), WINDOW)
    assert (grid[0], grid[-1]) == WINDOW
    assert np.diff(grid).max() <= 50.0 / 6 + 1e-9


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"window": (2000.0, 3000.0)}, r"the window \[2000, 3000\) does not fit into the range \[2800, 8000\]"),
        ({"masses": [9000.0]}, "mass 9000 lies outside the fit range"),
        ({"masses": [5000.0], "window": WINDOW}, r"no mass hypothesis inside \[3300, 3700\)"),
        ({"signal": {"kind": "gaussian", "resolution": 0.6}}, "four sigma do not fit"),
        ({"window": (2800.0, 8000.0)}, "unmasked bins are too few"),
    ],
)
def test_impossible_scans_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(FitError, match=message):
        scan(falling(1000), toys=0, **options)


def test_a_background_that_does_not_converge_is_refused() -> None:
    counts = 1e200 * (1.0 + np.arange(40) % 3)
    with pytest.raises(FitError, match="polynomial3: the background fit does not converge"):
        scan(Spectrum(np.linspace(1.0, 2.0, 41), counts), background="polynomial", n_parameters=3, toys=0)
