"""The rule of limits by injection: which one is quoted, how it is looked for, that it covers; nothing is trained."""

from math import inf

import numpy as np
import pytest
from scipy.special import ndtr, ndtri
from scipy.stats import ks_2samp

from lamppost.core import Array, Rng
from lamppost.run.limits.bands import band, rule
from lamppost.run.limits.injection import largest
from lamppost.run.limits.rule import Grid, Target, best

GRID = Grid(0.1, 70)
EXPERIMENTS = 1500
NOISE, SHARED = 10.0, 0.6
"""Standard deviation of a fitted number of signal events, and how correlated those of two injections are."""
DATA, TRAINING = 0.25, 0.15
"""Relative spread of efficiencies from one data set to the next, and of trainings in the same data."""


@pytest.mark.parametrize(
    ("expected", "number", "crossed"),
    [
        ([400.0, 200.0, 90.0, 20.0], 2, True),  # an injection of 100 excludes 90
        ([400.0, 130.0, 150.0, 190.0], 1, True),  # an earlier one may do better than the crossing
        ([400.0, 40.0, 300.0, 150.0], 1, True),  # rises again: only what was injected counts
        ([30.0, 40.0, 50.0, 60.0], 0, True),  # without any injection
        ([400.0, 300.0, 250.0, 210.0], 3, False),
        ([inf, inf, 90.0, inf], 2, True),
    ],
)
def test_which_injection_is_quoted(expected: list[float], number: int, crossed: bool) -> None:
    assert best([0.0, 50.0, 100.0, 200.0], expected) == (number, crossed)


@pytest.mark.parametrize("start", [0, 20, 45, 70])
@pytest.mark.parametrize("power", [0.0, 1.0, 4.0])
def test_the_crossing_is_found_in_few_steps(start: int, power: float) -> None:
    """e(s) = 80 (80 / s)^power crosses at 80, from wherever one starts."""
    grid, tried = Grid(0.1, 80), {}
    number: int | None = start
    while number is not None:
        tried[number] = 80.0 * (80.0 / grid[number]) ** power
        number = Target(grid, tried).proposal
    strengths, medians = [grid[k] for k in tried], list(tried.values())
    chosen, crossed = best(strengths, medians)
    assert crossed
    assert Target(grid, tried).crossed
    assert 80.0 <= max(strengths[chosen], medians[chosen]) * (1 + 1e-12) <= 88.0 * (1 + 1e-9)
    assert len(tried) <= 14


def test_strengths_end_with_the_sample_and_at_one_event() -> None:
    grid = Grid(0.1, 30)
    assert Target(grid, {30: 1e4}).proposal is None
    assert not Target(grid, {30: 1e4}).crossed
    assert Target(grid, {28: 1e4}).proposal == 30
    assert Target(grid, {0: 0.5}).proposal is None
    assert Target(grid, {5: inf}).proposal == 12
    assert grid.strengths == tuple(grid[k] for k in range(31))
    assert Grid.up_to(largest(1000.0), 0.1)[Grid.up_to(largest(1000.0), 0.1).top] <= largest(1000.0)


def efficiency(strength: Array) -> Array:
    """What a training makes of so much signal, on average: nothing of little, half of much."""
    return np.asarray(0.5 * strength**2 / (strength**2 + 100.0**2) + 0.005)


def experiment(signal: float, rng: Rng) -> tuple[Array, Array, Array, Array]:
    """A search in data with a signal: injections made, efficiencies, medians and limits (k,) there, as CLs has them."""
    strengths = np.array(GRID.strengths)
    level = np.exp(DATA * rng.standard_normal())
    eps = level * efficiency(strengths + signal) * np.exp(TRAINING * rng.standard_normal(len(strengths)))
    common, own = rng.standard_normal(), rng.standard_normal(len(strengths))
    fitted = signal * eps + NOISE * (np.sqrt(SHARED) * common + np.sqrt(1.0 - SHARED) * own)
    limits = (fitted + NOISE * ndtri(1.0 - 0.05 * ndtr(fitted / NOISE))) / eps
    medians = NOISE * ndtri(0.975) / eps
    tried, number = list[int](), GRID.above(100.0)
    while True:
        tried.append(number)
        proposal = Target(GRID, {k: medians[k] for k in tried}).proposal
        if proposal is None:
            rows = sorted(tried)
            return strengths[rows], eps[rows], medians[rows], limits[rows]
        number = proposal


