"""A detector of the proportions of those at the LHC, looked into along the beam, in perspective.

Lengths are in units of the inner radius of the calorimeter; z points along the beam at the viewer.
"""

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import PathPatch
from matplotlib.path import Path

from lamppost.report.canvas import Array

__all__ = ["TURN", "directions", "draw_detector", "lines", "projected", "reached"]

TURN = np.linspace(0.0, 2.0 * math.pi, 61)
_TRACKER, _OUTSIDE, _HALF = 0.86, 1.16, 1.5
_YAW, _PITCH, _DISTANCE = math.radians(6.0), math.radians(5.0), 6.0
_EDGE, _GRID, _INK = "#8f93a3", "#d5d8e1", "#7b7f8f"


def projected(points: Array) -> Array:
    """Where points (n, 3) appear (n, 2) to a viewer who stands a little above the beam and to the side of it."""
    x, y, z = points.T
    x, z = math.cos(_YAW) * x + math.sin(_YAW) * z, math.cos(_YAW) * z - math.sin(_YAW) * x
    y, z = math.cos(_PITCH) * y + math.sin(_PITCH) * z, math.cos(_PITCH) * z - math.sin(_PITCH) * y
    seen: Array = np.column_stack([x, y]) * (_DISTANCE / (_DISTANCE - z))[:, None]
    return seen


def directions(eta: Array, phi: Array) -> Array:
    """Unit vectors (n, 3) of pseudorapidities and azimuths (n,)."""
    across = 1.0 / np.cosh(eta)
    return np.column_stack([across * np.cos(phi), across * np.sin(phi), np.tanh(eta)])


def reached(direction: Array) -> Array:
    """How far from the vertex lines (n, 3) meet the calorimeter, barrel or endcap: (n,)."""
    barrel = 1.0 / np.maximum(np.hypot(direction[:, 0], direction[:, 1]), 1e-9)
    endcap = _HALF / np.maximum(np.abs(direction[:, 2]), 1e-9)
    distance: Array = np.minimum(barrel, endcap)
    return distance


def draw_detector(axes: Axes) -> None:
    """The inside of the calorimeter with a grid of eta and phi, its near face, and the ends of the tracker."""
    near, far, outer = _ring(1.0, _HALF), _ring(1.0, -_HALF), _ring(_OUTSIDE, _HALF)
    for outline, hole, colour in ((outer, near, "#e6e8ef"), (near, far, "#f6f7fa")):
        annulus = Path.make_compound_path(Path(outline), Path(hole[::-1]))
        axes.add_patch(PathPatch(annulus, fc=colour, ec="none", zorder=0.1))
    phi = np.arange(24) * math.pi / 12.0
    ends = [projected(np.column_stack([np.cos(phi), np.sin(phi), np.full(24, z)])) for z in (-_HALF, _HALF)]
    lines(axes, ends[0], ends[1], colour=_GRID, width=0.5, zorder=0.2)
    for eta in (-1.0, -0.5, 0.0, 0.5, 1.0):
        axes.plot(*_ring(1.0, math.sinh(eta)).T, color=_GRID, lw=0.5 if eta else 0.9, zorder=0.3)
    for eta, text in ((-1.0, "−1"), (0.0, "η = 0"), (1.0, "+1")):
        x, y = projected(np.array([[0.0, 1.0, math.sinh(eta)]]))[0]
        axes.text(x, y, text, fontsize=7.0, color=_INK, ha="center", va="center", zorder=0.35)
    for z in (-_HALF, _HALF):
        axes.plot(*_ring(_TRACKER, z).T, color=_EDGE, lw=0.5, ls=(0, (4, 3)), zorder=0.4)
    for ring in (outer, near, far):
        axes.plot(*ring.T, color=_EDGE, lw=0.9, zorder=0.4)


def lines(
    axes: Axes, start: Array, end: Array, *, colour: str, width: float, zorder: float, opacity: float = 1.0
) -> None:
    """Lines between points (n, 2) as one path, which takes a fraction of the bytes of as many paths."""
    codes = np.tile(np.array([Path.MOVETO, Path.LINETO]), len(start))
    path = Path(np.stack([start, end], axis=1).reshape(-1, 2), codes)
    axes.add_patch(PathPatch(path, fc="none", ec=colour, lw=width, alpha=opacity, zorder=zorder, clip_on=False))


def _ring(radius: float, z: float) -> Array:
    return projected(np.column_stack([radius * np.cos(TURN), radius * np.sin(TURN), np.full_like(TURN, z)]))
