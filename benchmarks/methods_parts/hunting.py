"""`hunt`: how long a hunt with `cathode` in one window takes, from the file to the report."""

import argparse
import json
import shutil
import subprocess
import sys
import time
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import tomli_w

from methods_parts import configs
from methods_parts.sections import Bar, markdown, wrapped

Json = dict[str, Any]

TITLE = "How long a hunt takes"
EVENTS, SIGNAL, LIMIT = 500_000, 500, 240.0


def run(name: str, options: argparse.Namespace) -> Json:
    """From an empty folder, by the command line of a user."""
    folder, events = options.out / name, options.events or EVENTS
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    background, signal = (pq.read_table(path) for path in configs.tables(options.out))
    rows = np.sort(np.random.default_rng(options.seed).choice(signal.num_rows, SIGNAL, replace=False))
    path = folder / "events.parquet"
    pq.write_table(pa.concat_tables([background.slice(0, events), signal.take(rows)]), path)
    config = configs.hunt(options.out, path, "cathode", {"windows": [list(configs.WINDOW)]}, options.seed)
    (folder / "hunt.toml").write_text(tomli_w.dumps(config))
    command = [sys.executable, "-m", "lamppost", "hunt", str(folder / "hunt.toml"), "--out", str(folder / "run")]
    command += ["--workers", str(options.workers or 2), "--json", "--quiet"]
    begun = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True)
    wall = time.monotonic() - begun
    if done.returncode:
        raise SystemExit(done.stderr)
    result = json.loads(done.stdout)
    kept = {key: result[key] for key in ("p_global", "z_global", "cpu_s", "max_rss_mb", "warnings")}
    return {"events": events, "signal": SIGNAL, "wall_s": wall, "workers": options.workers or 2, **kept}


def section(name: str, result: Json) -> str:
    """The text below the title."""
    text = (
        f"`lamppost hunt`, method cathode, one window, {result['events']:,} background and {result['signal']} signal "
        f"events, {result['workers']} workers: from the file to the report, start and compilation included."
    )
    z = "no claim" if result["z_global"] is None else f"{result['z_global']:.1f}"
    cells = [f"{result['wall_s']:.0f}", f"{result['cpu_s']:.0f}", result["max_rss_mb"], z]
    return f"{wrapped(text)}\n\n{markdown(['wall s', 'CPU s', 'MB, all processes', 'global Z'], [cells])}"


def bars(name: str, result: Json) -> list[Bar]:
    """Four minutes on two cores."""
    return [Bar("hunt with cathode, one window, wall s", [result["wall_s"]], LIMIT, at_least=False)]
