"""The picture of the page: how the global p-values of hunts without signal are spread."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import binom

__all__ = ["draw"]


def draw(found: Mapping[str, dict[str, Any]], path: Path) -> None:
    """Histograms of p, a panel for each part, over what 95 % of uniform ones would do; the random score beside them."""
    import matplotlib
    import mplhep
    from matplotlib.figure import Figure

    with matplotlib.style.context(["default", {**mplhep.style.CMS, "font.size": 9, "font.family": "sans-serif"}]):
        figure = Figure(figsize=(8.5, 3.2), layout="constrained")
        panels = figure.subplots(1, len(found), squeeze=False)[0]
        for axes, (name, one) in zip(panels, found.items(), strict=True):
            null = one["null"]
            top = 0.5 if len(one["windows"]) == 1 else 1.0  # of a single window p is 1 where nothing is in excess
            histogram(axes, null["global"]["values"], null["random score"]["values"], top)
            ks, n = null["global"]["ks"], null["global"]["n"]
            axes.set_title(f"{name}, {n} hunts without signal, KS p = {ks:.2g}", fontsize=9)
            axes.set_xlabel("global p" if top == 1.0 else f"global p below {top:g}", fontsize=9)
        panels[0].set_ylabel("found / uniform", fontsize=9)
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=3, frameon=False, fontsize=9)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=110, metadata={"Software": None})


def histogram(axes: Any, values: Sequence[float], control: Sequence[float], top: float) -> None:
    """One panel up to p = `top`: bins of 5 %, wider ones if there are few p-values."""
    width, n = (0.05 if len(values) >= 200 else 0.1), len(values)
    edges = np.linspace(0.0, top, round(top / width) + 1)
    low, high = (binom.ppf(q, n, width) / (n * width) for q in (0.025, 0.975))
    axes.axhspan(low, high, color="0.9", zorder=0, label="95 % of uniform p-values")
    axes.axhline(1.0, color="0.6", lw=0.8, zorder=1)
    for p, label, style in (
        (control, "random score", {"color": "0.4", "lw": 1.0, "ls": "--"}),
        (values, "hunt", {"color": "C0", "lw": 1.6}),
    ):
        axes.stairs(np.histogram(p, edges)[0] / (len(p) * width), edges, label=label, **style)
    axes.set(xlim=(0.0, top))
    axes.set_ylim(bottom=0.0)
