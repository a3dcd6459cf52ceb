"""Discrete profiling: what it is, and what it is for."""

import numpy as np
import pytest
from scipy.special import ndtr
from smooth_spectra import falling

from lamppost.core import Array
from lamppost.errors import ConfigError
from lamppost.stats import Dijet, Spectrum, bump_hunter, choose, fit_background, local_significance, scan
from lamppost.stats.scans import envelope as module
from lamppost.stats.scans.choices import plan
from lamppost.stats.scans.procedure import procedure
from lamppost.stats.scans.search import Search
from lamppost.stats.shapes.signals import Gaussian, signal

NARROW = {"kind": "gaussian", "resolution": 0.03}
MASSES = np.arange(3000.0, 6001.0, 250.0)
WIDE = {"kind": "crystal_ball", "resolution": 0.04}
EDGES = np.round(np.geomspace(1530.0, 8752.0, 44))
CURVED = [1.07, 13.23, 0.978, -0.868]  # of a dijet spectrum at 13 TeV whose fourth parameter 65,000 events hardly see


def test_it_is_the_difference_of_two_minima() -> None:
    """Deviances by separate scans of fixed order."""
    spectrum = falling(20000)
    together = scan(spectrum, background=["dijet", "ua2"], criterion="envelope", signal=NARROW, masses=MASSES, toys=0)
    alone, beside = [], []
    for family, orders in (("dijet", (2, 3, 4, 5)), ("ua2", (2, 3, 4))):
        for order in orders:
            one = scan(spectrum, background=family, n_parameters=order, signal=NARROW, masses=MASSES, toys=0)
            alone.append(fit_background(spectrum, family, order).deviance + order)
            beside.append(alone[-1] - one.z**2)
    q0 = np.min(alone) - np.min(beside, axis=0)
    np.testing.assert_allclose(together.z**2, np.maximum(q0, 0.0), atol=1e-3)
    assert len(together.tried) == 7
    assert sum(one.chosen for one in together.tried) == 1


def test_one_candidate_is_no_choice() -> None:
    spectrum = falling(20000)
    options = {"n_parameters": 3, "signal": NARROW, "masses": MASSES, "toys": 500}
    plain, profiled = (scan(spectrum, criterion=c, **options) for c in ("aic", "envelope"))  # type: ignore[arg-type]
    np.testing.assert_allclose(profiled.z, plain.z, atol=1e-4)
    np.testing.assert_allclose(profiled.yields, plain.yields, rtol=1e-6)
    assert profiled.p_global == pytest.approx(plain.p_global)


def curved_toys(toys: int) -> Array:
    middle = np.sqrt(EDGES[1:] * EDGES[:-1])
    shape = np.exp(Dijet().design(middle, EDGES[0], EDGES[-1])[:, :4] @ CURVED) * np.diff(EDGES)
    return np.random.default_rng(1).poisson(65_000 * shape / shape.sum(), (toys, len(shape))).astype(float)


def test_p_values_at_a_fixed_mass_are_uniform_where_the_order_is_not_known() -> None:
    """An F-test that stops at three parameters leaves a wave that looks like a signal at this mass; 3 sigma."""
    toys = curved_toys(2000)
    below = {}
    for criterion in ("aic", "envelope"):
        chosen = plan("dijet", None, None, criterion, ())  # type: ignore[arg-type]
        ready = procedure(Spectrum(EDGES, toys[0]), chosen, signal(WIDE), np.array([3000.0]), None)
        q0, unfitted = ready.curves(toys, np.random.default_rng(1))
        p = ndtr(-np.sqrt(q0[:, 0]))
        assert not unfitted.any()
        below[criterion] = np.array([np.mean(p < level) for level in (0.499, 0.05)])
    error = np.sqrt(np.array([0.5 * 0.5, 0.05 * 0.95]) / len(toys))
    assert (np.abs(below["envelope"] - [0.5, 0.05]) < 3.0 * error).all()
    assert (below["aic"] > [0.5, 0.05] + 3.0 * error).all()


def test_candidates_that_fail_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    ready = procedure(falling(2000), plan("dijet", None, None, "envelope", ()), Gaussian(), MASSES, None)
    counts = np.random.default_rng(1).poisson(ready.expected, (20, len(ready.expected))).astype(float)
    good = module.deviances

    def broken(search: Search, counts: Array) -> tuple[Array, Array]:
        null, q0 = good(search, counts)
        null[:5] = np.inf
        null[5:10] = np.inf if search.background.n_parameters == 3 else null[5:10]
        return null, np.where(np.isinf(null)[:, None], 0.0, q0)

    monkeypatch.setattr(module, "deviances", broken)
    q0, unfitted = ready.curves(counts, np.random.default_rng(1))
    assert np.isinf(q0[:5]).all()
    assert np.isfinite(q0[5:]).all()
    np.testing.assert_array_equal(unfitted, np.arange(20) < 10)


def test_it_goes_with_local_and_global_significance() -> None:
    spectrum = falling(20000)
    bump = Spectrum(spectrum.edges, spectrum.counts + np.round(250 * Gaussian().fractions(spectrum.edges, 3500.0)))
    found = scan(bump, criterion="envelope", signal=NARROW, toys=500)
    assert found.z_local > 3.0
    assert found.p_global is not None
    assert found.p_global < 0.01
    assert found.signal_error >= 0.999 * found.signal / found.z_local
    fixed = local_significance(bump, found.best_mass, criterion="envelope", signal=NARROW)
    assert fixed.q0 == pytest.approx(found.z_local**2, rel=1e-6)


def test_what_it_does_not_go_with() -> None:
    spectrum = falling(2000)
    with pytest.raises(ConfigError, match="no spurious signal"):
        scan(spectrum, criterion="envelope", signal=NARROW, spurious=1.0, toys=0)
    with pytest.raises(ConfigError, match="one range"):
        scan(spectrum, criterion="envelope", signal=NARROW, lower_edges=tuple(spectrum.edges[:2]), toys=0)
    with pytest.raises(ConfigError, match="no model of a signal"):
        bump_hunter(spectrum, criterion="envelope", toys=0)
    with pytest.raises(ConfigError, match="holds all orders"):
        scan(spectrum, criterion="envelope", n_parameters="aic", signal=NARROW, toys=0)


def test_a_choice_by_it_has_the_smallest_deviance_and_penalty() -> None:
    chosen = choose(falling(2000), ["dijet", "ua2"], criterion="envelope")
    fits = [fit_background(falling(2000), family, n) for family, n in (("dijet", 2), ("dijet", 3), ("ua2", 2))]
    assert chosen.background.deviance + chosen.background.n_parameters <= min(
        fit.deviance + fit.n_parameters for fit in fits
    )
    assert min(chosen.tried, key=lambda one: one.aic).chosen
