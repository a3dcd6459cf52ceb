"""The functions inside coupling layers: increasing, back to where they came from, with the slope they claim."""

from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

jax = pytest.importorskip("jax")

from lamppost.learn.engine.couplings import BOUND, affine, quadratic, spline  # noqa: E402

BINS = 8
FUNCTIONS = {"affine": (affine, 2), "quadratic": (quadratic, 2 * BINS - 1), "spline": (spline, 3 * BINS - 1)}
BINNED = ("quadratic", "spline")
EVERY = pytest.mark.parametrize("kind", FUNCTIONS)
N = 1000
Floats = NDArray[np.float32]


@cache
def compiled(kind: str, inverse: bool) -> Any:
    return jax.jit(lambda raw, x: FUNCTIONS[kind][0](raw, x, inverse))


@cache
def slopes(kind: str) -> Any:
    """dy/dx by automatic differentiation, one event at a time."""
    one = jax.grad(lambda x, raw: FUNCTIONS[kind][0](raw[:, None, None], x[None, None], False)[0][0, 0])
    return jax.jit(jax.vmap(one, in_axes=(0, 1)))


def run(kind: str, raw: Floats, x: Floats, inverse: bool = False) -> tuple[Floats, Floats]:
    """Image (n,) and log slope (n,) for raw parameters (p, n) and values x (n,)."""
    return tuple(np.asarray(out)[0] for out in compiled(kind, inverse)(raw[:, None], x[None]))  # type: ignore[return-value]


def parameters(kind: str, scale: float, seed: int = 1) -> Floats:
    drawn = np.random.default_rng(seed).normal(scale=scale, size=(FUNCTIONS[kind][1], N))
    return drawn.astype(np.float32)


def values(seed: int = 2, reach: float = 1.5 * BOUND) -> Floats:
    return np.random.default_rng(seed).uniform(-reach, reach, N).astype(np.float32)


@EVERY
def test_raw_zeros_are_the_identity(kind: str) -> None:
    x = values()
    image, log_slope = run(kind, parameters(kind, 0.0), x)
    np.testing.assert_allclose(image, x, atol=2e-6)
    np.testing.assert_allclose(log_slope, 0, atol=2e-6)


@EVERY
@pytest.mark.parametrize("scale", [0.3, 1.0, 3.0])
def test_returns(kind: str, scale: float) -> None:
    """To the rounding of y, carried back by the slope there: 8 units in the last place at BOUND."""
    x, raw = values(), parameters(kind, scale)
    image, log_slope = run(kind, raw, x)
    back, log_slope_back = run(kind, raw, image, inverse=True)
    rounding = 8 * np.finfo(np.float32).eps * np.maximum(abs(image), BOUND) / np.minimum(np.exp(log_slope), 1)
    assert (abs(back - x) <= rounding).all()
    assert np.median(abs(log_slope_back + log_slope)) < 1e-5


@EVERY
@pytest.mark.parametrize("scale", [0.3, 1.0, 3.0])
def test_slope_is_the_derivative(kind: str, scale: float) -> None:
    x, raw = values(), parameters(kind, scale)
    truth = np.asarray(slopes(kind)(x, raw))
    np.testing.assert_allclose(np.exp(run(kind, raw, x)[1]), truth, rtol=2e-3)


@EVERY
@pytest.mark.parametrize("scale", [1.0, 10.0, 100.0])
def test_increasing_whatever_the_network_says(kind: str, scale: float) -> None:
    """One function at many values; networks far from their training events give raw parameters of any size."""
    x = np.linspace(-1.2 * BOUND, 1.2 * BOUND, N, dtype=np.float32)
    for seed in range(20):
        raw = np.repeat(parameters(kind, scale, seed)[:, :1], N, axis=1)
        image, log_slope = run(kind, raw, x)
        assert np.isfinite(image).all()
        assert np.isfinite(log_slope).all()
        assert (np.diff(image) > -2e-6 * np.maximum(abs(image[1:]), 1)).all()
        # the slope integrates to the rise, up to what a trapezium rule misses at a kink
        rise = np.trapezoid(np.exp(log_slope.astype(np.float64)), x.astype(np.float64))
        if scale == 1.0:
            assert rise == pytest.approx(image[-1] - image[0], rel=1e-3)


@pytest.mark.parametrize("kind", BINNED)
def test_identity_outside_and_no_seam(kind: str) -> None:
    raw = parameters(kind, 1.0)
    for end in (-BOUND, BOUND):
        at, inside, outside = (np.full(N, end * part, np.float32) for part in (1.0, 1 - 1e-4, 1.2))
        np.testing.assert_array_equal(run(kind, raw, outside)[0], outside)
        np.testing.assert_array_equal(run(kind, raw, outside)[1], 0)
        np.testing.assert_array_equal(run(kind, raw, at)[0], at)
        image, log_slope = run(kind, raw, inside)
        np.testing.assert_allclose(image, inside, atol=1e-3 * BOUND)
        assert abs(log_slope).max() < 0.2  # slope 1 at the seam, bent within a bin of 1/100 of the range at the least


def test_affine_is_affine() -> None:
    raw, x = parameters("affine", 1.0), values()
    image, log_slope = run("affine", raw, x)
    s = 3 * np.tanh(raw[0] / 3)
    np.testing.assert_allclose(image, x * np.exp(s) + raw[1], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(log_slope, s, atol=1e-6)


def test_quadratic_has_a_piecewise_linear_slope() -> None:
    """Second differences of the slope vanish but at the 7 inner knots and the 2 seams."""
    x = np.linspace(-1.1 * BOUND, 1.1 * BOUND, N, dtype=np.float32)
    raw = np.repeat(parameters("quadratic", 1.0)[:, :1], N, axis=1)
    bends = abs(np.diff(np.exp(run("quadratic", raw, x)[1].astype(np.float64)), 2))
    assert (bends > 1e-4).sum() <= 2 * 9
    assert (bends > 1e-4).sum() >= 7


@pytest.mark.parametrize("kind", BINNED)
def test_any_slope_profile_can_be_made(kind: str) -> None:
    """Descent finds raw parameters that bring events flat in [-4.5, 4.5] to a unit normal."""
    from scipy.special import ndtri

    x = np.linspace(-4.0, 4.0, N, dtype=np.float32)
    wanted = ndtri((x + 4.5) / 9.0).astype(np.float32)
    function, p = FUNCTIONS[kind]

    def loss(raw: Any) -> Any:
        full = jax.numpy.repeat(raw[:, None, None], N, axis=2)
        return jax.numpy.mean((function(full, x[None], False)[0][0] - wanted) ** 2)

    step = jax.jit(lambda raw: raw - 1.0 * jax.grad(loss)(raw))
    raw = jax.numpy.zeros(p)
    for _ in range(400):
        raw = step(raw)
    assert loss(raw) < 0.05 * np.mean((x - wanted) ** 2)
