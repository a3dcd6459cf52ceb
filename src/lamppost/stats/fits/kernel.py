"""Compiled fits of spectra, one or many: orders chosen, statistics, signals at every mass (arrays as in `newton`)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamppost.stats.fits.newton import (
    BOUNDED,
    CONVERGED,
    FAILED,
    SMALLEST,
    SMALLEST_RIDGE,
    compiled,
    damp_and_solve,
    dot,
    evaluate,
    expect,
    minimise,
    solve,
    workspace,
)

__all__ = [
    "BOUNDED",
    "CONVERGED",
    "FAILED",
    "evaluate",
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

MERGE = 5.0  # expected events below which a bin is merged with its neighbour


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
