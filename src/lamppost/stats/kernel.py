"""Compiled fits of binned spectra: everything here works on bare arrays and knows no names.

The model of bin i is mu_i = b_i + s f_i with b_i = sum_q w_qi exp(sum_k B_qki theta_k): a Poisson GLM integrated over
the bin by quadrature, plus a signal that is linear in its yield s. Arrays: `basis` (nodes, parameters, bins), `weight`
(nodes, bins), `n` and `f` (bins,); a parameter vector holds `size` background parameters, then s. Bins come last so
that the inner loops run over contiguous memory.
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
    "fit_background",
    "fit_orders",
    "pearson",
    "scan_masses",
    "scan_toys",
    "workspace",
]

Array = NDArray[np.float64]
F = TypeVar("F", bound=Callable[..., Any])

CONVERGED, FAILED, BOUNDED = 0, 1, 2
TOLERANCE = 1e-7  # twice the distance of -ln L to its minimum at which the last step is taken unchecked
ITERATIONS = 60
MERGE = 5.0  # expected events below which a bin is merged with its neighbour


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
def workspace(parameters: int, bins: int) -> tuple[Array, Array, Array, Array, Array, Array]:
    """Scratch memory of one fit: per-bin rows, derivatives, gradient, information, its Cholesky factor, trial point."""
    size = parameters + 1
    return (
        np.zeros((6, bins)),
        np.zeros((parameters, bins)),
        np.zeros(size),
        np.zeros((size, size)),
        np.zeros((size, size)),
        np.zeros(size),
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

    The information is the observed one up to the spread of the basis inside a bin, or Fisher's where asked for.
    """
    rows, slopes, gradient, information, _, _ = work
    expect(basis, weight, size, theta, rows, slopes)
    background, excess, pure, mixed = rows[0], rows[2], rows[3], rows[4]
    strength = theta[size] if signal else 0.0
    total = 0.0
    for i in range(n.shape[0]):
        mu = background[i] + strength * f[i] if signal else background[i]
        if not (mu > 0.0 and background[i] > 0.0):
            return np.inf
        ratio = n[i] / mu
        total += mu - n[i]
        if n[i] > 0.0:
            total += n[i] * np.log(ratio)
        excess[i] = 1.0 - ratio
        mixed[i] = 1.0 / mu if fisher else ratio / mu
        pure[i] = mixed[i] if fisher else mixed[i] + excess[i] / background[i]
    for j in range(size):
        gradient[j] = dot(excess, slopes[j])
        for k in range(j + 1):
            information[j, k] = dot3(pure, slopes[j], slopes[k])
    if signal:
        gradient[size] = dot(excess, f)
        for k in range(size):
            information[size, k] = dot3(mixed, f, slopes[k])
        information[size, size] = dot3(mixed, f, f)
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
    as long as that lasts; a step that climbs or leaves the model is shortened.
    """
    _, _, gradient, information, factor, trial = work
    count = size + 1 if signal else size
    slack = 1e-9 + 1e-15 * np.sum(n)
    error, boost = np.inf, 1.0
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
        boost = 1.0 if solve(information, gradient, count, factor, step) else 2.0 * boost
        if boost > 1.0:
            evaluate(n, basis, weight, f, size, signal, True, theta, work)
            if not solve(information, gradient, count, factor, step):
                return value, error, FAILED
        error = 1.0 / factor[count - 1, count - 1]
        decrement = dot(gradient[:count], step[:count])
        if decrement < TOLERANCE:
            theta[:count] -= step[:count]
            return value - 0.5 * decrement, error, CONVERGED
    return value, error, FAILED


@compiled
def pearson(n: Array, mu: Array) -> tuple[float, int]:
    """Pearson chi2 and number of bins after merging, from the left, to at least 5 expected; a rest joins the last."""
    chi2, groups = 0.0, 0
    observed, expected = 0.0, 0.0
    last_observed, last_expected = 0.0, 0.0
    for i in range(n.shape[0]):
        observed += n[i]
        expected += mu[i]
        if expected >= MERGE:
            if groups > 0:
                chi2 += (last_observed - last_expected) ** 2 / last_expected
            last_observed, last_expected = observed, expected
            observed, expected = 0.0, 0.0
            groups += 1
    last_observed += observed
    last_expected += expected
    if last_expected > 0.0:
        chi2 += (last_observed - last_expected) ** 2 / last_expected
    return chi2, max(groups, 1)


@compiled
def fit_background(
    n: Array, basis: Array, weight: Array, size: int, theta: Array, work: Any
) -> tuple[float, int]:  # fmt: skip
    """Fit `size` background parameters starting at `theta`, which ends at the minimum: half the deviance, status."""
    step = np.zeros(size)
    value, _, status = minimise(n, basis, weight, n, size, False, theta, step, np.inf, work)
    return value, status


@compiled
def fit_orders(
    n: Array, basis: Array, weight: Array, starts: Array, lowest: int, highest: int, critical: Array, steps: Array,
    work: Any,
) -> tuple[int, int]:  # fmt: skip
    """Raise the number of parameters from `lowest` until the F-test finds no gain; the number kept and a status.

    `starts` (highest + 1, parameters) holds the starting point of every order and ends with the fitted ones; `critical`
    (bins + 1,) the critical F by degrees of freedom. Rows of `steps` by order: half the deviance, chi2, bins after
    merging, F against the order below. F = (drop of the deviance) / (chi2 / ndf): the quasi-likelihood F-test, whose
    numerator keeps its distribution where bins hold few events.
    """
    steps[:] = np.nan
    kept, state = lowest, CONVERGED
    for size in range(lowest, highest + 1):
        value, status = fit_background(n, basis, weight, size, starts[size], work)
        if status != CONVERGED:
            state = status if size == lowest else CONVERGED  # an order that cannot be fitted is not adopted
            break
        expect(basis, weight, size, starts[size], work[0], work[1])
        chi2, groups = pearson(n, work[0][0])
        steps[size, 0], steps[size, 1], steps[size, 2] = value, chi2, groups
        if size > lowest:
            ndf = groups - size
            if ndf < 1:
                break
            steps[size, 3] = 2.0 * (steps[size - 1, 0] - value) * ndf / chi2
            if not steps[size, 3] > critical[ndf]:
                break
            kept = size
    return kept, state


@compiled
def scan_masses(
    n: Array, basis: Array, weight: Array, fractions: Array, size: int, theta: Array, value: float, every: bool,
    found: Array, work: Any,
) -> int:  # fmt: skip
    """Fit a signal of each of `fractions` (masses, bins) beside the background whose own fit is `theta`, `value`.

    Fills `found` (masses, 4): q0, yield, its error, status; returns how many fits failed. Unless `every`, masses with a
    negative score are left at q0 = 0: their likelihood falls with the yield. A negative yield that runs into s > -b / f
    is BOUNDED. The first step is Fisher's from the background fit, exact for a lone bin and free of exponentials.
    """
    rows, slopes, gradient, information, factor, _ = work
    evaluate(n, basis, weight, n, size, False, True, theta, work)
    background, common, derivative = rows[0].copy(), factor.copy(), slopes[:size].copy()
    solve(information, gradient, size, common, np.zeros(size + 1))
    matrix, cross = information.copy(), np.zeros(size + 1)
    here, step, shift = np.zeros(size + 1), np.zeros(size + 1), np.zeros(size + 1)
    residual, per_event = n - background, np.zeros_like(background)
    failures = 0
    found[:] = 0.0
    for j in range(fractions.shape[0]):
        f = fractions[j]
        for i in range(per_event.shape[0]):
            per_event[i] = f[i] / background[i]
        score = dot(per_event, residual)
        if score <= 0.0 and not every:
            continue
        for k in range(size):
            cross[k] = dot(per_event, derivative[k])
        solve(matrix, cross, size, common, shift)
        curvature = dot(per_event, f) - dot(cross[:size], shift[:size])
        strength = score / curvature
        here[:size] = theta[:size]
        here[size] = 0.0
        step[:size] = strength * shift[:size]
        step[size] = -strength
        best, error, status = minimise(n, basis, weight, f, size, True, here, step, value, work)
        if here[size] <= 0.0:  # q0 is zero; without events a yield falls until some bin expects none
            best, status = value, CONVERGED if status == CONVERGED else BOUNDED
        found[j, 0], found[j, 1] = max(0.0, 2.0 * (value - best)), here[size]
        found[j, 2], found[j, 3] = error if error < np.inf else 1.0 / np.sqrt(curvature), status
        failures += 1 if status == FAILED else 0
    return failures


@compiled
def scan_toys(
    counts: Array, basis: Array, weight: Array, open_bins: Any, open_basis: Array, open_weight: Array, starts: Array,
    lowest: int, highest: int, critical: Array, fractions: Array,
) -> Array:  # fmt: skip
    """The whole analysis of every toy spectrum in `counts` (toys, bins): (toys, 3) largest q0, order, failed fits.

    The order is chosen on `open_bins` (those not masked), then background and signals are fitted in all bins.
    """
    result = np.zeros((counts.shape[0], 3))
    parameters = basis.shape[1]
    work = workspace(parameters, counts.shape[1])
    open_work = workspace(parameters, open_bins.shape[0])
    found = np.zeros((fractions.shape[0], 4))
    steps = np.zeros((highest + 1, 4))
    for t in range(counts.shape[0]):
        n = counts[t]
        size, status = lowest, CONVERGED
        if highest > lowest:
            size, status = fit_orders(
                n[open_bins], open_basis, open_weight, starts.copy(), lowest, highest, critical, steps, open_work
            )
        theta = starts[size].copy()
        value, failed = fit_background(n, basis, weight, size, theta, work)
        result[t, 1] = size
        result[t, 2] = status + failed
        if failed == CONVERGED:
            result[t, 2] += scan_masses(n, basis, weight, fractions, size, theta, value, False, found, work)
            for j in range(fractions.shape[0]):
                result[t, 0] = max(result[t, 0], found[j, 0])
    return result
