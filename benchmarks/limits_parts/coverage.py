"""`coverage`: are signals at the quoted limit and above it excluded too often, do limits spread as the bands say?"""

from argparse import Namespace
from collections.abc import Iterable
from concurrent.futures import as_completed
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import binomtest, ks_2samp

from hunts import FEATURES
from lamppost.config import Search, parse
from lamppost.errors import FitError
from lamppost.run import process_pool
from lamppost.run.artefacts import Store
from lamppost.run.limits.expected import null_of
from lamppost.run.limits.experiment import pseudo_limits
from lamppost.run.limits.limits import run_limits
from lamppost.run.planned import Planned, plan_samples
from lamppost.run.samples import Samples
from learn_parts.tables import markdown
from limits_parts.samples import FIT, background, signal
from stats_parts.bars import Bar, at_least
from stats_parts.kept import kept

__all__ = ["TITLE", "bars", "run", "section"]

Json = dict[str, Any]

TITLE = "Coverage, and the spread of limits"
EVENTS, SIGNAL, METHOD = 20_000, 15_000, "cwola"
STRENGTHS = {1: 1.0, 2: 1 / 3, 3: 1 / 3}
"""Multiples of the quoted limit that are injected, and the part of the experiments that each of them has."""
MORE = 160
"""Sets of pseudo-data of a second band, ten times the default: what of a difference is due to their number?"""
LEVELS = {"-2 sigma": 0.0228, "-1 sigma": 0.1587, "median": 0.5, "+1 sigma": 0.8413, "+2 sigma": 0.9772}


def search(options: Namespace) -> Search:
    """A small configuration: a window, three folds, two trees' ensembles in each."""
    data = background(
        options.data, options.events or EVENTS, options.out / f"background_{options.events or EVENTS}.parquet"
    )
    sample = signal(options.data, SIGNAL, options.out / f"signal_{SIGNAL}.parquet")
    return parse(
        {
            "seed": options.seed,
            "data": {"path": str(data.resolve()), "mass": "mjj", "features": FEATURES},
            "scan": {"windows": [[3300, 3700]], "sidebands": 400, "folds": 3},
            "method": {"kind": METHOD, "ratio": {"kind": "boosted", "members": 2}},
            "fit": FIT,
            "samples": {"signals": {"wprime": str(sample.resolve())}},
            "limits": {"signals": {"wprime": {"mass": 3500.0}}},
        }
    )


def run(options: Namespace) -> Json:
    """The quoted limits, then pseudo-experiments without signal, and with it at multiples of the limit quoted."""
    found = search(options)
    folder = options.out / f"coverage_{options.events or EVENTS}_{options.seed}"
    result = run_limits(found, folder, workers=options.workers)
    more = found.limits.model_copy(update={"pseudo_data": MORE})
    again = run_limits(found.model_copy(update={"limits": more}), folder, workers=options.workers)
    rows, rows_again = by_selection(result), by_selection(again)
    injected = {str(times): round(times * rows[METHOD]["observed"]) for times in STRENGTHS}
    numbers = {"none": options.experiments}
    numbers |= {str(times): ceil(part * options.experiments) for times, part in STRENGTHS.items()}
    jobs = [(name, i) for i in range(options.experiments) for name, n in numbers.items() if i < n]
    made: dict[str, list[Json]] = {name: [] for name in numbers}
    with process_pool(options.workers) as pool:
        waiting = {pool.submit(experiment, folder, found, injected.get(name, 0), i): (name, i) for name, i in jobs}
        for count, job in enumerate(as_completed(waiting), 1):
            name, number = waiting[job]
            made[name].append({"number": number, **job.result()})
            if count % 20 == 0:
                print(f"{count} of {len(jobs)}", flush=True)
    return {
        "events": options.events or EVENTS,
        "quoted": rows,
        "more": {METHOD: rows_again[METHOD]},
        "quoted_cpu_s": {one["stage"]: one["cpu_s"] for one in result["timing"]},
        "injected": injected,
        "experiments": {name: sorted(each, key=lambda one: one["number"]) for name, each in made.items()},
        "cpu_s": sum(one["cpu_s"] for each in made.values() for one in each),
    }


def by_selection(result: Json) -> dict[str, Json]:
    """What is kept of the limits that are quoted."""
    keep = ("observed", "expected", "expected_method", "pseudo", "at", "sets")
    return {row["selection"]: {key: row[key] for key in keep} for row in result["signals"]["wprime"]["rows"]}


def experiment(folder: Path, found: Search, injected: int, number: int) -> Json:
    """The limits of one pseudo-experiment, or why it failed; kept."""

    def work() -> Json:
        samples = read(found)
        store, key = Store(folder / "artefacts"), f"benchmark-{injected}-{number}.json"
        pool = dict(samples.signals)["wprime"] if injected else None
        arguments = {"search": found, "samples": samples, "null": null_of(found, samples), "number": number}
        try:
            pseudo_limits(store, key, **arguments, signal=pool, injected=injected)
        except FitError as error:
            return {"failed": str(error)}
        limits = store.read_json(key)["limits"]["wprime"]
        store.path(key).unlink()
        return {"limits": {label.split(",")[0]: limit for label, limit in limits.items()}}

    return kept(folder, f"{injected}-{number}", work)


