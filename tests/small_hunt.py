"""A hunt that takes two seconds: its events, its configuration, and how to run it as a user does."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import tomli_w
from numpy.typing import NDArray

Json = dict[str, Any]
Table = Mapping[str, NDArray[Any]]

FIT_RANGE = (2800.0, 8000.0)
WINDOWS = [[3200.0, 3600.0], [3600.0, 4000.0]]
TASKS = 21  # of a hunt in these two windows with three folds
TIMES = ("wall_s", "cpu_s", "max_rss_mb", "timing", "workers")


def events(n: int = 4000, seed: int = 1) -> dict[str, NDArray[Any]]:
    """A mass that falls like a power and two features that know nothing of it."""
    rng = np.random.default_rng(seed)
    lo, hi = FIT_RANGE
    mass = lo * (1.0 - rng.random(n) * (1.0 - (lo / hi) ** 6)) ** (-1.0 / 6.0)
    return {
        "event": np.arange(n, dtype=np.int64),
        "mjj": mass,
        "a": rng.normal(size=n),
        "b": rng.exponential(size=n),
        "w": np.ones(n),
    }


def write_events(path: Path, table: Table) -> Path:
    pq.write_table(pa.table(dict(table)), path)
    return path


def search(**changes: Any) -> Json:
    """The configuration as a table; `changes` are tables to merge into it, None removes a key."""
    table = {
        "seed": 1,
        "data": {"path": "events.parquet", "mass": "mjj", "features": ["a", "b"]},
        "scan": {"windows": WINDOWS, "folds": 3, "efficiency": 0.1, "decorrelate": "none"},
        "method": {"kind": "weak", "ratio": {"kind": "boosted", "members": 2, "rounds": 20}},
        "fit": {"range": list(FIT_RANGE), "n_parameters": 3, "toys": 100},
    }
    return merged(table, changes)


def merged(table: Json, changes: Mapping[str, Any]) -> Json:
    result = dict(table)
    for key, value in changes.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict) and isinstance(result.get(key), dict):
            result[key] = merged(result[key], value)
        else:
            result[key] = value
    return result


def write_hunt(folder: Path, table: Table | None = None, **changes: Any) -> Path:
    """Write `events.parquet` (unless it is there and no table is given) and `hunt.toml`; the path of the latter."""
    folder.mkdir(parents=True, exist_ok=True)
    if table is not None or not (folder / "events.parquet").exists():
        write_events(folder / "events.parquet", events() if table is None else table)
    config = folder / "hunt.toml"
    config.write_text(tomli_w.dumps(search(**changes)))
    return config


def start(*arguments: object) -> "subprocess.Popen[str]":
    """The command line as a process of its own, in its own process group as a shell would start it."""
    command = [sys.executable, "-c", "import sys; from lamppost.cli import main; sys.exit(main())"]
    pipe = subprocess.PIPE
    words = [str(argument) for argument in arguments]
    return subprocess.Popen([*command, *words], stdout=pipe, stderr=pipe, text=True, start_new_session=True)


def hunt_process(config: Path, out: Path, *, workers: int = 2) -> "subprocess.Popen[str]":
    return start("hunt", config, "--out", out, "--workers", workers, "--quiet", "--json")


def finish(process: "subprocess.Popen[str]") -> Json:
    """The result of a hunt that ends well."""
    stdout, stderr = process.communicate(timeout=120)
    assert process.returncode == 0, stderr
    result: Json = json.loads(stdout)
    return result


def until(reached: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait for something to happen."""
    end = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.002)


def workers_of(process: "subprocess.Popen[str]") -> list[psutil.Process]:
    """The worker processes, those that are just starting included."""
    try:
        children = psutil.Process(process.pid).children()
        return [child for child in children if "spawn_main" in " ".join(child.cmdline())]
    except psutil.Error:
        return []


def entries(out: Path, what: str) -> list[Json]:
    """The events of one sort in the log of a run, of all its starts."""
    log = out / "log.jsonl"
    lines = log.read_text().splitlines() if log.exists() else []
    return [entry for entry in map(json.loads, lines) if entry["event"] == what]


def n_done(out: Path) -> int:
    """How many tasks were finished, in all starts."""
    log = out / "log.jsonl"
    return log.read_bytes().count(b'"event": "done"') if log.exists() else 0


def result_in(out: Path) -> Json:
    result: Json = json.loads((out / "result.json").read_text())
    return result


def timeless(result: Mapping[str, Any]) -> Json:
    """A result without what may differ between two runs of the same search."""
    return {name: value for name, value in result.items() if name not in TIMES}
