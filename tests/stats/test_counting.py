"""Cut and count against published significances, exact formulae and toys."""

from math import log, sqrt
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from iminuit import Minuit
from scipy.optimize import brentq
from scipy.stats import norm, poisson

from lamppost.core import Array
from lamppost.errors import ConfigError, FitError
from lamppost.stats.counts.channels import poisson_quantile
from lamppost.stats.counts.count_limits import count_limit
from lamppost.stats.counts.counting import Constraint, Count, count_significance, expected_significance

# n_on, n_off, tau, Z_Bi, Z of the profile likelihood: Cousins, Linnemann and Tucker, arXiv:physics/0702156, table 1
ON_OFF = [
    (4, 5, 5.0, 1.66, 1.95),
    (6, 18.78, 14.44, 2.63, 2.82),
    (9, 17.83, 4.69, 1.82, 1.99),
    (17, 40.11, 10.56, 4.46, 4.57),
    (50, 55, 2.0, 2.93, 3.02),
    (67, 15, 0.5, 2.89, 3.04),
    (200, 10, 0.1, 2.20, 2.38),
    (523, 2327, 5.99, 5.93, 5.95),
    (498426, 493434, 1.0, 5.01, 5.01),
    (2119449, 23650096, 11.21, 6.40, 6.40),
]
# background, its error, n_on, Z of the profile likelihood with a Gaussian background: the same table
GAUSSIAN = [
    (1.0, 0.447, 4, 2.00),
    (1.3, 0.3, 6, 2.83),
    (3.8, 0.9, 9, 2.02),
    (3.8, 0.6, 17, 4.62),
    (27.5, 3.71, 50, 3.10),
    (30.0, 7.75, 67, 3.45),
    (100.0, 31.6, 200, 2.90),
    (388.6, 8.1, 523, 5.96),
    (493434, 702.4, 498426, 5.02),
    (2109732, 433.8, 2119449, 6.40),
]
LAWS: tuple[Constraint, ...] = ("gamma", "gaussian", "lognormal")


@pytest.mark.parametrize(("n_on", "n_off", "tau", "binomial", "profile"), ON_OFF)
def test_published_on_off_significances(n_on: int, n_off: float, tau: float, binomial: float, profile: float) -> None:
    """Within the rounding of the table, and of the inputs it gives to two decimals."""
    count = Count.on_off(n_on, n_off, tau)
    assert count_significance(count).z == pytest.approx(binomial, abs=0.0061)
    found = count_significance(count, method="profile")
    assert found.z == pytest.approx(profile, abs=0.0061)
    assert found.signal == pytest.approx(n_on - n_off / tau, abs=1e-3 * sqrt(n_on))
    assert found.signal_error == pytest.approx(sqrt(n_on + n_off / tau**2), rel=1e-3)


@pytest.mark.parametrize(("background", "error", "n_on", "profile"), GAUSSIAN)
def test_published_gaussian_significances(background: float, error: float, n_on: int, profile: float) -> None:
    count = Count(n_on, background, error, "gaussian")
    assert count_significance(count, method="profile").z == pytest.approx(profile, abs=0.0061)


@pytest.mark.parametrize("law", LAWS)
def test_profile_agrees_with_iminuit(law: Constraint) -> None:
    """q0 of minima found by iminuit, of the likelihood written out."""
    n, b, error = 12.0, 5.0, 1.5

    def cost(signal: float, theta: float) -> float:
        mean = {"gamma": theta, "gaussian": theta, "lognormal": b * (1.0 + error / b) ** theta}[law]
        tau = b / error**2
        terms = {
            "gamma": tau * mean - b * tau * log(tau * mean) if mean > 0.0 else 0.0,
            "gaussian": 0.5 * ((mean - b) / error) ** 2,
            "lognormal": 0.5 * theta**2,
        }
        return float(signal + mean - n * log(signal + mean) + terms[law])

    values = []
    for fixed in (True, False):
        minuit = Minuit(cost, signal=0.0 if fixed else n - b, theta=0.1 if law == "lognormal" else b)
        minuit.limits["theta"] = None if law == "lognormal" else (0.1, 30.0)
        minuit.errordef, minuit.tol, minuit.fixed["signal"] = 0.5, 1e-4, fixed
        minuit.migrad()
        values.append(minuit.fval)
    found = count_significance(Count(n, b, error, law), method="profile")
    assert found.z**2 == pytest.approx(2.0 * (values[0] - values[1]), abs=1e-5)


@pytest.mark.parametrize("law", ["gaussian", "lognormal"])
def test_averages_over_the_background(law: Constraint) -> None:
    """Against a plain Monte Carlo integral, within four of its standard errors."""
    rng = np.random.default_rng(1200)
    b = rng.normal(3.8, 0.9, 400_000) if law == "gaussian" else 3.8 * (1.0 + 0.9 / 3.8) ** rng.normal(size=400_000)
    tails = poisson.sf(8, b[b > 0.0])
    p = count_significance(Count(9, 3.8, 0.9, law)).p
    assert p == pytest.approx(tails.mean(), abs=4.0 * tails.std() / sqrt(len(tails)))


