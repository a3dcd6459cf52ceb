"""The figures of limits, from the plain numbers of `limits.json`. Lengths are in points."""

from collections.abc import Mapping, Sequence
from math import nan
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from lamppost.report.canvas import array, frame, log_axis, plain
from lamppost.report.plots import GREY, ORANGE, colours, tail

__all__ = ["against_mass", "by_selection", "efficiencies", "excluded", "p_values"]

Part = Mapping[str, Any]
GREEN, YELLOW = "#6fbf73", "#f2d544"
_SIZE = (460.0, 380.0)
_LEGEND = 14.0
_LEGEND_AT: dict[str, Any] = {"loc": "lower left", "bbox_to_anchor": (-0.02, 0.995), "borderpad": 0.2}


def _frame(entries: int, columns: int = 2, size: tuple[float, float] = _SIZE) -> tuple[Figure, Axes]:
    return frame(size, top=14.0 + _LEGEND * -(-entries // columns))


def _legend(axes: Axes, columns: int = 2) -> None:
    if axes.get_legend_handles_labels()[1]:
        axes.legend(**_LEGEND_AT, ncols=columns, columnspacing=1.2)


def by_selection(rows: Sequence[Part], unit: float, what: str, predicted: float | None) -> Figure:
    """Limits on one signal, a line for every selection: expected 95 % and 68 %, median, observed."""
    figure, axes = frame((460.0, 90.0 + 34.0 * len(rows)), top=30.0)
    figure.subplots_adjust(left=0.36)
    for place, row in enumerate(reversed(rows)):
        band = unit * array(row["expected"])
        for low, high, colour, text in ((0, 4, YELLOW, "expected, 95 %"), (1, 3, GREEN, "68 %")):
            axes.barh(place, band[high] - band[low], left=band[low], height=0.5, color=colour, label=_once(text, place))
        line: dict[str, Any] = {"color": "black", "lw": 1.4, "ls": "--", "label": _once("median", place)}
        axes.plot([band[2], band[2]], [place - 0.25, place + 0.25], **line)
        axes.plot(unit * array([row["observed"]]), [place], "o", color="black", ms=5.0, label=_once("observed", place))
    if predicted is not None:
        axes.axvline(predicted, color=ORANGE, lw=1.4, label="predicted")
    axes.set_yticks(range(len(rows)), [plain(row["label"]) for row in reversed(rows)])
    axes.tick_params(axis="y", which="both", length=0)
    axes.set_ylim(-0.6, len(rows) - 0.4)
    _log_below(axes)
    axes.set_xlabel(what)
    axes.legend(loc="lower right", bbox_to_anchor=(1.02, 0.99), ncols=5, borderpad=0.2, columnspacing=1.0)
    return figure


def _log_below(axes: Axes) -> None:
    """A logarithmic x axis, its ticks written as plain numbers."""
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0), numticks=12))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _once(text: str, place: int) -> str | None:
    return text if place == 0 else None


def against_mass(signals: Sequence[Part], label: str, rows: Sequence[Part], whole: Sequence[Part], what: str) -> Figure:
    """Limits of one selection against the mass of the signals, rising, with those of the fit to all events."""
    figure, axes = _frame(6, columns=3)
    mass, unit = array([one["mass"] for one in signals]), array([one["per_event"] or 1.0 for one in signals])
    band = unit[:, None] * np.array([row["expected"] for row in rows], dtype=np.float64)
    axes.fill_between(mass, band[:, 0], band[:, 4], color=YELLOW, lw=0, label="expected, 95 %")
    axes.fill_between(mass, band[:, 1], band[:, 3], color=GREEN, lw=0, label="68 %")
    axes.plot(mass, band[:, 2], color="black", ls="--", lw=1.2, label="median")
    observed = unit * array([row["observed"] for row in rows])
    axes.plot(mass, observed, color="black", lw=1.5, marker="o", ms=4.0, label=f"observed, {plain(label)}")
    everything = unit * array([row["observed"] for row in whole])
    if label != "inclusive":
        axes.plot(mass, everything, color=GREY, lw=1.3, marker="s", ms=3.5, label="observed, inclusive")
    predicted = array([one["cross_section"] if one["per_event"] else None for one in signals])
    if np.isfinite(predicted).any():
        axes.plot(mass, predicted, color=ORANGE, lw=1.5, marker="D", ms=3.5, label="predicted")
    shown = np.concatenate([band.ravel(), observed, everything, predicted])
    shown = shown[np.isfinite(shown) & (shown > 0.0)]
    log_axis(axes, 0.7 * shown.min(), 1.4 * shown.max())
    axes.set_xlabel("mass")
    axes.set_ylabel(what)
    _legend(axes, 3)
    return figure


