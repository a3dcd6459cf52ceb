"""`reach`: the smallest number of injected events that the whole blind hunt finds with a median global Z of 3."""

import argparse
from typing import Any

from methods_parts.configs import comparison
from methods_parts.sections import markdown, wrapped

Json = dict[str, Any]

TITLE = "Reach"
METHODS = ("cwola", "cathode", "ranode", "combination")
EVENTS, DRAWS, SETS = (2000, 1400, 1000, 700, 500, 350, 250), 5, (4, 12)
WINDOWS = {"from": 3300, "to": 4900, "width": 400, "step": 400}


def run(name: str, options: argparse.Namespace) -> Json:
    """One run per feature set, on the wide tables."""
    from lamppost.api import reach

    found = {}
    for size in options.sets or SETS:
        config = comparison(
            options.out, options.methods or METHODS, {"closure": 0}, seed=options.seed, size=size, wide=True
        )
        numbers = list(options.injected or EVENTS)
        config["reach"] = {"events": numbers, "draws": options.draws or DRAWS, "windows": WINDOWS}
        result = reach(config, options.out / f"{name}_{size}", workers=options.workers, quiet=options.quiet)
        found[f"{size}"] = {name: result[name] for name in ("methods", "draw", "warnings")}
    return {"by_set": found}


def section(name: str, result: Json) -> str:
    """The text below the title."""
    text = (
        "The smallest number of injected events with a median global Z of 3 or more, and its 68 % interval. Every hunt "
        f"looks into the windows of {WINDOWS['width']} GeV from {WINDOWS['from']} to {WINDOWS['to']} GeV."
    )
    parts = [wrapped(text)]
    for size, found in result["by_set"].items():
        rows = [[method, *cells(one)] for method, one in found["methods"].items()]
        head = ["method", "events", "68 %", "S/B in the region", "S/√B", "median Z at each number", "CPU s of a hunt"]
        background = f"{found['draw']['background']:,} background events, {found['draw']['background_region']:,.0f}"
        parts += [f"{size} features; {background} of them in the region:", markdown(head, rows)]
        parts += [wrapped(f"WARNING: {warning}") for warning in found["warnings"]]
    return "\n\n".join(parts)


def cells(found: Json) -> list[str]:
    """One row."""
    low, high = found["interval"] or (None, None)
    bounds = [f"{bound:.0f}" if bound is not None else "outside" for bound in (low, high)]
    numbers = [f"{found[key]:.3g}" if found[key] is not None else "–" for key in ("s_over_b", "sigma")]
    points = ", ".join(f"{point['events']}: {point['median']:.1f}" for point in found["points"])
    reached = f"{found['reach']:.0f}" if found["reach"] is not None else found["bound"] or "–"
    return [reached, " to ".join(bounds) if found["interval"] else "–", *numbers, points, f"{found['cpu_s']:.0f}"]


def bars(name: str, result: Json) -> list[Any]:
    """None: a figure to know."""
    return []
