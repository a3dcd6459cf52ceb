"""Are the global p-values right, and what do the hunts see? `lamppost calibrate`, whole hunts in pseudo-data.

    python benchmarks/calibration.py {cwola,cathode} --out OUT [--tables FOLDER] [--experiments N] [--injected N]
    python benchmarks/calibration.py page --out OUT --table docs/calibration.md

cwola: 3 windows, 500 pseudo-experiments without signal, 100 with 150 and 100 with 300 events of it. cathode: one
window, 100 without. Both: 60,000 events from 2.8 to 8 TeV, 3 folds, 5 members, seeds 0 to n - 1, else the shipped
defaults. The null generator is made from all qcd_*.parquet in FOLDER, signal.parquet beside them is injected; without
FOLDER from the background and the signal of the embedded sample. A second start goes on where the first one stopped.
"""

import argparse
import json
import platform
from collections.abc import Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq

from hunts import FEATURES, backgrounds
from lamppost import calibrate

Json = dict[str, Any]
EVENTS = 60_000
PARTS: dict[str, Json] = {
    "cwola": {
        "windows": [[3200, 3600], [3600, 4000], [4000, 4400]],
        "method": {"kind": "cwola", "ratio": {"kind": "boosted", "members": 5}},
        "calibrate": {"experiments": 500, "strengths": [150, 300], "injected": 100},
    },
    "cathode": {
        "windows": [[3300, 3700]],
        "method": {"kind": "cathode", "ratio": {"kind": "boosted", "members": 5}},
        "calibrate": {"experiments": 100},
    },
}
HEAD = """# Calibration of the p-values

Made by `{command}`.
Whole hunts (decorrelation, trainings, selection, F-test, toys, windows) in pseudo-experiments of {events:,} events of
the null generator, seeds 0 to n - 1: 3 folds, 5 members, otherwise the shipped defaults. What the columns mean stands
in [](calibrating.md): a p-value is *uniform* if the 95 % interval of the share of p ≤ 0.05 holds 5 % and the
Kolmogorov-Smirnov p (KS) is above 0.01. The p of a single window is 1 where nothing exceeds the background, and its KS
is that of p < 0.5.
"""
NAMES = ("global", "window", "inclusive", "random score", "sculpting")


def samples(tables: Path | None, out: Path) -> tuple[list[str], str]:
    """Files of the background and of the signal."""
    if tables is not None:
        return [str(path) for path in backgrounds(tables)], str(tables / "signal.parquet")
    whole = pq.read_table(str(files("lamppost.data").joinpath("lhco_like_sample.parquet")))
    signal = pc.greater(whole["label"], 0.5)
    for name, rows in (("signal", signal), ("background", pc.invert(signal))):
        pq.write_table(whole.filter(rows), out / f"{name}.parquet")
    return [str(out / "background.parquet")], str(out / "signal.parquet")


def configuration(part: str, tables: Path | None, out: Path, experiments: int | None, injected: int | None) -> Json:
    about = PARTS[part]
    background, signal = samples(tables, out)
    settings = {**about["calibrate"], "events": EVENTS, "signal": "wprime"}
    settings |= {} if experiments is None else {"experiments": experiments}
    settings |= {} if injected is None else {"injected": injected}
    return {
        "seed": 0,
        "data": {"path": background, "mass": "mjj", "features": FEATURES},
        "samples": {"signals": {"wprime": signal}},
        "scan": {"windows": about["windows"], "folds": 3},
        "methods": {part: about["method"]},
        "fit": {"range": [2800, 8000], "function": "dijet", "sqrt_s": 13000},
        "calibrate": settings,
    }


def row(*cells: object) -> str:
    return f"| {' | '.join(map(str, cells))} |"


