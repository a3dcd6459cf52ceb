"""Compiled fits of a `Workspace`: all parameters are moved together by a damped Newton iteration.

A nuisance parameter with a kink at zero may come to rest there; a step across it ends at it.
"""

from typing import Any

import numpy as np

from lamppost.core import Array
from lamppost.stats.fits.newton import CONVERGED, FAILED, TOLERANCE, compiled, dot, solve
from lamppost.stats.limits.profile import evaluate, scratch

__all__ = ["CONVERGED", "fit_toys", "minimise", "q_tilde", "q_tilde_toys", "value_toys"]

ITERATIONS = 100


@compiled
def settle(arrays: Any, free: Any, theta: Array, work: Any) -> bool:
    """Decide which parameters move, and on which side of its kink each one at zero is; whether a side has changed."""
    parameters, sources = arrays.basis.shape[1], arrays.rates.shape[1]
    lean, changed = work.rows[1], False
    work.active[:] = free
    for k in range(sources):
        row = parameters + 1 + k
        if not (arrays.kinked[k] and free[row] and theta[row] == 0.0):
            continue
        here, other = work.side[k], 1 - work.side[k]
        kappa, strength = work.numbers
        jump = (arrays.rates[other, k] - arrays.rates[here, k]) * dot(lean, work.form[0])
        jump += dot(lean, arrays.ramps[other, k]) - dot(lean, arrays.ramps[here, k])
        slope_here = work.gradient[row]
        slope_there = slope_here + strength * kappa * jump
        left, right = (slope_there, slope_here) if here == 1 else (slope_here, slope_there)
        if right < 0.0:
            wanted = 1
        elif left > 0.0:
            wanted = 0
        else:
            work.active[row] = False
            continue
        changed = changed or wanted != here
        work.side[k] = wanted
    return changed


@compiled
def direct(arrays: Any, theta: Array, work: Any) -> bool:
    """The Newton step of the active parameters; False if the information is not positive definite.

    A parameter that rests at its kink and would leave it on the side where its derivative is not valid stays there.
    """
    parameters, sources = arrays.basis.shape[1], arrays.rates.shape[1]
    size = theta.shape[0]
    while True:
        for j in range(size):
            work.masked[j] = work.gradient[j] if work.active[j] else 0.0
            for k in range(j + 1):
                work.matrix[j, k] = work.information[j, k] if work.active[j] and work.active[k] else 0.0
            if not work.active[j]:
                work.matrix[j, j] = 1.0
        if not solve(work.matrix, work.masked, size, work.factor, work.step):
            return False
        stopped = False
        for k in range(sources):
            row = parameters + 1 + k
            if arrays.kinked[k] and work.active[row] and theta[row] == 0.0:
                wrong = work.step[row] > 0.0 if work.side[k] == 1 else work.step[row] < 0.0
                if wrong:
                    work.active[row] = False
                    stopped = True
        if not stopped:
            return True


@compiled
def minimise(n: Array, arrays: Any, centres: Array, free: Any, theta: Array, work: Any) -> tuple[float, int]:
    """Damped Newton of the `free` parameters from `theta`, which ends at the minimum: half the deviance, status.

    Where the information is not positive definite Fisher's takes its place; a step that climbs or leaves the model is
    shortened, one across a kink ends there.
    """
    parameters, sources = arrays.basis.shape[1], arrays.rates.shape[1]
    size = theta.shape[0]
    value = evaluate(n, arrays, centres, False, theta, work)
    slack = 1e-9 + 1e-15 * np.sum(n)
    boost = 1.0
    if not value < np.inf:
        return value, FAILED
    for _ in range(ITERATIONS):
        if settle(arrays, free, theta, work):
            evaluate(n, arrays, centres, False, theta, work)
        boost = 1.0 if direct(arrays, theta, work) else 2.0 * boost
        if boost > 1.0:
            evaluate(n, arrays, centres, True, theta, work)
            if not direct(arrays, theta, work):
                return value, FAILED
        decrement = dot(work.masked, work.step)
        if decrement < TOLERANCE:
            for k in range(size):
                theta[k] -= work.step[k]
            return value - 0.5 * decrement, CONVERGED
        length = boost
        while True:
            for k in range(size):
                work.trial[k] = theta[k] - length * work.step[k]
            for k in range(sources):
                row = parameters + 1 + k
                if arrays.kinked[k] and work.trial[row] * theta[row] < 0.0:
                    work.trial[row] = 0.0
            new = evaluate(n, arrays, centres, False, work.trial, work)
            if new <= value + slack:
                break
            length *= 0.3
            if length < 1e-9:
                return value, FAILED
        theta[:] = work.trial
        value = new
    return value, FAILED


