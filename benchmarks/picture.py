"""The picture of the README, from a finished hunt in the embedded sample.

make hunt && .venv/bin/python benchmarks/picture.py runs/sample docs/_static/resonance.svg
"""

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib.style
import mplhep
import numpy as np
from matplotlib.figure import Figure


def panel(axes: Any, pulls: Any, spectrum: dict[str, Any], title: str, window: tuple[float, float]) -> None:
    edges, counts = np.array(spectrum["edges"]) / 1000, np.array(spectrum["counts"])
    used = edges[:-1] < 6.0
    centre, background = 0.5 * (edges[1:] + edges[:-1]), np.array(spectrum["background"])
    for pad in (axes, pulls):
        pad.axvspan(window[0] / 1000, window[1] / 1000, color="#f89c20", alpha=0.18, lw=0)
    axes.errorbar(centre[used], counts[used], np.sqrt(counts[used]), fmt="o", ms=3.5, lw=1, color="black", label="data")
    axes.stairs(background[used], edges[: used.sum() + 1], color="#3f6fd8", lw=1.8, label="background fit")
    axes.set_yscale("log")
    axes.set_ylim(0.4, 4 * counts.max())
    axes.set_title(title, fontsize=11)
    axes.legend(fontsize=10, loc="upper right")
    pulls.bar(centre[used], np.array(spectrum["pulls"])[used], np.diff(edges)[used], color="#3f6fd8", alpha=0.8)
    pulls.axhline(0, color="black", lw=0.8)
    pulls.set_ylim(-6.5, 6.5)
    pulls.set_xlabel("dijet mass [TeV]")
    axes.tick_params(labelbottom=False)


def main(folder: Path, target: Path) -> None:
    result, details = (json.loads((folder / name).read_text()) for name in ("result.json", "details.json"))
    best = result["windows"][result["best_window"]]
    found = details["windows"][result["best_window"]]["efficiencies"][0]
    window = (best["lo"], best["hi"])
    with matplotlib.style.context(["default", {**mplhep.style.CMS, "font.size": 11, "font.family": "sans-serif"}]):
        matplotlib.rcParams.update(
            {"font.sans-serif": ["DejaVu Sans"], "svg.hashsalt": "lamppost", "legend.frameon": False}
        )
        matplotlib.rcParams.update({"axes.labelsize": 12, "xtick.labelsize": 10, "ytick.labelsize": 10})
        figure = Figure(figsize=(10.5, 4.6), layout="constrained")
        pads = figure.subplots(2, 2, height_ratios=[3, 1], sharex="col")
        inclusive = f"all events: Z = {result['inclusive']['z_local']:.1f}"
        panel(pads[0, 0], pads[1, 0], details["inclusive"]["spectrum"], inclusive, window)
        kept = f"the {best['efficiency']:.0%} most anomalous: local Z = {best['z_local']:.1f}"
        panel(pads[0, 1], pads[1, 1], found["spectrum"], f"{kept}, global Z = {result['z_global']:.1f}", window)
        pads[0, 0].set_ylabel("events per bin")
        pads[1, 0].set_ylabel("pull")
        figure.savefig(target, metadata={"Date": None})


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
