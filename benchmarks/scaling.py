"""What a campaign costs: tasks, CPU hours, disk, and the time on 1, 100, 1000 cores; from measured tasks.

    python benchmarks/scaling.py measure TABLES --out runs/scaling [--sizes 100000 300000] [--methods cwola cathode]
    python benchmarks/scaling.py model runs/scaling --spectrum cms_dijet.csv [--overhead TASKS] [--page docs/scaling.md]

`measure`: CPU seconds, bytes and memory of the tasks of a hunt against the number of events, in the background of
TABLES (qcd_0.parquet ...), shipped defaults; a second start goes on. Writes measured.json.
`model`: lines through these constants, and what they say of a campaign as large as CMS CASE (arXiv:2412.03747). The
spectrum, low and high edges and n_events, says how events lie in m; TASKS is the tasks.json of
`benchmarks/cluster.py tasks`, what one task costs besides. Prints a table and writes model.json.
"""

import argparse
import csv
import json
import platform
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from scaling_parts.measure import METHODS, Measured, measure
from scaling_parts.model import Campaign, Constants, Overhead, constants, near_windows, total, wall_s
from scaling_parts.page import page

CORES = (1, 100, 1000)
EXECUTORS = {"pool": "local pool", "local": "Dask"}
EVENTS = 1e7
"""Dijets of 138/fb with m > 1460 GeV and |d eta| < 1.3: the published CMS spectrum has 6.6e6 above 1530 GeV, |d eta| <
1.1 (arXiv:1911.03947)."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(required=True)
    one = verbs.add_parser("measure")
    one.add_argument("tables", type=Path)
    one.add_argument("--out", type=Path, required=True)
    one.add_argument("--sizes", type=int, nargs="+", default=[50_000, 100_000, 200_000, 400_000])
    one.add_argument("--methods", nargs="+", default=list(METHODS), choices=list(METHODS))
    one.add_argument("--seconds", type=float, default=7200.0, help="at most, for one method in one sample")
    one.set_defaults(run=run_measure)
    two = verbs.add_parser("model")
    two.add_argument("measured", type=Path)
    two.add_argument("--spectrum", type=Path, required=True)
    two.add_argument("--events", type=float, default=EVENTS)
    two.add_argument("--signals", type=int, default=43)
    two.add_argument("--strengths", type=int, default=6)
    two.add_argument("--overhead", type=Path)
    two.add_argument("--page", type=Path)
    two.set_defaults(run=run_model)
    options = parser.parse_args()
    options.run(options)


def run_measure(options: argparse.Namespace) -> None:
    options.out.mkdir(parents=True, exist_ok=True)
    found = measure(options.tables, options.out, options.sizes, options.methods, options.seconds)
    about = {"sizes": options.sizes, "machine": machine(), "tasks": len(found)}
    (options.out / "about.json").write_text(json.dumps(about, indent=1) + "\n")
    for line in lines(constants(found)):
        print(line)


def run_model(options: argparse.Namespace) -> None:
    measured = [Measured(**one) for one in json.loads((options.measured / "measured.json").read_text())]
    about = json.loads((options.measured / "about.json").read_text())
    about["near"] = max(one.near for one in measured if one.stage == "train")
    known = constants(measured)
    edges, counts = spectrum(options.spectrum)
    near = [n * options.events / counts.sum() for n in near_windows(edges, counts)]
    campaign = Campaign(near, options.events, known.methods, signals=options.signals, strengths=options.strengths)
    found = total(campaign, known)
    walls = {
        name: {cores: wall_s(found, cores, known.once, overhead) for cores in CORES}
        for name, overhead in overheads(options.overhead).items()
    }
    result: dict[str, Any] = {
        "about": about,
        "campaign": asdict(campaign),
        "tasks": found.tasks,
        "cpu_h": {what: seconds / 3600 for what, seconds in found.cpu_s.items()},
        "bytes": found.bytes,
        "longest_s": found.longest,
        "rss_mb": known.rss_mb(0.0, options.events),
        "wall_h": {name: {cores: s / 3600 for cores, s in some.items()} for name, some in walls.items()},
    }
    (options.measured / "model.json").write_text(json.dumps(result, indent=1) + "\n")
    for line in lines(known):
        print(line)
    text = page(result, known)
    print(text)
    if options.page is not None:
        options.page.write_text(text)


def lines(known: Constants) -> list[str]:
    """The constants as text."""
    head = f"{'CPU s of a task':28}{'constant':>10}{'per 1e6 near':>14}{'per 1e6':>10}{'within':>8}"
    rows = [
        f"{' '.join(sort):28}{line.constant:>10.3g}{1e6 * line.per_near:>14.3g}{1e6 * line.per_event:>10.3g}"
        f"{line.residual:>8.2f}"
        for sort, line in known.cpu_s.items()
    ]
    return [head, *rows, f"once per worker {known.once:.1f} CPU s"]


def spectrum(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Edges (bins + 1,) and events (bins,) of a published spectrum."""
    with path.open() as file:
        rows = list(csv.DictReader(file))
    low, high = list(rows[0])[:2]
    edges = [float(row[low]) for row in rows] + [float(rows[-1][high])]
    return np.array(edges), np.array([float(row["n_events"]) for row in rows])


def overheads(path: Path | None) -> dict[str, Overhead]:
    """What a task costs besides, by executor, from the milliseconds per empty task of most tasks; none at all too.

    So fast did main process, scheduler and two workers hand empty tasks on: no scheduler is taken to be faster, and the
    time of both workers to be spent on it.
    """
    measured = {} if path is None else json.loads(path.read_text())
    ms = {name: each[max(each, key=int)]["ms"] for name, each in measured.items() if name in EXECUTORS}
    return {
        "none": Overhead(),
        **{f"{EXECUTORS[name]}, {one:.1f} ms": Overhead(2e-3 * one, 1e-3 * one) for name, one in ms.items()},
    }


def machine() -> str:
    cpu = [
        line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line
    ]
    return f"{cpu[0] if cpu else platform.machine()}, one thread per process, Python {platform.python_version()}"


if __name__ == "__main__":
    main()
