"""An event seen along the beam, in perspective: momenta out of the vertex, jets as cones, the missing pT."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Polygon

from lamppost.report.canvas import Array, plain
from lamppost.report.detector import TURN, directions, draw_detector, lines, projected, reached
from lamppost.report.event import GREY, Display, Jet, Particles
from lamppost.report.plane import HALO, LINES

__all__ = ["draw_perspective"]

_WIDTH, _HEIGHT = 2.42, 2.2  # half of the panel's
_LONGEST = 0.75  # the bar of the hardest particle, in radii of the calorimeter
_CONE = 1.2  # a jet's cone
_APART, _LINE = 0.56, 0.155  # what labels need above each other, and each of their lines
_MOST_LABELS = 6


class _Label(NamedTuple):
    place: Array
    lines: Sequence[str]
    colour: str


def draw_perspective(axes: Axes, display: Display) -> None:
    """The right panel: lines to the calorimeter, and beyond it bars of a length proportional to the root of pT."""
    axes.set(aspect="equal", xlim=(-_WIDTH, _WIDTH), ylim=(-_HEIGHT, _HEIGHT))
    axes.axis("off")
    draw_detector(axes)
    hardest = float(display.drawn.pt.max(initial=0.0))
    for index in reversed(range(-1, len(display.objects))):  # the first jet last, on top
        colour = display.objects[index].colour if index >= 0 else GREY
        _momenta(axes, display.drawn.take(display.drawn.jet == index), hardest, colour)
    for index, jet in enumerate(display.objects):
        _cone(axes, jet, LINES[index % len(LINES)])
    found = [_about(jet) for jet in display.objects[:_MOST_LABELS]]
    if len(display.drawn.pt):
        found.append(_missing(axes, *display.missing))
    _labels(axes, found)


def _momenta(axes: Axes, particles: Particles, hardest: float, colour: str) -> None:
    if not hardest > 0.0 or not len(particles.pt):
        return
    unit = directions(particles.eta, particles.phi)
    foot = unit * reached(unit)[:, None]
    # away from the beam, not along the momentum: bars towards the viewer would grow without end
    outward = np.column_stack([np.cos(particles.phi), np.sin(particles.phi), np.zeros_like(particles.phi)])
    length = _LONGEST * np.sqrt(np.maximum(particles.pt, 0.0) / hardest)
    start, end = projected(foot), projected(foot + outward * length[:, None])
    lines(axes, np.zeros_like(start), start, colour=colour, width=0.5, opacity=0.45, zorder=3.0)
    lines(axes, start, end, colour=colour, width=2.0, opacity=0.9, zorder=3.1)


def _cone(axes: Axes, jet: Jet, line: Any) -> None:
    if not jet.radius:  # a muon or photon: its momentum
        axes.plot(*np.vstack([[0.0, 0.0], _end(jet, _LONGEST)]).T, color=jet.colour, lw=2.0, ls=line, zorder=3.2)
        return
    rim = projected(_CONE * directions(jet.eta + jet.radius * np.cos(TURN), jet.phi + jet.radius * np.sin(TURN)))
    outline = _hull([(0.0, 0.0), *map(tuple, rim.tolist())])
    axes.add_patch(Polygon(outline, fc=jet.colour, ec="none", alpha=0.13, zorder=2.0))
    axes.plot(*rim.T, color=jet.colour, lw=1.3, ls=line, zorder=2.1)


def _hull(points: Sequence[tuple[float, ...]]) -> list[tuple[float, ...]]:
    """The convex hull of points in the plane, by the monotone chain of Andrew (1979)."""

    def chain(walk: Sequence[tuple[float, ...]]) -> list[tuple[float, ...]]:
        kept: list[tuple[float, ...]] = []
        for x, y in walk:
            while len(kept) > 1 and _turns_right(kept[-2], kept[-1], (x, y)):
                kept.pop()
            kept.append((x, y))
        return kept[:-1]

    ordered = sorted(points)
    return chain(ordered) + chain(ordered[::-1])


def _turns_right(a: Sequence[float], b: Sequence[float], c: Sequence[float]) -> bool:
    return (b[0] - a[0]) * (c[1] - a[1]) <= (b[1] - a[1]) * (c[0] - a[0])


def _end(jet: Jet, beyond: float) -> Array:
    """Where the axis of a jet is seen so far beyond the face of the calorimeter: (2,)."""
    unit = directions(np.array([jet.eta]), np.array([jet.phi]))
    place: Array = projected(unit * (reached(unit) + beyond)[:, None])[0]
    return place


def _about(jet: Jet) -> _Label:
    mass = [f"m = {jet.mass:,.0f} GeV"] if jet.radius or jet.mass >= 1.0 else []
    return _Label(_end(jet, 0.1), [plain(jet.name), f"pₜ = {jet.pt:,.0f} GeV", *mass], jet.colour)


def _missing(axes: Axes, pt: float, phi: float) -> _Label:
    """The direction of the missing pT as an arrow across the tracker."""
    end = projected(np.array([[math.cos(phi), math.sin(phi), 0.0]]))[0]
    style = {"arrowstyle": "-|>", "lw": 1.3, "ls": (0, (4, 2)), "color": "black", "shrinkA": 0.0, "shrinkB": 0.0}
    axes.annotate("", end, (0.0, 0.0), arrowprops=style, zorder=5.0)
    return _Label(end, ["missing pₜ", f"{pt:,.0f} GeV"], "black")


def _labels(axes: Axes, found: Sequence[_Label]) -> None:
    """Names and numbers in a column on either side, each with a line to what it names."""
    for side, align in ((-1.0, "left"), (1.0, "right")):
        mine = sorted((label for label in found if math.copysign(1.0, label.place[0]) == side), key=_height)
        for label, y in zip(mine, _spread([1.25 * _height(label) for label in mine]), strict=True):
            ends = np.array([label.place, [side * (_WIDTH - 0.8), y]])
            axes.plot(*ends.T, color=label.colour, lw=0.8, zorder=4.0)
            # single lines, which the browser aligns whatever its font; a text of several it does not
            for n, line in enumerate(label.lines):
                place = y - _LINE * (n - 0.5 * (len(label.lines) - 1))
                style: dict[str, Any] = {"fontsize": 9.5, "fontweight": "normal" if n else "bold", "bbox": HALO}
                axes.text(side * _WIDTH, place, line, ha=align, va="center", zorder=6.0, **style)


def _height(label: _Label) -> float:
    return float(label.place[1])


def _spread(heights: Sequence[float]) -> list[float]:
    """Rising heights moved apart until each label has room, and none leaves the panel."""
    placed, limit = list(heights), _HEIGHT - 0.5 * _APART
    for _ in range(200):
        for n in range(len(placed) - 1):
            overlap = max(_APART - (placed[n + 1] - placed[n]), 0.0)
            placed[n] -= 0.5 * overlap
            placed[n + 1] += 0.5 * overlap
        placed = [min(max(height, -limit), limit) for height in placed]
    return placed
