"""The BumpHunter: its tails, its intervals, and what refitting in every toy is worth."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import gammainc, logsumexp
from scipy.stats import kstest, poisson
from smooth_spectra import falling, falling_masses, published

from lamppost.core import Array
from lamppost.errors import FitError
from lamppost.stats import Spectrum, bin_edges, fit_background
from lamppost.stats.scans.bumphunter import bump_hunter
from lamppost.stats.scans.intervals import best_interval, log_normal_tail, log_poisson_tail


@settings(max_examples=200, deadline=None)
@given(b=st.floats(1e-3, 1e5), away=st.floats(-6.0, 20.0))
def test_poisson_tails(b: float, away: float) -> None:
    """Both tails against scipy, which keeps its precision up to some 1e5 events."""
    d = round(max(b + away * np.sqrt(b), 0.0))
    log_p = log_poisson_tail(float(d), b)
    expected = poisson.logsf(d - 1, b) if d > b else poisson.logcdf(d, b)
    assert log_p == pytest.approx(expected, rel=1e-8, abs=1e-8)


@settings(max_examples=200, deadline=None)
@given(b=st.floats(1e-3, 1e5), away=st.floats(1e-3, 20.0))
def test_tails_of_equivalent_events_lie_above_the_normal_bound(b: float, away: float) -> None:
    d = b + away * np.sqrt(b)
    assert log_poisson_tail(d, b) == pytest.approx(np.log(gammainc(d, b)), rel=1e-8, abs=1e-8)
    assert log_poisson_tail(d, b) >= log_normal_tail(np.sqrt(2.0 * (d * np.log(d / b) - d + b))) - 1e-8


def test_tail_of_ten_million_events() -> None:
    """The same series summed to 25 digits by mpmath; scipy's gammainc is 2 % off here."""
    assert log_poisson_tail(9388121.570807211, 9371532.61604887) == pytest.approx(-17.313259383192, abs=1e-7)


def disturbed(n: Array, b: Array) -> bool:
    """Whether a sideband is at odds with its background to p <= 0.001."""
    if not len(n):
        return False
    d, mean = n.sum(), b.sum()
    return bool((poisson.sf(d - 1, mean) if d > mean else poisson.cdf(d, mean)) <= 1e-3)


def log_tail(n: float, b: float) -> float:
    """ln P(N >= n) by summing, also where the probability itself is no number."""
    return float(logsumexp(poisson.logpmf(n + np.arange(5000), b)))


