"""`reach`: the smallest number of injected events that the whole blind hunt finds with a median global Z of 3."""

import argparse
from collections.abc import Sequence
from typing import Any

from methods_parts.configs import WINDOW, comparison
from methods_parts.sections import markdown, wrapped

Json = dict[str, Any]

TITLE = "Reach in one window, placed on the signal"
METHODS = ("cwola", "cathode", "ranode", "combination")
EVENTS, DRAWS, SETS = (500, 350, 250, 175, 125, 90), 3, (4, 12)
ALL_EVENTS = (5600, 4000, 2800, 2000, 1400, 1000)
"""Numbers for the inclusive fit, which sees nothing of those."""


def run(name: str, options: argparse.Namespace) -> Json:
    """One run per feature set, on the wide tables, after one for the inclusive fit alone."""
    inclusive = hunts(f"{name}_inclusive", options, ("random",), 4, ALL_EVENTS)["methods"]["inclusive"]
    found = {}
    for size in options.sets or SETS:
        methods = options.methods or METHODS
        result = hunts(f"{name}_{size}", options, methods, size, options.injected or EVENTS)
        result["methods"]["inclusive"] = inclusive
        found[f"{size}"] = {what: result[what] for what in ("methods", "draw", "warnings")}
    return {"by_set": found}


def hunts(name: str, options: argparse.Namespace, methods: Sequence[str], size: int, events: Sequence[int]) -> Json:
    """The reach of these methods, from these numbers of events."""
    from lamppost.api import reach

    config = comparison(options.out, methods, {"closure": 0}, seed=options.seed, size=size, wide=True)
    config["reach"] = {"events": list(events), "draws": options.draws or DRAWS}
    return reach(config, options.out / name, workers=options.workers, quiet=options.quiet)


def section(name: str, result: Json) -> str:
    """The text below the title."""
    text = (
        "The smallest number of injected events with a median global Z of 3 or more, and its 68 % interval. Every hunt "
        f"looks into the window from {WINDOW[0]:g} to {WINDOW[1]:g} GeV, whose global p counts all masses in it: one "
        "window, placed on the signal. What a scan pays for looking elsewhere is not in it (4 windows cost about "
        "0.45 sigma at Z = 3). A hunt that makes no claim, since the features determine m, has Z = 0."
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
    return [
        reached,
        " to ".join(bounds) if any(found["interval"] or ()) else "–",
        *numbers,
        points,
        f"{found['cpu_s']:.0f}",
    ]


def bars(name: str, result: Json) -> list[Any]:
    """None: a figure to know."""
    return []
