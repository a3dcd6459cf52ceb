"""`ratio`: the idealised detector. Signal-region QCD in halves, signal injected into one, every engine on one draw."""

from argparse import Namespace
from dataclasses import dataclass
from typing import Any

import numpy as np

from lamppost.core import Events, Ratio
from learn_parts import classifiers, data, tables
from learn_parts.figures import FLOOR, band, shown, sic_at, sic_max
from learn_parts.isolate import Task, devices, forget_peak, measure, peak_mb, steady

EPS_B = 1e-3
S_OVER_B = 0.0064
TEST = 0.3
SIGNAL_TEST = 20_000


@dataclass(frozen=True)
class Draw:
    """p = background and signal, q = background, and events that no model saw."""

    p: Events
    q: Events
    background: Events
    signal: Events
    injected: int


def like(folder: str, seed: int, events: int | None) -> Draw:
    """A draw from the simulated tables: 30 % of the QCD and the unused signal test."""
    rng = np.random.default_rng(seed)
    qcd = data.shuffled(data.qcd(folder, data.REGION), rng)[:events]
    signal = data.shuffled(data.signal(folder), rng)
    test = int(TEST * len(qcd))
    half = (len(qcd) - test) // 2
    injected = round(S_OVER_B * half)
    p = Events.concatenate([qcd[test : test + half], signal[:injected]])
    return Draw(p, qcd[test + half :], qcd[:test], signal[injected : injected + SIGNAL_TEST], injected)


def real(folder: str, seed: int, events: int | None) -> Draw:
    """A draw from the LHC Olympics signal region: `train` in halves with its own S/B, `val` and more signal test."""
    rng = np.random.default_rng(seed)
    (qcd, signal), (background, tested) = (data.real(folder, part) for part in ("train", "val"))
    s_over_b = len(signal) / len(qcd)
    qcd, signal = data.shuffled(qcd, rng)[:events], data.shuffled(signal, rng)
    half = len(qcd) // 2
    injected = round(s_over_b * half)
    p = Events.concatenate([qcd[:half], signal[:injected]])
    tested = Events.concatenate([tested, data.real(folder, "extrasig_train")[1]])
    return Draw(p, qcd[half:], background, tested, injected)


def one(engine: str, spec: Any, folder: str, seed: int, noise: int, source: str, events: int | None) -> dict[str, Any]:
    """SIC and costs of one engine on one draw."""
    draw = (real if source == "real" else like)(folder, seed, events)
    rng = np.random.default_rng([seed, 2])
    p, q, background, signal = (data.with_noise(e, noise, rng) for e in (draw.p, draw.q, draw.background, draw.signal))
    tested = Events.concatenate([background, signal])
    before = forget_peak()
    score, fit = steady("fit", lambda: classifiers.fitted(engine, spec, p, q, seed))
    values, scoring = steady("score", lambda: score(tested))
    b, s = values[: len(background)], values[len(background) :]
    highest, where = sic_max(b, s)
    return {
        "seed": seed,
        "sic": sic_at(b, s, EPS_B),
        "sic_max": highest,
        "eps_b_of_max": where,
        "fit": fit,
        "score": scoring,
        "peak_mb": peak_mb(),
        "before_mb": before,
        "n": {"p": len(p), "q": len(q), "injected": draw.injected, "test": [len(background), len(signal)]},
    }


def tasks(options: Namespace) -> list[Task]:
    """Every engine on the same draws; a GPU where there is one and the engine can use it."""
    there = devices()
    known = classifiers.ratios()
    found = []
    for engine in [*(kind for kind in classifiers.OURS if kind in known), *classifiers.PLAIN]:
        spec = classifiers.spec(Ratio, engine) if engine in known else None
        for device in there if engine == "network" else ["CPU"]:
            for seed in options.seeds:
                common = {"folder": options.data, "seed": seed, "noise": options.noise, "events": options.events}
                settings = {"engine": engine, "spec": spec, "source": options.source, **common}
                found.append(Task(engine, f"seed{seed}", one, settings, device, ours=spec is not None))
    return found


