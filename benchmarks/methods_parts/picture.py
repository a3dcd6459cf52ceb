"""The picture of the page: SIC against the strength of the signal."""

from pathlib import Path
from typing import Any

from methods_parts.sections import AT, FIGURES

__all__ = ["draw"]


def draw(result: dict[str, Any], path: Path) -> None:
    """Medians and 68 % bands of `curve`."""
    import matplotlib
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.0, 4.5), layout="constrained")
    axes = figure.subplots()
    for name, method in result["by_set"]["4"]["methods"].items():
        found = {float(s): one[AT] for s, one in method["s_over_b"].items() if one[AT] is not None}
        if not found:
            continue
        strengths = [100 * s for s in found]
        median, low, high = zip(*found.values(), strict=True)
        line = axes.plot(strengths, median, marker="o", markersize=3, label=name)[0]
        axes.fill_between(strengths, low, high, color=line.get_color(), alpha=0.15, linewidth=0)
    axes.set(xlabel="S/B in the region [%]", ylabel=FIGURES[AT].replace("eps_B = 1e-3", r"$\epsilon_B = 10^{-3}$"))
    axes.axhline(1.0, color="grey", linewidth=0.8, linestyle=":")
    axes.legend(frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    with matplotlib.rc_context({"svg.hashsalt": "lamppost"}):  # the same figures make the same file
        figure.savefig(path, metadata={"Date": None})