@compiled
def q_tilde(
    n: Array, arrays: Any, centres: Array, free: Any, start: Array, yields: Array, q: Array, null: Array, best: Array,
    work: Any,
) -> tuple[float, int]:  # fmt: skip
    """q0, and q-tilde of every one of `yields` -> q (arXiv:1007.1727), with how many fits failed.

    `null` ends at the fit without a signal and `best` at that with s >= 0. A likelihood that falls with the yield at
    s = 0 has its maximum there.
    """
    last = start.shape[0] - 1
    free = free.copy()
    free[last] = False
    null[:] = start
    null[last] = 0.0
    lowest, failed = minimise(n, arrays, centres, free, null, work)
    best[:] = null
    reference = lowest
    if work.gradient[last] < 0.0:
        free[last] = True
        reference, status = minimise(n, arrays, centres, free, best, work)
        free[last] = False
        failed += status
        if best[last] <= 0.0:
            best[:] = null
            reference = lowest
    point = best.copy()
    for j in range(yields.shape[0]):
        q[j] = 0.0
        if yields[j] > best[last]:
            point[last] = yields[j]
            value, status = minimise(n, arrays, centres, free, point, work)
            q[j] = max(0.0, 2.0 * (value - reference))
            if status != CONVERGED:
                point[:] = best
                failed += status
    return max(0.0, 2.0 * (lowest - reference)), failed


@compiled
def q_tilde_toys(counts: Array, arrays: Any, centres: Array, free: Any, start: Array, yields: Array) -> Array:
    """`q_tilde` of every toy in `counts` (toys, bins) with its `centres` (toys, K + 1).

    Returns (toys, m + 3): q-tilde of the m yields, then q0, the best yield >= 0 and how many fits failed.
    """
    work = scratch(arrays)
    null, best, points = start.copy(), start.copy(), yields.shape[0]
    result = np.zeros((counts.shape[0], points + 3))
    for t in range(counts.shape[0]):
        q0, failed = q_tilde(counts[t], arrays, centres[t], free, start, yields, result[t, :points], null, best, work)
        result[t, points], result[t, points + 1], result[t, points + 2] = q0, best[-1], failed
    return result


@compiled
def value_toys(counts: Array, arrays: Any, centres: Array, free: Any, start: Array, yields: Array) -> Array:
    """Half the deviance of every toy in `counts` (toys, bins) with its `centres` (toys, K + 1), all else profiled.

    Returns (toys, m + 4): at the m yields, without a signal, with a yield >= 0 free; that yield; how many fits failed.
    """
    work = scratch(arrays)
    last, points = start.shape[0] - 1, yields.shape[0]
    null, best, point = start.copy(), start.copy(), start.copy()
    result = np.zeros((counts.shape[0], points + 4))
    for t in range(counts.shape[0]):
        n, centre, row = counts[t], centres[t], result[t]
        q0, failed = q_tilde(n, arrays, centre, free, start, yields[:0], row[:0], null, best, work)
        free_not = free.copy()
        free_not[last] = False
        point[:] = null
        row[points], status = minimise(n, arrays, centre, free_not, point, work)
        row[points + 1], row[points + 2] = row[points] - 0.5 * q0, best[last]
        failed += status
        for j in range(points):
            point[last] = yields[j]
            row[j], status = minimise(n, arrays, centre, free_not, point, work)
            failed += status
        row[points + 3] = failed
    return result


@compiled
def fit_toys(counts: Array, arrays: Any, centres: Array, free: Any, start: Array, truth: float) -> Array:
    """A free fit of every toy: (toys, 5) yield of either sign, its error, twice the rise of -ln L to `truth`, status.

    The status also tells whether the fit at `truth` failed. Last is half the deviance.
    """
    work = scratch(arrays)
    last = start.shape[0] - 1
    free = free.copy()
    point = start.copy()
    result = np.zeros((counts.shape[0], 5))
    for t in range(counts.shape[0]):
        point[:] = start
        point[last] = truth
        free[last] = False
        at_truth, failed = minimise(counts[t], arrays, centres[t], free, point, work)
        free[last] = True
        value, status = minimise(counts[t], arrays, centres[t], free, point, work)
        result[t, 0], result[t, 1] = point[last], 1.0 / work.factor[last, last]
        result[t, 2], result[t, 3] = max(0.0, 2.0 * (at_truth - value)), max(status, failed)
        result[t, 4] = value
    return result
