"""Running some tasks for a limited time."""

import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager, suppress
from pathlib import Path

from lamppost.run.cache import Cache, using
from lamppost.run.graph import Task, run_graph
from lamppost.run.progress.log import append
from lamppost.run.worker import Report, process_pool

__all__ = ["DRY_RUN", "sample"]

DRY_RUN = "dry-run"
"""What artefacts of samples are listed for, until a run is started."""


class _TimeIsUp(Exception):
    """The samples have taken as long as they may."""


def sample(out: Path, cache: Cache, tasks: Sequence[Task], seconds: float) -> None:
    """Run tasks in one process of their own, for so many seconds; what is made is kept, and the log says what it cost.

    Raises
    ------
    LamppostError
        The first error that a task returned.
    """
    end, pools = time.monotonic() + seconds, list[Executor]()

    def make() -> Executor:
        if time.monotonic() >= end:
            raise _TimeIsUp
        pools.append(process_pool(1))
        return pools[-1]

    def finished(task: Task, report: Report | None) -> None:
        if report is not None:
            facts = {"cpu_s": round(report.cpu_s, 3), "rss_mb": round(report.rss_mb, 1), "written": report.written}
            about = {"key": task.key, "stage": task.stage, "label": task.label}
            process = {"pid": report.pid, "machine": report.machine}
            append(out / "log.jsonl", "sampled", time.time(), **about, **facts, **process)
        if time.monotonic() >= end:
            raise _TimeIsUp

    with using(cache, out, DRY_RUN) as use, _ended_after(seconds, pools), suppress(_TimeIsUp):
        use.add(task.key for task in tasks)
        run_graph(tasks, cache.store, make, in_flight=1, finished=finished)


@contextmanager
def _ended_after(seconds: float, pools: Sequence[Executor]) -> Iterator[None]:
    """End the processes of these pools when time is up: a pool whose process is gone is made again, or not."""
    over = threading.Event()

    def watch() -> None:
        over.wait(seconds)
        while not over.wait(0.1):
            for pool in pools:
                for pid in list(getattr(pool, "_processes", None) or ()):
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGTERM)

    thread = threading.Thread(target=watch, name="end of the samples", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
