"""Are the global p-values right? Whole hunts on pseudo-data of the null generator, spread over all cores.

    python benchmarks/calibration.py --out runs/calibration --table docs/calibration.md [--draws 100] [--tables FOLDER]

Pseudo-experiment i has seed i: 60,000 events, m from the smooth fit, features resampled given m, then the whole hunt
(decorrelation, training, selection, F-test, toys) with 3 windows, 3 folds and 5 members. The generator is made from
the background of the embedded sample, or of all qcd_*.parquet in FOLDER. Every finished draw is kept; a second start
goes on where the first one stopped.
"""

import argparse
import json
import platform
import shutil
import time
from concurrent.futures import as_completed
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.stats import binomtest, kstest

from hunts import FEATURES, backgrounds
from lamppost.config import parse
from lamppost.io import Data, read
from lamppost.run import InlineExecutor, available_cores, process_pool, run_hunt
from lamppost.simulate.null import NullGenerator

EVENTS = 60_000
HEAD = """# Calibration of the p-values

Made by `{command}` on {machine}.
Pseudo-experiments of {events:,} events from the null generator ({source}), seeds 0 to n - 1;
3 windows, 3 folds, 5 members, otherwise the shipped defaults; with and without decorrelation where both are listed.
`p global` is the number of windows times the smallest window p: it cannot be uniform near 1, so `1 - (1 - p)^3`, exact
for independent windows, stands beside it. A window p is 1 where no excess is found: below 0.5 it must be uniform.
`KS above` asks only whether small p are too frequent.

| p-value | n | p < 0.05 (95 % of the fraction) | KS | KS above | KS of p < 0.5 | p < 0.5 (binomial p) | smallest |
|---|---|---|---|---|---|---|---|
"""
NAMES = [text.split(" = ")[0] for text in FEATURES]


def search(path: Path, decorrelate: str) -> Any:
    scan = {"windows": [[3200, 3600], [3600, 4000], [4000, 4400]], "folds": 3, "decorrelate": decorrelate}
    return parse(
        {
            "seed": 1,
            "data": {"path": str(path), "mass": "m", "features": NAMES},
            "scan": {**scan, "validation": [[3400, 3800]]},
            "method": {"kind": "weak", "ratio": {"kind": "boosted", "members": 5}},
            "fit": {"range": [2800, 8000], "function": "dijet", "sqrt_s": 13000},
        }
    )


@cache
def generator(tables: Path | None) -> NullGenerator:
    if tables is None:
        path, select = [str(files("lamppost.data").joinpath("lhco_like_sample.parquet"))], "label < 0.5"
    else:
        path, select = [str(p) for p in backgrounds(tables)], None
    sample = read(Data(path=path, mass="mjj", features=FEATURES, select=select), mass_range=(2800, 8000))
    return NullGenerator(sample.events, search(Path("any.parquet"), "quantile").fit.edges)


def experiment(number: int, out: Path, tables: Path | None, decorrelate: str) -> dict[str, Any]:
    """One hunt; its pseudo-data and artefacts are removed when the result is written."""
    name = f"{decorrelate}-{'sample' if tables is None else 'tables'}-{number:04d}"  # each pool has its own draws
    target = out / f"{name}.json"
    if target.exists():
        return dict(json.loads(target.read_text()))
    folder = out / name
    folder.mkdir(parents=True, exist_ok=True)
    events = generator(tables).sample(EVENTS, np.random.default_rng(number))
    path = folder / "events.parquet"
    pq.write_table(pa.table({"m": events.m, **dict(zip(events.names, events.x.T, strict=True))}), path)
    start = time.process_time()
    result = run_hunt(search(path, decorrelate), folder / "run", workers=1, quiet=True, make_executor=InlineExecutor)
    kept = {
        "number": number,
        "p_global": result["p_global"],
        "p_window": [w["p_window"] for w in result["windows"]],
        "z_local": [w["z_local"] for w in result["windows"]],
        "sculpting_p": [w["sculpting_p"] for w in result["windows"]],
        "validation_p": [w["sculpting_p"] for w in result["validation"]],
        "control_p": result["control"]["p_global"],
        "cpu_s": time.process_time() - start,
    }
    part = target.with_suffix(".part")
    part.write_text(json.dumps(kept))
    part.replace(target)
    shutil.rmtree(folder)
    return kept


