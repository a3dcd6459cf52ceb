"""The compiled minimiser of binned spectra: everything here works on bare arrays and knows no names.

The model of bin i is mu_i = b_i + s f_i with b_i = sum_q w_qi exp(sum_k B_qki theta_k): a Poisson GLM integrated over
the bin by quadrature, plus a signal that is linear in its yield s. Arrays: `basis` (nodes, parameters, bins), `weight`
(nodes, bins), `n` and `f` (bins,); a parameter vector holds `size` background parameters, then s. Bins come last so
that the inner loops run over contiguous memory. The yield may carry a Gaussian constraint: the last array of a
workspace holds its centre and its inverse variance, zero for none.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = [
    "BOUNDED",
    "CONVERGED",
    "FAILED",
    "SMALLEST",
    "SMALLEST_RIDGE",
    "TOLERANCE",
    "compiled",
    "damp_and_solve",
    "dot",
    "dot3",
    "evaluate",
    "expect",
    "minimise",
    "solve",
    "workspace",
]

Array = NDArray[np.float64]
F = TypeVar("F", bound=Callable[..., Any])

CONVERGED, FAILED, BOUNDED = 0, 1, 2
TOLERANCE = 1e-7  # twice the distance of -ln L to its minimum at which the last step is taken unchecked
ITERATIONS = 100
RIDGE, SMALLEST_RIDGE = 1e-5, 1e-9  # what is added to the information at first, and at least
SMALLEST = 1e-200  # expectation whose inverse is still a number


def compiled(function: F) -> F:
    """Compile for one thread; sums may be reordered into vector lanes, always in the same way on one CPU type."""
    made = njit(function, cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract"})
    return cast(F, made)


@compiled
def dot(a: Array, b: Array) -> float:
    """sum_i a_i b_i, without a temporary array."""
    total = 0.0
    for i in range(a.shape[0]):
        total += a[i] * b[i]
    return total


@compiled
def dot3(a: Array, b: Array, c: Array) -> float:
    """sum_i a_i b_i c_i, without a temporary array."""
    total = 0.0
    for i in range(a.shape[0]):
        total += a[i] * b[i] * c[i]
    return total


@compiled
def workspace(parameters: int, bins: int) -> tuple[Array, Array, Array, Array, Array, Array, Array]:
    """Scratch memory of one fit: per-bin rows, derivatives, gradient, information, its Cholesky factor, trial point.

    Then the constraint of the yield: its centre and inverse variance.
    """
    size = parameters + 1
    return (
        np.zeros((6, bins)),
        np.zeros((parameters, bins)),
        np.zeros(size),
        np.zeros((size, size)),
        np.zeros((size, size)),
        np.zeros(size),
        np.zeros(2),
    )


@compiled
def expect(basis: Array, weight: Array, size: int, theta: Array, rows: Array, slopes: Array) -> None:
    """Background b -> rows[0] and its derivatives d b / d theta_k -> slopes[k]."""
    background, term = rows[0], rows[1]
    background[:] = 0.0
    slopes[:size] = 0.0
    for q in range(basis.shape[0]):
        term[:] = 0.0
        for k in range(size):
            for i in range(term.shape[0]):
                term[i] += theta[k] * basis[q, k, i]
        for i in range(term.shape[0]):
            term[i] = weight[q, i] * np.exp(term[i])
            background[i] += term[i]
        for k in range(size):
            for i in range(term.shape[0]):
                slopes[k, i] += term[i] * basis[q, k, i]


@compiled
def evaluate(
    n: Array, basis: Array, weight: Array, f: Array, size: int, signal: bool, fisher: bool, theta: Array, work: Any
) -> float:
    """Half the deviance at `theta` (infinite outside the model); fills its gradient and information in `work`.

    The information is the observed one up to the spread of the basis inside a bin, or Fisher's where asked for. A
    constraint of the yield adds half its chi2.
    """
    rows, slopes, gradient, information, _, _, constraint = work
    expect(basis, weight, size, theta, rows, slopes)
    background, excess, pure, mixed = rows[0], rows[2], rows[3], rows[4]
    strength = theta[size] if signal else 0.0
    total = 0.0
    for i in range(n.shape[0]):
        mu = background[i] + strength * f[i] if signal else background[i]
        if not (mu >= 0.0 and background[i] >= 0.0 and (mu > 0.0 or n[i] == 0.0)):
            return np.inf
        ratio = 0.0
        total += mu - n[i]
        if n[i] > 0.0:
            ratio = n[i] / mu
            total += n[i] * np.log(ratio)
        excess[i] = 1.0 - ratio
        mixed[i] = 1.0 / max(mu, SMALLEST) if fisher else ratio / mu
        pure[i] = mixed[i] if fisher else mixed[i] + excess[i] / max(background[i], SMALLEST)
    for j in range(size):
        gradient[j] = dot(excess, slopes[j])
        for k in range(j + 1):
            information[j, k] = dot3(pure, slopes[j], slopes[k])
    if signal:
        away = strength - constraint[0]
        total += 0.5 * constraint[1] * away * away
        gradient[size] = dot(excess, f) + constraint[1] * away
        for k in range(size):
            information[size, k] = dot3(mixed, f, slopes[k])
        information[size, size] = dot3(mixed, f, f) + constraint[1]
    return total


@compiled
def solve(information: Array, gradient: Array, size: int, factor: Array, step: Array) -> bool:
    """Solve information @ step = gradient by Cholesky; False if the matrix is not positive definite."""
    for j in range(size):
        for k in range(j + 1):
            value = information[j, k]
            for m in range(k):
                value -= factor[j, m] * factor[k, m]
            if j > k:
                factor[j, k] = value / factor[k, k]
            elif value > 1e-13 * information[j, j]:
                factor[j, j] = np.sqrt(value)
            else:
                return False
    for j in range(size):
        value = gradient[j]
        for m in range(j):
            value -= factor[j, m] * step[m]
        step[j] = value / factor[j, j]
    for j in range(size - 1, -1, -1):
        value = step[j]
        for m in range(j + 1, size):
            value -= factor[m, j] * step[m]
        step[j] = value / factor[j, j]
    return True


@compiled
def minimise(
    n: Array, basis: Array, weight: Array, f: Array, size: int, signal: bool, theta: Array, step: Array, value: float,
    work: Any,
) -> tuple[float, float, int]:  # fmt: skip
    """Damped Newton from `theta`, where half the deviance is `value`, first along -`step`; `theta` ends at the minimum.

    Returns half the deviance there, the error of the last parameter, and CONVERGED or FAILED. Where the matrix is not
    positive definite (with a signal in nearly empty bins -ln L is not convex) Fisher's takes its place and steps grow
    as long as that lasts; a step that climbs or leaves the model is shortened. One that has to be much shortened points
    along a direction of which the bins know next to nothing: then a ridge keeps it away from there (Levenberg and
    Marquardt), as big as the steps demand. Some minima lie at infinity, where empty bins expect nothing: there the
    background underflows to zero.
    """
    _, _, gradient, information, factor, trial, _ = work
    count = size + 1 if signal else size
    slack = 1e-9 + 1e-15 * np.sum(n)
    error, boost, ridge = np.inf, 1.0, 0.0
    for _ in range(ITERATIONS):
        length = boost
        while True:
            for k in range(count):
                trial[k] = theta[k] - length * step[k]
            new = evaluate(n, basis, weight, f, size, signal, False, trial, work)
            if new <= value + slack:
                break
            length *= 0.3
            if length < 1e-9:
                return value, error, FAILED
        theta[:count] = trial[:count]
        value = new
        if length < 0.1 * boost:
            ridge = 10.0 * ridge if ridge > 0.0 else RIDGE
            if ridge > 1.0:  # not even along the gradient
                return value, error, FAILED
        else:
            ridge = 0.1 * ridge if ridge > SMALLEST_RIDGE else 0.0
        positive = damp_and_solve(information, gradient, size, count, ridge, factor, step)
        boost = 1.0 if positive or ridge > 0.0 else 2.0 * boost
        if not positive:
            evaluate(n, basis, weight, f, size, signal, True, theta, work)
            while not damp_and_solve(information, gradient, size, count, ridge, factor, step):
                ridge = 10.0 * ridge if ridge > 0.0 else SMALLEST_RIDGE
                if not ridge < 1.0:
                    return value, error, FAILED
        error = 1.0 / factor[count - 1, count - 1]
        decrement = dot(gradient[:count], step[:count])
        if decrement < (TOLERANCE if ridge == 0.0 else 1e-3 * TOLERANCE):  # a ridge hides part of the distance
            theta[:count] -= step[:count]
            return value - 0.5 * decrement, error, CONVERGED
    return value, error, FAILED


@compiled
def damp_and_solve(
    information: Array, gradient: Array, size: int, count: int, ridge: float, factor: Array, step: Array
) -> bool:
    """`solve` with a ridge on the whitened background parameters, whose information is one in the counts seen."""
    for k in range(size):
        information[k, k] += ridge
    if count > size:
        information[size, size] *= 1.0 + ridge
    return solve(information, gradient, count, factor, step)
