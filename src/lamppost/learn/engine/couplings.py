"""Invertible functions of one variable whose parameters a network gives: affine, quadratic, rational-quadratic spline.

Each takes raw parameters (p, k, n) and values (k, n) and returns the image and the log slope, or, with `inverse`, the
preimage and the log slope of the inverse. Raw zeros are the identity. The two with bins act in [-BOUND, BOUND] and are
the identity outside, with slope 1 at the seam, so that no event is ever out of range.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from lamppost.learn.engine.layers import Tensor

__all__ = ["BOUND", "Univariate", "affine", "quadratic", "spline"]

Univariate = Callable[[Tensor, Tensor, bool], tuple[Tensor, Tensor]]
BOUND = 5.0
_LEAST = 1e-2
"""Least slope, and least part of the range for a bin: keeps the inverse well conditioned in float32."""
_STRETCH = 3.0


def affine(raw: Tensor, x: Tensor, inverse: bool) -> tuple[Tensor, Tensor]:
    """y = x e^s + t, |s| < 3 (arXiv:1605.08803). p = 2."""
    log_slope = _STRETCH * jnp.tanh(raw[0] / _STRETCH)
    if inverse:
        return (x - raw[1]) * jnp.exp(-log_slope), -log_slope
    return x * jnp.exp(log_slope) + raw[1], log_slope


def quadratic(raw: Tensor, x: Tensor, inverse: bool) -> tuple[Tensor, Tensor]:
    """Integral of a piecewise linear slope with free knots (arXiv:1808.03856). p = 2 bins - 1."""
    bins = (len(raw) + 1) // 2
    widths, free = _parts(raw[:bins]), _positive(raw[bins:])
    edge = jnp.zeros_like(widths[:1])
    # slope 1 at both ends; those between are scaled so that the range is mapped to itself
    ends = 0.5 * (widths[0] + widths[-1])
    free = free * (2 * BOUND - ends) / (0.5 * jnp.sum(free * (widths[1:] + widths[:-1]), axis=0))
    slopes = jnp.concatenate([edge + 1, free, edge + 1])
    heights = 0.5 * (slopes[1:] + slopes[:-1]) * widths
    left, width, below, _, first, last = _bin(x, widths, heights, slopes, inverse)
    rise, start = (last - first) * width, first * width
    if inverse:
        rest = jnp.clip(x, -BOUND, BOUND) - below
        # the root of rise / 2 a^2 + start a = rest that lies in the bin, without cancellation
        position = 2 * rest / (start + jnp.sqrt(jnp.maximum(start**2 + 2 * rise * rest, 0.0)))
        image = left + position * width
    else:
        position = (jnp.clip(x, -BOUND, BOUND) - left) / width
        image = below + position * (start + 0.5 * rise * position)
    log_slope = jnp.log(first + position * (last - first))
    return _within(x, image, -log_slope if inverse else log_slope)


def spline(raw: Tensor, x: Tensor, inverse: bool) -> tuple[Tensor, Tensor]:
    """Monotone rational-quadratic spline (arXiv:1906.04032). p = 3 bins - 1."""
    bins = (len(raw) + 1) // 3
    widths, heights, free = _parts(raw[:bins]), _parts(raw[bins : 2 * bins]), _positive(raw[2 * bins :])
    one = jnp.ones_like(widths[:1])
    slopes = jnp.concatenate([one, free, one])
    left, width, below, height, first, last = _bin(x, widths, heights, slopes, inverse)
    mean = height / width
    bend = first + last - 2 * mean
    if inverse:
        rest = jnp.clip(x, -BOUND, BOUND) - below
        a, b, c = height * (mean - first) + rest * bend, height * first - rest * bend, -mean * rest
        position = 2 * c / (-b - jnp.sqrt(jnp.maximum(b**2 - 4 * a * c, 0.0)))
    else:
        position = (jnp.clip(x, -BOUND, BOUND) - left) / width
    both = position * (1 - position)
    line = mean + bend * both
    slope = mean**2 * (last * position**2 + 2 * mean * both + first * (1 - position) ** 2) / line**2
    if inverse:
        return _within(x, left + position * width, -jnp.log(slope))
    return _within(x, below + height * (mean * position**2 + first * both) / line, jnp.log(slope))


def _parts(raw: Tensor) -> Tensor:
    """Widths that fill [-BOUND, BOUND], none below a hundredth of it."""
    return 2 * BOUND * (_LEAST + (1 - _LEAST * len(raw)) * jax.nn.softmax(raw, axis=0))


def _positive(raw: Tensor) -> Tensor:
    """Slopes above the least, 1 where raw is 0."""
    return _LEAST + jax.nn.softplus(raw + np.float32(np.log(np.expm1(1 - _LEAST))))


def _bin(x: Tensor, widths: Tensor, heights: Tensor, slopes: Tensor, inverse: bool) -> tuple[Tensor, ...]:
    """Left edge, width, lower edge, height and the slopes at both ends of the bin that holds x.

    Bins run along the first axis, events along the last: sums over all bins with a mask vectorise, a gather does not.
    """
    bins = len(widths)
    before = np.tril(np.ones((bins, bins), np.float32), -1)
    left, below = (jnp.einsum("ij,jkn->ikn", before, parts) - BOUND for parts in (widths, heights))
    inner = jax.lax.stop_gradient(below if inverse else left)[1:]
    beyond = jnp.full_like(inner[:1], jnp.inf)
    mask = (x >= jnp.concatenate([-beyond, inner])) & (x < jnp.concatenate([inner, beyond]))
    mask = mask.astype(x.dtype)
    every = (left, widths, below, heights, slopes[:-1], slopes[1:])
    return tuple(jnp.sum(mask * values, axis=0) for values in every)


def _within(x: Tensor, image: Tensor, log_slope: Tensor) -> tuple[Tensor, Tensor]:
    inside = jnp.abs(x) < BOUND
    return jnp.where(inside, image, x), jnp.where(inside, log_slope, 0.0)
