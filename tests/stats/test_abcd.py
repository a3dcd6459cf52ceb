"""ABCD: the four-count likelihood, contamination, closure and toys."""

from math import sqrt
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from iminuit import Minuit
from scipy.stats import kstest

from lamppost.errors import FitError
from lamppost.stats.counts.abcd import Abcd, closure_test
from lamppost.stats.counts.count_limits import count_limit
from lamppost.stats.counts.counting import Count, count_significance, expected_significance

CONTAMINATED = Abcd(1000, 200, 100, 35, (0.1, 0.2, 0.3), closure=0.2)


def nll(case: Abcd, point: Any) -> float:
    """-ln L written out: signal, ln b_A, ln b_B, ln b_C, closure."""
    signal, a, b, c, nu = point
    means = np.exp([a, b, c, b + c - a]) * [1.0, 1.0, 1.0, case.kappa * (1.0 + case.closure) ** nu]
    means = means + signal * np.array([*case.contamination, 1.0])
    n = np.array([case.a, case.b, case.c, case.d])
    return float(np.sum(means - n * np.log(np.maximum(means, 1e-9))) + 0.5 * nu**2)


@pytest.mark.parametrize("case", [CONTAMINATED, Abcd(60, 20, 30, 25, (0.0, 0.1, 0.1), kappa=1.3, closure=0.1)])
def test_likelihood_agrees_with_iminuit(case: Abcd) -> None:
    values, signal, error = [], 0.0, 0.0
    for fixed in (True, False):
        minuit = Minuit(lambda point: nll(case, point), np.array([0.0, *np.log([case.a, case.b, case.c]), 0.0]))
        minuit.errordef, minuit.tol, minuit.fixed[0] = 0.5, 1e-4, fixed
        minuit.migrad()
        minuit.hesse()
        values.append(minuit.fval)
        signal, error = minuit.values[0], minuit.errors[0]
    found = count_significance(case, method="profile")
    assert found.z**2 == pytest.approx(2.0 * (values[0] - values[1]), abs=1e-4)
    assert found.signal == pytest.approx(signal, abs=0.01 * error)
    assert found.signal_error == pytest.approx(error, rel=0.05)


@settings(deadline=None)  # the first fit is compiled
@example(b=2889, c=2020, d=0, leak=0.0, kappa=2.0)
@given(
    b=st.integers(20, 3000),
    c=st.integers(20, 3000),
    d=st.integers(0, 200),
    leak=st.floats(0.0, 0.2),
    kappa=st.floats(0.5, 2.0),
)
def test_the_fitted_signal_solves_the_four_equations(b: int, c: int, d: int, leak: float, kappa: float) -> None:
    """Four counts, four unknowns: the maximum is where d - s = kappa (b - leak s) (c - leak s) / a, if it exists."""
    assume(leak * d < 0.9 * min(b, c))  # else no background is left in B or C
    case = Abcd(5000, b, c, d, (0.0, leak, leak), kappa=kappa)
    found = count_significance(case, method="profile").signal
    left, right = d - found, kappa * (b - leak * found) * (c - leak * found) / case.a
    assert left == pytest.approx(right, abs=1e-2 * sqrt(1.0 + d + right)) or d == 0


def test_without_contamination_it_is_a_count() -> None:
    """A prediction with 5 % from its counts and 10 % of closure is a log-normal background of 11 %."""
    case = Abcd(10000, 1000, 800, 110, closure=0.1)
    relative = case.predicted[1] / case.predicted[0]
    assert relative == pytest.approx(sqrt(0.1**2 + 1e-3 + 1 / 800 + 1e-4), rel=1e-9)
    same = Count(110, case.predicted[0], case.predicted[1], "lognormal")
    z, expected = (count_significance(one, method="profile").z for one in (case, same))
    assert z == pytest.approx(expected, rel=0.02)
    assert count_limit(case).limit == pytest.approx(count_limit(same).limit, rel=0.03)
    assert expected_significance(case, 40.0) == pytest.approx(expected_significance(same, 40.0), rel=0.02)


def test_contamination_hides_a_signal() -> None:
    clean, leaking = (Abcd(1000, 200, 100, 60, leak) for leak in ((0.0, 0.0, 0.0), (0.0, 0.5, 0.5)))
    assert count_significance(leaking).signal > count_significance(clean).signal
    assert count_limit(leaking).limit > count_limit(clean).limit
    assert expected_significance(leaking, 40.0) < expected_significance(clean, 40.0)


def test_closure_uncertainty_costs_significance() -> None:
    z = [count_significance(Abcd(1000, 400, 300, 180, closure=closure)).z for closure in (0.0, 0.1, 0.3)]
    assert z[0] > z[1] > z[2] > 0.0


