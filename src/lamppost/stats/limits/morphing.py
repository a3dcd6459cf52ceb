"""Compiled shape of a signal that systematic uncertainties move, widen and bend."""

from typing import Any

import numpy as np

from lamppost.core import Array
from lamppost.stats.fits.newton import compiled

__all__ = ["shape", "spline"]


@compiled
def spline(at: float, first: float, step: float, nodes: int, weights: Array) -> int:
    """Cubic B-splines at a point: value, first and second derivative -> weights (3, 4); the first of four coefficients.

    A point outside the nodes is moved to the nearest one, where the shape stays as it is.
    """
    weights[:] = 0.0
    if nodes == 1:
        weights[0, 0] = 1.0
        return 0
    t = (at - first) / step
    outside = t <= 0.0 or t >= nodes - 3.0
    t = min(max(t, 0.0), nodes - 3.0)
    cell = min(int(t), nodes - 4)
    u = t - cell
    v = 1.0 - u
    weights[0, 0], weights[0, 3] = v**3 / 6.0, u**3 / 6.0
    weights[0, 1] = 2.0 / 3.0 - u * u * (1.0 - 0.5 * u)
    weights[0, 2] = 2.0 / 3.0 - v * v * (1.0 - 0.5 * v)
    if not outside:
        weights[1, 0], weights[1, 3] = -0.5 * v * v / step, 0.5 * u * u / step
        weights[1, 1], weights[1, 2] = u * (1.5 * u - 2.0) / step, -v * (1.5 * v - 2.0) / step
        weights[2, 0], weights[2, 3] = v / step**2, u / step**2
        weights[2, 1], weights[2, 2] = (3.0 * u - 2.0) / step**2, (3.0 * v - 2.0) / step**2
    return cell


@compiled
def shape(arrays: Any, nu: Array, side: Any, rows: Array) -> float:
    """f, its two first and three second derivatives, then (kappa f)' / kappa by every nu -> rows; returns kappa."""
    table, axes = arrays.table, arrays.axes
    shift, stretch, log_kappa = 0.0, 0.0, 0.0
    for k in range(nu.shape[0]):
        shift += arrays.moves[0, k] * nu[k]
        stretch += arrays.moves[1, k] * nu[k]
        log_kappa += arrays.rates[side[k], k] * nu[k]
    across, along = np.zeros((3, 4)), np.zeros((3, 4))
    a0 = spline(shift, axes[0, 0], axes[0, 1], table.shape[0], across)
    c0 = spline(stretch, axes[1, 0], axes[1, 1], table.shape[1], along)
    rows[:6] = 0.0
    for a in range(min(4, table.shape[0])):
        for c in range(min(4, table.shape[1])):
            coefficient = table[a0 + a, c0 + c]
            for i in range(rows.shape[1]):
                rows[0, i] += across[0, a] * along[0, c] * coefficient[i]
                rows[1, i] += across[1, a] * along[0, c] * coefficient[i]
                rows[2, i] += across[0, a] * along[1, c] * coefficient[i]
                rows[3, i] += across[2, a] * along[0, c] * coefficient[i]
                rows[4, i] += across[1, a] * along[1, c] * coefficient[i]
                rows[5, i] += across[0, a] * along[2, c] * coefficient[i]
    for k in range(nu.shape[0]):
        ramp = arrays.ramps[side[k], k]
        for i in range(rows.shape[1]):
            rows[0, i] += nu[k] * ramp[i]
    for k in range(nu.shape[0]):
        rate, across_k, along_k = arrays.rates[side[k], k], arrays.moves[0, k], arrays.moves[1, k]
        ramp = arrays.ramps[side[k], k]
        for i in range(rows.shape[1]):
            rows[6 + k, i] = rate * rows[0, i] + across_k * rows[1, i] + along_k * rows[2, i] + ramp[i]
    return float(np.exp(log_kappa))