@pytest.mark.parametrize("n", [0, 3, 40, 200_000])
def test_a_known_background_is_poisson(n: int) -> None:
    b = max(0.9 * n, n - 4.0 * sqrt(n)) + 1.0
    found = count_significance(Count(n, b))
    assert found.p == pytest.approx(poisson.sf(n - 1, b), rel=1e-5)
    assert found.method == "Poisson, exact"
    if n > 10:  # and constraints are the more alike the tighter they are
        for law in LAWS:
            assert count_significance(Count(n, b, 1e-3 * sqrt(b), law)).p == pytest.approx(found.p, rel=1e-2)


@settings(deadline=None)  # the first fit is compiled
@example(n=0, b=2.0, relative=1.0, law="gaussian")
@given(n=st.integers(0, 60), b=st.floats(0.1, 50.0), relative=st.floats(0.01, 1.0), law=st.sampled_from(LAWS))
def test_order_of_p_values(n: int, b: float, relative: float, law: Constraint) -> None:
    """More events are less likely; p is a probability whatever the numbers; the fitted signal is the excess."""
    more, less = (count_significance(Count(n + extra, b, relative * b, law)) for extra in (1, 0))
    assert 0.0 <= more.p <= less.p <= 1.0
    assert less.signal == pytest.approx(n - b, abs=1e-3 * sqrt(n + b))
    profile = count_significance(Count(n, b, relative * b, law), method="profile")
    assert profile.p == 0.5 or n > b


@settings(deadline=None)  # the first fit is compiled
@given(s=st.floats(0.5, 100.0), b=st.floats(0.5, 1000.0), relative=st.floats(0.01, 0.8))
def test_expected_significance_formula(s: float, b: float, relative: float) -> None:
    """The Asimov significances with and without an uncertainty of the background (arXiv:1007.1727)."""
    n, variance = s + b, (relative * b) ** 2
    q = n * log(n * (b + variance) / (b**2 + n * variance)) - b**2 / variance * log1p_of(variance * s, b, variance)
    assert expected_significance(Count(3, b, relative * b), s) == pytest.approx(sqrt(2.0 * q), rel=1e-4, abs=1e-4)
    assert expected_significance(Count(0, b), s) == pytest.approx(sqrt(2.0 * (n * log(n / b) - s)), rel=1e-4)


def log1p_of(product: float, b: float, variance: float) -> float:
    return float(np.log1p(product / (b * (b + variance))))


def test_toys_judge_the_profile() -> None:
    """At 100 +- 5 expected events asymptotics hold: toys agree within 10 %; at 0.5 they do not, and exact p decides."""
    many = Count(128, 100.0, 5.0)
    toys, profile = (count_significance(many, method=method, seed=1300) for method in ("toys", "profile"))
    assert toys.p == pytest.approx(profile.p, rel=0.15)
    assert toys.method.startswith("toys, stopped at 400 of")
    assert toys.error == pytest.approx(toys.p / 20.0, rel=0.1)
    few = count_significance(Count(3, 0.5), method="toys", seed=1301)
    assert few.p == pytest.approx(poisson.sf(2, 0.5), abs=4.0 * few.error)
    assert count_significance(Count(3, 0.5), method="profile").p < 0.7 * few.p
    assert count_significance(many, method="toys", seed=1300) == toys


def test_nothing_in_the_control_sample() -> None:
    """A background of 0 +- e stands for no event where one would have counted e."""
    count = Count(3, 0.0, 0.5)
    assert count.control == (0.0, 2.0)
    assert count == Count.on_off(3, 0, 2.0)
    assert count_significance(count).p == pytest.approx((1.0 / 3.0) ** 3)  # three of three events are on
    assert count_significance(count, method="profile").p < 0.05
    assert count_limit(count, seed=1302).limit > count_limit(Count(0, 0.5), seed=1302).limit


def exact_limit(n: int, b: float, alpha: float = 0.05) -> float:
    """CLs = P(N <= n | s + b) / P(N <= n | b) of a known background."""
    return float(brentq(lambda s: poisson.cdf(n, s + b) / poisson.cdf(n, b) - alpha, 1e-6, 1000.0))


@pytest.mark.parametrize(("n", "b"), [(0, 1e-9), (3, 2.0), (10, 10.0), (7, 12.0)])
def test_limits_by_toys_are_exact(n: int, b: float) -> None:
    found = count_limit(Count(n, b), seed=1400)
    assert found.n_toys > 0
    assert found.limit == pytest.approx(exact_limit(n, b), abs=4.0 * found.error + 1e-3 * found.limit)
    assert found.error < 0.02 * found.limit
    quantiles = [exact_limit(int(poisson.ppf(q, b)), b) for q in norm.cdf([-2.0, -1.0, 0.0, 1.0, 2.0])]
    np.testing.assert_allclose(found.expected, quantiles, rtol=0.03)
    assert found.method.startswith("CLs by toys")