def quoted(signal: float, seed: int, n: int = EXPERIMENTS) -> tuple[Array, Array]:
    """Limits (n,) by the rule, and the smallest over injections of what is observed."""
    rng, found = np.random.default_rng(seed), []
    for _ in range(n):
        strengths, _, medians, limits = experiment(signal, rng)
        at, _ = best(strengths, medians)
        found.append((max(strengths[at], limits[at]), np.maximum(strengths, limits).min()))
    rule, smallest = np.array(found).T
    return rule, smallest


def test_signals_at_and_above_the_limit_are_excluded_as_rarely_as_they_should_be() -> None:
    """At one, two and three times the limit; the smallest of what is observed would exclude them too often."""
    limit = np.median(quoted(0.0, 1)[0])
    allowed = 0.05 + 4.0 * np.sqrt(0.05 * 0.95 / EXPERIMENTS)
    smallest = []
    for times in (1, 2, 3):
        found, least = quoted(times * limit, 1 + times)
        assert np.mean(found < times * limit) < allowed
        smallest.append(np.mean(least < times * limit))
    assert max(smallest) > allowed


def test_bands_spread_as_repetitions_do() -> None:
    """Of one data set, with the efficiencies of many others; with its own efficiencies alone they do not."""
    repeated, _ = quoted(0.0, 11, 400)
    rng = np.random.default_rng(12)
    strengths, eps, medians, _ = experiment(0.0, rng)
    at, _ = best(strengths, medians)
    fitted = NOISE * rng.standard_normal(2000)
    pulls = (fitted + NOISE * ndtri(1.0 - 0.05 * ndtr(fitted / NOISE))) / (NOISE * ndtri(0.975))
    width = np.hypot(DATA, TRAINING)
    factors = efficiency(strengths[at]) / eps[at] * np.exp(width * rng.standard_normal(2000))
    spread = rule(strengths, medians, at, pulls, {at: factors}, GRID.strengths)
    held = rule(strengths, medians, at, pulls, {}, GRID.strengths)
    np.testing.assert_allclose(band(spread)[1:4], band(repeated)[1:4], rtol=0.11)  # a step of the strengths
    assert ks_2samp(spread, repeated).pvalue > 0.001
    assert ks_2samp(held, repeated).pvalue < 1e-6
    np.testing.assert_array_equal(held, np.maximum(strengths[at], pulls * medians[at]))


def test_strengths_between_injections() -> None:
    """Lines in logarithms on a grid; without one the injections that were made; zero is beside all that."""
    s, medians, ones = np.array([0.0, 10.0, 1000.0]), np.array([5.0, 1000.0, 10.0]), np.ones(1)
    grid = (10.0 ** np.linspace(1.0, 3.0, 201)).tolist()
    np.testing.assert_allclose(rule(s, medians, 1, ones, {1: ones}, grid), [100.0])
    np.testing.assert_allclose(rule(s, medians, 1, ones, {1: 0.5 * ones}, grid), [np.sqrt(2.0) * 100.0], rtol=0.03)
    np.testing.assert_allclose(rule(s, medians, 1, ones, {1: 0.5 * ones}, ()), [1000.0])
    np.testing.assert_allclose(rule(s, medians, 0, 2.0 * ones, {0: 0.5 * ones, 1: ones}, grid), [20.0])
    # of data with a signal: without one, and without an injection, hardly anything would be learnt
    np.testing.assert_allclose(rule(s, medians, 0, ones, {0: 0.01 * ones, 1: ones}, grid), [100.0])