def row(engine: str, device: str, found: list[dict[str, Any]], reference: dict[int, dict[str, Any]]) -> list[str]:
    """One line of the table; `reference` holds the draws of `boosted` by seed."""
    failed = [r["error"] for r in found if "error" in r]
    if failed or not found:
        return [engine, device, failed[0][:60] if failed else "absent", *[""] * 8]
    pairs = [(r, reference[r["seed"]]) for r in found if r["seed"] in reference]
    both = [[r[name] / b[name] for r, b in pairs if b[name] > 0] for name in ("sic", "sic_max")]
    clock = "cpu_s" if device == "CPU" else "wall_s"
    return [
        engine,
        device,
        shown([r["sic"] for r in found]),
        shown([r["sic_max"] for r in found]),
        *(shown(ratios) for ratios in both),
        f"{sum(value > 1 for value in both[0])} of {len(both[0])}",
        *(shown([r[what][clock] for r in found]) for what in ("fit", "score")),
        f"{max(r['fit'].get('first_cpu_s', 0.0) for r in found):.1f}",
        f"{max(r['peak_mb'] for r in found):.0f} ({found[0]['before_mb']:.0f})",
    ]


COLUMNS = (
    "engine", "device", "SIC at eps_B = 0.001", "max SIC", "SIC / boosted", "max SIC / boosted", "above boosted",
    "fit, CPU s", "scoring, CPU s", "first call, CPU s more", "peak MB (before fit)",
)  # fmt: skip


def main(options: Namespace) -> None:
    """Measure, print, write."""
    source = "real" if options.real else "like"
    options.source = source
    name = "-".join(["ratio", source, *([f"noise{options.noise}"] if options.noise else [])])
    found = measure(tasks(options), options.out / name)
    reference = {r["seed"]: r for r in found if r["group"] == "boosted" and "error" not in r}
    engines = dict.fromkeys([*((e, "CPU") for e in classifiers.OURS), *((r["group"], r["device"]) for r in found)])
    rows = [
        row(e, d, [r for r in found if (r["group"], r["device"]) == (e, d)], reference)
        for e, d in sorted(engines, key=lambda pair: (pair[0] not in classifiers.OURS, pair[0]))
    ]
    if not any(device == "GPU" for _, device in engines):
        rows.append(["network", "GPU", "not measured", *[""] * 8])
    n = next((r["n"] for r in found if "n" in r), None)
    table = tables.markdown(COLUMNS, rows)
    summary: dict[str, Any] = {}
    for e, d in dict.fromkeys((r["group"], r["device"]) for r in found if "error" not in r):
        mine = [r for r in found if (r["group"], r["device"]) == (e, d) and "error" not in r]
        summary[f"{e} {d}"] = {key: band([r[key] for r in mine]) for key in ("sic", "sic_max")}
    title = f"Idealised detector, {'LHC Olympics' if options.real else 'simulated tables'}"
    title += f", {options.noise} noise features added" if options.noise else ""
    tables.write(name, title, _what(n, options), table, {"summary": summary, "draws": found, "sizes": n}, options.out)


def _what(n: dict[str, Any] | None, options: Namespace) -> str:
    if n is None:
        return "Nothing was measured."
    background, signal = n["test"]
    return (
        f"{len(options.seeds)} paired draws, seeds {min(options.seeds)} to {max(options.seeds)}. p: {n['p']:,} events, "
        f"{n['injected']} of them signal; q: {n['q']:,}; tested on {background:,} QCD and {signal:,} signal events "
        f"that no model saw. eps_B = 0.001 is {EPS_B * background:.0f} of them, the 20 % floor of {FLOOR} is at "
        f"eps_B = {FLOOR / background:.2g}."
    )