def read(found: Search) -> Samples:
    """The artefacts of the samples, which the run that quoted limits has read."""
    return plan_samples(Planned(), found)[0]


def limits(stored: Json, sort: str, name: str) -> Any:
    """The limits of a selection, infinite where nothing was excluded; without experiments that failed."""
    return values(one["limits"][name] for one in stored["experiments"][sort] if "failed" not in one)


def values(found: Iterable[float | None]) -> Any:
    """Limits (n,), infinite where nothing is excluded."""
    return np.array([np.inf if one is None else one for one in found])


def excluded(stored: Json, sort: str) -> tuple[int, int, int]:
    """In how many experiments the injected signal is excluded, in how many they failed, of how many."""
    n, found = len(stored["experiments"][sort]), limits(stored, sort, METHOD)
    return int(np.sum(found < stored["injected"][sort])), n - len(found), n


def share(n: int, of: int) -> str:
    """A share with its 95 % interval."""
    if of == 0:
        return "–"
    low, high = binomtest(n, of).proportion_ci(0.95, method="exact")
    return f"{n / of:.3f} [{low:.3f}, {high:.3f}]"


def section(stored: Json) -> str:
    """Text and tables."""
    cost = stored["cpu_s"] / max(sum(map(len, stored["experiments"].values())), 1)
    method = stored["quoted"][METHOD]["expected_method"]
    text = (
        f"Pseudo-experiments of {stored['events']:,} events, each a whole `lamppost limits`: injections looked for, "
        f"all trainings anew, 3 folds, 2 members, else the shipped defaults; {cost:.1f} CPU seconds each. The limits "
        f"quoted, and their bands from {method}, are those of the background sample that the pseudo-data are drawn "
        "after. Limits of a method lie on a grid of strengths wherever they are the injection itself. Intervals: 95 %."
    )
    rows = []
    for times, k in stored["injected"].items():
        often, failed, n = excluded(stored, times)
        median = number(np.median(limits(stored, times, METHOD))) if n > failed else "–"
        rows.append([METHOD, f"{times} × limit", k, n, failed, share(often, n - failed), median])
    head = ["selection", "signal", "events injected", "n", "failed", "excluded", "median limit"]
    covered, spread = markdown(head, rows), []
    bands = [(name, name, quoted) for name, quoted in stored["quoted"].items()]
    bands += [(f"{name}, {MORE} sets", name, quoted) for name, quoted in stored["more"].items()]
    for label, name, quoted in bands:
        found, expected = limits(stored, "none", name), quoted["expected"]
        below = ["–" if q is None else share(int(np.sum(found <= q)), len(found)) for q in expected]
        failed = len(stored["experiments"]["none"]) - len(found)
        middle = [number(np.median(found)) if len(found) else "–", number(expected[2])]
        spread.append([label, len(found) + failed, failed, *middle, *below, f"{ks(found, quoted):.2g}"])
    head = [f"below {level} ({100 * nominal:.1f} %)" for level, nominal in LEVELS.items()]
    without = (
        "Without signal: the limits of the pseudo-experiments against the expected band; in the last row against one "
        f"from {MORE} sets of pseudo-data, which no requirement is about."
    )
    table = markdown(["selection", "n", "failed", "median", "expected median", *head, "KS p"], spread)
    return "\n\n".join([text, covered, without, table])


def number(value: float | None) -> str:
    """A limit, a dash where nothing is excluded."""
    return "–" if value is None or not np.isfinite(value) else f"{value:.0f}"


def ks(found: Any, quoted: Json) -> float:
    """Of the limits without signal and those of the pseudo-spectra being drawn alike; 0 if there are none."""
    expected = values(quoted["pseudo"])
    return float(ks_2samp(found, expected).pvalue) if len(found) and len(expected) else 0.0


def bars(stored: Json) -> list[Bar]:
    """Exclusions as rare as 5 % allows, those that failed counted as such, and the spread of the bands."""
    made = []
    for times in stored["injected"]:
        often, failed, n = excluded(stored, times)
        met = n == 0 or binomtest(often + failed, n).proportion_ci(0.95, method="exact").low <= 0.05
        found = share(often + failed, n) + (f", {failed} of them failed" if failed else "")
        made.append(Bar(f"{METHOD}: the signal at {times} × the limit is excluded", found, "5 % allowed", met))
    for name, quoted in stored["quoted"].items():
        found, (_, low, _, high, _) = limits(stored, "none", name), values(quoted["expected"])
        n, inside = len(found), int(np.sum((found >= low) & (found <= high)))
        # limits are often an injection, and these lie on a grid: with its ends the band holds more than 68 %
        pseudo = values(quoted["pseudo"])
        held = float(np.mean((pseudo >= low) & (pseudo <= high))) if len(pseudo) else 0.0
        met = False
        if n:
            ends = binomtest(inside, n).proportion_ci(0.95, method="exact")
            met = bool(ends.low <= held <= ends.high)
        band = Bar(f"{name}: within the 68 % band", share(inside, n), f"{100 * held:.1f} % of pseudo-spectra", met)
        made += [at_least(f"{name}: spread without signal as expected, KS p", ks(found, quoted), 0.01), band]
    return made
