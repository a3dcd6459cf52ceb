"""`null`: whole hunts without signal, method by method, in disjoint blocks of background."""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from lamppost import hunt
from lamppost.core import Method
from lamppost.errors import FitError
from lamppost.run.progress import spent
from methods_parts import configs
from methods_parts.sections import Bar, markdown, wrapped

Json = dict[str, Any]

TITLE = "Without signal"
DRAWS, EVENTS = 8, 100_000
LEFT_OUT = ("simulation", "tagger", "combination_rank", "combination_learned", "random")
"""What others are compared with; a random score is the control of every hunt."""
LEAST_P, ALARM = 0.05, 0.01
KEPT = ("p_global", "z_local", "sidebands_p", "across_p", "control_p", "cpu_s")


def run(name: str, options: argparse.Namespace) -> Json:
    """Every method on the same blocks of background."""
    draws, events = options.draws or DRAWS, options.events or EVENTS
    scan = {name: [list(configs.WINDOW)] for name in ("windows", "validation")}
    found: dict[str, list[Json]] = {}
    for number, block in enumerate(blocks(options.out, draws, events)):
        for method in options.methods or blind():
            config = configs.hunt(options.out, block, method, scan, options.seed)
            out = options.out / name / f"{method}_{number}"
            try:
                one = row(hunt(config, out, workers=options.workers, quiet=options.quiet), out)
            except FitError as error:  # a hunt that fails is an entry of the table, not its end
                one = {**dict.fromkeys(KEPT), "warnings": [str(error)]}
            found.setdefault(method, []).append(one)
    return {"methods": found, "draws": draws, "events": events, "scan": scan}


def blind() -> list[str]:
    """The methods that a hunt may run."""
    known = configs.chosen(name for name in configs.METHODS if name not in LEFT_OUT)
    return [name for name, table in known.items() if not Method.parse(table).needs_truth]


def blocks(out: Path, draws: int, events: int) -> Iterator[Path]:
    """Disjoint blocks of rows, in the order of the file."""
    table = pq.read_table(configs.tables(out, None)[0])
    if draws * events > table.num_rows:
        raise SystemExit(f"{draws} blocks of {events:,} events, expected at most {table.num_rows:,} events together")
    folder = out / "blocks"
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(draws):
        path = folder / f"{events}_{number}.parquet"
        pq.write_table(table.slice(number * events, events), path)
        yield path


def row(result: Json, out: Path) -> Json:
    """What is kept of a hunt in the folder `out`, CPU seconds of all its starts."""
    (window,), (across,) = result["windows"], result["validation"]
    found = (
        *(result["p_global"], window["z_local"], window["sculpting_p"], across["sculpting_p"]),
        *(result["control"]["p_global"], sum(spent(out / "log.jsonl").values())),
    )
    return {**dict(zip(KEPT, found, strict=True)), "warnings": result["warnings"]}


def known(found: list[Json], name: str) -> list[float]:
    """One number of every hunt that has it."""
    return [one[name] for one in found if one[name] is not None]


def section(name: str, result: Json) -> str:
    """The text below the title."""
    ((low, high),) = result["scan"]["windows"]
    n = len(result["methods"])
    claims = (
        f"The whole blind hunt in {result['draws']} disjoint blocks of {result['events']:,} background events, in the "
        f"window from {low:g} to {high:g} GeV. Global p of every block, all masses in the window counted. The control "
        "is a random score in the same hunt. A hunt quotes no p where the features determine m or its fit does not "
        f"converge. The requirement is set at {LEAST_P:.0%} for each of {n} methods, all on the same blocks: chance "
        f"alone makes them miss it {LEAST_P * n:.2g} times on average, one miss is to be expected."
    )
    flat = (
        "A method sculpts where the part of events that it keeps is not flat in m. p of a flat kept fraction in every "
        "block: over the sidebands alone, as every hunt quotes it, and across region and sidebands. Chance puts one "
        f"in a hundred below {ALARM:.0%}; a method with more of them than chance gives in one of a hundred cases "
        "is named."
    )
    parts = [wrapped(claims), claimed(result["methods"]), wrapped(flat), flatness(result["methods"])]
    return "\n\n".join(parts)


def claimed(methods: dict[str, list[Json]]) -> str:
    """One row per method: the claims of its hunts."""
    head = ["method", "claims", "global p", "smallest", "largest local Z", "control p", "CPU s"]
    rows = []
    for method, found in methods.items():
        p, z, cpu = (known(found, which) for which in ("p_global", "z_local", "cpu_s"))
        cells = [listed(found, "p_global"), f"{min(p):.2g}" if p else "–", f"{max(z):.1f}" if z else "–"]
        cells += [listed(found, "control_p"), f"{sum(cpu) / len(cpu):.0f}" if cpu else "–"]
        rows.append([method, f"{len(p)} of {len(found)}", *cells])
    return markdown(head, rows)


def flatness(methods: dict[str, list[Json]]) -> str:
    """One row per method: whether its kept fraction is flat in m."""
    head = ["method", "p, sidebands", "p, across", f"sidebands < {ALARM:g}", f"across < {ALARM:g}", ""]
    rows = []
    for method, found in methods.items():
        each = [known(found, which) for which in ("sidebands_p", "across_p")]
        bad = [sum(p < ALARM for p in values) for values in each]
        named = any(unlikely(k, len(values)) for k, values in zip(bad, each, strict=True))
        counts = [f"{k} of {len(values)}" for k, values in zip(bad, each, strict=True)]
        cells = [listed(found, "sidebands_p"), listed(found, "across_p"), *counts]
        rows.append([method, *cells, "SCULPTS" if named else ""])
    return markdown(head, rows)


def listed(found: list[Json], name: str) -> str:
    """A p-value of every hunt."""
    return " ".join("none" if one[name] is None else f"{one[name]:.2g}" for one in found)


def unlikely(bad: int, every: int) -> bool:
    """More alarms than flat methods give, at 1 %."""
    from scipy.stats import binom

    return bool(binom.sf(bad - 1, every, ALARM) < ALARM)


def bars(name: str, result: Json) -> list[Bar]:
    """Smallest of n global p-values, corrected for their number: 1 - (1 - p)^n is to be at least 5 %."""
    made = []
    for method, found in result["methods"].items():
        claims = known(found, "p_global")
        any_of_them = [1 - (1 - min(claims)) ** len(claims)] if claims else None
        what = f"{method}: smallest of {len(claims)} global p in {len(found)} hunts, for their number"
        made.append(Bar(what, any_of_them, LEAST_P))
    return made