def of_null(found: Mapping[str, Any]) -> Iterator[str]:
    """The table of p-values without signal."""
    yield row("p-value", "n", "p ≤ 0.05 [95 % interval]", "KS", "KS, small p too frequent", "smallest", "uniform")
    yield row(*["---"] * 7)
    for name in NAMES:
        one = found[name]
        share, low, high = one["below"]["0.05"]
        level = f"{share:.3f} [{low:.3f}, {high:.3f}]"
        tests = (f"{one[ks]:.2g}" for ks in ("ks", "ks_small"))
        yield row(name, one["n"], level, *tests, f"{one['smallest']:.2g}", "yes" if one["uniform"] else "**no**")


def of_power(found: list[Json]) -> Iterator[str]:
    """The table of hunts with injected signal."""
    yield row("signal events", "n", "global Z", "inclusive", "Z ≥ 3", "Z ≥ 5", "yield within 1, 2 errors", "pull")
    yield row(*["---"] * 8)
    for one in found:
        z, inclusive = (f"{v[0]:.2f} [{v[1]:.2f}, {v[2]:.2f}]" for v in (one["global"]["z"], one["inclusive"]["z"]))
        seen = (f"{one['global']['seen'][level][0]:.2f}" for level in ("3", "5"))
        within = ", ".join(f"{one['coverage']['within'][k][0]:.2f}" for k in ("1", "2"))
        pull = "{:.2f} ± {:.2f}".format(*one["coverage"]["pull"])
        yield row(one["events"], one["global"]["n"], z, inclusive, *seen, within, pull)


def page(out: Path) -> str:
    """The page of the parts that are done."""
    lines = []
    for part in PARTS:
        path = out / part / "run" / "calibration.json"
        if not path.exists():
            continue
        found = json.loads(path.read_text())
        windows = ", ".join(f"[{lo:g}, {hi:g})" for lo, hi in found["windows"])
        lines += [f"## {part}", "", f"Windows {windows} GeV, without signal:", "", *of_null(found["null"]), ""]
        if found["power"]:
            lines += [
                "With signal, medians with the 68 % band of the pseudo-experiments:",
                "",
                *of_power(found["power"]),
            ]
            lines += [""]
        made = found["null"]["global"]["n"] + sum(one["global"]["n"] for one in found["power"])
        cpu = json.loads((out / part / "cost.json").read_text())["cpu_s"]
        lines += [f"{made} pseudo-experiments took {cpu / 3600:.1f} CPU hours, {cpu / made:.0f} CPU seconds each.", ""]
        lines += [f"- {text}" for text in found["warnings"]] + [""] * bool(found["warnings"])
    command = f"python benchmarks/calibration.py {{cwola,cathode}} --tables FOLDER` on {machine()}, then `page"
    return "\n".join([*HEAD.format(command=command, events=EVENTS).splitlines(), "", *lines])


def machine() -> str:
    return f"{platform.processor() or platform.machine()}, Python {platform.python_version()}"


def main() -> None:
    parser = argparse.ArgumentParser(description="Calibration of the p-values on pseudo-data.")
    parser.add_argument("part", nargs="+", choices=[*PARTS, "page"])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--table", type=Path)
    parser.add_argument("--tables", type=Path, help="folder of full tables")
    parser.add_argument("--experiments", type=int)
    parser.add_argument("--injected", type=int)
    parser.add_argument("--workers", type=int)
    options = parser.parse_args()
    for part in options.part:
        if part == "page":
            text = page(options.out)
            options.table.write_text(text) if options.table else print(text)
            continue
        folder = options.out / part
        folder.mkdir(parents=True, exist_ok=True)
        table = configuration(part, options.tables, folder, options.experiments, options.injected)
        calibrate(table, folder / "run", workers=options.workers)
        log = (folder / "run" / "log.jsonl").read_text().splitlines()
        spent = {one["key"]: one["cpu_s"] for one in map(json.loads, log) if one["event"] == "done"}
        (folder / "cost.json").write_text(json.dumps({"cpu_s": sum(spent.values())}))


if __name__ == "__main__":
    main()
