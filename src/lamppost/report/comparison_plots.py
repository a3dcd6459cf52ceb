"""The figures of a comparison, from the plain numbers of `compare.json`. Lengths are in points."""

from collections.abc import Iterator, Mapping
from itertools import cycle
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from lamppost.report.canvas import array, frame, log_axis, plain
from lamppost.report.plots import GREY, colours

__all__ = ["against_events", "against_strength", "roc", "sic"]

_SIZE = (460.0, 400.0)
_WIDE = (940.0, 400.0)
_LEGEND = 14.0
_LINES = ("-", (0, (5, 1.5)), (0, (1.5, 1.2)))

Methods = Mapping[str, Mapping[str, Any]]


class Style(NamedTuple):
    """How the curve of a method is drawn."""

    colour: str
    line: Any


def styles(names: list[str]) -> dict[str, Style]:
    """A colour and a line for every method, no two alike until all are used up."""
    palette = colours()
    distinct = list(dict.fromkeys(next(palette) for _ in range(6)))
    pairs = [Style(colour, line) for line in _LINES for colour in distinct]
    return dict(zip(names, cycle(pairs), strict=False))


def _frame(n: int, size: tuple[float, float] = _SIZE, columns: int = 3) -> tuple[Figure, Axes]:
    """Axes with room above for a legend of n entries."""
    return frame(size, top=14.0 + _LEGEND * -(-n // columns))


def _legend(axes: Axes, columns: int = 3) -> None:
    if axes.get_legend_handles_labels()[1]:
        axes.legend(loc="lower left", bbox_to_anchor=(-0.02, 0.995), ncols=columns, borderpad=0.2, columnspacing=1.2)


def _curves(methods: Methods, strength: str, name: str) -> Iterator[tuple[str, Style, Mapping[str, Any]]]:
    look = styles(list(methods))
    for method, found in methods.items():
        curve = ((found.get("s_over_b") or {}).get(strength) or {}).get("curves") or {}
        if (curve.get(name) or {}).get("median"):
            yield method, look[method], curve[name]


def sic(methods: Methods, strength: str) -> Figure:
    """SIC against signal efficiency of every method, medians with their 68 % bands."""
    drawn = list(_curves(methods, strength, "sic"))
    figure, axes = _frame(len(drawn))
    top = 1.0
    for method, style, curve in drawn:
        top = max(top, *_band(axes, array(curve["eps_s"]), curve, method, style))
    axes.axhline(1.0, color=GREY, lw=0.8, ls=":")
    axes.set_xscale("log")
    axes.set_xlim(0.01, 1.0)
    axes.set_xticks([0.01, 0.03, 0.1, 0.3, 1.0], ["0.01", "0.03", "0.1", "0.3", "1"])
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_ylim(0.0, 1.08 * top)
    axes.set_xlabel("signal efficiency")
    axes.set_ylabel("significance improvement")
    _legend(axes)
    return figure


def roc(methods: Methods, strength: str) -> Figure:
    """Background rejection against signal efficiency of every method, medians over draws."""
    drawn = list(_curves(methods, strength, "roc"))
    figure, axes = _frame(len(drawn))
    top = 1e3
    for method, style, curve in drawn:
        eps_s, rejection = array(curve["median"]), 1.0 / array(curve["eps_b"])
        axes.plot(eps_s, rejection, color=style.colour, ls=style.line, lw=1.5, label=plain(method))
        top = max(top, rejection.max())
    diagonal = np.geomspace(1.0 / top, 1.0, 60)
    axes.plot(diagonal, 1.0 / diagonal, color=GREY, lw=0.8, ls=":")
    log_axis(axes, 1.0, 1.5 * top)
    axes.set_xlim(0.0, 1.0)
    axes.set_xlabel("signal efficiency")
    axes.set_ylabel("background rejection")
    _legend(axes)
    return figure


def against_strength(methods: Methods, name: str, label: str) -> Figure:
    """One figure of merit against the injected strength, medians with their 68 % bands."""
    look = styles(list(methods))
    figure, axes = _frame(len(methods))
    top = 1.0
    for method, found in methods.items():
        points = [(float(s), one[name]) for s, one in found["s_over_b"].items() if one.get(name)]
        if points:
            curve = {which: [band[i] for _, band in points] for i, which in enumerate(("median", "low", "high"))}
            strengths = 100.0 * array([s for s, _ in points])
            top = max(top, *_band(axes, strengths, curve, method, look[method], marker="o"))
    axes.axhline(1.0, color=GREY, lw=0.8, ls=":")
    axes.set_ylim(0.0, 1.08 * top)
    axes.set_xlabel("S / B in the signal region [%]")
    axes.set_ylabel(label)
    _legend(axes)
    return figure


def against_events(methods: Methods, z: float) -> Figure:
    """Global Z against the number of injected events, medians with their 68 % bands, and what is to be reached."""
    look = styles(list(methods))
    figure, axes = _frame(len(methods), _WIDE, columns=6)
    top = 1.3 * z
    for method, found in methods.items():
        points = found["points"]
        curve = {which: [one["band"][i] for one in points] for i, which in enumerate(("median", "low", "high"))}
        events = array([one["events"] for one in points])
        top = max(top, *_band(axes, events, curve, method, look[method], marker="o"))
    axes.axhline(z, color=GREY, lw=0.8, ls=":")
    axes.set_xscale("log")
    tried = sorted({one["events"] for found in methods.values() for one in found["points"]})
    axes.set_xticks(tried, [f"{n:g}" for n in tried])
    axes.set_xticks([], minor=True)
    axes.set_ylim(0.0, 1.08 * top)
    axes.set_xlabel("injected signal events")
    axes.set_ylabel("global Z")
    _legend(axes, columns=6)
    return figure


def _band(
    axes: Axes, x: np.ndarray[Any, Any], curve: Mapping[str, Any], label: str, style: Style, marker: str | None = None
) -> list[float]:
    low, median, high = (array(curve[name]) for name in ("low", "median", "high"))
    axes.fill_between(x, low, high, color=style.colour, alpha=0.13, lw=0)
    drawn = {"color": style.colour, "ls": style.line, "marker": marker, "ms": 3.5}
    axes.plot(x, median, lw=1.5, label=plain(label), **drawn)
    return [float(value) for value in high]
