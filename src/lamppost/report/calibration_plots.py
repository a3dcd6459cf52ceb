"""The figures of a calibration, from the plain numbers of `calibration.json`. Lengths are in points."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator
from scipy.stats import beta, norm

from lamppost.report.canvas import array, frame, log_axis
from lamppost.report.plots import GREY, colours

__all__ = ["frequency", "power_curve"]

_SIZE = (460.0, 400.0)
_LEGEND = 14.0


def frequency(curves: Mapping[str, Sequence[float]]) -> Figure:
    """How often p is as small as on the horizontal axis, for every kind of p; the band holds 95 % of the first."""
    figure, axes = frame(_SIZE, top=14.0 + _LEGEND * -(-len(curves) // 3))
    palette, low = colours(), 1.0
    for number, (name, values) in enumerate(curves.items()):
        p = np.sort(array(values))
        n, rank = len(p), np.arange(1, len(p) + 1)
        low = min(low, 0.5 / n)
        if number == 0:
            edges = [beta.ppf(q, rank, n + 1 - rank) for q in (0.025, 0.975)]
            axes.fill_betweenx(rank / n, *edges, color=GREY, alpha=0.25, lw=0)
        axes.step(np.clip(p, 1e-12, 1.0), rank / n, where="post", color=next(palette), lw=1.5, label=name)
    axes.plot([low, 1.0], [low, 1.0], color="black", lw=0.8, ls=":")
    log_axis(axes, low, 1.5)
    axes.set_xscale("log")
    axes.set_xlim(low, 1.0)
    axes.xaxis.set_major_locator(LogLocator(numticks=6))
    axes.set_xlabel("p-value")
    axes.set_ylabel("fraction of pseudo-experiments with a p-value as small")
    axes.legend(loc="lower left", bbox_to_anchor=(-0.02, 0.995), ncols=3, borderpad=0.2, columnspacing=1.2)
    return figure


def power_curve(points: Sequence[Mapping[str, Any]], null: Sequence[float]) -> Figure:
    """Global Z of the hunt and of the inclusive fit against the expected signal; `null`: global p without signal."""
    figure, axes = frame(_SIZE, top=14.0 + _LEGEND)
    palette = colours()
    events = array([0.0, *(one["events"] for one in points)])
    top = 3.5
    for name, label in (("global", "hunt"), ("inclusive", "inclusive fit")):
        colour = next(palette)
        chosen, x = [one[name]["z"] for one in points], events[1:]
        if name == "global" and len(null):
            z = norm.isf(np.clip(array(null), 1e-12, 0.5))
            chosen, x = [[float(q) for q in np.quantile(z, [0.5, 0.16, 0.84])], *chosen], events
        median, low, high = (array([band[i] for band in chosen]) for i in range(3))
        axes.fill_between(x, low, high, color=colour, alpha=0.15, lw=0)
        axes.plot(x, median, color=colour, marker="o", ms=3.5, lw=1.5, label=label)
        top = max(top, *high)
    for z in (3.0, 5.0):
        axes.axhline(z, color=GREY, lw=0.8, ls=":")
    axes.set_ylim(0.0, 1.08 * top)
    axes.set_xlim(left=0.0)
    axes.set_xlabel("expected signal events in the fit range")
    axes.set_ylabel("global Z")
    axes.legend(loc="lower left", bbox_to_anchor=(-0.02, 0.995), ncols=3, borderpad=0.2, columnspacing=1.2)
    return figure