def excluded(row: Part, unit: float, injected: str) -> Figure:
    """What is excluded against what was injected: the limit is quoted where the median meets the diagonal."""
    figure, axes = _frame(5)
    points = [point for point in row["points"] if point["excluded"] is not None and point["strength"] > 0.0]
    x, y = (unit * array([point[name] for point in points]) for name in ("strength", "excluded"))
    band = unit * np.array([point["expected"] for point in points], dtype=np.float64)
    axes.fill_between(x, band[:, 0], band[:, 4], color=YELLOW, lw=0, label="background alone, 95 %")
    axes.fill_between(x, band[:, 1], band[:, 3], color=GREEN, lw=0, label="68 %")
    axes.plot(x, band[:, 2], color="black", ls="--", lw=1.2, label="median")
    axes.plot(x, y, color="black", marker="o", ms=4.0, lw=1.4, label="excluded")
    ends = array([0.8 * x.min(), 1.25 * x.max()])
    axes.plot(ends, ends, color=GREY, ls=":", lw=1.2)
    limit = unit * row["observed"]
    axes.axhline(limit, color=ORANGE, lw=1.2, label="limit")
    if row["at"] > 0.0:
        axes.axvline(unit * row["at"], color=ORANGE, lw=1.0, ls=":")
    log_axis(axes, 0.5 * min(y.min(), band.min(), ends[0]), min(2.0 * y.max(), 100.0 * limit))
    _log_below(axes)
    axes.set_xlim(*ends)
    axes.set_xlabel(injected)
    axes.set_ylabel(injected.replace("injected", "excluded"))
    _legend(axes)
    return figure


def efficiencies(rows: Sequence[Part], unit: float, injected: str) -> Figure:
    """Signal efficiency of every selection against what was injected, with errors; dotted: injections that count."""
    figure, axes = _frame(len(rows))
    for row, colour in zip(rows, colours(), strict=False):
        points = row["points"]
        x, y = unit * array([point["strength"] for point in points]), array([p["efficiency"] for p in points])
        parts = np.array([[point["statistical"] or 0.0, point["retraining"] or 0.0] for point in points])
        if row["at"] is None:
            axes.axhline(y[0], color=colour, lw=1.4, ls="--", label=plain(row["label"]))
        else:
            errors = y * np.hypot(parts[:, 0], parts[:, 1])
            style: dict[str, Any] = {"color": colour, "ecolor": colour, "marker": "o", "ms": 4.0, "lw": 1.4}
            axes.errorbar(x, y, errors, **style, label=plain(row["label"]))
            if row["observed"] is not None:
                axes.axvline(unit * row["at"], color=colour, lw=1.0, ls=":")
    axes.set_xlim(left=0.0)
    axes.set_ylim(bottom=0.0)
    axes.set_xlabel(injected)
    axes.set_ylabel("signal efficiency")
    _legend(axes)
    return figure


def p_values(rows: Sequence[Part], unit: float, injected: str) -> Figure:
    """Local p-values at the mass of the signal with it in the data, of every selection and of the fit to all events."""
    figure, axes = _frame(len(rows) + 1)
    palette, lowest = colours(), tail(5.0)
    whole: dict[float, float | None] = {}
    for row in rows:
        x, p = (array([nan if v is None else v for v in one]) for one in _curve(row, "p_injected"))
        axes.plot(unit * x, np.maximum(p, 1e-30), color=next(palette), marker="o", ms=4.0, label=plain(row["label"]))
        lowest = min(lowest, float(np.nanmin(np.maximum(p, 1e-30), initial=1.0)))
        whole |= dict(zip(*_curve(row, "p_inclusive"), strict=True))
    known = sorted((strength, max(value, 1e-30)) for strength, value in whole.items() if value is not None)
    x, p = array([strength for strength, _ in known]), array([value for _, value in known])
    axes.plot(unit * x, p, color=GREY, marker="s", ms=3.5, label="inclusive")
    log_axis(axes, 0.3 * lowest, 1.0)
    for z in range(1, 9):
        if tail(z) > axes.get_ylim()[0]:
            axes.axhline(tail(z), color=GREY, lw=0.8, ls=":")
            place: dict[str, Any] = {"transform": axes.get_yaxis_transform(), "va": "center", "fontsize": 9.0}
            axes.text(1.012, tail(z), f"{z}σ", color="#55555c", **place)
    axes.set_xlim(left=0.0)
    axes.set_xlabel(injected)
    axes.set_ylabel("local p-value")
    _legend(axes)
    return figure


def _curve(row: Part, name: str) -> tuple[list[float], list[float | None]]:
    points = row["points"]
    return [point["strength"] for point in points], [point[name] for point in points]
