"""CLs limits: published and independent numbers, toys against formulae, and what may not change them."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from models import MASS, SIGNAL, every_kind, observed, workspace
from scipy.special import ndtr, ndtri
from smooth_spectra import published

from lamppost.core import Array
from lamppost.errors import ConfigError, FitError
from lamppost.stats import CrystalBall, Spectrum
from lamppost.stats.asymptotics import log_cls, log_cls_band, solve
from lamppost.stats.limits.envelope import likelihood
from lamppost.stats.limits.limits import limit_of, upper_limit
from lamppost.stats.limits.toy_limits import crossing, tails, toy_cls
from lamppost.stats.limits.workspace import Workspace
from lamppost.stats.toys import seed_sequence

REFERENCE = CrystalBall(resolution=0.04)


@given(sigmas=st.floats(-2.5, 2.5), mu=st.floats(0.5, 4.0))
def test_formulae_of_a_gaussian_measurement(sigmas: float, mu: float) -> None:
    """A yield measured as x +- 1 with x = sigmas, mu tested: CLs = Phi(x - mu) / Phi(x), also for x < 0."""
    q = (mu - sigmas) ** 2 if sigmas > 0.0 else mu**2 - 2.0 * mu * sigmas
    expected = np.log(ndtr(sigmas - mu) / ndtr(sigmas))
    if sigmas < mu:  # else q-tilde is zero
        assert log_cls(q, mu**2) == pytest.approx(expected, abs=1e-9)
    assert log_cls_band(mu**2, sigmas) == pytest.approx(expected, abs=1e-9)


def test_limit_of_a_gaussian_measurement() -> None:
    """x = 0 +- 1: 1.96; the band is sigma (Phi^-1(1 - 0.05 Phi(N)) + N) (arXiv:1007.1727, eq. 89)."""
    for sigmas in (-2.0, 0.0, 1.0):
        found = solve(lambda s, n=sigmas: log_cls_band(s * s, n), 0.95, 0.0, 1.0)
        assert found == pytest.approx(-ndtri(0.05 * ndtr(sigmas)) + sigmas, rel=1e-4)


def test_reference_case() -> None:
    """Limit by hand 235, toy CLs there 0.0547 +- 0.0023; ours of 10,000 toys within three standard deviations."""
    model = likelihood(Workspace(published("reference_case"), 3000.0, n_parameters=4, signal=REFERENCE))
    limit = limit_of(model)
    assert limit.observed == pytest.approx(235.0, rel=0.01)
    assert np.sqrt(model.q0) == pytest.approx(3.4943, abs=0.001)
    toys = toy_cls(model, np.array([235.0]), 10000, seed_sequence(1))
    cls = float(np.exp(toys.values[0, 0]))
    error = cls * float(np.hypot(toys.errors[0, 0], toys.shared[0, 0]))
    assert error < 0.003
    assert cls == pytest.approx(0.0547, abs=3.0 * float(np.hypot(0.0023, error)))


def test_toys_and_formulae_agree_where_events_abound() -> None:
    """With and without an uncertain yield; the bands too, to what 1000 toys at every yield allow."""
    spectrum = observed(20000, 150.0)
    for systematics in ((), every_kind(spectrum)[:1]):
        model = likelihood(workspace(spectrum, *systematics))
        asymptotic, toys = limit_of(model), limit_of(model, toys=1000, seed=1)
        assert toys.observed == pytest.approx(asymptotic.observed, abs=4.0 * toys.error + 0.01 * asymptotic.observed)
        assert 0.0 < toys.error < 0.02 * toys.observed
        np.testing.assert_allclose(toys.expected, asymptotic.expected, rtol=0.05)
        assert toys.n_failed == 0
        assert "toys" in toys.method
        assert asymptotic.method.startswith("asymptotic: ")


def test_a_deficit_is_judged_by_toys_that_see_it() -> None:
    """The limit of a 3 sigma deficit needs CLs_b = 0.001: both samples estimate both tails."""
    spectrum = observed(20000)
    counts = spectrum.counts - 200.0 * SIGNAL.fractions(spectrum.edges, MASS)
    model = likelihood(workspace(Spectrum(spectrum.edges, counts)))
    assert model.best.signal < -2.5 * model.error(model.best)
    asymptotic, toys = limit_of(model), limit_of(model, toys=2000, seed=1)
    assert toys.observed == pytest.approx(asymptotic.observed, rel=0.05)
    assert asymptotic.observed < asymptotic.expected[0]


def test_no_event_excludes_three(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where next to no background is expected and nothing is seen, CLs = exp(-s) in the signal's own bins."""
    spectrum = observed(300, seed=2)
    model = Workspace(spectrum, 7000.0, n_parameters=2, signal=SIGNAL)
    assert spectrum.counts[spectrum.edges[:-1] > 6000.0].sum() == 0.0
    monkeypatch.setattr("lamppost.stats.limits.limits.TOYS", 500)
    limit = upper_limit(model)
    assert limit.n_toys >= 500
    assert limit.method.endswith("background events under the peak")
    assert limit.observed == pytest.approx(3.0, rel=0.08)  # background within reach of the peak costs a little
    assert limit.signal < 0.2


