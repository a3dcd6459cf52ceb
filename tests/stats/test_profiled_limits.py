"""Limits, pulls and p-values of a model whose background is profiled, not chosen."""

from typing import Any

import numpy as np
import pytest
from models import MASS, SIGNAL, every_kind, observed, workspace
from smooth_spectra import falling
from test_envelope import CURVED, EDGES, WIDE

from lamppost.errors import ConfigError, FitError
from lamppost.stats import (
    Dijet,
    Spectrum,
    Workspace,
    bias_test,
    coverage,
    impacts,
    local_significance,
    significance,
    upper_limit,
)
from lamppost.stats.export import to_hs3
from lamppost.stats.limits import envelope as module
from lamppost.stats.limits.envelope import Envelope, likelihood
from lamppost.stats.limits.likelihood import Likelihood
from lamppost.stats.limits.statistic import Point


def profiled(spectrum: Spectrum | None = None, *systematics: dict[str, Any], **options: Any) -> Workspace:
    return workspace(spectrum, *systematics, **({"n_parameters": None, "alternatives": ("ua2",)} | options))


@pytest.mark.parametrize("events", [300, 20000])
def test_it_is_the_lowest_of_all_at_every_yield(events: int) -> None:
    spectrum = observed(events, 0.02 * events)
    together = likelihood(profiled(spectrum, *every_kind(spectrum)[:2]))
    assert isinstance(together, Envelope)
    alone = [
        (likelihood(workspace(spectrum, *every_kind(spectrum)[:2], background=family, n_parameters=order)), order)
        for family, orders in (("dijet", (2, 3, 4, 5)), ("ua2", (2, 3, 4)))
        for order in orders
    ]
    assert len(together.members) == len(alone)
    for signal in (None, 0.0, 0.01 * events, -5.0):
        expected = min(one.fit(signal).value + 0.5 * order for one, order in alone)
        assert together.fit(signal).value == pytest.approx(expected, abs=1e-5)
    assert together.q0 == pytest.approx(2.0 * (together.fit(0.0).value - together.fit().value), abs=1e-5)


def test_toys_are_fitted_as_the_data_are() -> None:
    """What is compiled against what is not, toy by toy."""
    spectrum = observed(3000, 40.0)
    model = likelihood(profiled(spectrum, *every_kind(spectrum)[:2]))
    counts, centres = model.draw(model.null, 40, np.random.default_rng(1))
    yields = np.array([15.0, 40.0, 90.0])
    q = model.q_toys(counts, centres, model.null, yields)
    fits = model.fit_toys(counts, centres, model.null, 40.0)
    toys = [model.with_data(n, centre) for n, centre in zip(counts, centres, strict=True)]
    assert not q[:, -1].any()
    assert not fits[:, -1].any()
    np.testing.assert_allclose(q[:, :3], [[toy.q(y) for y in yields] for toy in toys], atol=1e-4)
    np.testing.assert_allclose(q[:, 3], [toy.q0 for toy in toys], atol=1e-4)
    np.testing.assert_allclose(fits[:, 2], [2.0 * (toy.at(40.0).value - toy.best.value) for toy in toys], atol=1e-4)
    # two backgrounds may be as good as each other, with other yields
    same = np.isclose(fits[:, 0], [toy.best.signal for toy in toys], atol=0.05)
    assert same.mean() > 0.9


def test_one_background_is_no_envelope() -> None:
    assert isinstance(likelihood(workspace()), Likelihood)
    plain, alone = (upper_limit(workspace(n_parameters=n)) for n in (3, "f_test"))
    assert alone.observed == pytest.approx(plain.observed, rel=1e-6)
    assert "profiled" not in plain.method


def test_pulls_where_the_order_is_not_known() -> None:
    """Three parameters, at which an F-test may stop (`test_envelope`), are biased by most of an error; 3 sigma."""
    middle = np.sqrt(EDGES[1:] * EDGES[:-1])
    shape = np.exp(Dijet().design(middle, EDGES[0], EDGES[-1])[:, :4] @ CURVED) * np.diff(EDGES)
    truth = 65_000 * shape / shape.sum()
    data = Spectrum(EDGES, np.random.default_rng(2).poisson(truth))
    options: dict[str, Any] = {"signal": WIDE}
    tests = {
        name: bias_test(Workspace(data, 3000.0, **options, **more), truth=truth, toys=1500, seed=1)
        for name, more in (("default", {}), ("three", {"n_parameters": 3}))
    }
    for test in tests["default"]:
        assert abs(test.mean) < 0.05 + 3.0 * test.mean_error
        assert abs(test.width - 1.0) < 0.03 + 3.0 * np.sqrt(0.5 / 1500)
        assert test.n_failed == 0
    assert all(test.mean > 0.4 for test in tests["three"])
    for one in coverage(Workspace(data, 3000.0, **options), (1.0, 3.0), truth=truth, toys=300, seed=1):
        assert one.covered > 0.95 - 3.0 * one.error
        assert one.n_failed == 0


def test_limits_asymptotic_and_by_toys() -> None:
    spectrum = observed(20000)
    asymptotic = upper_limit(profiled(spectrum), toys=0)
    by_toys = upper_limit(profiled(spectrum), toys=1500)
    assert by_toys.n_failed == 0
    assert by_toys.observed == pytest.approx(asymptotic.observed, rel=0.08)
    np.testing.assert_allclose(by_toys.expected[1:4], asymptotic.expected[1:4], rtol=0.12)
    assert "7 backgrounds profiled" in asymptotic.method
    assert (np.diff(asymptotic.expected) > 0.0).all()
    # a fit that does not know its function knows the yield no better
    assert asymptotic.expected[2] > 0.99 * upper_limit(workspace(spectrum, n_parameters=2), toys=0).expected[2]


