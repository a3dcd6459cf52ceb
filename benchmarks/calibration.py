"""Are the global p-values right, and what do the hunts see? `lamppost calibrate`, whole hunts in pseudo-data.

    python benchmarks/calibration.py {cwola,cathode} --out OUT [--tables FOLDER] [--experiments N] [--injected N]
    python benchmarks/calibration.py page --out OUT --table docs/calibration.md [--commit COMMIT]

cwola: 3 windows, 500 pseudo-experiments without signal, 100 with 150 and 100 with 300 events of it. cathode: one
window, 100 without. Both: 60,000 events from 2.8 to 8 TeV, 3 folds, 5 members, seeds 0 to n - 1, else the shipped
defaults. The null generator is made from all qcd_*.parquet in FOLDER, signal.parquet beside them is injected; without
FOLDER from the background and the signal of the embedded sample. A second start goes on where the first one stopped.
`page` writes requirements, tables and a picture beside the page; it names the commit that the figures were made from,
by default the one that is checked out, if its source is the one that made them.
"""

import argparse
import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq

from calibration_parts import page
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


def main() -> None:
    parser = argparse.ArgumentParser(description="Calibration of the p-values on pseudo-data.")
    parser.add_argument("part", nargs="+", choices=[*PARTS, "page"])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--table", type=Path)
    parser.add_argument("--commit", help="what the figures were made from")
    parser.add_argument("--tables", type=Path, help="folder of full tables")
    parser.add_argument("--experiments", type=int)
    parser.add_argument("--injected", type=int)
    parser.add_argument("--workers", type=int)
    options = parser.parse_args()
    for part in options.part:
        if part == "page":
            page.write(options.out, options.table, options.commit)
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
