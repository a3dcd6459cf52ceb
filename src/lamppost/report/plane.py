"""An event in the eta-phi plane: circles of an area proportional to pT, jets as circles of their radius."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Circle
from matplotlib.path import Path
from matplotlib.ticker import MultipleLocator, NullLocator

from lamppost.report.canvas import Array, plain
from lamppost.report.event import GREY, Display, Jet, Particles

__all__ = ["HALO", "LINES", "draw_plane", "eta_shown", "pt_scale"]

LINES: Sequence[Any] = ("-", (0, (6, 2)), (0, (1.5, 1.5)), (0, (6, 2, 1.5, 2)))
"""How the outlines of the jets differ, for readers without colour."""

_LARGEST, _SMALLEST = 12.0, 0.6  # radii in points
_STEPS = 10  # sizes within a factor 10 of pt: circles of few sizes make a small file
_CIRCLE = Path.arc(0.0, 360.0, n=4)  # half the bytes of matplotlib's own, good to 3e-4
_POINT = 1.0 / 59.0  # rad of a point of the panel
HALO = {"boxstyle": "round,pad=0.12", "fc": "white", "ec": "none", "alpha": 0.8}


def eta_shown(display: Display) -> float:
    """The largest |eta| of the panel: that of the jets and of 99 % of the scalar pT, at least 3."""
    eta, pt = np.abs(display.drawn.eta), display.drawn.pt
    order = np.argsort(eta)
    enough = np.searchsorted(np.cumsum(pt[order]), 0.99 * pt.sum())
    edges = [abs(jet.eta) + jet.radius for jet in display.objects]
    largest = max([2.9, *edges, *eta[order][enough : enough + 1].tolist()])
    return 0.5 * float(math.ceil(2.0 * largest + 0.1))


def draw_plane(axes: Axes, display: Display) -> None:
    """The left panel: azimuth against pseudorapidity; what leaves at phi = pi comes in again at -pi."""
    particles, jets, reach = display.drawn, display.objects, eta_shown(display)
    axes.set(xlim=(-reach, reach), ylim=(-math.pi, math.pi), aspect="equal", anchor="NW", xlabel="η", ylabel="φ [rad]")
    axes.xaxis.set_major_locator(MultipleLocator(1.0))
    axes.set_yticks(np.arange(-2, 3) * math.pi / 2.0, ["−π", "−π/2", "0", "π/2", "π"])
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_minor_locator(NullLocator())
    axes.grid(color="#e6e7ec", lw=0.6)
    axes.set_axisbelow(True)
    hardest = float(particles.pt.max(initial=0.0))
    for index in (-1, *range(len(jets))):
        colour = jets[index].colour if index >= 0 else GREY
        _circles(axes, particles.take(particles.jet == index), hardest, colour)
    for index, jet in enumerate(jets):
        _jet(axes, jet, LINES[index % len(LINES)])


def _radius(pt: Array, hardest: float) -> Array:
    """Radii in points: the area is proportional to pt in steps of a quarter, and no circle vanishes."""
    level = np.round(_STEPS * np.log10(np.maximum(pt / hardest, 1e-6))) / _STEPS
    radius: Array = np.maximum(_LARGEST * 10.0 ** (0.5 * level), _SMALLEST)
    return radius


def _circles(axes: Axes, particles: Particles, hardest: float, colour: str) -> None:
    if not hardest > 0.0:
        return
    radius = _radius(particles.pt, hardest)
    for size in np.unique(radius):
        eta, phi = _with_images(particles.take(radius == size), _POINT * size)
        axes.scatter(eta, phi, s=(2.0 * size) ** 2, marker=_CIRCLE, **_style(colour, size), zorder=4.0 - 0.02 * size)


def _style(colour: str, size: float) -> dict[str, Any]:
    if size < 2.0:  # too small for an outline
        return {"color": colour, "lw": 0.0, "alpha": 0.9}
    return {"facecolor": f"{colour}66", "edgecolor": colour, "lw": 0.7}


def _with_images(particles: Particles, reach: float) -> tuple[Array, Array]:
    """Positions, and once more a full turn away for the circles that the edge cuts: (eta, phi)."""
    eta, phi = particles.eta, particles.phi
    high, low = phi > math.pi - reach, phi < reach - math.pi
    turned = np.concatenate([phi, phi[high] - 2.0 * math.pi, phi[low] + 2.0 * math.pi])
    return np.concatenate([eta, eta[high], eta[low]]), turned


def _jet(axes: Axes, jet: Jet, line: Any) -> None:
    for turn in (-2.0 * math.pi, 0.0, 2.0 * math.pi):
        if jet.radius and abs(jet.phi + turn) < math.pi + jet.radius:
            place = (jet.eta, jet.phi + turn)
            axes.add_patch(Circle(place, jet.radius, fc="none", ec=jet.colour, lw=1.8, ls=line, zorder=5.0))
    style: dict[str, Any] = {"marker": "+" if jet.radius else "D", "ms": 7.0, "mew": 1.1, "mfc": "none"}
    axes.plot([jet.eta], [jet.phi], color="black" if jet.radius else jet.colour, ls="none", zorder=8.0, **style)
    reach = max(jet.radius, 0.12) + 0.06
    above = jet.phi + reach < math.pi - 0.35
    y, align = (jet.phi + reach, "bottom") if above else (jet.phi - reach, "top")
    axes.text(jet.eta, y, plain(jet.name), ha="center", va=align, bbox=HALO, zorder=7.0, fontweight="bold")


def pt_scale(axes: Axes, display: Display) -> None:
    """What the areas mean, in axes measured in points: up to three circles with their pT."""
    hardest = float(display.drawn.pt.max(initial=0.0))
    if not hardest > 0.0:
        return
    axes.text(0.0, 0.0, "area ∝ pₜ:", va="center", fontsize=9.0)
    x = 56.0
    top = math.floor(math.log10(hardest))
    for pt in 10.0 ** np.arange(top, top - 3, -1.0):
        radius = float(_radius(np.array([pt]), hardest)[0])
        axes.scatter([x + radius], [0.0], s=(2.0 * radius) ** 2, marker=_CIRCLE, **_style("#55555c", radius))
        text = f"{pt:g} GeV"
        axes.text(x + 2.0 * radius + 4.0, 0.0, text, va="center", fontsize=9.0)
        x += 2.0 * radius + 14.0 + 5.5 * len(text)
