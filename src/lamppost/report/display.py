"""The picture of one event as SVG: the eta-phi plane on the left, the view along the beam on the right."""

import numpy as np
from matplotlib.figure import Figure

from lamppost.report.canvas import plain
from lamppost.report.drawing import standalone, studio
from lamppost.report.event import MOST_PARTICLES, Display
from lamppost.report.perspective import draw_perspective
from lamppost.report.plane import draw_plane, eta_shown, pt_scale
from lamppost.report.text import number, percent

__all__ = ["described", "draw", "event_figure"]

_WIDTH, _HEIGHT = 940.0, 500.0
_SOFT = "#55555c"


def event_figure(display: Display) -> Figure:
    """Both panels, with title and facts above them. Drawn inside `studio`, which sets the style."""
    figure = Figure(figsize=(_WIDTH / 72.0, _HEIGHT / 72.0))
    boxes = ((52.0, 78.0, 374.0, 372.0), (448.0, 14.0, 484.0, 440.0), (60.0, 24.0, 380.0, 30.0))
    plane, view, scale = (figure.add_axes((x / _WIDTH, y / _HEIGHT, w / _WIDTH, h / _HEIGHT)) for x, y, w, h in boxes)
    draw_plane(plane, display)
    draw_perspective(view, display)
    scale.set(xlim=(0.0, 380.0), ylim=(-15.0, 15.0))
    scale.axis("off")
    pt_scale(scale, display)
    bars = "view along the beam"
    if len(display.drawn.pt):
        bars += "; the length of a bar is ∝ √pₜ of the particle"
    for x, y, text, style in (
        (14.0, 480.0, plain(display.title), {"fontsize": 13.0, "fontweight": "bold"}),
        (14.0, 462.0, "   ·   ".join(map(plain, display.facts)), {"color": _SOFT}),
        (14.0, 12.0, _left_out(display), {"fontsize": 9.0, "color": _SOFT}),
        (930.0, 12.0, bars, {"fontsize": 9.0, "color": _SOFT, "ha": "right"}),
    ):
        figure.text(x / _WIDTH, y / _HEIGHT, text, **style)
    return figure


def _left_out(display: Display) -> str:
    """What is not drawn, or beyond the edge of the plane; empty if nothing is."""
    shown, reach = display.drawn, eta_shown(display)
    total, beyond = int(display.particles.counts[0]), np.abs(shown.eta) > reach
    parts = []
    if total > MOST_PARTICLES:
        share = 1.0 - shown.pt.sum() / display.particles.fields["pt"].sum(dtype=np.float64)
        parts.append(f"the {MOST_PARTICLES} hardest of {total} particles are drawn, {percent(share)} of the pₜ is not")
    if beyond.any():
        parts.append(f"{beyond.sum()} particles beyond |η| = {reach:g}")
    return "; ".join(parts)


def described(display: Display) -> str:
    """The picture in words, for those who do not see it."""
    jets = [
        f"{jet.name}: pT {number(jet.pt, '.0f')} GeV, mass {number(jet.mass, '.0f')} GeV, "
        f"eta {number(jet.eta)}, phi {number(jet.phi)}"
        for jet in display.objects
    ]
    particles = f"{int(display.particles.counts[0])} particles"
    return "; ".join(filter(None, [f"{display.title}: {particles}" if display.title else particles, *jets]))


def draw(display: Display) -> str:
    """The event as a file of its own, SVG text, the same bytes every time."""
    with studio(None) as make:
        return standalone(make("event", described(display), event_figure(display)))
