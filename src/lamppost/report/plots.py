"""The figures of a report, from the plain numbers of `result.json` and `details.json`. Lengths are in points."""

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import cycle
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullLocator

from lamppost.report.canvas import Array, Part, array, coarse, frame, log_axis, peaks_left, plain, thinned, unit_area
from lamppost.report.text import number, plus_minus, probability

__all__ = ["Curve", "Figure", "Lines", "colours", "features", "p_values", "scores", "sculpting", "spectrum"]

BLUE, ORANGE, RED, PURPLE, GREY = "#3f6fd8", "#f89c20", "#d6212f", "#964a8b", "#8d8d93"
COLOURS = (BLUE, "#1b9e77", PURPLE, ORANGE, "#7a21dd", "#a96b59")
PANELS = 4
SIZE = (460.0, 345.0)


_HALO = {"boxstyle": "round,pad=0.2", "fc": "white", "ec": "none", "alpha": 0.9}


class Curve(NamedTuple):
    """A scan over the mass: p-values `p` at masses `mass`, and how to draw it."""

    label: str
    mass: Sequence[float | None]
    p: Sequence[float | None]
    colour: str = BLUE
    line: Any = "-"
    width: float = 1.6


class Lines(NamedTuple):
    """Where a global significance of 1 to 5 sigma lies in local p-values: trials independent looks were taken."""

    trials: float
    label: str


def colours() -> Iterator[str]:
    """Colours to tell curves apart, without end."""
    return cycle(COLOURS)


def tail(z: float) -> float:
    """The one-sided p-value of z standard deviations."""
    return 0.5 * math.erfc(z / math.sqrt(2.0))


def p_values(
    curves: Iterable[Curve],
    *,
    mass: str,
    lines: Lines | None = None,
    best: tuple[float, float, str] | None = None,
    size: tuple[float, float] = SIZE,
) -> Figure:
    """Local p-values against the mass, with lines at 1 to 5 sigma; `best` is (mass, p, text) of a point to mark."""
    curves = list(curves)
    figure, axes = frame(size, top=24.0 if any(curve.label for curve in curves) else 10.0)
    drawn = [(curve, *thinned(array(curve.mass), array(curve.p))) for curve in curves]
    lowest = min([tail(5.0), *(p.min() for _, _, p in drawn if len(p))])
    low = 10.0 ** (1.12 * math.log10(lowest) - 0.5)
    log_axis(axes, low, 10.0 ** max(0.3, -0.03 * math.log10(low)))
    axes.axhline(1.0, color="black", lw=0.6)
    _sigmas(axes, lines)
    for curve, m, p in drawn:
        axes.plot(m, p, color=curve.colour, ls=curve.line, lw=curve.width, label=plain(curve.label) or None, zorder=3)
    if best is not None:
        _mark(axes, *best)
    axes.set_xlabel(plain(mass))
    axes.set_ylabel("local p-value")
    if axes.get_legend_handles_labels()[1]:
        axes.legend(loc="lower right", bbox_to_anchor=(1.01, 0.99), ncols=5, borderpad=0.3, columnspacing=1.4)
    return figure


def _sigmas(axes: Axes, lines: Lines | None) -> None:
    for n in range(1, 6):
        axes.axhline(tail(n), color=GREY, ls=":", lw=0.9)
        if lines is not None:
            axes.axhline(tail(n) / lines.trials, color=PURPLE, ls=(0, (5, 3)), lw=0.8)
    style: dict[str, Any] = {"transform": axes.get_yaxis_transform(), "va": "center"}
    for n in _apart(axes, 1.0):
        axes.text(1.012, tail(n), f"{n}σ", fontsize=9.0, color="#55555c", **style)
    if lines is None:
        return
    for n in _apart(axes, lines.trials):
        text = f"{n}σ {lines.label}"
        axes.text(0.018, tail(n) / lines.trials, text, fontsize=8.0, color=PURPLE, bbox=_HALO, zorder=2.5, **style)


def _apart(axes: Axes, trials: float) -> list[int]:
    """The lines of n sigma that can be labelled without one label on another, the highest n first."""
    low, high = (math.log10(limit) for limit in axes.get_ylim())
    chosen: list[int] = []
    last = -math.inf
    for n in range(5, 0, -1):
        place = (math.log10(tail(n) / trials) - low) / (high - low)
        if place > 0.0 and place - last > 0.034:
            chosen.append(n)
            last = place
    return chosen


