"""Compiled fits of binned spectra: everything here works on bare arrays and knows no names.

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
    "expect_toys",
    "fit_background",
    "fit_orders",
    "fit_toys",
    "kolmogorov",
    "pearson",
    "scan_masses",
    "scan_toys",
    "workspace",
]

Array = NDArray[np.float64]
F = TypeVar("F", bound=Callable[..., Any])

CONVERGED, FAILED, BOUNDED = 0, 1, 2
TOLERANCE = 1e-7  # twice the distance of -ln L to its minimum at which the last step is taken unchecked
ITERATIONS = 100
RIDGE, SMALLEST_RIDGE = 1e-5, 1e-9  # what is added to the information at first, and at least
SMALLEST = 1e-200  # expectation whose inverse is still a number
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
def kolmogorov(n: Array, mu: Array) -> float:
    """Largest distance between the cumulative distributions of n and mu at the bin edges, each normalised to one."""
    observed, expected, farthest = 0.0, 0.0, 0.0
    share, scale = 1.0 / np.sum(n), 1.0 / np.sum(mu)
    for i in range(n.shape[0]):
        observed += n[i] * share
        expected += mu[i] * scale
        farthest = max(farthest, abs(observed - expected))
    return farthest


@compiled
def fit_orders(
    n: Array, basis: Array, weight: Array, starts: Array, lowest: int, highest: int, critical: Array, steps: Array,
    work: Any, aic: bool = False,
) -> tuple[int, int]:  # fmt: skip
    """Choose a number of parameters from `lowest` to `highest`; the number kept and a status.

    It rises until the F-test finds no gain or, with `aic`, has the smallest deviance + 2 parameters (Akaike, IEEE
    Trans. Automat. Contr. 19 (1974) 716) of all. `starts` (highest + 1, parameters) holds the starting point of every
    order and ends with the fitted ones; `critical` (bins + 1,) the critical F by degrees of freedom. Rows of `steps` by
    order: half the deviance, chi2, bins after merging, F against the order below; half the deviance is infinite where
    the fit failed. F = (drop of the deviance) / (chi2 / ndf): the quasi-likelihood F-test, whose numerator keeps its
    distribution where bins hold few events.
    """
    steps[:] = np.nan
    kept, state, smallest = lowest, FAILED, np.inf
    for size in range(lowest, highest + 1):
        value, status = fit_background(n, basis, weight, size, starts[size], work)
        if status != CONVERGED:
            steps[size, 0] = np.inf  # an order that cannot be fitted is not adopted
            if aic:
                continue
            break
        expect(basis, weight, size, starts[size], work[0], work[1])
        chi2, groups = pearson(n, work[0][0])
        steps[size, 0], steps[size, 1], steps[size, 2] = value, chi2, groups
        gained = state == FAILED
        state = CONVERGED
        ndf = groups - size
        if not gained and ndf > 0 and np.isfinite(steps[size - 1, 0]):
            steps[size, 3] = 2.0 * (steps[size - 1, 0] - value) * ndf / chi2
            gained = steps[size, 3] > critical[ndf]
        if aic:
            gained = value + size < smallest
            smallest = min(smallest, value + size)
        if gained:
            kept = size
        elif not aic:
            break
    return kept, state


@compiled
def fit_toys(
    counts: Array, basis: Array, weight: Array, starts: Array, lowest: int, highest: int, critical: Array, aic: bool
) -> Array:
    """The background of every toy spectrum in `counts` (toys, bins), its order chosen as in `fit_orders`.

    Returns (toys, 7): order, whether its fit failed, half the deviance, chi2, bins after merging, Kolmogorov distance,
    and how many orders above the lowest could not be fitted.
    """
    result = np.zeros((counts.shape[0], 7))
    work = workspace(basis.shape[1], counts.shape[1])
    steps, points = np.zeros((highest + 1, 4)), np.zeros_like(starts)
    for t in range(counts.shape[0]):
        points[:] = starts
        size, status = fit_orders(counts[t], basis, weight, points, lowest, highest, critical, steps, work, aic)
        result[t, 0], result[t, 1] = size, status
        result[t, 2:5] = steps[size, :3]
        for order in range(lowest + 1, highest + 1):
            result[t, 6] += 1.0 if steps[order, 0] == np.inf else 0.0
        if status == CONVERGED:
            expect(basis, weight, size, points[size], work[0], work[1])
            result[t, 5] = kolmogorov(counts[t], work[0][0])
    return result


@compiled
def expect_toys(counts: Array, basis: Array, weight: Array, starts: Array, sizes: Any) -> tuple[Array, Array]:
    """Fitted expectations of spectra `counts` (toys, bins) with `sizes` parameters (toys,), and failures (toys,)."""
    expected, failed = np.zeros_like(counts), np.zeros(counts.shape[0])
    work = workspace(basis.shape[1], counts.shape[1])
    for t in range(counts.shape[0]):
        theta = starts[sizes[t]].copy()
        _, failed[t] = fit_background(counts[t], basis, weight, sizes[t], theta, work)
        expect(basis, weight, sizes[t], theta, work[0], work[1])
        expected[t] = work[0][0]
    return expected, failed


@compiled
def scan_masses(
    n: Array, basis: Array, weight: Array, fractions: Array, size: int, theta: Array, value: float, every: bool,
    found: Array, work: Any, spurious: Array, measured: Array,
) -> int:  # fmt: skip
    """Fit a signal of each of `fractions` (masses, bins) beside the background whose own fit is `theta`, `value`.

    Fills `found` (masses, 4): q0, yield, its error, status; returns how many fits failed. Unless `every`, masses with a
    negative score are left at q0 = 0: their likelihood falls with the yield. A negative yield that runs into s > -b / f
    is BOUNDED. The first step is Fisher's from the background fit, exact for a lone bin and free of exponentials.

    Where `spurious` (masses,) is positive, the background may hold a false yield of the same shape, measured elsewhere
    as `measured` +- `spurious`: q0 compares with the best background that has one, and the yield is what exceeds it.
    """
    rows, slopes, gradient, information, factor, _, constraint = work
    constraint[:] = 0.0
    evaluate(n, basis, weight, n, size, False, True, theta, work)
    background, common, derivative = rows[0].copy(), factor.copy(), slopes[:size].copy()
    ridge = 0.0
    while not damp_and_solve(information, gradient, size, size, ridge, common, np.zeros(size + 1)) and ridge < 1.0:
        ridge = 10.0 * ridge if ridge > 0.0 else SMALLEST_RIDGE
    matrix, cross = information.copy(), np.zeros(size + 1)
    here, step, shift = np.zeros(size + 1), np.zeros(size + 1), np.zeros(size + 1)
    per_event = np.zeros_like(background)
    failures = 0
    found[:] = 0.0
    for j in range(fractions.shape[0]):
        f = fractions[j]
        score = 0.0
        for i in range(per_event.shape[0]):
            per_event[i] = f[i] / max(background[i], SMALLEST)
            score += per_event[i] * n[i] - f[i]
        if score <= 0.0 and not every and spurious[j] == 0.0:
            continue
        for k in range(size):
            cross[k] = dot(per_event, derivative[k])
        solve(matrix, cross, size, common, shift)
        curvature = dot(per_event, f) - dot(cross[:size], shift[:size])
        null, missed = value, CONVERGED
        if spurious[j] > 0.0:
            constraint[0], constraint[1] = measured[j], spurious[j] ** -2.0
            strength = (score + constraint[0] * constraint[1]) / (curvature + constraint[1])
            here[:size] = theta[:size]
            here[size] = 0.0
            step[:size] = strength * shift[:size]
            step[size] = -strength
            origin = value + 0.5 * constraint[1] * constraint[0] ** 2
            null, _, missed = minimise(n, basis, weight, f, size, True, here, step, origin, work)
            if missed == FAILED and here[size] < 0.0:
                missed = BOUNDED
            constraint[:] = 0.0
            if here[size] <= measured[j] and not every:
                failures += 1 if missed == FAILED else 0
                continue
        strength = score / curvature
        here[:size] = theta[:size]
        here[size] = 0.0
        step[:size] = strength * shift[:size]
        step[size] = -strength
        best, error, status = minimise(n, basis, weight, f, size, True, here, step, value, work)
        if here[size] <= 0.0 and status == FAILED:  # without events a yield falls until some bin expects none
            status = BOUNDED
        if here[size] <= measured[j]:
            best = null
        found[j, 0], found[j, 1] = max(0.0, 2.0 * (null - best)), here[size] - measured[j]
        error = error if error < np.inf else 1.0 / np.sqrt(curvature)
        status = FAILED if missed == FAILED else status
        found[j, 2], found[j, 3] = np.sqrt(error**2 + spurious[j] ** 2), status
        failures += 1 if status == FAILED else 0
    return failures


@compiled
def scan_toys(
    counts: Array, basis: Array, weight: Array, starts: Array, sizes: Any, fractions: Array, spurious: Array,
    measured: Array,
) -> tuple[Array, Array]:  # fmt: skip
    """Fit background and signals of every toy spectrum in `counts` (toys, bins), with `sizes` (toys,) parameters.

    `measured` (toys, masses) are the auxiliary measurements of the spurious yields in the toys. Returns q0 (toys,
    masses) and the number of failed fits (toys,).
    """
    q0, failed = np.zeros((counts.shape[0], fractions.shape[0])), np.zeros(counts.shape[0])
    work = workspace(basis.shape[1], counts.shape[1])
    found = np.zeros((fractions.shape[0], 4))
    for t in range(counts.shape[0]):
        n, size = counts[t], sizes[t]
        theta = starts[size].copy()
        value, status = fit_background(n, basis, weight, size, theta, work)
        failed[t] = status
        if status == CONVERGED:
            failed[t] = scan_masses(
                n, basis, weight, fractions, size, theta, value, False, found, work, spurious, measured[t]
            )
            q0[t] = found[:, 0]
    return q0, failed
