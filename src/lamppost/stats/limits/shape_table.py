"""The shape of a signal as a function of its position and width: a table of spline coefficients."""

from math import hypot

import numpy as np

from lamppost.core import Array
from lamppost.errors import FitError
from lamppost.stats.limits.workspace import Workspace

__all__ = ["shape_table"]

REACH = 6.0  # standard deviations of all shifts together that the table covers
NARROWEST = -0.8  # smallest relative change of the width in it


def shape_table(workspace: Workspace) -> tuple[Array, Array]:
    """Spline coefficients (shifts, stretches, bins) of the fractions, and first node and step of either axis (2, 2).

    Nodes a quarter of a peak width apart: the error of the cubic interpolation is about 1e-5 of the largest fraction.
    """
    mass, spectrum = workspace.mass, workspace.spectrum
    shifts = hypot(*(source.shift(1.0) for source in workspace.systematics))
    stretches = hypot(*(source.stretch(1.0) for source in workspace.systematics))
    if shifts > 0.0 and mass <= 0.0:
        msg = f"workspace: a relative shift of a peak at {mass:g} means nothing"
        raise FitError(msg)
    ends = (spectrum.lo / mass - 1.0, spectrum.hi / mass - 1.0) if shifts > 0.0 else (0.0, 0.0)
    width = workspace.signal.sigma(mass) / mass if shifts > 0.0 else 0.0
    across = nodes(REACH * shifts, 0.25 * width, *ends)
    along = nodes(REACH * stretches, 0.1, NARROWEST, np.inf)
    values = np.array([[workspace.moved(a, c) for c in along] for a in across])
    steps = [points[1] - points[0] if len(points) > 1 else 1.0 for points in (across, along)]
    table = spline_coefficients(spline_coefficients(values).transpose(1, 0, 2)).transpose(1, 0, 2)
    return np.ascontiguousarray(table), np.array([[across[0], steps[0]], [along[0], steps[1]]])


def nodes(reach: float, step: float, lowest: float, highest: float) -> Array:
    """Equidistant nodes from -reach to reach, as far as allowed, zero among them."""
    if reach == 0.0:
        return np.zeros(1)
    step = min(step, 0.25 * reach)
    below, above = (int(min(reach, room) / step + 1e-9) for room in (-lowest, highest))
    return np.asarray(step * np.arange(-below, max(above, 4 - below) + 1), dtype=np.float64)


def spline_coefficients(values: Array) -> Array:
    """Coefficients (n + 2, ...) of the uniform cubic B-spline through values (n, ...); one value stays as it is.

    At both ends the fourth difference of the coefficients is zero: cubics are reproduced.
    """
    n = len(values)
    if n == 1:
        return values
    matrix = np.zeros((n + 2, n + 2))
    rows = np.arange(n)
    matrix[rows + 1, rows], matrix[rows + 1, rows + 1], matrix[rows + 1, rows + 2] = 1 / 6, 4 / 6, 1 / 6
    matrix[0, :5] = matrix[-1, -5:] = (1.0, -4.0, 6.0, -4.0, 1.0)
    padded = np.zeros((n + 2, *values.shape[1:]))
    padded[1:-1] = values
    return np.asarray(np.linalg.solve(matrix, padded.reshape(n + 2, -1)).reshape(padded.shape), dtype=np.float64)
