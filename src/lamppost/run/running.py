"""A run that goes on: what it needs is listed, its cache stays within its bound, its progress is shown."""

import random
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Required, TypedDict

from lamppost.run.artefacts import Store
from lamppost.run.cache import Bound, Cache, Use, using
from lamppost.run.cluster import executors
from lamppost.run.costs import Costs
from lamppost.run.graph import Task, Then, nothing_more, run_graph
from lamppost.run.progress import Progress
from lamppost.run.worker import Report

__all__ = ["How", "Running", "running"]


class How(TypedDict, total=False):
    """Tasks go to a Dask cluster, or a pool of `workers` processes, or `make_executor()`; `quiet`: no progress.

    cache: the folder of artefacts that several runs share; max_cache: what it holds at most [bytes]
    dry_run: only say what the run would cost, from samples that take so many seconds at most
    """

    workers: Required[int]
    quiet: bool
    dask: str | None
    make_executor: Callable[[], Executor] | None
    cache: Path | None
    max_cache: int | None
    dry_run: float | None


@dataclass(frozen=True)
class Running:
    """The parts of a run that goes on."""

    store: Store
    progress: Progress
    costs: Costs
    _use: Use
    _bound: Bound
    _workers: int
    _make: Callable[[], Executor]

    def run(self, tasks: Sequence[Task], then: Then = nothing_more) -> None:
        """Run what is not done yet, and what `then` asks for when that is done."""
        more: Then = lambda: self._known(then())  # noqa: E731
        run_graph(
            self._known(tasks),
            self.store,
            self._executor,
            in_flight=self._workers + 1,
            finished=self._finished,
            then=more,
            tell=self.progress.told,
            dropped=self.progress.dropped,
            # runs that share a cache and want the same take it in different orders: then little is done twice
            turns=random.Random(str(self._use.path)) if self._use.shared else None,
        )

    def _known(self, tasks: Sequence[Task]) -> Sequence[Task]:
        """List artefacts as needed, before they are looked for."""
        self._use.add(task.key for task in tasks)
        self.progress.plan(tasks)
        return tasks

    def _executor(self) -> Executor:
        executor = self._make()
        self.progress.working(executor)
        return executor

    def _finished(self, task: Task, report: Report | None) -> None:
        self.costs.add(task, report)
        self.progress.finished(task, report)
        if report is not None:
            self._bound.added(task.key)


@contextmanager
def running(
    out: Path,
    cache: Cache,
    name: str,
    tasks: Sequence[Task],
    about: dict[str, Any],
    how: How,
    *,
    page: bool = True,
) -> Iterator[Running]:
    """Begin a run in the folder `out`, held alone, for the result `name`; `about` goes into its log.

    Raises
    ------
    LamppostError
        If the folder or the cache cannot be written, or holds more than it may.
    """
    workers, bound, quiet = how["workers"], Bound(cache, how.get("max_cache")), how.get("quiet", False)
    make = how.get("make_executor") or executors(how.get("dask"), workers, cache.store.folder, out, quiet=quiet)
    with using(cache, out, name) as use:
        use.add(task.key for task in tasks)
        bound.check()
        with Progress(out / "log.jsonl", folder=out if page else None, quiet=quiet, beat=use.beat) as progress:
            progress.start(name, tasks, workers=workers, **about)
            yield Running(cache.store, progress, Costs(), use, bound, workers, make)
