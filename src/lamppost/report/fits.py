"""The figures of a fit to a plain spectrum: the spectrum with its band, local p-values, limits."""

import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from lamppost.report.canvas import Part, array, coarse, frame, log_axis
from lamppost.report.drawing import studio
from lamppost.report.plots import BLUE, SIZE, Curve, p_values, spectrum
from lamppost.run.artefacts import write_file
from lamppost.stats import BackgroundFit, Limit

__all__ = ["write_figures"]

GREEN, YELLOW = "#6fbf73", "#f2d544"


def write_figures(
    folder: Path,
    part: Mapping[str, Part],
    fit: Part,
    background: BackgroundFit,
    limits: Sequence[Limit] = (),
    interval: Part | None = None,
) -> list[Path]:
    """Write spectrum, p-values and limits as PDF and PNG; returns the files.

    part: the spectrum and the scan as hunts store them; fit: the numbers of the result; interval: `lo` and `hi` of an
    excess to shade
    """
    made = []
    folder.mkdir(parents=True, exist_ok=True)
    with studio(None):
        for name, figure in figures(part, fit, background, limits, interval):
            for suffix, given in ((".pdf", {"metadata": {"CreationDate": None}}), (".png", {"dpi": 180})):
                drawn = io.BytesIO()
                figure.savefig(drawn, format=suffix[1:], **given)
                write_file(folder / f"{name}{suffix}", drawn.getvalue())
                made.append(folder / f"{name}{suffix}")
    return made


def figures(
    part: Mapping[str, Part], fit: Part, background: BackgroundFit, limits: Sequence[Limit], interval: Part | None
) -> Iterator[tuple[str, Figure]]:
    """Names and figures."""
    drawn = spectrum(part["spectrum"], mass="m", window=interval, fit=fit)
    banded(drawn, coarse(part["spectrum"]), background)
    yield "spectrum", drawn
    scan = part["scan"]
    text = f"m = {fit['best_mass']:.6g}, local Z = {fit['z_local']:.2f}"
    if fit["z_global"] is not None:
        text += f", global {fit['z_global']:.2f}"
    yield (
        "p_values",
        p_values([Curve("", scan["mass"], scan["p"])], mass="m", best=(fit["best_mass"], fit["p_local"], text)),
    )
    if limits:
        yield "limits", brazil(limits)


def banded(figure: Figure, part: Part, background: BackgroundFit) -> None:
    """Add one standard deviation of the background fit to its curve."""
    edges, expected = array(part["edges"]), array(part["background"])
    middles = 0.5 * (edges[1:] + edges[:-1])
    error = expected * background.band(middles) / background.density(middles)
    style: dict[str, Any] = {"fill": True, "color": BLUE, "alpha": 0.3, "lw": 0, "zorder": 1}
    figure.axes[0].stairs(expected + error, edges, baseline=np.maximum(expected - error, 1e-300), **style)


def brazil(limits: Sequence[Limit]) -> Figure:
    """Upper limits on the yield against the mass, observed and expected."""
    figure, axes = frame(SIZE)
    ordered = sorted(limits, key=lambda limit: limit.mass)
    mass = np.array([limit.mass for limit in ordered])
    bands = np.array([limit.expected for limit in ordered])
    observed = np.array([limit.observed for limit in ordered])
    marker = "o" if len(mass) < 30 else ""
    if len(mass) > 1:
        axes.fill_between(mass, bands[:, 0], bands[:, 4], color=YELLOW, lw=0, label="expected, 95 %")
        axes.fill_between(mass, bands[:, 1], bands[:, 3], color=GREEN, lw=0, label="expected, 68 %")
    else:
        middle = bands[:, 2]
        for low, high, colour, text in ((0, 4, YELLOW, "95 %"), (1, 3, GREEN, "68 %")):
            sides = np.abs([bands[:, low] - middle, bands[:, high] - middle])
            axes.errorbar(mass, middle, sides, color=colour, lw=9.0, ls="none", label=f"expected, {text}")
    axes.plot(mass, bands[:, 2], color="black", ls="--", lw=1.2, marker="_" if len(mass) == 1 else "", label="median")
    axes.plot(mass, observed, color="black", lw=1.5, marker=marker, ms=4.0, label="observed")
    everything = np.concatenate([bands.ravel(), observed])
    positive = everything[everything > 0.0]
    low, high = positive.min(), positive.max()
    log_axis(axes, 0.7 * low, high * (high / low) ** 0.25)
    axes.set_xlabel("m")
    axes.set_ylabel(f"upper limit at {100.0 * ordered[0].level:g} % CL [events]")
    axes.legend(loc="upper right", ncols=2, borderpad=0.2)
    return figure
