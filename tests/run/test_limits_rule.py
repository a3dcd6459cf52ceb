"""The rule of limits by injection: which one is quoted, how it is looked for, that it covers; nothing is trained."""

from math import inf

import numpy as np
import pytest
from scipy.special import ndtr, ndtri
from scipy.stats import ks_2samp

from lamppost.core import Array, Rng
from lamppost.run.limits.bands import band
from lamppost.run.limits.injection import largest
from lamppost.run.limits.repeated import around, between, rule
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
    """Of one data set and a few strengths in many others; where the selections of the data are held they do not."""
    repeated, _ = quoted(0.0, 11, 400)
    rng = np.random.default_rng(12)
    strengths, _, medians, _ = experiment(0.0, rng)
    at, _ = best(strengths, medians)
    fitted = NOISE * rng.standard_normal(2000)
    pulls = (fitted + NOISE * ndtri(1.0 - 0.05 * ndtr(fitted / NOISE))) / (NOISE * ndtri(0.975))
    trained = np.array(around([strengths[at]], GRID.strengths))
    sets = np.array([expected_in(trained, rng) for _ in range(2000)])
    positive = strengths > 0.0
    curves = between(GRID.strengths, trained, sets, strengths[positive], medians[positive])
    spread, held = rule(np.array(GRID.strengths), curves, pulls), np.maximum(strengths[at], pulls * medians[at])
    np.testing.assert_allclose(band(spread)[1:4], band(repeated)[1:4], rtol=0.11)  # a step of the strengths
    assert ks_2samp(spread, repeated).pvalue > 0.001
    assert ks_2samp(held, repeated).pvalue < 1e-6


def expected_in(trained: Array, rng: Rng) -> Array:
    """The medians that one repetition excludes at a few strengths."""
    level = np.exp(DATA * rng.standard_normal())
    return np.asarray(
        NOISE * ndtri(0.975) / (level * efficiency(trained) * np.exp(TRAINING * rng.standard_normal(len(trained))))
    )


def test_strengths_that_pseudo_data_are_trained_at() -> None:
    """The one that is quoted, and the nearest to a factor of 1.5 on either side; at an end of what there is, fewer."""
    assert around([GRID[40]], GRID.strengths) == (GRID[36], GRID[40], GRID[44])
    assert around([100.0], (50.0, 80.0, 100.0, 400.0)) == (80.0, 100.0, 400.0)
    assert around([GRID[0]], GRID.strengths) == (GRID[0], GRID[4])
    assert around([GRID[70]], GRID.strengths) == (GRID[66], GRID[70])
    assert around([7.0], (7.0,)) == (7.0,)
    assert around([GRID[42], GRID[40], GRID[42]], GRID.strengths) == (GRID[36], GRID[40], GRID[42], GRID[46])


def test_between_and_beyond_the_strengths_trained() -> None:
    """Lines in logarithms between; beyond, as steep as the data; beyond these, level."""
    of_data = np.array([1000.0, 10.0])  # slope -1 from 10 to 1000
    found = between(
        [1.0, 10.0, 50.0, 100.0, 200.0, 400.0, 1e5],
        np.array([50.0, 200.0]),
        np.array([[300.0, 75.0], [100.0, inf]]),
        np.array([10.0, 1000.0]),
        of_data,
    )
    np.testing.assert_allclose(found[0], [1500.0, 1500.0, 300.0, 150.0, 75.0, 37.5, 15.0])
    np.testing.assert_allclose(found[1, :3], [500.0, 500.0, 100.0])
    assert np.all(found[1, 3:] > 1e5)


def test_every_repetition_is_quoted_by_its_own_injection() -> None:
    """Zero is one of them; what is observed moves the limit, but never below the injection, and chooses nothing."""
    s = np.array([0.0, 50.0, 100.0, 200.0])
    expected = np.array([[5.0, 150.0, 90.0, 10.0], [300.0, 150.0, 90.0, 10.0], [300.0, 150.0, 130.0, 110.0]])
    np.testing.assert_array_equal(rule(s, expected, np.array([2.0, 2.0, 1.0])), [10.0, 180.0, 130.0])
    np.testing.assert_array_equal(rule(s, expected[:2], np.array([0.5, 0.1])), [2.5, 100.0])
    assert rule(s[1:], np.full((1, 3), 1e9), np.ones(1)) == inf