def _mark(axes: Axes, m: float, p: float, text: str) -> None:
    p = max(p, axes.get_ylim()[0] * 1.5)
    axes.plot([m], [p], marker="o", ms=6.0, color=RED, mec="white", mew=0.8, ls="none", zorder=5)
    left, right = axes.get_xlim()
    side = -1 if m > 0.5 * (left + right) else 1
    axes.annotate(
        text,
        (m, p),
        (7.0 * side, -4.0),
        textcoords="offset points",
        ha="right" if side < 0 else "left",
        va="top",
        fontsize=9.0,
        color=RED,
        bbox=_HALO,
        zorder=6,
    )


def spectrum(
    part: Part, *, mass: str, window: Part | None, before: Part | None = None, fit: Part | None = None
) -> Figure:
    """Counts with the fit above, pulls below; the window shaded, the spectrum before the cut in grey."""
    figure = Figure(figsize=(SIZE[0] / 72.0, SIZE[1] / 72.0))
    grid = {"height_ratios": [3.0, 1.0], "hspace": 0.07, "left": 0.115, "right": 0.97, "top": 0.97, "bottom": 0.12}
    top, bottom = figure.subplots(2, 1, sharex=True, gridspec_kw=grid)
    part = coarse(part)
    edges, counts, background = (array(part[name]) for name in ("edges", "counts", "background"))
    if before is not None:
        grey = coarse(before)
        top.stairs(array(grey["counts"]), array(grey["edges"]), color="#b5b5bb", lw=1.1, label="before the cut")
    signal = array(part["signal"]) if part.get("signal") else np.zeros_like(counts)
    shown = np.concatenate([counts, background])
    low = max(0.3 * min(shown[shown > 0.0], default=1.0), 0.12 * min(counts[counts > 0.0], default=1.0))
    ceiling = max([1.0, *shown[np.isfinite(shown)], *(array(before["counts"]) if before is not None else [])])
    log_axis(top, low, low * (ceiling / low) ** 1.18)
    if np.nanmax(signal, initial=0.0) > low:
        top.stairs(
            np.maximum(signal, low), edges, baseline=low, fill=True, color=RED, alpha=0.35, label="fitted signal"
        )
    top.stairs(background, edges, color=BLUE, lw=1.7, label="background fit", baseline=None)
    _points(top, edges, counts, array(part["errors"]), "selected" if before is not None else "data")
    top.set_ylabel("events / bin")
    top.legend(loc="upper right", title=_fit_text(fit), alignment="right", borderpad=0.2)
    _pulls(bottom, edges, array(part["pulls"]))
    if window is not None:
        for axes in (top, bottom):
            axes.axvspan(window["lo"], window["hi"], color=ORANGE, alpha=0.14, lw=0, zorder=0)
    bottom.set_xlim(edges[0], edges[-1])
    bottom.set_xlabel(plain(mass))
    figure.align_ylabels()
    return figure


def _points(axes: Axes, edges: Array, values: Array, errors: Array, label: str) -> None:
    shown = np.isfinite(values) & (values > 0.0)
    centres = 0.5 * (edges[1:] + edges[:-1])
    style: dict[str, Any] = {"fmt": "o", "ms": 3.0, "lw": 0.9, "color": "black", "label": label}
    axes.errorbar(centres[shown], values[shown], np.nan_to_num(errors[shown]), **style)


def _pulls(axes: Axes, edges: Array, pulls: Array) -> None:
    reach = max(3.4, 1.15 * float(np.nanmax(np.abs(pulls), initial=0.0)))
    axes.set_ylim(-reach, reach)
    axes.axhspan(-1.0, 1.0, color=GREY, alpha=0.13, lw=0)
    axes.axhline(0.0, color="black", lw=0.7)
    axes.stairs(np.nan_to_num(pulls), edges, fill=True, color=BLUE, alpha=0.75)
    axes.yaxis.set_major_locator(MaxNLocator(5, integer=True, prune="both"))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_ylabel("pull", loc="center")


def _fit_text(fit: Part | None) -> str | None:
    if not fit:
        return None
    lines = []
    if function := fit.get("function"):
        lines.append(f"{plain(function)}, {fit.get('n_parameters', '?')} parameters")
    if fit.get("chi2") is not None and fit.get("ndf") is not None:
        lines.append(f"χ² / ndf = {fit['chi2']:.1f} / {fit['ndf']:g}, p = {probability(fit.get('p_value'))}")
    if fit.get("signal") is not None:
        lines.append(f"S = {plus_minus(fit['signal'], fit.get('signal_error'))} at {number(fit.get('best_mass'), 'g')}")
    return "\n".join(lines) or None


