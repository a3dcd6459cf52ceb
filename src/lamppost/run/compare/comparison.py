"""A comparison in its run folder: plan, run, collect."""

import json
import time
from collections.abc import Callable
from concurrent.futures import Executor
from functools import partial
from pathlib import Path
from typing import Any

import tomli_w

from lamppost.config import rooted
from lamppost.config.comparison import Comparison
from lamppost.config.samples import rooted_samples
from lamppost.run.artefacts import Store, provenance, remove_parts, write_file
from lamppost.run.compare.collect import result_of
from lamppost.run.compare.plan import Plan, plan
from lamppost.run.costs import Costs
from lamppost.run.folder import alone, make_folder
from lamppost.run.graph import Task, run_graph
from lamppost.run.progress import Progress
from lamppost.run.worker import Report, max_rss_mb, process_pool

__all__ = ["run_comparison"]


def run_comparison(
    comparison: Comparison,
    out: Path,
    *,
    workers: int,
    quiet: bool = False,
    make_executor: Callable[[], Executor] | None = None,
) -> dict[str, Any]:
    """Run what is not done yet and write `compare.json` and `config.toml`.

    Tasks go to `make_executor()`; default: a pool of `workers` processes.

    Returns the result. A run that was interrupted, or whose configuration changed, redoes only what is missing.

    Raises
    ------
    LamppostError
        If the input or the configuration is at fault, or the folder cannot be written.
    """
    begun = time.monotonic(), time.process_time()
    planned = plan(comparison)  # before anything is written: a wrong path leaves no folder behind
    store = Store(out / "artefacts")
    make_folder(store.folder)
    executor = make_executor or partial(process_pool, workers)
    with alone(out):
        return _run(comparison, planned, store, out, workers, quiet, executor, begun)


def _run(
    comparison: Comparison,
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
    (out / "compare.json").unlink(missing_ok=True)  # it would be that of another configuration, perhaps
    table = comparison.model_dump(mode="json", by_alias=True, exclude_none=True)
    write_file(out / "config.toml", tomli_w.dumps(rooted_samples(rooted(table, Path.cwd()), Path.cwd())).encode())
    costs = Costs()
    with Progress(planned.tasks, out / "log.jsonl", quiet=quiet) as progress:
        progress.event("start", seed=comparison.seed, workers=workers, tasks=len(planned.tasks), versions=provenance())

        def finished(task: Task, report: Report | None) -> None:
            costs.add(task, report)
            progress.finished(task, report)

        run_graph(planned.tasks, store, make_executor, in_flight=workers + 1, finished=finished)
        result = result_of(comparison, planned, store)
        own = time.process_time() - begun[1]
        result |= {
            "wall_s": round(time.monotonic() - begun[0], 2),
            "cpu_s": round(sum(costs.cpu_s.values()) + own, 2),
            "max_rss_mb": round(sum(costs.rss_mb.values()) + max_rss_mb()),
            "workers": workers,
        }
        write_file(out / "compare.json", (json.dumps(result, indent=1, allow_nan=False) + "\n").encode())
        progress.event("end", wall_s=result["wall_s"])
    return result
