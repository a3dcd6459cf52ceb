"""Compiled fits of a few counts that share a signal, for data and for toys alike.

Count j has the expectation mu_j = b_j(theta) + strength * signal_j * exp(slope . theta), with the background
b_j = exp(offset_j + design_j . theta) or, where `linear`, exp(offset_j) (1 + design_j . theta). Parameters that are
`constrained` add (theta_p - centre_p)^2 / 2 to -ln L. A point is theta, then the strength.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamppost.stats.fits.newton import compiled, solve

__all__ = ["fit", "statistics", "workspace"]

Array = NDArray[np.float64]

TOLERANCE = 1e-9  # twice the distance of -ln L from its minimum
ENOUGH = 1e-6  # distance accepted where rounding lets -ln L fall no farther
ITERATIONS = 100
ALMOST = 0.9  # share of the way to a vanishing expectation that one step may go
FARTHEST = 5.0  # longest step of a parameter


@compiled
def workspace(size: int) -> tuple[Array, Array, Array, Array, Array, Array]:
    """Scratch memory of a fit of `size` parameters: gradient, information, factor, step, trial, slopes."""
    full = size + 1
    square = np.zeros((full, full))
    return np.zeros(full), square, np.zeros((full, full)), np.zeros(full), np.zeros(full), np.zeros(full)


@compiled
def expectation(model: Any, point: Array, j: int) -> tuple[float, float, float]:
    """Of count j at a point: exp(...), the background, and the signal of strength 1."""
    signal, offset, design, linear, slope, _ = model
    inner, stretch = 0.0, 0.0
    for p in range(slope.shape[0]):
        inner += design[j, p] * point[p]
        stretch += slope[p] * point[p]
    unit = np.exp(offset[j]) if linear[j] else np.exp(offset[j] + inner)
    return unit, unit * (1.0 + inner) if linear[j] else unit, signal[j] * np.exp(stretch)


@compiled
def evaluate(n: Array, centre: Array, model: Any, point: Array, fisher: bool, work: Any) -> float:
    """-ln L at `point`, less that of a perfect fit; fills gradient and information (observed or Fisher's)."""
    _, _, design, linear, slope, constrained = model
    gradient, information, _, _, _, first = work
    size = slope.shape[0]
    gradient[:] = 0.0
    information[:] = 0.0
    total = 0.0
    for p in range(size):
        if constrained[p]:
            pull = point[p] - centre[p]
            total += 0.5 * pull * pull
            gradient[p] += pull
            information[p, p] += 1.0
    for j in range(n.shape[0]):
        unit, background, each = expectation(model, point, j)
        mu = background + point[size] * each
        if not (background >= 0.0 and (mu > 0.0 or (mu == 0.0 and n[j] == 0.0))):
            return np.inf
        ratio = n[j] / mu if n[j] > 0.0 else 0.0
        total += mu - n[j]
        if n[j] > 0.0:
            total += n[j] * np.log(ratio)
        excess = 1.0 - ratio
        scale = (1.0 if fisher else ratio) / max(mu, 1e-300)
        for p in range(size):
            first[p] = unit * design[j, p] + point[size] * each * slope[p]
        first[size] = each
        for p in range(size + 1):
            gradient[p] += excess * first[p]
            for q in range(p + 1):
                information[p, q] += scale * first[p] * first[q]
        if not fisher:
            for p in range(size):
                information[size, p] += excess * each * slope[p]
                for q in range(p + 1):
                    curved = point[size] * each * slope[p] * slope[q]
                    if not linear[j]:
                        curved += unit * design[j, p] * design[j, q]
                    information[p, q] += excess * curved
    return total


@compiled
def reach(model: Any, point: Array, step: Array, active: int) -> float:
    """How far along -step, 1 at most, before an expectation (taken as linear) has almost vanished."""
    signal, _, design, _, slope, _ = model
    size = slope.shape[0]
    longest = 1.0
    for p in range(size):
        longest = min(longest, FARTHEST / max(abs(step[p]), 1e-300))
    for j in range(signal.shape[0]):
        unit, background, each = expectation(model, point, j)
        fall, rise = 0.0, 0.0
        for p in range(size):
            fall += unit * design[j, p] * step[p]
            rise += point[size] * each * slope[p] * step[p]
        if fall > 0.0:
            longest = min(longest, ALMOST * background / fall)
        fall += rise + (each * step[size] if active > size else 0.0)
        if fall > 0.0:
            longest = min(longest, ALMOST * (background + point[size] * each) / fall)
    return longest


@compiled
def fit(n: Array, centre: Array, model: Any, point: Array, free: bool, work: Any) -> float:
    """Minimise -ln L from `point`, the strength held unless `free`; infinite where the minimum is not found.

    Newton steps, with Fisher's information where the observed one is not positive, halved until -ln L falls. The
    gradient in `work` is that of the last point.
    """
    gradient, information, factor, step, trial, _ = work
    size = point.shape[0] - 1
    active = size + 1 if free else size
    value = evaluate(n, centre, model, point, False, work)
    gain = np.inf
    for _ in range(ITERATIONS):
        if active == 0 or not np.isfinite(value):
            return value
        if not solve(information, gradient, active, factor, step):
            evaluate(n, centre, model, point, True, work)
            if not solve(information, gradient, active, factor, step):
                # next to nothing is expected where nothing was seen, and each step goes 9/10 of what is left of the way
                return value if gain < ENOUGH else np.inf
        decrement = 0.0
        for p in range(active):
            decrement += step[p] * gradient[p]
        if decrement < TOLERANCE:
            return value
        length = reach(model, point, step, active)
        trial[size] = point[size]
        new = np.inf
        for _ in range(40):
            for p in range(active):
                trial[p] = point[p] - length * step[p]
            new = evaluate(n, centre, model, trial, False, work)
            if new <= value:
                break
            length *= 0.5
        if not new <= value:
            evaluate(n, centre, model, point, False, work)
            return value if min(decrement, gain) < ENOUGH else np.inf
        gain = value - new
        point[:] = trial
        value = new
        if gain < 0.1 * TOLERANCE:
            return value
    return np.inf


@compiled
def best(n: Array, centre: Array, model: Any, start: Array, strength: float, point: Array, work: Any) -> float:
    """-ln L at its minimum over strengths of at least `strength`, reached from the fit at that strength."""
    size = start.shape[0]
    point[:size] = start
    point[size] = strength
    value = fit(n, centre, model, point, False, work)
    if work[0][size] >= 0.0 or not np.isfinite(value):
        return value
    return fit(n, centre, model, point, True, work)


@compiled
def statistics(counts: Array, centres: Array, model: Any, start: Array, strength: float, discovery: bool) -> Array:
    """q0 (for `discovery`) or q~ of `strength` (arXiv:1007.1727) of every row of counts (toys, J); infinite if failed.

    `start` (P,) is where the fits start.
    """
    size = start.shape[0]
    found = np.zeros(counts.shape[0])
    work = workspace(size)
    point = np.zeros(size + 1)
    for toy in range(counts.shape[0]):
        n, centre = counts[toy], centres[toy]
        point[:size] = start
        point[size] = 0.0 if discovery else strength
        held = fit(n, centre, model, point, False, work)
        slope = work[0][size]
        if np.isfinite(held) and (slope >= 0.0 if discovery else slope <= 0.0):
            continue
        lowest = (
            fit(n, centre, model, point, True, work) if discovery else best(n, centre, model, start, 0.0, point, work)
        )
        found[toy] = max(0.0, 2.0 * (held - lowest)) if np.isfinite(held) and np.isfinite(lowest) else np.inf
    return found
