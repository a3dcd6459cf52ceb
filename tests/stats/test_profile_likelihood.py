"""The profile likelihood of a workspace: its derivatives, its minimum, its nuisance parameters."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from iminuit import Minuit
from models import MASS, SIGNAL, draw, every_kind, observed, workspace
from smooth_spectra import falling_masses

from lamppost.core import Array
from lamppost.stats import Spectrum, bin_edges
from lamppost.stats.limits.envelope import likelihood
from lamppost.stats.limits.likelihood import Likelihood
from lamppost.stats.limits.significance import significance
from lamppost.stats.limits.statistic import Point


@pytest.fixture(scope="module")
def full() -> Likelihood:
    """All kinds of sources, a spurious signal and an excess that is a little off in mass and width."""
    spectrum = observed(5000, 150.0, 3530.0)
    return likelihood(workspace(spectrum, *every_kind(spectrum), spurious=15.0))


def point(model: Likelihood, seed: int, signal: float) -> Array:
    """Somewhere away from the minimum and from the kinks."""
    theta = model.best.theta.copy()
    theta[model.first : -1] = np.random.default_rng(seed).uniform(0.2, 1.5, len(theta) - model.first - 1)
    theta[model.first : -1] *= np.random.default_rng(seed + 1).choice([-1.0, 1.0], len(theta) - model.first - 1)
    theta[-1] = signal
    return theta


@pytest.mark.parametrize("signal", [-400.0, 30.0, 150.0])  # the first takes more than half of some bins
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_derivatives(full: Likelihood, seed: int, signal: float) -> None:
    """Gradient and signal part of the information against central differences."""
    from lamppost.stats.limits import profile

    work = profile.scratch(full.arrays)

    def value(theta: Array) -> tuple[float, Array]:
        return profile.evaluate(full.n, full.arrays, full.centres, False, theta, work), work.gradient.copy()

    theta = point(full, seed, signal)
    _, gradient = value(theta)
    information = work.information.copy()
    size = np.sqrt(np.abs(np.diag(information)))  # far from the minimum the information may be negative
    for i in range(len(theta)):
        step = 1e-5 * max(1.0, abs(theta[i]))
        (up, slope_up), (down, slope_down) = (value(theta + sign * step * np.eye(len(theta))[i]) for sign in (1, -1))
        assert gradient[i] == pytest.approx((up - down) / (2.0 * step), rel=1e-4, abs=1e-4 * size[i])
        if i >= full.first:  # the background's own part leaves out its spread inside a bin
            found = np.tril(information)[i, : i + 1]
            expected = ((slope_up - slope_down) / (2.0 * step))[: i + 1]
            np.testing.assert_allclose(found / size[: i + 1], expected / size[: i + 1], atol=3e-3 * size[i])


@pytest.mark.parametrize("seed", [1, 2])
def test_expectation_is_that_of_the_workspace(full: Likelihood, seed: int) -> None:
    """The splines of the compiled model against the shapes themselves."""
    theta = point(full, seed, 150.0)
    background = full.expected(Point(np.append(theta[: full.first], np.zeros(len(theta) - full.first)), 0.0, True))
    values = dict(zip(full.names, theta[full.first : -1], strict=True))
    np.testing.assert_allclose(
        full.expected(Point(theta, 0.0, True)), full.workspace.expected(background, 150.0, values), atol=1e-4 * 150.0
    )


def minuit(model: Likelihood, signal: float | None) -> Minuit:
    """The same fit by iminuit, with the signal from `Workspace.expected`."""
    basis, weight = model.arrays.basis, model.arrays.weight
    names = model.names

    def nll(theta: Array) -> float:
        background = np.sum(weight * np.exp(np.einsum("qpi,p->qi", basis, theta[: model.first])), axis=0)
        mu = model.workspace.expected(background, theta[-1], dict(zip(names, theta[model.first : -1], strict=True)))
        ratio = np.where(model.n > 0, mu / np.maximum(model.n, 1e-300), 1.0)
        return float(np.sum(mu - model.n - model.n * np.log(ratio)) + 0.5 * np.sum(theta[model.first : -1] ** 2))

    start = model.start.copy()
    start[-1] = 100.0 if signal is None else signal
    start[model.first : -1] = 0.1
    fit = Minuit(nll, start)
    fit.errordef, fit.strategy, fit.tol = Minuit.LIKELIHOOD, 1, 1e-3
    fit.fixed[len(start) - 1] = signal is not None
    return fit.migrad()


@pytest.mark.parametrize("signal", [None, 0.0, 60.0, 250.0])
def test_minimum_agrees_with_iminuit(full: Likelihood, signal: float | None) -> None:
    ours, theirs = full.fit(signal), minuit(full, signal)
    assert ours.converged
    # a kink stops iminuit up to 1e-3 above the minimum; below it the spline may lie by its precision
    assert theirs.fval - 2e-3 < ours.value < theirs.fval + 2e-4
    if signal is None:
        assert ours.signal == pytest.approx(theirs.values[len(full.start) - 1], rel=0.01)
        assert full.error(full.best) == pytest.approx(theirs.hesse().errors[len(full.start) - 1], rel=0.05)


def test_agrees_with_iminuit_without_kinks() -> None:
    """Symmetric sources: the same minimum to 1e-4, the same nuisance parameters."""
    spectrum = observed(5000, 150.0, 3530.0)
    model = likelihood(workspace(spectrum, *(every_kind(spectrum)[i] for i in (0, 2, 3)), spurious=15.0))
    assert not model.arrays.kinked.any()
    theirs = minuit(model, None)
    assert model.best.value == pytest.approx(theirs.fval, abs=1e-4)
    np.testing.assert_allclose(
        model.best.theta[model.first :], np.array(theirs.values)[model.first :], atol=0.02, rtol=2e-3
    )


def test_a_parameter_rests_at_its_kink() -> None:
    """Both sides of a template lower the likelihood's slope with opposite signs: nu stays at zero, exactly."""
    spectrum = observed(5000, 150.0)
    wide = tuple(SIGNAL.fractions(spectrum.edges, MASS, stretch=1.4))
    model = likelihood(workspace(spectrum, {"kind": "template", "up": wide, "down": wide}))
    best = model.best
    assert best.converged
    assert best.theta[model.first + 1] == 0.0
    held = [model.held("template", nu).best.value for nu in (-0.05, 0.05)]
    assert min(held) > best.value


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**20), signal=st.floats(0.0, 300.0))
def test_every_fit_reaches_a_minimum(full: Likelihood, seed: int, signal: float) -> None:
    """Nothing near the found point is lower, whatever the data and the centres of the constraints."""
    from lamppost.stats.limits import profile

    rng = np.random.default_rng(seed)
    counts, centres = full.draw(full.at(signal), 1, rng)
    toy = full.with_data(counts[0], centres[0])
    best = toy.fit(start=toy.null)
    assert best.converged
    errors = np.sqrt(np.diag(toy.covariance(best)))
    for _ in range(10):
        theta = best.theta + 0.03 * errors * rng.standard_normal(len(errors))
        near = profile.evaluate(toy.n, toy.arrays, toy.centres, False, theta, profile.scratch(toy.arrays))
        assert near > best.value - 1e-6


