"""Hunts in the full simulated tables: with signal, and without.

    python benchmarks/hunts.py signal TABLES --out runs/signal [--events 800] [--draws 3]
    python benchmarks/hunts.py null TABLES --out runs/null [--decorrelate none]

`signal`: all background tables plus a number of signal events, drawn with seeds 0, 1, ...
`null`: disjoint blocks of 100,000 background events, in the order of the files.
Both use the shipped defaults, fit from 2.8 TeV, windows of 400 GeV from 3.2 to 5.2 TeV in steps of 200 GeV. TABLES is
the folder of qcd_0.parquet ... and signal.parquet. Prints a table and writes summary.json; a second start goes on.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lamppost import hunt

FEATURES = [
    "m_light = min(mj1, mj2)",
    "dm = abs(mj1 - mj2)",
    "tau21_light = where(mj1 < mj2, tau2j1 / (tau1j1 + 1e-5), tau2j2 / (tau1j2 + 1e-5))",
    "tau21_heavy = where(mj1 < mj2, tau2j2 / (tau1j2 + 1e-5), tau2j1 / (tau1j1 + 1e-5))",
]


def table(paths: list[Path], decorrelate: str | None) -> dict[str, Any]:
    scan: dict[str, Any] = {"windows": {"from": 3200, "to": 5200, "width": 400, "step": 200}, "sidebands": 400}
    return {
        "seed": 1,
        "data": {"path": [str(path) for path in paths], "mass": "mjj", "features": FEATURES},
        "scan": scan if decorrelate is None else {**scan, "decorrelate": decorrelate},
        "fit": {"range": [2800, 8000], "function": "dijet", "sqrt_s": 13000},
    }


def backgrounds(folder: Path) -> list[Path]:
    return sorted(folder.glob("qcd_[0-9]*.parquet"))


def row(name: str, result: dict[str, Any]) -> dict[str, Any]:
    best = result["windows"][result["best_window"]]
    return {
        "name": name,
        "best": f"[{best['lo']:g}, {best['hi']:g})",
        "best_mass": round(best["best_mass"]),
        "n_selected": best["n_selected"],
        "n_expected": round(best["n_expected"], 1),
        "z_local": round(best["z_local"], 2),
        "p_global": result["p_global"],
        "z_global": round(result["z_global"], 2),
        "inclusive_z": round(result["inclusive"]["z_local"], 2),
        "control_p": result["control"]["p_global"],
        "sculpting_p": [round(w["sculpting_p"], 4) for w in result["windows"]],
        "z_windows": [round(w["z_local"], 2) for w in result["windows"]],
        "wall_s": result["wall_s"],
        "cpu_s": result["cpu_s"],
        "max_rss_mb": result["max_rss_mb"],
        "warnings": result["warnings"],
    }


def write(rows: list[dict[str, Any]], out: Path) -> None:
    (out / "summary.json").write_text(json.dumps(rows, indent=1))
    columns = [name for name in rows[0] if name not in ("sculpting_p", "z_windows", "warnings")]
    print(" | ".join(columns))
    for one in rows:
        print(" | ".join(f"{one[c]:.3g}" if c in ("p_global", "control_p") else str(one[c]) for c in columns))
    for one in rows:
        print(f"{one['name']}: sculpting p {one['sculpting_p']}, local Z {one['z_windows']}, {one['warnings']}")


def signal(folder: Path, out: Path, events: int, draws: int, decorrelate: str | None) -> None:
    rows = []
    everything = pq.read_table(folder / "signal.parquet")
    for seed in range(draws):
        target = out / f"draw_{seed}"
        target.mkdir(parents=True, exist_ok=True)
        drawn = np.random.default_rng(seed).choice(everything.num_rows, events, replace=False)
        injected = target / "injected.parquet"
        pq.write_table(everything.take(np.sort(drawn)), injected)
        rows.append(
            row(f"{events} events, seed {seed}", hunt(table([*backgrounds(folder), injected], decorrelate), target))
        )
        write(rows, out)


def null(folder: Path, out: Path, draws: int, decorrelate: str | None) -> None:
    rows, size = [], 100_000
    everything = pa.concat_tables([pq.read_table(path) for path in backgrounds(folder)])
    for number in range(draws):
        target = out / f"draw_{number}"
        target.mkdir(parents=True, exist_ok=True)
        block = target / "block.parquet"
        pq.write_table(everything.slice(number * size, size), block)
        rows.append(row(f"block {number}", hunt(table([block], decorrelate), target)))
        write(rows, out)


def main() -> None:
    parser = argparse.ArgumentParser(description="Hunts in the full simulated tables.")
    parser.add_argument("what", choices=["signal", "null"])
    parser.add_argument("tables", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--events", type=int, default=800)
    parser.add_argument("--draws", type=int)
    parser.add_argument("--decorrelate", choices=["quantile", "none"])
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    if options.what == "signal":
        signal(options.tables, options.out, options.events, options.draws or 3, options.decorrelate)
    else:
        null(options.tables, options.out, options.draws or 8, options.decorrelate)


if __name__ == "__main__":
    main()