def scores(part: Part, efficiencies: Sequence[float | None]) -> Figure:
    """The score in the signal region and in the sidebands, each scaled to unit area, and the thresholds."""
    figure, axes = frame(SIZE)
    edges = array(part["edges"])
    region, beside = unit_area(part["sr"], edges), unit_area(part["sb"], edges)
    shown = np.concatenate([region, beside])
    high = max(shown.max(initial=0.0), 1e-300)
    low = 0.4 * min(shown[shown > 0.0], default=high)
    log_axis(axes, low, high * (high / low) ** 0.3)
    axes.stairs(np.maximum(beside, low), edges, baseline=low, fill=True, color=GREY, alpha=0.4, label="sidebands")
    axes.stairs(region, edges, color=BLUE, lw=1.7, label="signal region")
    for threshold, efficiency in zip(part.get("thresholds") or [], efficiencies, strict=False):
        if threshold is not None:
            axes.axvline(threshold, color=RED, ls="--", lw=1.0)
            text = f"keep {100.0 * efficiency:.3g}%" if efficiency is not None else "cut"
            y = axes.get_ylim()[1] / (high / low) ** 0.02
            axes.text(threshold, y, f" {text}", color=RED, rotation=90, fontsize=8.5, va="top", ha="right")
    axes.set_xlim(edges[0], edges[-1])
    axes.set_xlabel("anomaly score (out of fold)")
    axes.set_ylabel("density")
    axes.legend(loc="upper right" if peaks_left(region + beside) else "upper left")
    return figure


def sculpting(part: Part, *, mass: str, window: Part, efficiency: float | None) -> Figure:
    """The kept fraction of events against the mass: flat if the cut does not shape the spectrum."""
    figure, axes = frame(SIZE)
    edges, fraction, error = (array(part[name]) for name in ("edges", "fraction", "error"))
    error = np.nan_to_num(error)
    scale = 100.0
    axes.axvspan(window["lo"], window["hi"], color=ORANGE, alpha=0.14, lw=0, label="signal region")
    if efficiency is not None:
        axes.axhline(scale * efficiency, color=BLUE, lw=1.3, label=f"{scale * efficiency:.3g}% asked for")
    centres = 0.5 * (edges[1:] + edges[:-1])
    widths = 0.5 * np.diff(edges)
    axes.errorbar(
        centres, scale * fraction, scale * error, widths, fmt="o", ms=3.5, lw=1.0, color="black", label="kept"
    )
    top = np.nanmax(scale * (fraction + error), initial=scale * (efficiency or 0.0))
    axes.set_ylim(0.0, 1.45 * top if top > 0.0 else 1.0)
    axes.set_xlim(edges[0], edges[-1])
    axes.set_xlabel(plain(mass))
    axes.set_ylabel("kept [%]")
    title = None
    if part.get("chi2") is not None:
        title = f"flat: χ² / ndf = {part['chi2']:.1f} / {part.get('ndf', '?')}, p = {probability(part.get('p'))}"
    axes.legend(loc="upper right", title=title, alignment="right", borderpad=0.2, ncols=3)
    return figure


def features(parts: Sequence[Part]) -> Figure:
    """Selected events against the sidebands, one panel a feature, each scaled to unit area."""
    rows = math.ceil(len(parts) / PANELS)
    height = 42.0 + 165.0 * rows
    figure = Figure(figsize=(940.0 / 72.0, height / 72.0))
    grid = {"left": 0.012, "right": 0.988, "top": 1.0 - 30.0 / height, "bottom": 42.0 / height, "wspace": 0.06}
    panels = figure.subplots(rows, PANELS, squeeze=False, gridspec_kw={**grid, "hspace": 0.42}).ravel()
    for axes in panels[len(parts) :]:
        axes.remove()
    for axes, part in zip(panels, parts, strict=False):
        _panel(axes, part)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="upper right", ncols=2, bbox_to_anchor=(0.994, 1.0), borderpad=0.3)
    return figure


def _panel(axes: Axes, part: Part) -> None:
    edges = array(part["edges"])
    axes.stairs(unit_area(part["sidebands"], edges), edges, fill=True, color=GREY, alpha=0.4, label="sidebands")
    axes.stairs(unit_area(part["selected"], edges), edges, color=RED, lw=1.5, label="selected in the signal region")
    axes.set_xlim(edges[0], edges[-1])
    axes.set_ylim(0.0, None)
    axes.margins(y=0.12)
    axes.set_xlabel(plain(part["name"]), fontsize=10.0)
    axes.xaxis.set_major_locator(MaxNLocator(4, prune="both"))
    axes.yaxis.set_major_locator(NullLocator())
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_minor_locator(NullLocator())