def test_a_source_without_effect_changes_nothing() -> None:
    spectrum = observed(5000, 100.0)
    plain, idle = likelihood(workspace(spectrum)), likelihood(workspace(spectrum, {"kind": "normalisation"}))
    assert idle.q0 == pytest.approx(plain.q0, abs=1e-6)
    assert idle.q(200.0) == pytest.approx(plain.q(200.0), abs=1e-6)


def test_a_normalisation_does_not_touch_q0() -> None:
    """A factor on the yield is no excuse for an excess."""
    spectrum = observed(5000, 100.0)
    wide = workspace(spectrum, {"kind": "normalisation", "up": 1.5})
    assert likelihood(wide).q0 == pytest.approx(likelihood(workspace(spectrum)).q0, abs=1e-6)


def test_a_spurious_signal_adds_to_the_error_in_quadrature() -> None:
    """In a parabolic likelihood Z = s / sqrt(error^2 + spurious^2)."""
    spectrum = observed(50000, 300.0)
    plain = significance(workspace(spectrum))
    spurious = significance(workspace(spectrum, spurious=100.0))
    error = float(np.hypot(plain.signal_error, 100.0))
    assert spurious.signal_error == pytest.approx(error, rel=1e-3)
    assert spurious.z == pytest.approx(plain.z * plain.signal_error / error, rel=0.03)
    assert spurious.nuisances[0].name == "spurious"
    assert plain.nuisances == ()


