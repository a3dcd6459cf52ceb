"""`wprime`: the limit on W'(3.5 TeV) by cwola and by cathode, next to all events and to a cut."""

import json
import subprocess
import sys
from argparse import Namespace
from typing import Any

import tomli_w

from hunts import FEATURES
from lamppost.run.limits.points import quoted
from learn_parts.tables import markdown
from limits_parts.samples import FIT, background
from stats_parts.bars import Bar, at_most

__all__ = ["TITLE", "bars", "run", "section"]

Json = dict[str, Any]

TITLE = "The limit on the W'"
EVENTS, LIMIT = 200_000, 3600.0
CUT = "tau21_light < 0.4 and tau21_heavy < 0.4"


def run(options: Namespace) -> Json:
    """`lamppost limits` for one method after the other, each in a folder of its own, as a user would."""
    events = options.events or EVENTS
    data = background(options.data, events, options.out / f"background_{events}.parquet")
    return {"events": events, "methods": {name: limited(name, data, options) for name in options.methods}}


def limited(name: str, data: Any, options: Namespace) -> Json:
    """The result of one method: its rows, and what it cost."""
    folder = options.out / f"wprime_{name}_{options.events or EVENTS}_{options.seed}"
    folder.mkdir(exist_ok=True)
    config = {
        "seed": options.seed,
        "data": {"path": str(data.resolve()), "mass": "mjj", "features": FEATURES},
        "scan": {"windows": [[3300, 3700]], "sidebands": 400},
        "method": name,
        "fit": FIT,
        "samples": {"signals": {"wprime": str((options.data / "signal.parquet").resolve())}},
        "limits": {"signals": {"wprime": {"mass": 3500.0}}, "cuts": {"tau21 < 0.4": CUT}},
    }
    (folder / "limits.toml").write_text(tomli_w.dumps(config))
    command = [sys.executable, "-m", "lamppost", "limits", str(folder / "limits.toml"), "--out", str(folder / "run")]
    done = subprocess.run([*command, "--workers", str(options.workers), "--json"], stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise SystemExit(done.returncode)
    result = json.loads(done.stdout)
    signal = result["signals"]["wprime"]
    rows = [{name: row[name] for name in row if name not in ("pseudo", "pseudo_inclusive")} for row in signal["rows"]]
    log = [json.loads(line) for line in (folder / "run" / "log.jsonl").read_text().splitlines()]
    return {
        "rows": rows,
        "signal": signal["events"],
        "cpu_s": sum(one["cpu_s"] for one in log if one["event"] == "done"),
        "wall_s": sum(one["wall_s"] for one in log if one["event"] == "end"),
        "starts": sum(one["event"] == "start" for one in log),
        "workers": result["workers"],
        "warnings": result["warnings"],
    }


def section(stored: Json) -> str:
    """Text and tables."""
    first = next(iter(stored["methods"].values()))
    text = (
        f"`lamppost limits` with the shipped defaults on {stored['events']:,} simulated background events from 2.8 to "
        f"8 TeV, one window from 3.3 to 3.7 TeV; signal W'(3.5 TeV) → X(500 GeV) Y(100 GeV), {first['signal']:,} "
        "events. Limits at 95 % CLs in signal events of any mass in the fit range; expected: median [68 %]. Gain: the "
        "limit of the fit to all events over this one; expected: median [68 %] of the same pseudo-data."
    )
    seen: dict[str, list[Any]] = {}
    for method in stored["methods"].values():
        for row in method["rows"]:
            seen.setdefault(row["selection"], cells(row))
    head = ["selection", "observed", "expected", "expected 95 %", "signal efficiency", "gain observed", "gain expected"]
    costs = [
        [name, f"{one['cpu_s'] / 3600:.2f}", f"{one['wall_s'] / 60:.0f}", one["workers"], one["starts"]]
        for name, one in stored["methods"].items()
    ]
    warnings = [text for one in stored["methods"].values() for text in one["warnings"]]
    told = [f"Warnings: {'; '.join(warnings)}"] if warnings else []
    cost = markdown(["method", "CPU hours", "wall minutes", "workers", "starts"], costs)
    return "\n\n".join([text, markdown(head, list(seen.values())), cost, *told])


def cells(row: Json) -> list[Any]:
    """One selection."""
    low, minus, middle, plus, high = row["expected"]
    best = quoted(row)
    gain = row["gain"]
    gained = ["–", "–"]
    if gain is not None:
        median, lower, upper = gain["expected"]
        gained = [f"{gain['observed']:.2f}", f"{median:.2f} [{lower:.2f}, {upper:.2f}]"]
    bound = "" if row["bound"] is None else " (not crossed)"
    return [
        row["label"],
        f"{row['observed']:.0f} ± {row['error']:.0f}{bound}",
        f"{middle:.0f} [{minus:.0f}, {plus:.0f}]",
        f"[{low:.0f}, {high:.0f}]",
        f"{best['efficiency']:.3f}",
        *gained,
    ]


def bars(stored: Json) -> list[Bar]:
    """An hour for cwola on two cores."""
    found = stored["methods"].get("cwola")
    return [] if found is None else [at_most("cwola at 200,000 events, wall minutes", found["wall_s"] / 60, LIMIT / 60)]
