"""Compiled likelihood of a `Workspace` with its derivatives: bare arrays, no names.

Parameters: background (P,), the spurious signal, one per systematic uncertainty (K), and last the yield s. Bin i
expects mu_i = b_i + g_i, g_i = (s + spurious nu_sp) kappa f_i; -ln L = Poisson + sum (nu - centre)^2 / 2. Where a
negative signal would take more than half of a bin, mu_i = b_i exp(1 + 2 g_i / b_i) / 2 continues that smoothly: mu
stays positive, and no yield is forbidden by a far, nearly empty bin. The shape f(shift, stretch) of the signal is a
tensor product of cubic B-splines; log-normals and templates whose two sides differ have a kink at nu = 0.
"""

from typing import Any, NamedTuple

import numpy as np

from lamppost.core import Array
from lamppost.stats.fits.newton import compiled, dot, dot3, expect
from lamppost.stats.limits.morphing import shape

__all__ = ["Arrays", "evaluate", "scratch"]


class Arrays(NamedTuple):
    """What does not change from one data set to the next, in equivalent events.

    basis (nodes, P, bins), weight (nodes, bins): the background
    table (shifts, stretches, bins): spline coefficients of f; axes (2, 2): position of the first node and step of both
    spurious: yield of the spurious signal at nu_sp = 1
    rates (2, K): d ln kappa / d nu for nu < 0 and for nu >= 0; ramps (2, K, bins): d f / d nu, likewise
    moves (2, K): shift and stretch per unit of nu; kinked (K,): whether the two sides differ
    """

    basis: Array
    weight: Array
    table: Array
    axes: Array
    spurious: float
    rates: Array
    ramps: Array
    moves: Array
    kinked: Any


class Scratch(NamedTuple):
    """Memory of one fit.

    rows (6, bins), slopes (P, bins): the background and its derivatives; form (6 + K, bins): those of the shape;
    moved (K + 2, bins): derivatives of the signal; gradient, information, masked copies of both, factor; trial, step;
    numbers (2,): kappa and s + spurious nu_sp; side (K,): on which side of its kink a parameter is; active: what moves
    """

    rows: Array
    slopes: Array
    form: Array
    moved: Array
    gradient: Array
    information: Array
    masked: Array
    matrix: Array
    factor: Array
    trial: Array
    step: Array
    numbers: Array
    side: Any
    active: Any


@compiled
def scratch(arrays: Any) -> Any:
    """Scratch memory for fits of these arrays."""
    parameters, bins, sources = arrays.basis.shape[1], arrays.basis.shape[2], arrays.rates.shape[1]
    size = parameters + sources + 2
    return Scratch(
        np.zeros((6, bins)),
        np.zeros((parameters, bins)),
        np.zeros((6 + sources, bins)),
        np.zeros((sources + 2, bins)),
        np.zeros(size),
        np.zeros((size, size)),
        np.zeros(size),
        np.zeros((size, size)),
        np.zeros((size, size)),
        np.zeros(size),
        np.zeros(size),
        np.zeros(2),
        np.ones(sources, dtype=np.int64),
        np.ones(size, dtype=np.bool_),
    )


@compiled
def evaluate(n: Array, arrays: Any, centres: Array, fisher: bool, theta: Array, work: Any) -> float:
    """Half the deviance plus the constraints at `theta` (infinite outside the model); fills gradient and information.

    The information is the observed one up to the spread of the basis inside a bin, or Fisher's where asked for.
    """
    parameters, sources = arrays.basis.shape[1], arrays.rates.shape[1]
    rows, moved, form, gradient, information = work.rows, work.moved, work.form, work.gradient, work.information
    last = parameters + sources + 1
    nu = theta[parameters + 1 : last]
    for k in range(sources):
        if nu[k] != 0.0:
            work.side[k] = 1 if nu[k] > 0.0 else 0
    expect(arrays.basis, arrays.weight, parameters, theta, rows, work.slopes)
    kappa = shape(arrays, nu, work.side, form)
    strength = theta[last] + arrays.spurious * theta[parameters]
    work.numbers[0], work.numbers[1] = kappa, strength
    background, lean, excess, pure, mixed, own = rows[0], rows[1], rows[2], rows[3], rows[4], rows[5]
    total = 0.0
    for i in range(n.shape[0]):
        part = strength * kappa * form[0, i] / background[i]
        # mu = b h(part): a negative signal takes at most half of a bin as it is, and never all of it
        height, slope, curve = 1.0 + part, 1.0, 0.0
        if part < -0.5:
            slope = np.exp(2.0 * max(part, -300.0) + 1.0)  # no underflow
            height, curve = 0.5 * slope, 2.0 * slope
        mu = background[i] * height
        if not mu > 0.0:
            return np.inf
        ratio = n[i] / mu
        total += mu - n[i]
        if n[i] > 0.0:
            total += n[i] * np.log(ratio)
        excess[i] = 1.0 - ratio
        lean[i] = excess[i] * slope
        rest = height - part * slope
        second = 1.0 / mu if fisher else ratio / mu
        bent = 0.0 if fisher else excess[i] * curve / background[i]
        own[i] = second * slope * slope + bent
        mixed[i] = second * slope * rest - bent * part
        pure[i] = second * rest * rest + bent * part * part
        if not fisher:
            pure[i] += excess[i] * rest / background[i]
        excess[i] *= rest
        moved[0, i] = arrays.spurious * kappa * form[0, i]
        moved[sources + 1, i] = kappa * form[0, i]
        for k in range(sources):
            moved[1 + k, i] = strength * kappa * form[6 + k, i]
    for j in range(parameters):
        gradient[j] = dot(excess, work.slopes[j])
        for k in range(j + 1):
            information[j, k] = dot3(pure, work.slopes[j], work.slopes[k])
    for j in range(sources + 2):
        row = parameters + j
        gradient[row] = dot(lean, moved[j])
        for k in range(parameters):
            information[row, k] = dot3(mixed, moved[j], work.slopes[k])
        for k in range(j + 1):
            information[row, parameters + k] = dot3(own, moved[j], moved[k])
    if not fisher:
        bend(arrays, work)
    for j in range(sources + 1):
        pull = theta[parameters + j] - centres[j]
        total += 0.5 * pull * pull
        gradient[parameters + j] += pull
        information[parameters + j, parameters + j] += 1.0
    return total


@compiled
def bend(arrays: Any, work: Any) -> None:
    """Add to the information what the second derivatives of the signal contribute."""
    parameters, sources = arrays.basis.shape[1], arrays.rates.shape[1]
    lean, form, information, moves = work.rows[1], work.form, work.information, arrays.moves
    last = parameters + sources + 1
    kappa, strength = work.numbers
    whole = kappa * dot(lean, form[0])
    bent0, bent1, bent2 = dot(lean, form[3]), dot(lean, form[4]), dot(lean, form[5])
    slope = work.masked  # not in use yet
    for k in range(sources):
        slope[k] = kappa * dot(lean, form[6 + k])
        row = parameters + 1 + k
        information[last, row] += slope[k]
        information[row, parameters] += arrays.spurious * slope[k]
        for j in range(k + 1):
            rate_j, rate_k = arrays.rates[work.side[j], j], arrays.rates[work.side[k], k]
            curved = moves[0, j] * moves[0, k] * bent0 + moves[1, j] * moves[1, k] * bent2
            curved += (moves[0, j] * moves[1, k] + moves[0, k] * moves[1, j]) * bent1
            mixed = rate_j * slope[k] + rate_k * slope[j] - rate_j * rate_k * whole
            information[row, parameters + 1 + j] += strength * (mixed + kappa * curved)