def test_a_shifted_excess_pulls_the_mass_scale() -> None:
    """An excess 1 % above the mass, far more significant than its scale is uncertain: nu = +1."""
    spectrum = observed(2000, 1500.0, 1.01 * MASS)
    found = significance(workspace(spectrum, {"kind": "mass", "size": 0.01}))
    assert found.nuisances[0].pull == pytest.approx(1.0, abs=0.2)
    assert found.nuisances[0].error < 0.3
    assert found.signal == pytest.approx(1500.0, rel=0.06)


@settings(max_examples=10, deadline=None)
@given(weight=st.floats(1e-3, 1e3))
def test_a_common_weight_scales_yields_and_nothing_else(weight: float) -> None:
    m = falling_masses(2000, np.random.default_rng(4))
    edges = bin_edges(2800.0, 8000.0, 0.03)
    source = {"kind": "mass", "size": 0.01}
    plain = significance(workspace(Spectrum.from_masses(m, edges), source))
    scaled = significance(workspace(Spectrum.from_masses(m, edges, np.full(len(m), weight)), source))
    assert scaled.q0 == pytest.approx(plain.q0, abs=1e-5)
    assert scaled.signal == pytest.approx(weight * plain.signal, rel=1e-3, abs=1e-3 * weight)
    assert scaled.signal_error == pytest.approx(weight * plain.signal_error, rel=1e-3)


def test_a_deficit_in_empty_bins_has_a_yield() -> None:
    """200 events: bins above 5 TeV are empty, and still no negative yield at 3.5 TeV is forbidden."""
    spectrum = observed(200)
    counts = np.where(np.abs(spectrum.edges[:-1] - MASS) < 150.0, 0.0, spectrum.counts)
    found = significance(workspace(Spectrum(spectrum.edges, counts), n_parameters=2), toys=0)
    assert found.signal < 0.0
    assert (found.q0, found.p, found.z) == (0.0, 0.5, 0.0)
    assert np.isfinite(found.signal_error)


def test_p_values_of_toys_are_the_asymptotic_ones_where_events_abound() -> None:
    """4000 toys, with constraints that fluctuate: p of a 1.3 sigma excess within four standard deviations."""
    spectrum = observed(20000, 90.0)
    model = workspace(spectrum, {"kind": "mass", "size": 0.005}, spurious=30.0)
    asymptotic, toys = significance(model, toys=0), significance(model, toys=4000, seed=3)
    assert toys.p == pytest.approx(asymptotic.p, abs=4.0 * toys.p_error + 0.05 * asymptotic.p)
    assert toys.n_failed == 0
    assert toys == significance(model, toys=4000, seed=3)


def test_few_events_are_judged_by_toys() -> None:
    """A handful of background events under the peak, and an excess: toys without being asked, and why."""
    spectrum = draw(observed(300), observed(300).counts, 1)
    counts = spectrum.counts.copy()
    counts[np.searchsorted(spectrum.edges, 5000.0)] += 4.0
    model = type(workspace())(Spectrum(spectrum.edges, counts), 5000.0, n_parameters=2, signal=SIGNAL)
    found = significance(model)
    assert found.n_toys > 0
    assert "background events under the peak" in found.method
    assert "only" in found.method
