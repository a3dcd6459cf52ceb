"""What a Dask cluster costs: a hunt on `--dask local` against a local pool, and every executor with empty tasks.

    python benchmarks/cluster.py hunt --out runs/cluster [--pairs 3] [--toys N] [--windows N]
    python benchmarks/cluster.py tasks --out runs/cluster [--numbers 1000 10000]

`hunt`: the embedded sample, two workers, interleaved pairs of runs from nothing; wall time, CPU time of the process and
all that it starts, and whether both have the same bits. `tasks`: wall time per task that does nothing but make an
empty artefact, from the first that is done to the last, and CPU time of the main process. Prints a table and writes
hunt.json or tasks.json.
"""

import argparse
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

import psutil
import tomli_w

from lamppost.api import init
from lamppost.config import read_toml
from lamppost.run.artefacts import Store
from lamppost.run.cluster import executors
from lamppost.run.graph import Task, run_graph
from lamppost.run.worker import InlineExecutor, Report

HOW: dict[str, list[str]] = {"pool": [], "dask": ["--dask", "local"]}
TIMES = ("wall_s", "cpu_s", "max_rss_mb", "timing", "workers")


def hunt_once(config: Path, out: Path, how: list[str]) -> dict[str, Any]:
    """Wall seconds as the hunt counts them, and as a shell does; CPU seconds of all processes; the run folder stays."""
    shutil.rmtree(out, ignore_errors=True)
    code = "import sys; from lamppost.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", code, "hunt", str(config), "--out", str(out), "--workers", "2", "--quiet", *how]
    begun, cpu = time.monotonic(), dict[int, float]()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            note_cpu(process.pid, cpu)
            time.sleep(0.1)
    if process.returncode != 0:
        sys.exit(process.returncode)
    result = json.loads((out / "result.json").read_text())
    return {"run_s": result["wall_s"], "wall_s": time.monotonic() - begun, "cpu_s": sum(cpu.values())}


def note_cpu(pid: int, cpu: dict[int, float]) -> None:
    """CPU seconds of a process and all below it, so far."""
    try:
        one = psutil.Process(pid)
        for each in (one, *one.children(recursive=True)):
            times = each.cpu_times()
            cpu[each.pid] = times.user + times.system
    except psutil.Error:  # gone meanwhile
        pass


def bits(out: Path) -> dict[str, Any]:
    """The result without times, and every byte of the scores and artefacts."""
    result = {name: value for name, value in json.loads((out / "result.json").read_text()).items() if name not in TIMES}
    files = [out / "scores.parquet", *sorted((out / "artefacts").iterdir())]
    return {"result": result, **{path.name: path.read_bytes() for path in files}}


def hunts(out: Path, pairs: int, toys: int, windows: int) -> dict[str, Any]:
    config = out / "hunt.toml"
    config.unlink(missing_ok=True)
    init(config)
    table = read_toml(config)
    table["fit"]["toys"] = toys
    first = table["scan"]["windows"]
    table["scan"]["windows"] = {**first, "to": first["from"] + first["width"] + (windows - 1) * first["step"]}
    config.write_text(tomli_w.dumps(table))
    hunt_once(config, out / "warm", HOW["pool"])  # fits are compiled
    found: dict[str, list[dict[str, Any]]] = {"pool": [], "dask": []}
    for number in range(pairs):
        for name in ("pool", "dask") if number % 2 == 0 else ("dask", "pool"):
            found[name].append(hunt_once(config, out / name, HOW[name]))
            print(f"{name:5} " + ", ".join(f"{key} {value:.1f}" for key, value in found[name][-1].items()), flush=True)
    ratios = {
        key: [dask[key] / pool[key] for dask, pool in zip(found["dask"], found["pool"], strict=True)]
        for key in ("run_s", "wall_s", "cpu_s")
    }
    same = bits(out / "pool") == bits(out / "dask")
    for key, values in ratios.items():
        print(f"{key} dask / pool: median {median(values):.3f} of {', '.join(f'{value:.3f}' for value in values)}")
    print(f"same bits: {same}")
    return {"runs": found, "ratios": ratios, "same_bits": same, "toys": toys, "windows": windows}


def nothing(store: Store, key: str) -> None:
    store.path(key).touch()


def tasks(out: Path, numbers: list[int]) -> dict[str, Any]:
    found: dict[str, dict[str, Any]] = {}
    print(f"{'':8}{'tasks':>8}{'ms per task':>14}{'main CPU ms':>14}")
    for name in ("inline", "pool", "local"):
        for number in numbers:
            one = empty(out / "tasks", name, number)
            found.setdefault(name, {})[str(number)] = one
            print(f"{name:8}{number:>8}{one['ms']:>14.2f}{one['main_cpu_ms']:>14.2f}", flush=True)
    return found


def empty(folder: Path, name: str, number: int) -> dict[str, float]:
    """Milliseconds per task of so many that do nothing."""
    shutil.rmtree(folder, ignore_errors=True)
    store = Store(folder / "artefacts")
    store.folder.mkdir(parents=True)
    ends: list[float] = []

    def finished(task: Task, report: Report | None) -> None:
        ends.append(time.monotonic())
        if len(ends) == 1:
            cpu.append(time.process_time())

    cpu: list[float] = []
    make = InlineExecutor if name == "inline" else executors(None if name == "pool" else name, 2, store.folder, folder)
    graph = [Task(f"{i}.json", "empty", f"task {i}", nothing, {}) for i in range(number)]
    run_graph(graph, store, make, in_flight=3, finished=finished)
    shutil.rmtree(folder)
    share = 1000.0 / (number - 1)
    return {"ms": (ends[-1] - ends[0]) * share, "main_cpu_ms": (time.process_time() - cpu[0]) * share}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["hunt", "tasks"])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--toys", type=int, default=10_000)
    parser.add_argument("--windows", type=int, default=9)
    parser.add_argument("--numbers", type=int, nargs="+", default=[1000, 10_000])
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    if options.what == "hunt":
        found = hunts(options.out, options.pairs, options.toys, options.windows)
    else:
        found = tasks(options.out, options.numbers)
    (options.out / f"{options.what}.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