def test_both_halves_of_the_toys_estimate_the_same_tails() -> None:
    """Gaussian x: q = (mu - x)^2 as if linear; plain counting needs many more toys for the same tails."""
    rng, mu, n = np.random.default_rng(3), 2.0, 20000
    x = np.concatenate([rng.normal(mu, 1.0, n), rng.normal(0.0, 1.0, n)])
    # q~ rises as x falls; here q~ = mu - x serves as well
    values, errors, shared = tails(mu - x, mu * x - 0.5 * mu**2, mu + 2.5)
    expected = np.log(np.append(ndtr(-2.5 - mu) / ndtr(-2.5), [ndtr(k - mu) / ndtr(k) for k in range(-2, 3)]))
    error = np.hypot(errors, shared)
    assert np.all(np.abs(values - expected) < 4.0 * error + 1e-12)
    assert np.all(error < 0.08)  # 1e-6 of s + b beyond the first: counting would see none


def test_failed_toys_count_against_exclusion() -> None:
    rng, n = np.random.default_rng(4), 1000
    q, log_ratio = rng.normal(0.0, 1.0, 2 * n), np.zeros(2 * n)
    plain, _, _ = tails(q, log_ratio, 1.0)
    q[:100] = np.nan
    assert tails(q, log_ratio, 1.0)[0][0] > plain[0] + 0.2


def noisy(x: Array, rng: np.random.Generator, size: float) -> tuple[float, float]:
    y = np.log(ndtr(-x)) + rng.normal(0.0, size, len(x))
    return crossing(x, y, np.full(len(x), size), np.zeros(len(x)), float(np.log(0.05)))


def test_a_noisy_curve_crosses_where_it_should() -> None:
    """300 curves: no bias within 4 / sqrt(300) errors, and the error is right."""
    rng, x = np.random.default_rng(5), np.linspace(0.5, 3.0, 12)
    found = np.array([noisy(x, rng, 0.05) for _ in range(300)])
    pulls = (found[:, 0] - 1.6449) / found[:, 1]
    assert abs(pulls.mean()) < 4.0 / np.sqrt(300) + 0.1  # a parabola is not quite the curve
    assert pulls.std() == pytest.approx(1.0, abs=4.0 / np.sqrt(600))
    with pytest.raises(FitError, match=r"does not cross the level between 0\.5 and 1"):
        noisy(np.linspace(0.5, 1.0, 4), rng, 1e-3)


def test_systematic_uncertainties_weaken_the_limit() -> None:
    spectrum = observed(5000, 50.0)
    limits = [upper_limit(workspace(spectrum, *every_kind(spectrum)[:k])).observed for k in range(3)]
    assert limits[0] < limits[1] < limits[2]
    assert limits[2] < 1.3 * limits[0]
    assert upper_limit(workspace(spectrum, spurious=20.0)).observed > limits[0]


def test_symmetric_sources_may_be_summed_or_profiled() -> None:
    """Log-normals of 3 and 4 % are one of 5 % (in logarithms), shifts likewise: the limit is the same."""
    spectrum = observed(5000, 50.0)
    sizes: list[dict[str, object]] = [
        {"kind": "normalisation", "name": "a", "up": float(np.exp(0.03))},
        {"kind": "normalisation", "name": "b", "up": float(np.exp(0.04))},
        {"kind": "mass", "name": "c", "size": 0.006},
        {"kind": "mass", "name": "d", "size": 0.008},
    ]
    model = workspace(spectrum, *sizes)
    assert len(model.summed().systematics) == 2
    assert upper_limit(model.summed()).observed == pytest.approx(upper_limit(model).observed, rel=1e-3)


@settings(max_examples=8, deadline=None)
@given(weight=st.floats(1e-3, 1e3))
def test_a_common_weight_scales_the_limit(weight: float) -> None:
    spectrum = observed(3000)
    scaled = Spectrum(spectrum.edges, weight * spectrum.counts, weight**2 * spectrum.counts)
    here, there = upper_limit(workspace(spectrum)), upper_limit(workspace(scaled))
    assert there.observed == pytest.approx(weight * here.observed, rel=1e-3)
    np.testing.assert_allclose(there.expected, weight * here.expected, rtol=1e-3)


@settings(max_examples=10, deadline=None)
@given(signal=st.floats(0.0, 300.0), more=st.floats(5.0, 200.0))
def test_a_larger_excess_excludes_less(signal: float, more: float) -> None:
    limits = [upper_limit(workspace(observed(3000, s)), toys=0).observed for s in (signal, signal + more)]
    assert limits[0] < limits[1]


def test_the_seed_decides_every_bit() -> None:
    model = workspace(observed(1000))
    first, second, other = (upper_limit(model, toys=300, seed=seed).summary() for seed in (7, 7, 8))
    assert first == second
    assert first["observed"] != other["observed"]


def test_summary_is_plain_json() -> None:
    summary = upper_limit(workspace()).summary()
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary
    assert summary["expected"] == sorted(summary["expected"])


@pytest.mark.parametrize("level", [0.3, 1.0, float("nan")])
def test_impossible_levels_are_refused(level: float) -> None:
    with pytest.raises(ConfigError, match=r"a confidence level lies between 0\.5 and 1"):
        upper_limit(workspace(), level=level)


def test_an_empty_spectrum_has_no_limit() -> None:
    edges = observed().edges
    with pytest.raises(FitError, match="no events"):
        upper_limit(workspace(Spectrum(edges, np.zeros(len(edges) - 1))))
    with pytest.raises(FitError, match="bins are too few"):
        upper_limit(Workspace(Spectrum(np.array([3000.0, 4000.0]), np.array([50.0])), 3500.0))
