"""A hunt in its run folder: plan, run, collect."""

import json
import time
from collections.abc import Callable
from concurrent.futures import Executor
from functools import partial
from pathlib import Path
from typing import Any

import tomli_w

from lamppost.config import Search, rooted
from lamppost.config.samples import rooted_samples
from lamppost.run.artefacts import Store, provenance, remove_parts, write_file
from lamppost.run.collect import result_of, write_scores
from lamppost.run.costs import Costs
from lamppost.run.folder import alone, make_folder
from lamppost.run.graph import Task, run_graph
from lamppost.run.plan import Plan, plan
from lamppost.run.progress import Progress
from lamppost.run.worker import Report, max_rss_mb, process_pool

__all__ = ["run_hunt"]


def run_hunt(
    search: Search,
    out: Path,
    *,
    workers: int,
    quiet: bool = False,
    make_executor: Callable[[], Executor] | None = None,
) -> dict[str, Any]:
    """Run what is not done yet and write `result.json`, `details.json`, `scores.parquet` and `config.toml`.

    Tasks go to `make_executor()`; default: a pool of `workers` processes.

    Returns the result. A run that was interrupted, or whose configuration changed, redoes only what is missing.

    Raises
    ------
    LamppostError
        If the input or the configuration is at fault, or the folder cannot be written.
    """
    begun = time.monotonic(), time.process_time()
    planned = plan(search)  # before anything is written: a wrong path or window leaves no folder behind
    store = Store(out / "artefacts")
    make_folder(store.folder)
    with alone(out):
        return _hunt(
            search, planned, store, out, workers, quiet, make_executor or partial(process_pool, workers), begun
        )


def _hunt(
    search: Search,
    planned: Plan,
    store: Store,
    out: Path,
    workers: int,
    quiet: bool,
    make_executor: Callable[[], Executor],
    begun: tuple[float, float],
) -> dict[str, Any]:
    remove_parts(out)
    remove_parts(store.folder)
    (out / "result.json").unlink(missing_ok=True)  # it would be that of another configuration, perhaps
    dumped = search.model_dump(mode="json", by_alias=True, exclude_none=True)
    table = rooted_samples(rooted(dumped, Path.cwd()), Path.cwd())
    write_file(out / "config.toml", tomli_w.dumps(table).encode())
    costs = Costs()
    with Progress(planned.tasks, out / "log.jsonl", quiet=quiet) as progress:
        progress.event("start", seed=search.seed, workers=workers, tasks=len(planned.tasks), versions=provenance())

        def finished(task: Task, report: Report | None) -> None:
            costs.add(task, report)
            progress.finished(task, report)

        run_graph(planned.tasks, store, make_executor, in_flight=workers + 1, finished=finished)
        result, details = result_of(search, planned, store)
        write_scores(out / "scores.parquet", planned, store)
        own = time.process_time() - begun[1]
        result |= {
            "wall_s": round(time.monotonic() - begun[0], 2),
            "cpu_s": round(sum(costs.cpu_s.values()) + own, 2),
            "max_rss_mb": round(sum(costs.rss_mb.values()) + max_rss_mb()),
            "workers": workers,
            "timing": _timing(costs, own),
        }
        write_file(out / "details.json", _json(details))
        write_file(out / "result.json", _json(result))  # last: a result means that everything else is there
        progress.event("end", wall_s=result["wall_s"], p_global=result["p_global"])
    return result


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=1, allow_nan=False) + "\n").encode()


def _timing(costs: Costs, own: float) -> list[dict[str, Any]]:
    stages = [{"stage": s, "cpu_s": round(c, 2), "tasks": costs.tasks[s]} for s, c in costs.cpu_s.items()]
    return [
        *stages,
        {"stage": "main", "cpu_s": round(own, 2), "tasks": 1},
        {"stage": "found done", "cpu_s": 0.0, "tasks": costs.reused},
    ]
