"""One-dimensional bijections: back to where they came from, with the slope they claim, on all reals."""

import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamppost.errors import DataError
from lamppost.learn.bijections import (
    KINDS,
    Asinh,
    Bijection,
    Dequantise,
    Log,
    Logit,
    Quantile,
    Standardise,
)

UNIT = st.floats(1e-6, 0.4)
STEPS = st.lists(st.floats(0.1, 10.0), min_size=8, max_size=30)


def spline(start: float, widths: list[float], rises: list[float], slopes: list[float]) -> Quantile:
    n = min(len(widths), len(rises), len(slopes) - 1)
    knots, values = (np.concatenate([[start], start + np.cumsum(steps[:n])]) for steps in (widths, rises))
    return Quantile(tuple(knots.tolist()), tuple(values.tolist()), tuple(slopes[: n + 1]))


UNITS = {
    "standardise": st.builds(Standardise, st.floats(-10, 10), st.floats(0.1, 10)),
    "log": st.builds(Log, st.floats(-10, 10), UNIT, st.booleans()),
    "logit": st.builds(lambda lo, a, b: Logit(lo, lo + 1, lo + a, lo + 1 - b), st.floats(-10, 10), UNIT, UNIT),
    "asinh": st.builds(Asinh, st.floats(-10, 10), st.floats(0.01, 10)),
    "quantile": st.builds(spline, st.floats(-10, 10), STEPS, STEPS, STEPS),
}
every = pytest.mark.parametrize("kind", sorted(UNITS))
properties = settings(max_examples=40, deadline=None)


def special(bijection: Bijection) -> np.ndarray:
    """Edges, joins and knots of a bijection."""
    match bijection:
        case Log(edge, margin, upper):
            return np.array([edge, edge - margin if upper else edge + margin])
        case Logit(lo, hi, join_lo, join_hi):
            return np.array([lo, join_lo, join_hi, hi])
        case Quantile(knots):
            return np.array(knots)
    return np.zeros(1)


def probe(bijection: Bijection, seed: int) -> np.ndarray:
    """Numbers near, at and far from the special ones, the far ones beyond all edges, on both sides."""
    rng = np.random.default_rng(seed)
    near = special(bijection)[:, None] + np.array([0.0, 1e-7, 1e-3, -1e-7, -1e-3])
    x = np.unique(np.concatenate([near.ravel(), rng.normal(0, 10, 50), rng.uniform(-1, 1, 50), [-1e6, 1e6]]))
    return x[np.diff(x, prepend=-np.inf) > 1e-9]  # no two that rounding may bring together


def test_every_kind_is_tested() -> None:
    assert {*UNITS, "dequantise"} == set(KINDS)


@every
@properties
@given(data=st.data(), seed=st.integers(0, 2**32))
def test_returns(kind: str, data: st.DataObject, seed: int) -> None:
    bijection = data.draw(UNITS[kind])
    x = probe(bijection, seed)
    y, log_slope = bijection.forward(x)
    assert y.dtype == log_slope.dtype == np.float64
    np.testing.assert_allclose(bijection.inverse(y), x, rtol=1e-10, atol=1e-10)


@every
@properties
@given(data=st.data(), seed=st.integers(0, 2**32))
def test_slope_is_the_central_difference(kind: str, data: st.DataObject, seed: int) -> None:
    """At joins and knots too: the slope is continuous. The step is short against every curvature generated here."""
    bijection = data.draw(UNITS[kind])
    x = probe(bijection, seed)
    x = x[abs(x) < 100]
    h = 1e-8
    difference = (bijection.forward(x + h)[0] - bijection.forward(x - h)[0]) / ((x + h) - (x - h))
    y, log_slope = bijection.forward(x)
    noise = 1e-16 * (abs(y) + abs(x) * np.exp(log_slope) + 1) / h
    # a margin of 1e-6 bends the slope by h / 1e-6 over the step
    assert (abs(difference - np.exp(log_slope)) <= 10 * noise + 0.02 * np.exp(log_slope)).all()


@every
@properties
@given(data=st.data(), seed=st.integers(0, 2**32))
def test_slope_integrates_to_the_rise(kind: str, data: st.DataObject, seed: int) -> None:
    """Sharper than differences: the mean slope over a step, by quadrature of 5 nodes, between neighbours of a grid."""
    bijection = data.draw(UNITS[kind])
    ends = np.unique(np.concatenate([special(bijection), np.random.default_rng(seed).uniform(-15, 15, 20)]))
    grid = np.unique(np.concatenate([np.linspace(a, b, 401) for a, b in pairwise(ends)]))
    node, weight = np.polynomial.legendre.leggauss(5)
    middle, half = 0.5 * (grid[1:] + grid[:-1]), 0.5 * np.diff(grid)
    slope = np.exp(bijection.forward((middle[:, None] + half[:, None] * node).ravel())[1]).reshape(-1, 5)
    rise = np.diff(bijection.forward(grid)[0])
    smooth = slope.max(axis=1) < 1.1 * slope.min(axis=1)  # else 5 nodes are too few
    assert smooth.mean() > 0.5
    spread = 1e-15 * (1 + abs(bijection.forward(grid)[0][1:])) + 1e-13 * slope.max(axis=1)
    assert (abs(rise - half * (slope @ weight)) <= 1e-7 * rise + 10 * spread)[smooth].all()