def by_hand(n: Array, b: Array, widths: Array, step: int, sidebands: bool) -> float:
    """ln p of the best interval, all of them tried."""
    best = 0.0
    for width in widths:
        for first in range(0, len(n) - width + 1, step or max(1, width // 2)):
            last, reach = first + width, max(1, (width + 1) // 2)
            beside = (slice(max(0, first - reach), first), slice(last, last + reach))
            if n[first:last].sum() <= b[first:last].sum():
                continue
            if sidebands and any(disturbed(n[part], b[part]) for part in beside):
                continue
            best = min(best, log_tail(n[first:last].sum(), b[first:last].sum()))
    return best


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(1000, 10**6),
    level=st.floats(0.1, 300.0),
    step=st.integers(0, 3),
    sidebands=st.booleans(),
    last=st.integers(1, 15),
)
def test_no_better_interval_is_missed(seed: int, level: float, step: int, sidebands: bool, last: int) -> None:
    rng = np.random.default_rng(seed)
    b = level * np.exp(-np.linspace(0.0, 3.0, 15))
    n = rng.poisson(b * rng.choice([1.0, 3.0], 15, p=[0.8, 0.2])).astype(float)
    widths = np.arange(1, last + 1)
    log_p, first, end = best_interval(n, b, widths, step, sidebands)
    assert log_p == pytest.approx(by_hand(n, b, widths, step, sidebands), abs=1e-8)
    if log_p < 0.0:
        assert log_p == pytest.approx(log_tail(n[first:end].sum(), b[first:end].sum()), abs=1e-8)


def test_reference_case() -> None:
    """The statistic with a refit in every toy gives 0.0080; 40,000 toys add a statistical error of 0.0005."""
    found = bump_hunter(published("reference_case"), n_parameters=4, toys=40000, seed=1000)
    assert (found.lo, found.hi) == (2775.0, 3147.0)
    assert found.p_global == pytest.approx(0.0080, abs=0.002)
    assert found.p_global_error == pytest.approx(np.sqrt(0.008 / 40000), rel=0.2)
    assert found.n_failed <= 5
    assert found.p_local == pytest.approx(poisson.sf(found.observed - 1, found.background), rel=1e-6)


def test_without_a_refit_toys_are_no_copies_of_the_data() -> None:
    """pyBumpHunter 0.5.1 compares toys with the background they come from: t = 7.1626788, p = 0.0502 +- 0.0028."""
    spectrum = published("reference_case")
    expected = fit_background(spectrum, n_parameters=4).expected
    found = bump_hunter(spectrum, expected=expected, toys=20000, seed=1001)
    assert found.statistic == pytest.approx(7.1626788, abs=1e-5)
    assert found.p_global == pytest.approx(0.0502, abs=3 * np.hypot(0.0028, 0.0026))
    assert found.p_global is not None
    assert found.p_global > 4.0 * 0.0080  # what the refit is worth
    assert found.p_global_method.endswith("background not fitted")
    assert found.fit is None


def test_global_p_values_are_uniform() -> None:
    """80 background-only spectra of 500 events, everything repeated in 250 toys each: Kolmogorov-Smirnov."""
    expected = fit_background(falling(500), n_parameters=3).expected
    spectra = np.random.default_rng(1002).poisson(expected, size=(80, len(expected)))
    p = [
        bump_hunter(Spectrum(falling(1).edges, counts), toys=250, seed=1000 + i).p_global
        for i, counts in enumerate(spectra)
    ]
    assert kstest(np.array(p, dtype=float), "uniform").pvalue > 1e-3


def test_a_common_weight_changes_nothing_but_the_sums() -> None:
    m, edges = falling_masses(2000, np.random.default_rng(1003)), bin_edges(2800.0, 8000.0, 0.03)
    plain = bump_hunter(Spectrum.from_masses(m, edges), toys=300)
    scaled = bump_hunter(Spectrum.from_masses(m, edges, np.full(len(m), 0.01)), toys=300)
    assert (scaled.lo, scaled.hi, scaled.p_global) == (plain.lo, plain.hi, plain.p_global)
    assert scaled.statistic == pytest.approx(plain.statistic, rel=1e-6)
    assert scaled.observed == pytest.approx(0.01 * plain.observed)
    assert scaled.background == pytest.approx(0.01 * plain.background, rel=1e-6)


def test_an_obvious_bump_is_found_where_it_is() -> None:
    spectrum = falling(5000)
    inside = (spectrum.edges[:-1] >= 3480.0) & (spectrum.edges[1:] <= 3750.0)
    found = bump_hunter(Spectrum(spectrum.edges, spectrum.counts + 60.0 * inside), toys=1000, seed=1004)
    assert 3430.0 < found.lo < 3560.0
    assert 3670.0 < found.hi < 3800.0
    assert found.z_global is not None
    assert 5.0 < found.z_global < found.z_local
    assert found.p_global is not None
    assert found.p_global_error is not None
    assert 0.0 < found.p_global_error < found.p_global
    summary = found.summary()
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary


def test_a_disturbed_neighbour_disqualifies() -> None:
    n, b = np.full(12, 100.0), np.full(12, 100.0)
    n[5], n[6:9] = 150.0, 20.0
    spectrum = Spectrum(np.arange(13.0), n)
    free = bump_hunter(spectrum, expected=b, widths=(1, 1), toys=0)
    assert (free.lo, free.hi, free.p_global) == (5.0, 6.0, None)
    assert bump_hunter(spectrum, expected=b, widths=(1, 1), sidebands=True, toys=0).p_local == 1.0


def test_without_any_excess() -> None:
    found = bump_hunter(Spectrum(np.arange(11.0), np.zeros(10)), expected=np.full(10, 0.5), toys=250)
    assert (found.lo, found.hi, found.p_local, found.statistic, found.p_global) == (0.0, 10.0, 1.0, 0.0, 1.0)


def test_the_choice_of_the_background_is_repeated() -> None:
    """The choice between two ranges is made in the toys as well; the interval lies in the range chosen."""
    spectrum = falling(20000)
    first = np.where(np.arange(len(spectrum.counts)) < 3, 0.5, 1.0)  # a turn-on that the family cannot describe
    lower = float(spectrum.edges[3])
    found = bump_hunter(
        Spectrum(spectrum.edges, np.round(spectrum.counts * first)), lower_edges=(spectrum.lo, lower), toys=250
    )
    assert found.fit is not None
    assert found.fit.range[0] == lower <= found.lo
    assert found.n_toys == 250


def test_the_seed_decides() -> None:
    spectrum = falling(1000)
    first, again, other = (bump_hunter(spectrum, toys=600, seed=seed).p_global for seed in (7, 7, 8))
    assert first == again != other


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"widths": (0, 3)}, "intervals of 0 to 3 bins do not suit"),
        ({"widths": (5, 4)}, "intervals of 5 to 4 bins"),
        ({"widths": (1, 1000)}, "do not suit a spectrum of 70 bins"),
        ({"step": 0}, "cannot start every 0 bins"),
        ({"expected": np.ones(3)}, r"expected has shape \(3,\), the spectrum 70 bins"),
        ({"expected": np.append(np.ones(69), 0.0)}, "found 0 in bin 69"),
        ({"expected": np.append(np.ones(69), np.nan)}, "found nan in bin 69"),
    ],
)
def test_impossible_hunts_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(FitError, match=message):
        bump_hunter(falling(1000), toys=0, **options)


def test_nothing_to_fit() -> None:
    with pytest.raises(FitError, match="no events"):
        bump_hunter(Spectrum(np.linspace(3000.0, 4000.0, 11), np.zeros(10)))
