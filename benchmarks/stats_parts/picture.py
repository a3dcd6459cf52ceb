"""The picture of the page: the p-values of the calibration."""

from pathlib import Path
from typing import Any

import numpy as np

from stats_parts.calibration import way
from stats_parts.cases import ORDERS

__all__ = ["draw"]


def draw(result: dict[str, Any], path: Path) -> None:
    """Histograms of p, a panel for each case, over what uniform p-values would give and its two standard deviations."""
    import matplotlib
    import mplhep
    from matplotlib.figure import Figure

    cases = list(dict.fromkeys(row["case"] for row in result["rows"]))
    with matplotlib.style.context(["default", {**mplhep.style.CMS, "font.size": 9, "font.family": "sans-serif"}]):
        figure = Figure(figsize=(8.5, 4.6), layout="constrained")
        panels = figure.subplots(2, len(cases), sharey="row", squeeze=False)
        for axes, case in zip(panels.T, cases, strict=True):
            rows = [row for row in result["rows"] if row["case"] == case]
            for panel, name, top in zip(axes, ("global", "local"), (1.0, 0.5), strict=True):
                histogram(panel, rows, name, top)
            axes[0].set_title(f"toys of {case}", fontsize=9)
            axes[0].set_xlabel("global p", fontsize=9)
            axes[1].set_xlabel("p at 3 TeV, below 0.5", fontsize=9)
        for axis in panels[:, 0]:
            axis.set_ylabel("found / uniform", fontsize=9)
        handles = legend(result["rows"])
        figure.legend(handles=handles, loc="outside upper center", ncols=len(handles), frameon=False, fontsize=9)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=110, metadata={"Software": None})


def style(row: dict[str, Any]) -> dict[str, Any]:
    """Colour by order, dashed with a spurious signal."""
    colour = "C2" if row["remedy"] == "envelope" else f"C{list(ORDERS).index(row['order'])}"
    return {"color": colour, "linestyle": "--" if row["remedy"] == "spurious" else "-", "linewidth": 1.0}


def legend(rows: list[dict[str, Any]]) -> list[Any]:
    """One line for each way to analyse."""
    from matplotlib.lines import Line2D

    ways = {way(row): row for row in rows}
    return [Line2D([], [], label=label, **style(row)) for label, row in ways.items()]


def histogram(panel: Any, rows: list[dict[str, Any]], name: str, top: float) -> None:
    """One panel: the ways to choose the order, with and without a spurious signal; the band is that of the first."""
    import mplhep

    for row in rows:
        counts = np.array(row[f"{name}_histogram"], dtype=float)
        uniform = row["n"] * top / len(counts)
        edges = np.linspace(0.0, top, len(counts) + 1)
        mplhep.histplot(counts / uniform, edges, ax=panel, yerr=False, **style(row))
    band = 2.0 / np.sqrt(rows[0]["n"] * top / len(rows[0][f"{name}_histogram"]))
    panel.axhspan(1.0 - band, 1.0 + band, color="0.9", zorder=0)
    panel.set(xlim=(0.0, top))