def test_significance_by_toys_and_its_nuisances() -> None:
    spectrum = observed(20000, 250.0)
    source = every_kind(spectrum)[0]
    found = significance(profiled(spectrum, source), toys=0)
    assert found.z > 2.0
    assert found.signal_error == pytest.approx(found.signal / found.z, rel=0.2)
    assert [one.name for one in found.nuisances] == ["luminosity"]
    toys = significance(profiled(spectrum, source), toys=1000)
    assert toys.p == pytest.approx(found.p, abs=0.02)
    assert toys.n_failed == 0
    table = impacts(profiled(spectrum, source))
    assert table.rows[0].name == "luminosity"
    assert table.rows[0].signal_up == pytest.approx(-0.02 * found.signal, rel=0.3)


def test_members_that_fail_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    model = likelihood(profiled(observed(3000), alternatives=()))
    assert isinstance(model, Envelope)
    alone = {n: likelihood(workspace(observed(3000), n_parameters=n)).null.value + 0.5 * n for n in (2, 3, 4, 5)}
    winner = min(alone, key=lambda n: alone[n])
    assert model.members[model.null.member].first == winner
    good = Likelihood.fit

    def broken(self: Likelihood, signal: float | None = None, start: Point | None = None) -> Point:
        point = good(self, signal, start)
        return point._replace(value=np.inf, converged=False) if self.first == winner else point

    monkeypatch.setattr(Likelihood, "fit", broken)
    broke = model.with_data(model.n, model.centres)
    assert broke.null.value == pytest.approx(min(alone[n] for n in alone if n != winner), abs=1e-5)
    assert broke.at(20.0).converged
    monkeypatch.setattr(Likelihood, "fit", lambda *arguments: good(*arguments)._replace(converged=False))
    with pytest.raises(FitError, match="does not converge"):
        _ = module.likelihood(profiled(observed(3000))).null


def test_what_it_does_not_go_with() -> None:
    with pytest.raises(ConfigError, match="profiled: expected a number as n_parameters, or none, found 'aic'"):
        profiled(n_parameters="aic")
    model = profiled()
    with pytest.raises(ConfigError, match="a model of one background is needed, found 7 that are profiled"):
        to_hs3(model)
    chosen = model.chosen
    assert isinstance(likelihood(chosen), Likelihood)
    assert to_hs3(chosen)["distributions"]
    costs = [one.background_fit.deviance + one.background_fit.n_parameters for one in model.members]
    assert chosen.background_fit is model.members[int(np.argmin(costs))].background_fit
    assert model.background_fit is chosen.background_fit


@pytest.mark.parametrize("seed", [1002, 1005, 1017])
@pytest.mark.parametrize("others", [(), ("ua2", "polynomial")])
def test_few_events_of_which_the_last_bins_hold_none(seed: int, others: tuple[str, ...]) -> None:
    """A member that expects nothing there has an infinite curvature at s = 0, and no small error."""
    spectrum = falling(300, seed)
    model = Workspace(spectrum, 4500.0, signal=SIGNAL, alternatives=others)
    limit = upper_limit(model, toys=0)
    fitted = likelihood(model)
    assert 1.0 < fitted.expected_error < 12.0
    assert fitted.q_expected(fitted.expected_error) == pytest.approx(1.0, abs=0.01)
    assert 2.5 < limit.expected[2] < 30.0
    assert 2.0 < limit.observed < 60.0
    assert 0.5 < limit.signal_error < 20.0
    (test,) = bias_test(model, [2.0], toys=300, seed=1)
    assert test.injected == pytest.approx(2.0 * fitted.expected_error)
    assert 0.3 < np.std(test.signals) / fitted.expected_error < 3.0


def test_what_is_expected_is_told_from_no_signal() -> None:
    """q of the Asimov data set rises from zero, even where another background would fit it best with a signal."""
    for seed in range(1000, 1012):
        spectrum = falling(2000, seed)
        model = likelihood(Workspace(spectrum, MASS, signal=SIGNAL, alternatives=("ua2", "polynomial")))
        step = model.expected_error
        q = [model.q_expected(k * step) for k in (0.0, 0.5, 1.0, 2.0, 3.0)]
        assert q[0] == 0.0
        assert (np.diff(q) > 0.0).all()
        quoted = model.quoted
        assert (quoted.signal > 0.0) == (model.q0 > 0.0)
        error = model.error(quoted)
        rise = [2.0 * (model.at(quoted.signal + sign * error).value - quoted.value) for sign in (1.0, -1.0)]
        assert 0.4 < np.mean(rise) < 2.0


def test_a_fixed_mass_is_judged_by_all_orders() -> None:
    bump = falling(20000)
    counts = bump.counts + np.round(150 * SIGNAL.fractions(bump.edges, MASS))
    spectrum = Spectrum(bump.edges, counts)
    default, profiling, chosen, fixed = (
        local_significance(spectrum, MASS, signal=SIGNAL, **more)  # type: ignore[arg-type]
        for more in ({}, {"criterion": "envelope"}, {"n_parameters": "f_test"}, {"n_parameters": 3})
    )
    assert default.q0 == profiling.q0
    assert default.q0 == pytest.approx(significance(Workspace(spectrum, MASS, signal=SIGNAL)).q0, abs=1e-4)
    assert chosen.q0 == pytest.approx(fixed.q0, rel=1e-6)  # what an F-test finds
    assert default.q0 != chosen.q0
