"""`autoencoder`: what the outlier scores cost, and how they rank signal they never saw."""

from argparse import Namespace
from typing import Any

import numpy as np

from lamppost import core
from learn_parts import classifiers, data, tables
from learn_parts.figures import auc, shown, sic_at
from learn_parts.isolate import Task, devices, forget_peak, measure, peak_mb, steady

EVENTS = 80_000
SIGNAL = 20_000


def kinds() -> list[str]:
    """The kinds of outlier score there are."""
    return classifiers.known(core.Outlier) if hasattr(core, "Outlier") else []


def one(spec: dict[str, Any], folder: str, seed: int, events: int) -> dict[str, Any]:
    """Trained on signal-region QCD alone, tested on other QCD there and on signal."""
    kinds()
    rng = np.random.default_rng([seed, 11])
    qcd, signal = data.shuffled(data.qcd(folder, data.REGION), rng), data.shuffled(data.signal(folder), rng)[:SIGNAL]
    training, background = qcd[:events], qcd[events:]
    before = forget_peak()
    fit = core.Outlier.parse(spec).fit
    score, cost = steady("fit", lambda: fit(training, np.random.default_rng([seed, 12])))
    values, scoring = steady("score", lambda: score(core.Events.concatenate([background, signal])))
    b, s = values[: len(background)], values[len(background) :]
    found = {"auc": auc(s, b), "sic": sic_at(b, s, 0.01), "n": [len(training), len(background), len(signal)]}
    return {**found, "fit": cost, "score": scoring, "peak_mb": peak_mb(), "before_mb": before}


def tasks(options: Namespace) -> list[Task]:
    there = devices()
    events = options.events or EVENTS
    return [
        Task(kind, f"seed{seed}", one, {"spec": spec, "folder": options.data, "seed": seed, "events": events}, device)
        for kind in kinds()
        for spec in [classifiers.spec(core.Outlier, kind)]
        for device in there
        for seed in options.seeds
    ]


def main(options: Namespace) -> None:
    """Measure, print, write."""
    found = measure(tasks(options), options.out / "autoencoder")
    rows = []
    for kind, device in dict.fromkeys((r["group"], r["device"]) for r in found):
        mine = [r for r in found if (r["group"], r["device"]) == (kind, device)]
        good, failed = [r for r in mine if "fit" in r], [r["error"][:60] for r in mine if "error" in r]
        clock = "cpu_s" if device == "CPU" else "wall_s"
        figures = [shown([r[name] for r in good], 3) for name in ("auc", "sic")]
        costs = [shown([r[what][clock] for r in good]) for what in ("fit", "score")]
        first = max((r["fit"].get("first_cpu_s", 0.0) for r in good), default=0.0)
        peak = max((r["peak_mb"] for r in good), default=0.0)
        rows.append([kind, device, *figures, *costs, f"{first:.1f}", f"{peak:.0f}", *failed[:1]][:8])
    columns = ["kind", "device", "AUC", "SIC at eps_B = 0.01", "fit, CPU s", "scoring, CPU s", "first call, CPU s more"]
    n = next((r["n"] for r in found if "n" in r), [0, 0, 0])
    text = f"Trained on {n[0]:,} QCD events in [3300, 3700) GeV, tested on {n[1]:,} others and {n[2]:,} signal events."
    table = tables.markdown([*columns, "peak MB"], rows or [["autoencoder", "", "absent", *[""] * 5]])
    tables.write("autoencoder", "Outlier scores", text, table, {"draws": found}, options.out)
