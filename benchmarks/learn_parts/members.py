"""`members`: what a member costs, alone and in a batch."""

from argparse import Namespace
from typing import Any

import numpy as np

from lamppost.core import Ratio
from learn_parts import classifiers, data, tables
from learn_parts.figures import shown
from learn_parts.isolate import Task, devices, forget_peak, measure, peak_mb, steady

BATCHES = (1, 4, 16, 64)
EVENTS = 40_000


def one(spec: dict[str, Any], seed: int, events: int) -> dict[str, Any]:
    """Costs of one fit of two normal samples of four features, sized like those of `ratio`.

    A cost does not depend on what the events say; so no table has to travel to a machine with a GPU.
    """
    rng = np.random.default_rng(seed)
    p, q = (data.plain(rng.normal(shift, 1.0, size=(events, 4))) for shift in (0.1, 0.0))
    before = forget_peak()
    _, fit = steady("fit", lambda: classifiers.lamppost_ratio(spec, p, q, seed))
    return {"members": spec["members"], "fit": fit, "peak_mb": peak_mb(), "before_mb": before}


def tasks(options: Namespace) -> list[Task]:
    known, there, found = classifiers.ratios(), devices(), []
    for kind in (kind for kind in classifiers.OURS if kind in known):
        for device in there if kind == "network" else ["CPU"]:
            for members in BATCHES:
                spec = {**classifiers.spec(Ratio, kind), "members": members}
                for seed in options.seeds:
                    settings = {"spec": spec, "seed": seed, "events": options.events or EVENTS}
                    found.append(Task(f"{kind} {members}", f"seed{seed}", one, settings, device))
    return found


def main(options: Namespace) -> None:
    """Measure, print, write."""
    found = measure(tasks(options), options.out / "members")
    rows = []
    for kind in classifiers.OURS:
        for device in ("CPU", "GPU") if kind == "network" else ("CPU",):
            cells = []
            for members in BATCHES:
                mine = [r for r in found if r["group"] == f"{kind} {members}" and r["device"] == device]
                clock = "cpu_s" if device == "CPU" else "wall_s"
                good = [r for r in mine if "fit" in r]
                first = max((r["fit"].get("first_cpu_s", 0.0) for r in good), default=0.0)
                each = shown([r["fit"][clock] / members for r in good], 3)
                cells += [each or "not measured", f"{first:.1f}" if good else ""]
            rows.append([kind, device, *cells])
    columns = ["engine", "device", *(c for k in BATCHES for c in (f"{k}: s per member", "first call more"))]
    text = (
        f"Two samples of {options.events or EVENTS:,} events with four features; seconds per member in a fit of so "
        "many, CPU seconds on the CPU, wall seconds on the GPU."
    )
    table = tables.markdown(columns, rows)
    tables.write("members", "Cost per member", text, table, {"draws": found}, options.out)