def uniformity(name: str, p: np.ndarray[Any, Any]) -> str:
    """One line of the table: is p uniform where it can be, and how often is it small?"""
    low = p[p < 0.5]
    below = int(np.sum(p < 0.05))
    interval = binomtest(below, len(p)).proportion_ci(0.95, method="exact")
    whole = kstest(p, "uniform")
    rising = kstest(p, "uniform", alternative="greater").pvalue
    half = kstest(low / 0.5, "uniform").pvalue if len(low) > 4 else float("nan")
    rest = binomtest(len(low), len(p), 0.5).pvalue
    cells = [
        name,
        len(p),
        f"{below} ({interval.low:.3f} to {interval.high:.3f})",
        *(f"{value:.2g}" for value in (whole.pvalue, rising, half)),
        f"{len(low)} ({rest:.2g})",
        f"{p.min():.3g}",
    ]
    return f"| {' | '.join(map(str, cells))} |"


def report(rows: dict[str, list[dict[str, Any]]], source: str, command: str) -> str:
    """The page: global and window p-values, the same after removing the trials factor's conservatism, sculpting."""
    machine = f"{platform.processor() or platform.machine()}, Python {platform.python_version()}"
    lines = HEAD.format(command=command, machine=machine, events=EVENTS, source=source).splitlines()
    for mode, found in rows.items():
        p_window = np.array([r["p_window"] for r in found])
        lines += [
            uniformity(f"`{mode}`: p global", np.array([r["p_global"] for r in found], dtype=float)),
            uniformity(f"`{mode}`: 1 - (1 - smallest p)^3", 1 - (1 - p_window.min(axis=1)) ** 3),
            uniformity(f"`{mode}`: p of a window", p_window.ravel()),
            uniformity(f"`{mode}`: random score, p global", np.array([r["control_p"] for r in found])),
            uniformity(f"`{mode}`: sculpting p, sidebands", np.array([r["sculpting_p"] for r in found]).ravel()),
            uniformity(
                f"`{mode}`: sculpting p, across the region", np.array([r["validation_p"] for r in found]).ravel()
            ),
        ]
    cpu = [r["cpu_s"] for found in rows.values() for r in found]
    lines += ["", f"A pseudo-experiment took {np.median(cpu):.1f} CPU seconds (median of {len(cpu)}).", ""]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description="Calibration of the p-values on pseudo-data without signal.")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--table", type=Path, required=True)
    parser.add_argument("--tables", type=Path, help="folder of full background tables")
    parser.add_argument("--draws", type=int, default=100)
    parser.add_argument("--decorrelate", nargs="+", default=["quantile", "none"])
    parser.add_argument("--workers", type=int, default=available_cores())
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    source = "the background of the embedded sample" if options.tables is None else "all background tables"
    command = "make calibration" if options.tables is None else "python benchmarks/calibration.py --tables FOLDER"
    rows: dict[str, list[dict[str, Any]]] = {}
    with process_pool(options.workers) as pool:
        for mode in options.decorrelate:
            jobs = [pool.submit(experiment, i, options.out, options.tables, mode) for i in range(options.draws)]
            found = []
            for job in as_completed(jobs):
                found.append(job.result())
                if len(found) % 10 == 0:
                    print(f"{mode}: {len(found)} of {options.draws}", flush=True)
            rows[mode] = sorted(found, key=lambda r: r["number"])
            options.table.write_text(report(rows, source, command))
    print(options.table.read_text())


if __name__ == "__main__":
    main()
