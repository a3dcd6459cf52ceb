"""`coverage`: is a signal at the quoted limit excluded too often, and do limits spread as the bands say?"""

from argparse import Namespace
from concurrent.futures import as_completed
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import binomtest, ks_2samp

from hunts import FEATURES
from lamppost.config import Search, parse
from lamppost.run import process_pool
from lamppost.run.artefacts import Store
from lamppost.run.limits.experiment import pseudo_limits
from lamppost.run.limits.limits import null_of, run_limits
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
    """The quoted limits first, then pseudo-experiments without signal, and with it at the limit of the method."""
    found = search(options)
    folder = options.out / f"coverage_{options.events or EVENTS}_{options.seed}"
    quoted = run_limits(found, folder, workers=options.workers)["signals"]["wprime"]["rows"]
    rows = {row["selection"]: row for row in quoted}
    strengths = {"none": 0, METHOD: round(rows[METHOD]["observed"])}
    jobs = [(name, k, number) for number in range(options.experiments) for name, k in strengths.items()]
    made: dict[str, list[Json]] = {name: [] for name in strengths}
    with process_pool(options.workers) as pool:
        waiting = {pool.submit(experiment, folder, found, k, number): (name, number) for name, k, number in jobs}
        for count, job in enumerate(as_completed(waiting), 1):
            name, number = waiting[job]
            made[name].append({"number": number, **job.result()})
            if count % 20 == 0:
                print(f"{count} of {len(jobs)}", flush=True)
    keep = ("observed", "expected", "pseudo")
    return {
        "events": options.events or EVENTS,
        "quoted": {name: {key: row[key] for key in keep} for name, row in rows.items()},
        "injected": strengths[METHOD],
        "experiments": {name: sorted(each, key=lambda one: one["number"]) for name, each in made.items()},
        "cpu_s": sum(one["cpu_s"] for each in made.values() for one in each),
    }


def experiment(folder: Path, found: Search, injected: int, number: int) -> Json:
    """The limits of one pseudo-experiment; kept."""

    def work() -> Json:
        samples = read(found)
        store, key = Store(folder / "artefacts"), f"benchmark-{injected}-{number}.json"
        pool = dict(samples.signals)["wprime"] if injected else None
        arguments = {"search": found, "samples": samples, "null": null_of(found, samples), "number": number}
        pseudo_limits(store, key, **arguments, signal=pool, injected=injected)
        limits = store.read_json(key)["limits"]["wprime"]
        store.path(key).unlink()
        return {"limits": {label.split(",")[0]: limit for label, limit in limits.items()}}

    return kept(folder, f"{injected}-{number}", work)


def read(found: Search) -> Samples:
    """The artefacts of the samples, which the run that quoted limits has read."""
    return plan_samples(Planned(), found)[0]


def limits(stored: Json, sort: str, name: str) -> Any:
    """The limits of a selection, infinite where nothing was excluded."""
    each = [one["limits"][name] for one in stored["experiments"][sort]]
    return np.array([np.inf if one is None else one for one in each])


def share(n: int, of: int) -> str:
    """A share with its 95 % interval."""
    low, high = binomtest(n, of).proportion_ci(0.95, method="exact")
    return f"{n / of:.3f} [{low:.3f}, {high:.3f}]"


def section(stored: Json) -> str:
    """Text and tables."""
    n = len(stored["experiments"]["none"])
    text = (
        f"Pseudo-experiments of {stored['events']:,} events, each a whole `lamppost limits`: injections looked for, "
        "all trainings anew, 3 folds, 2 members, else the shipped defaults. The limits quoted, and their bands from "
        "pseudo-spectra, are those of the background sample that the pseudo-data are drawn after. Intervals: 95 %."
    )
    found, k = limits(stored, METHOD, METHOD), stored["injected"]
    row = [METHOD, k, len(found), share(int(np.sum(found < k)), len(found)), f"{np.median(found):.0f}"]
    covered = markdown(["selection", "signal injected", "n", "excluded", "median limit"], [row])
    spread = []
    for name, quoted in stored["quoted"].items():
        found, expected = limits(stored, "none", name), quoted["expected"]
        below = ["–" if q is None else share(int(np.sum(found <= q)), n) for q in expected]
        spread.append([name, f"{np.median(found):.0f}", f"{expected[2]:.0f}", *below, f"{ks(stored, name):.2g}"])
    head = [f"below {level} ({100 * nominal:.1f} %)" for level, nominal in LEVELS.items()]
    without = "Without signal: the limits of the pseudo-experiments against the expected band."
    table = markdown(["selection", "median", "expected median", *head, "KS p"], spread)
    return "\n\n".join([text, covered, without, table])


def ks(stored: Json, name: str) -> float:
    """Of the limits without signal and those of the pseudo-spectra being drawn alike."""
    return float(ks_2samp(limits(stored, "none", name), stored["quoted"][name]["pseudo"]).pvalue)


def bars(stored: Json) -> list[Bar]:
    """Exclusions as rare as 5 % allows, and the spread of the bands."""
    found = limits(stored, METHOD, METHOD)
    n, excluded = len(found), int(np.sum(found < stored["injected"]))
    low = binomtest(excluded, n).proportion_ci(0.95, method="exact").low
    made = [Bar(f"{METHOD}: the signal at the limit is excluded", share(excluded, n), "5 % allowed", low <= 0.05)]
    for name, quoted in stored["quoted"].items():
        found, (_, low, _, high, _) = limits(stored, "none", name), quoted["expected"]
        n, inside = len(found), int(np.sum((found >= low) & (found <= high)))
        ends = binomtest(inside, n).proportion_ci(0.95, method="exact")
        band = Bar(f"{name}: within the 68 % band", share(inside, n), "68.3 %", ends.low <= 0.683 <= ends.high)
        made += [at_least(f"{name}: spread without signal as expected, KS p", ks(stored, name), 0.01), band]
    return made