def test_limit_of_nothing_seen() -> None:
    assert count_limit(Count(0, 1e-9), seed=1401).limit == pytest.approx(log(20.0), rel=2e-3)
    assert count_limit(Count(0, 1e-9), level=0.9, seed=1401).limit == pytest.approx(log(10.0), rel=2e-3)


@pytest.mark.parametrize("law", LAWS)
def test_asymptotic_limits_of_many_events(law: Constraint) -> None:
    """Known b: the exact one within 1 %. Uncertain: like a Gaussian of the joint width, and toys agree."""
    assert count_limit(Count(410, 400.0)).limit == pytest.approx(exact_limit(410, 400.0), rel=0.015)
    count = Count(400, 400.0, 15.0, law)
    found = count_limit(count)
    assert (found.n_toys, found.error) == (0, 0.0)
    assert found.limit == pytest.approx(1.96 * sqrt(400.0 + 15.0**2), rel=0.06)  # z of CLs = 0.05 with CLb = 0.5
    np.testing.assert_allclose(found.expected[2], found.limit, rtol=1e-3)
    toys = count_limit(count, toys=4096, seed=1402)
    assert toys.limit == pytest.approx(found.limit, abs=4.0 * toys.error + 0.01 * found.limit)
    np.testing.assert_allclose(toys.expected[2:], found.expected[2:], rtol=0.05)
    # the lower ends rest on 33 and 5 toys of the 4096
    np.testing.assert_allclose(toys.expected[:2], found.expected[:2], rtol=0.2)


def test_uncertain_signals_are_excluded_later() -> None:
    limits = [count_limit(Count(50, 50.0, signal_error=error)).limit for error in (0.0, 0.1, 0.3)]
    assert limits[0] < limits[1] < limits[2]
    assert limits[1] == pytest.approx(limits[0], rel=0.05)


def test_coverage() -> None:
    """Of 300 experiments with s = 6 beside 3 +- 0.8 at most 5 % exclude it: two standard errors, 2.5 %, beyond."""
    rng, tau, excluded = np.random.default_rng(1403), 3.0 / 0.8**2, 0
    memory: dict[tuple[int, int], float] = {}
    for _ in range(300):
        seen = int(rng.poisson(9.0)), int(rng.poisson(3.0 * tau))
        if seen not in memory:
            memory[seen] = count_limit(Count.on_off(*seen, tau), toys=0).limit
        excluded += memory[seen] < 6.0
    assert excluded <= 0.075 * 300


def test_poisson_numbers() -> None:
    mean = np.array([0.0, 1e-3, 0.5, 30.0, 1e6])
    uniform = np.random.default_rng(1404).random((2000, 5))
    np.testing.assert_array_equal(poisson_quantile(uniform, mean), poisson.ppf(uniform, mean))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((-1, 3.0), "observed must be a whole number of at least 0, found -1"),
        ((2.5, 3.0), "observed must be a whole number of at least 0, found 2.5"),
        ((float("nan"), 3.0), "observed must be a whole number"),
        ((3, -1.0), "background must be a number of at least 0, found -1.0"),
        ((3, 1.0, float("inf")), "error must be a number of at least 0, found inf"),
        ((3, 0.0), "a background of 0 needs an error and a gamma constraint"),
        ((3, 0.0, 1.0, "gaussian"), "a background of 0 needs an error and a gamma constraint"),
        ((3, 1.0, 1.0, "flat"), "unknown constraint 'flat'"),
    ],
)
def test_impossible_counts_are_refused(arguments: Any, message: str) -> None:
    with pytest.raises(FitError, match=message):
        Count(*arguments)


def test_impossible_questions_are_refused() -> None:
    with pytest.raises(FitError, match="tau must be positive"):
        Count.on_off(3, 5, 0.0)
    with pytest.raises(FitError, match="the signal must be a number of at least 0, found -1"):
        expected_significance(Count(3, 1.0), -1.0)
    with pytest.raises(ConfigError, match="confidence level"):
        count_limit(Count(3, 1.0), level=95.0)
    with pytest.raises(FitError, match="10 toys are too few"):
        count_limit(Count(3, 1.0), toys=10)
    with pytest.raises(FitError, match="positive number of them, found 0"):
        count_significance(Count(3, 1.0), method="toys", toys=0)


def test_background_of_an_anode_score() -> None:
    """Arrays of thresholds, as `AnodeScore.background_above` gives them: one count per cut."""
    background: tuple[Array, Array] = np.array([120.0, 14.0, 0.0]), np.array([9.0, 2.5, 0.8])
    found = [count_significance(Count(n, b, e)).z for n, b, e in zip([150, 30, 4], *background, strict=True)]
    assert np.isfinite(found).all()
    assert found[1] > found[0] > 0.0
