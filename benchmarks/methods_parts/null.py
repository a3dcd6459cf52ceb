"""`null`: whole hunts without signal, method by method, in disjoint blocks of background."""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from lamppost import hunt
from lamppost.core import Method
from lamppost.errors import FitError
from methods_parts import configs
from methods_parts.sections import Bar, markdown, wrapped

Json = dict[str, Any]

TITLE = "Without signal"
DRAWS, EVENTS = 8, 100_000
LEFT_OUT = ("simulation", "tagger", "combination_rank", "combination_learned", "random")
"""What others are compared with; a random score is the control of every hunt."""
LEAST_P, ALARM = 0.05, 0.01
NOTHING: Json = {"p_global": None, "z_local": None, "sculpting_p": [], "control_p": None, "cpu_s": 0.0}


def run(name: str, options: argparse.Namespace) -> Json:
    """Every method on the same blocks of background."""
    draws, events = options.draws or DRAWS, options.events or EVENTS
    scan = {"windows": [list(configs.WINDOW)]}
    found: dict[str, list[Json]] = {}
    for number, block in enumerate(blocks(options.out, draws, events)):
        for method in options.methods or blind():
            config = configs.hunt(options.out, block, method, scan, options.seed)
            out = options.out / name / f"{method}_{number}"
            try:
                one = row(hunt(config, out, workers=options.workers, quiet=options.quiet))
            except FitError as error:  # a hunt that fails is an entry of the table, not its end
                one = {**NOTHING, "warnings": [str(error)]}
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
        if not path.exists():
            pq.write_table(table.slice(number * events, events), path)
        yield path


def row(result: Json) -> Json:
    """What is kept of a hunt."""
    windows = result["windows"]
    return {
        "p_global": result["p_global"],
        "z_local": max((w["z_local"] for w in windows if w["z_local"] is not None), default=None),
        "sculpting_p": [w["sculpting_p"] for w in windows if w["sculpting_p"] is not None],
        "control_p": result["control"]["p_global"] if result.get("control") else None,
        "cpu_s": result["cpu_s"],
        "warnings": result["warnings"],
    }


def sculpts(rows: list[Json]) -> tuple[int, int]:
    """Windows in which a flat kept fraction is refused at 1 %, of how many."""
    every = [p for one in rows for p in one["sculpting_p"]]
    return sum(p < ALARM for p in every), len(every)


def section(name: str, result: Json) -> str:
    """The text below the title."""
    ((low, high),) = result["scan"]["windows"]
    text = (
        f"The whole blind hunt in {result['draws']} disjoint blocks of {result['events']:,} background events, in the "
        f"window from {low:g} to {high:g} GeV. Global p of every block, all masses in the window counted. A method "
        "sculpts where the part of events that it keeps is not flat in m: hunts with p < 1 % of a flat kept fraction, "
        "of all; chance gives one in a hundred. The control is a random score in the same hunt. A hunt quotes no p "
        "where the features determine m or its fit does not converge."
    )
    head = ["method", "global p", "smallest", "largest local Z", "hunts that are not flat", "", "control p", "CPU s"]
    rows = []
    for method, found in result["methods"].items():
        bad, every = sculpts(found)
        controls = [one["control_p"] for one in found if one["control_p"] is not None]
        rows.append(
            [
                method,
                " ".join("none" if one["p_global"] is None else f"{one['p_global']:.2g}" for one in found),
                f"{smallest(found):.2g}",
                f"{max((one['z_local'] for one in found if one['z_local'] is not None), default=0.0):.1f}",
                f"{bad} of {every}",
                "SCULPTS" if unlikely(bad, every) else "",
                f"{min(controls):.2g}" if controls else "–",
                f"{sum(one['cpu_s'] for one in found) / len(found):.0f}",
            ]
        )
    return f"{wrapped(text)}\n\n{markdown(head, rows)}"


def unlikely(bad: int, every: int) -> bool:
    """More alarms than flat methods give, at 1 %."""
    from scipy.stats import binom

    return bool(binom.sf(bad - 1, every, ALARM) < ALARM)


def bars(name: str, result: Json) -> list[Bar]:
    """Smallest of n global p-values, corrected for their number: 1 - (1 - p)^n is to be at least 5 %."""
    made = []
    for method, found in result["methods"].items():
        any_of_them = 1 - (1 - smallest(found)) ** len(found)
        made.append(Bar(f"{method}: smallest of {len(found)} global p, for their number", [any_of_them], LEAST_P))
    return made


def smallest(found: list[Json]) -> float:
    """The smallest global p; a hunt that makes no claim has seen nothing."""
    return min(1.0 if one["p_global"] is None else float(one["p_global"]) for one in found)