def test_few_events_are_judged_by_toys() -> None:
    few, many = Abcd(50, 10, 6, 5), Abcd(1000, 400, 300, 150)
    assert count_significance(few, seed=1500).method.startswith("toys")
    assert count_significance(many).method.startswith("asymptotic q0, 1")
    limit = count_limit(few, toys=2048, seed=1500)
    assert limit.method.startswith("CLs by toys of q~: 2.32 background")
    assert limit.limit == pytest.approx(count_limit(few, toys=0).limit, rel=0.1)
    assert (np.diff(limit.expected) >= 0.0).all()


def test_p_values_are_uniform() -> None:
    """Of 2,000 backgrounds with 72 events in D half have q0 = 0, the p of the others are uniform below 0.5."""
    rng = np.random.default_rng(1501)
    drawn = rng.poisson([1000.0, 360.0, 200.0, 72.0], size=(2000, 4))
    found = np.array([count_significance(Abcd(*map(float, n)), method="profile").p for n in drawn])
    inside = found[found < 0.5]
    assert len(inside) == pytest.approx(1000, abs=4.0 * sqrt(500.0))
    assert kstest(2.0 * inside, "uniform").pvalue > 0.01


def test_closing_slices_close() -> None:
    """100 sets of 8 closing slices: p uniform, and kappa within its error as often as it should."""
    rng = np.random.default_rng(1502)
    sets = [closure_test([Abcd(*n) for n in rng.poisson([1000.0, 300.0, 200.0, 60.0], (8, 4))]) for _ in range(200)]
    assert kstest([one.p_value for one in sets], "uniform").pvalue > 0.01
    pulls = np.array([(one.kappa - 1.0) / one.kappa_error for one in sets])
    assert abs(pulls.mean()) < 4.0 / sqrt(200.0)
    assert 0.75 < pulls.std() < 1.2
    assert np.median([one.closure for one in sets]) < 0.12  # what eight slices of 60 events can exclude is 5 to 6 %


def test_non_closure_is_found() -> None:
    rng = np.random.default_rng(1503)
    shifted = closure_test([Abcd(*n) for n in rng.poisson([1000.0, 300.0, 200.0, 90.0], (8, 4))])
    assert shifted.p_value < 1e-6
    assert shifted.kappa == pytest.approx(1.5, abs=4.0 * shifted.kappa_error)
    assert shifted.closure == pytest.approx(0.5, abs=0.25)
    assert (shifted.pulls > 0.0).all()
    factors = np.exp(0.4 * rng.normal(size=40))
    spread = closure_test([Abcd(*rng.poisson([1000.0, 300.0, 200.0, 60.0 * factor])) for factor in factors])
    assert spread.spread == pytest.approx(0.4, abs=0.2)
    assert spread.kappa == pytest.approx(1.0, abs=0.3)


def test_slices_with_empty_regions() -> None:
    found = closure_test([Abcd(10, 2, 0, 0), Abcd(8, 0, 1, 2), Abcd(9, 1, 1, 0)])
    assert np.isfinite([found.kappa, found.kappa_error, found.closure, found.p_value, *found.pulls]).all()
    assert 0.0 < found.p_value < 1.0
    one = closure_test([Abcd(100, 50, 40, 20)])
    assert one.spread == 0.0
    np.testing.assert_allclose(one.pulls, 0.0, atol=1e-7)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 5, 5, 1), "0 events in A and 5, 5 in B and C predict no background"),
        ((5, 0, 0, 1), "predict no background"),
        ((5, -1, 2, 1), "region B must be a whole number of at least 0, found -1"),
        ((5, 1, 2.5, 1), "region C must be a whole number of at least 0, found 2.5"),
        ((5, 1, 2, float("nan")), "region D"),
        ((5, 1, 2, 1, (0.1, 0.1)), r"found \(0.1, 0.1\)"),
        ((5, 1, 2, 1, (0.1, -0.1, 0.0)), "contamination of B must be a number of at least 0"),
        ((5, 1, 2, 1, (0.0, 0.0, 0.0), 0.0), "kappa > 0"),
        ((5, 1, 2, 1, (0.0, 0.0, 0.0), 1.0, -0.1), "closure must be a number of at least 0"),
    ],
)
def test_impossible_regions_are_refused(arguments: Any, message: str) -> None:
    with pytest.raises(FitError, match=message):
        Abcd(*arguments)


def test_impossible_questions_are_refused() -> None:
    with pytest.raises(FitError, match="at least one control slice"):
        closure_test([])
    with pytest.raises(FitError, match="no background to average over in Abcd"):
        count_significance(CONTAMINATED, method="marginal")
