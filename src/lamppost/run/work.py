"""A run in its folder: what is not done yet is done, then the result is written."""

import json
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Required, TypedDict, Unpack

import tomli_w

from lamppost.config import Setup, with_roots
from lamppost.run.artefacts import Store, provenance, remove_parts, write_file
from lamppost.run.cluster import executors
from lamppost.run.costs import Costs
from lamppost.run.folder import alone, make_folder
from lamppost.run.graph import Task, Then, nothing_more, run_graph
from lamppost.run.progress import Progress
from lamppost.run.worker import Report, max_rss_mb

__all__ = ["Clock", "How", "Json", "Work", "work_in"]

Json = dict[str, Any]
RESULTS = ("result.json", "compare.json", "reach.json", "calibration.json")
MADE = ("scores.parquet", "details.json", "report.html", "comparison.html", "calibration.html", "certificate.json")
"""What is made beside a result, and of it."""


class How(TypedDict, total=False):
    """Tasks go to a Dask cluster, or a pool of `workers` processes, or `make_executor()`; `quiet`: no progress."""

    workers: Required[int]
    quiet: bool
    dask: str | None
    make_executor: Callable[[], Executor]


class Clock:
    """Wall and processor seconds since it was made."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.monotonic(), time.process_time()

    def wall_s(self) -> float:
        return time.monotonic() - self._wall

    def cpu_s(self) -> float:
        """Of this process alone."""
        return time.process_time() - self._cpu


@dataclass(frozen=True)
class Work:
    """The folder of a run that goes on: its artefacts, and how its tasks are run."""

    out: Path
    store: Store
    progress: Progress
    _run: Callable[[Sequence[Task], Then], None]

    def do(self, tasks: Sequence[Task], then: Then = nothing_more) -> None:
        """Run what is not done yet, and what `then` asks for when that is done."""
        self._run(tasks, then)

    def write(self, name: str, value: Json) -> None:
        """Write a JSON file."""
        write_file(self.out / name, (json.dumps(value, indent=1, allow_nan=False) + "\n").encode())


def work_in(
    out: Path,
    setup: Setup,
    sha256: str,
    tasks: Sequence[Task],
    name: str,
    make: Callable[[Work], Json],
    clock: Clock,
    **how: Unpack[How],
) -> Json:
    """Let `make` run the tasks and say what came out, add what it took, write that to the file `name` last of all.

    A result means that everything else is there: those of another configuration, or of other data than those of this
    SHA-256, are removed at the start.
    """
    workers, quiet = how["workers"], how.get("quiet", False)
    store = Store(out / "artefacts")
    made = executors(how.get("dask"), workers, store.folder, quiet=quiet)
    make_folder(store.folder)
    with alone(out):
        _clear(out, store, setup, sha256, name)
        costs, executor = Costs(), how.get("make_executor") or made
        with Progress(tasks, out / "log.jsonl", quiet=quiet) as progress:
            progress.event("start", seed=setup.seed, workers=workers, tasks=len(tasks), versions=provenance())

            def finished(task: Task, report: Report | None) -> None:
                costs.add(task, report)
                progress.finished(task, report)

            def tell(what: str, task: Task, why: str) -> None:
                if what != "begun":
                    progress.event(what, key=task.key, stage=task.stage, label=task.label, why=why)

            def run(tasks: Sequence[Task], then: Then) -> None:
                told: dict[str, Any] = {"finished": finished, "tell": tell, "dropped": progress.dropped}
                run_graph(tasks, store, executor, in_flight=workers + 1, then=then, **told)

            work = Work(out, store, progress, run)
            result = {**make(work), **_spent(clock, costs), "workers": workers}
            work.write(name, result)
            progress.event("end", wall_s=result["wall_s"])
    return result


def _clear(out: Path, store: Store, setup: Setup, sha256: str, name: str) -> None:
    """Leave nothing half-written, and no result beside a configuration or data that are not its own."""
    remove_parts(out)
    remove_parts(store.folder)
    table = setup.model_dump(mode="json", by_alias=True, exclude_none=True)
    config, text = out / "config.toml", tomli_w.dumps(with_roots(table, Path.cwd())).encode()
    same = config.exists() and config.read_bytes() == text and all(_is_of(out / one, sha256) for one in RESULTS)
    for result in (name,) if same else (*MADE, *RESULTS):
        (out / result).unlink(missing_ok=True)
    write_file(config, text)


def _is_of(result: Path, sha256: str) -> bool:
    """Whether there is no such result, or it is whole and of these data."""
    try:
        return bool(json.loads(result.read_bytes())["data"]["sha256"] == sha256)
    except FileNotFoundError:
        return True
    except (ValueError, KeyError, TypeError):
        return False


def _spent(clock: Clock, costs: Costs) -> Json:
    own = clock.cpu_s()
    stages = [{"stage": s, "cpu_s": round(c, 2), "tasks": costs.tasks[s]} for s, c in costs.cpu_s.items()]
    return {
        "wall_s": round(clock.wall_s(), 2),
        "cpu_s": round(sum(costs.cpu_s.values()) + own, 2),
        "max_rss_mb": round(sum(costs.rss_mb.values()) + max_rss_mb()),
        "timing": [
            *stages,
            {"stage": "main", "cpu_s": round(own, 2), "tasks": 1},
            {"stage": "found done", "cpu_s": 0.0, "tasks": costs.reused},
        ],
    }
