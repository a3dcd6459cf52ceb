"""What the figures share: arrays from JSON, histograms and curves made small enough to draw, axes."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator
from numpy.typing import NDArray

from lamppost.report.text import superscript

__all__ = [
    "Array",
    "Part",
    "array",
    "coarse",
    "frame",
    "log_axis",
    "peaks_left",
    "plain",
    "thinned",
    "unit_area",
]

Array = NDArray[np.float64]
Part = Mapping[str, Any]

MOST_POINTS = 240
MOST_BINS = 130
SMALLEST = 1e-100


def frame(size: tuple[float, float], *, top: float = 10.0) -> tuple[Figure, Axes]:
    """A figure of this width and height in points, with one pair of axes and `top` points left above."""
    width, height = size
    figure = Figure(figsize=(width / 72.0, height / 72.0))
    figure.subplots_adjust(left=53.0 / width, right=1.0 - 28.0 / width, top=1.0 - top / height, bottom=42.0 / height)
    return figure, figure.subplots()


def array(values: Sequence[float | None]) -> Array:
    """Numbers with NaN for what JSON calls null."""
    return np.asarray(values, dtype=np.float64)


def unit_area(counts: Sequence[float | None], edges: Array) -> Array:
    """A histogram as a density; nothing stays nothing."""
    clean = np.nan_to_num(array(counts))
    return clean / np.diff(edges) / (clean.sum() or 1.0)


def peaks_left(density: Array) -> bool:
    """Whether a distribution peaks in the left half of its axis, so that the legend goes right."""
    return int(np.argmax(density)) < len(density) / 2


def plain(text: Any) -> str:
    """Text that matplotlib prints as it is: no mathematics between dollars, no control characters, no endless names."""
    clean = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in str(text))
    return (clean if len(clean) <= 44 else f"{clean[:43]}…").replace("$", r"\$")


def thinned(x: Array, p: Array) -> tuple[Array, Array]:
    """At most `MOST_POINTS` points of a curve, its minima among them; p-values below `SMALLEST`, 0 too, end there."""
    shown = np.isfinite(x) & np.isfinite(p)
    x, p = x[shown], np.clip(p[shown], SMALLEST, 1.0)
    step = math.ceil(len(x) / MOST_POINTS)
    if step <= 1:
        return x, p
    kept = [start + int(np.argmin(p[start : start + step])) for start in range(0, len(x), step)]
    return x[kept], p[kept]


def coarse(part: Part) -> Part:
    """The spectrum with neighbouring bins joined until no more than `MOST_BINS` are left."""
    edges = array(part["edges"])
    step = math.ceil((len(edges) - 1) / MOST_BINS)
    if step <= 1:
        return part
    starts = np.arange(0, len(edges) - 1, step)
    joined: dict[str, Any] = {"edges": np.append(edges[starts], edges[-1])}
    for name in ("counts", "background", "signal"):
        if part.get(name):
            joined[name] = np.add.reduceat(np.nan_to_num(array(part[name])), starts).tolist()
    if part.get("errors"):
        joined["errors"] = np.sqrt(np.add.reduceat(np.nan_to_num(array(part["errors"])) ** 2, starts)).tolist()
    if part.get("pulls"):  # a sum of n unit normals over sqrt(n) is one again
        sizes = np.diff(np.append(starts, len(edges) - 1))
        joined["pulls"] = (np.add.reduceat(np.nan_to_num(array(part["pulls"])), starts) / np.sqrt(sizes)).tolist()
    return joined


def log_axis(axes: Axes, low: float, high: float) -> None:
    """A logarithmic y axis of two decades or more, its ticks written with raised digits."""
    axes.set_yscale("log")
    axes.set_ylim(low, max(high, 100.0 * low))
    decades = math.log10(axes.get_ylim()[1] / low)
    axes.yaxis.set_major_locator(LogLocator(numticks=8))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: decade(value)))
    axes.yaxis.set_minor_locator(LogLocator(subs=range(2, 10), numticks=99) if decades < 5.0 else NullLocator())
    axes.yaxis.set_minor_formatter(NullFormatter())


def decade(value: float) -> str:
    exponent = round(math.log10(value))
    return {0: "1", 1: "10"}.get(exponent, f"10{superscript(exponent)}")
