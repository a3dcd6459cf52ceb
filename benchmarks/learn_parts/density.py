"""`density`: held-out likelihood and costs of every density on the sidebands, next to zuko's flows."""

from argparse import Namespace
from collections.abc import Callable
from typing import Any

import numpy as np

from lamppost.core import Array, Density, Events
from learn_parts import classifiers, data, tables, zuko_flows
from learn_parts.figures import shown
from learn_parts.isolate import Task, devices, forget_peak, measure, peak_mb, steady

SIDEBANDS = ((2500.0, 3300.0), (3700.0, 5000.0))
EVENTS = 450_000
HELD_OUT = 0.1
SAMPLES, EVALUATIONS = 400_000, 1_000_000
Clock = Callable[[str, Callable[[], Any]], tuple[Any, dict[str, float]]]
LENGTHS = ("steps", "epochs")
"""Names a spec may have for the length of its training."""
SHARES = (1.0, 0.5, 0.25)


def split(folder: str, seed: int, events: int) -> tuple[Events, Events]:
    """Sideband events: nine tenths for training, one held out."""
    whole = data.shuffled(data.qcd(folder, *SIDEBANDS), np.random.default_rng([seed, 8]))[:events]
    held_out = int(HELD_OUT * len(whole))
    return whole[held_out:], whole[:held_out]


def likelihood(log_prob: Array) -> dict[str, float]:
    """Mean log likelihood per event and its statistical error; events without density are counted, not hidden."""
    finite = np.isfinite(log_prob)
    error = log_prob[finite].std() / np.sqrt(max(finite.sum(), 1))
    return {
        "log_likelihood": float(log_prob[finite].mean()),
        "error": float(error),
        "not_finite": int((~finite).sum()),
    }


def speed(
    sample: Callable[[Array], Any], log_prob: Callable[[Events], Array], training: Events, clock: Clock = steady
) -> dict[str, dict[str, float]]:
    """Costs of 400,000 samples and of 1,000,000 log densities; training events are repeated to make up the number."""
    m = np.resize(training.m, SAMPLES)
    many = training[np.resize(np.arange(len(training)), EVALUATIONS)]
    return {
        "sample": clock("sample", lambda: sample(m))[1],
        "log_prob": clock("log_prob", lambda: log_prob(many))[1],
    }


def length(spec: dict[str, Any]) -> str | None:
    """The field of a spec that says how long it trains."""
    return next((name for name in LENGTHS if name in spec), None)


def one(spec: dict[str, Any], share: float, folder: str, seed: int, events: int) -> dict[str, Any]:
    """A density of lamppost, trained for a share of its default length."""
    classifiers.known(Density)
    training, held_out = split(folder, seed, events)
    before = forget_peak()
    fit = Density.parse(spec).fit
    fitted, cost = steady(f"fit {share}", lambda: fit(training, np.random.default_rng([seed, 9])))
    result = {"fit": cost, "share": share, "n": [len(training), len(held_out)]}
    result |= likelihood(fitted.log_prob(held_out))
    if share == 1:
        result |= speed(lambda m: fitted.sample(m, np.random.default_rng([seed, 10])), fitted.log_prob, training)
    return {**result, "peak_mb": peak_mb(), "before_mb": before}


def tasks(options: Namespace) -> list[Task]:
    found, there = [], devices()
    for seed in options.seeds:
        common = {"folder": options.data, "seed": seed, "events": options.events or EVENTS}
        for flow in ("NSF", "MAF"):
            for scale in zuko_flows.SCALES if flow == "NSF" else zuko_flows.SCALES[-1:]:
                for batch in zuko_flows.BATCHES:
                    settings = {"flow": flow, "scale": scale, "batch": batch, "budget": options.budget, **common}
                    group, ours = f"zuko {flow} {scale} {batch}", scale == "lamppost"
                    found.append(Task(group, f"seed{seed}", zuko_flows.one, settings, ours=ours))
        for kind in classifiers.densities():
            spec = classifiers.spec(Density, kind)
            field = length(spec)
            for device in there:
                for share in SHARES if field else SHARES[:1]:
                    shorter = {**spec, field: type(spec[field])(share * spec[field])} if field else spec
                    settings = {"spec": shorter, "share": share, **common}
                    found.append(Task(kind, f"{share:g}-seed{seed}", one, settings, device))
    return found


def best(found: list[dict[str, Any]], flow: str) -> float | None:
    """The highest held-out likelihood of this flow of zuko."""
    values = [r["log_likelihood"] for r in found if r["group"].startswith(f"zuko {flow}")]
    return max(values, default=None)


def reached(found: list[dict[str, Any]], group: str, device: str, target: float | None) -> str:
    """CPU seconds of the shortest training of this kind that is at least as likely as `target`."""
    clock = "cpu_s" if device == "CPU" else "wall_s"
    mine = [r for r in found if (r["group"], r["device"]) == (group, device)]
    enough = [r["fit"][clock] for r in mine if target is not None and r["log_likelihood"] >= target]
    return f"{min(enough):.1f}" if enough else "not reached"


def row(r: dict[str, Any], found: list[dict[str, Any]], target: float | None) -> list[str]:
    """One line of the table."""
    ours = not r["group"].startswith("zuko")
    clock = "cpu_s" if r["device"] == "CPU" else "wall_s"
    costs = [shown([r[what][clock]]) if what in r else "" for what in ("sample", "log_prob")]
    first = [r[what].get("first_cpu_s", 0.0) for what in ("fit", "sample", "log_prob") if what in r]
    return [
        f"`{r['group']}`, {r['share']:g} of its length" if ours else r["group"],
        r["device"],
        f"{r['log_likelihood']:.4f} ± {r['error']:.4f}" + (f" ({r['not_finite']} lost)" if r["not_finite"] else ""),
        f"{r['fit'][clock]:.1f}",
        reached(found, r["group"], r["device"], target) if ours and r["share"] == 1 else "",
        *costs,
        f"{sum(first):.1f}",
        f"{r['peak_mb']:.0f} ({r['before_mb']:.0f})",
    ]


COLUMNS = (
    "density", "device", "held-out log likelihood", "fit, CPU s", "reaches zuko's best NSF after, CPU s",
    "400k samples, CPU s", "1M log densities, CPU s", "first calls, CPU s more", "peak MB (before fit)",
)  # fmt: skip


def main(options: Namespace) -> None:
    """Measure, print, write."""
    found = measure(tasks(options), options.out / "density")
    good, failed = [r for r in found if "fit" in r], [r for r in found if "fit" not in r]
    target = best(good, "NSF")
    rows = [row(r, good, target) for r in good]
    rows += [[r["group"], r["device"], r["error"][:60], *[""] * 6] for r in failed]
    if all(r["group"].startswith("zuko") for r in found):
        rows.append(["densities of lamppost", "CPU", "absent", *[""] * 6])
    n = next((r["n"] for r in good), [0, 0])
    text = (
        f"{n[0]:,} QCD events in [2500, 3300) and [3700, 5000) GeV, {n[1]:,} held out: mean log p(x given m) per "
        f"event in the units of the four features (GeV for masses). zuko's flows train for {options.budget:g} CPU "
        "seconds with Adam, 1e-3 down a cosine, with the scalings and batch sizes named; the best is what others are "
        "compared with. `lamppost` as a scaling is the preprocessing of lamppost's own densities."
    )
    table = tables.markdown(COLUMNS, rows)
    summary = {"best_nsf": target, "best_maf": best(good, "MAF")}
    tables.write("density", "Conditional densities", text, table, {"summary": summary, "draws": found}, options.out)