@every
@properties
@given(data=st.data(), seed=st.integers(0, 2**32))
def test_rises_everywhere(kind: str, data: st.DataObject, seed: int) -> None:
    bijection = data.draw(UNITS[kind])
    x = probe(bijection, seed)
    assert (np.diff(bijection.forward(x)[0]) > 0).all()


@every
@properties
@given(data=st.data(), far=st.floats(1e3, 1e37))
def test_all_reals_are_mapped(kind: str, data: st.DataObject, far: float) -> None:
    bijection = data.draw(UNITS[kind])
    y, log_slope = bijection.forward(np.array([-far, far]))
    assert np.isfinite(y).all()
    assert np.isfinite(log_slope).all()
    assert np.isfinite(bijection.inverse(np.array([-far, far]))).all()


def test_straight_beyond_the_joins() -> None:
    """As documented: y(x) = y(join) + (x - join) y'(join)."""
    for bijection, join, beyond in (
        (Log(2.0, 0.01), 2.01, -1.0),
        (Log(2.0, 0.01, upper=True), 1.99, 1.0),
        (Logit(0.0, 1.0, 1e-3, 0.99), 1e-3, -1.0),
        (Logit(0.0, 1.0, 1e-3, 0.99), 0.99, 1.0),
    ):
        (y, *rest), (log_slope, *others) = bijection.forward(join + beyond * np.array([0.0, 0.005, 1.0, 100.0]))
        np.testing.assert_allclose(rest, y + np.exp(log_slope) * beyond * np.array([0.005, 1.0, 100.0]), rtol=1e-12)
        np.testing.assert_allclose(others, log_slope, rtol=1e-12)


def test_values_known_by_hand() -> None:
    half = np.array([0.5, 0.25])
    np.testing.assert_allclose(Logit(0.0, 1.0, 0.01, 0.99).forward(half)[0], [0.0, -np.log(3)], atol=1e-15)
    np.testing.assert_allclose(Log(0.0, 0.05).forward(half)[0], np.log([10, 5]))
    np.testing.assert_allclose(Log(1.0, 0.05, upper=True).forward(half)[0], -np.log([10, 15]))
    np.testing.assert_allclose(Asinh(0.5, 0.25).forward(half)[0], [0.0, -np.log(1 + np.sqrt(2))], atol=1e-15)
    np.testing.assert_allclose(Standardise(0.25, 0.5).forward(half)[0], [0.5, 0.0])


def test_spline_passes_through_its_knots() -> None:
    bijection = Quantile((0.0, 1.0, 3.0, 3.5), (-2.0, 0.0, 0.5, 2.0), (1.0, 0.5, 2.0, 4.0))
    y, log_slope = bijection.forward(np.array(bijection.knots))
    np.testing.assert_allclose(y, bijection.values, atol=1e-15)
    np.testing.assert_allclose(log_slope, np.log(bijection.slopes), atol=1e-15)
    line = Quantile((0.0, 1.0, 3.0), (0.0, 2.0, 6.0), (2.0, 2.0, 2.0))
    x = np.linspace(-5, 5, 101)
    np.testing.assert_allclose(line.forward(x)[0], 2 * x, atol=1e-14)
    np.testing.assert_allclose(line.inverse(2 * x), x, atol=1e-14)


@given(st.integers(-(2**24), 2**24), st.floats(0, 1, exclude_max=True))
def test_integers_survive_their_draw(k: int, draw: float) -> None:
    whole, u = np.array([float(k)]), np.array([draw])
    y = Dequantise().spread(whole, u)
    assert k < y[0] < k + 1
    assert Dequantise().inverse(y)[0] == k
    np.testing.assert_allclose(y - k, u, atol=3e-4)
    assert Dequantise().forward(whole)[1][0] == 0


def test_what_is_no_integer_counts_as_the_one_below() -> None:
    np.testing.assert_array_equal(Dequantise().forward(np.array([2.7, -2.7]))[0], [2.5, -2.5])


@pytest.mark.parametrize(
    ("kind", "fields", "message"),
    [
        ("standardise", (0.0, 0.0), "standardise: expected scale > 0 and finite, found 0.0"),
        ("log", (0.0, -1.0), "log: expected margin > 0"),
        ("logit", (0.0, 1.0, 0.5, 0.5), "logit: expected join_hi - join_lo > 0"),
        ("asinh", (0.0, float("nan")), "asinh: expected scale > 0 and finite, found nan"),
        ("quantile", ((0.0, 0.0), (0.0, 1.0), (1.0, 1.0)), "quantile: expected step of knots > 0"),
        ("quantile", ((0.0, 1.0), (0.0, 1.0), (1.0,)), "found 2 knots, 2 values and 1 slopes"),
    ],
)
def test_what_is_no_bijection_is_refused(kind: str, fields: tuple[float, ...], message: str) -> None:
    with pytest.raises(DataError, match=message):
        KINDS[kind](*fields)


def test_import_is_cheap() -> None:
    """The compiler is loaded by the first spline, no ML framework at all."""
    code = (
        "import sys, lamppost.learn.preprocess; print(*[m for m in ('numba', 'jax', 'lightgbm') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
