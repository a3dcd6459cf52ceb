"""What a user sees of a run (stderr, a page) and what the run remembers of itself (log.jsonl)."""

import os
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from lamppost.errors import LamppostError
from lamppost.living import alive, machine
from lamppost.run.artefacts import write_file
from lamppost.run.graph import Task
from lamppost.run.progress.campaign import Campaign, replay
from lamppost.run.progress.log import append
from lamppost.run.progress.page import page_of
from lamppost.run.progress.sorts import name_of
from lamppost.run.progress.view import Terminal
from lamppost.run.worker import Report

__all__ = ["PAGE", "Progress"]

PAGE = "progress.html"
_TICK, _PAGE, _BEAT = 0.5, 5.0, 60.0
"""Seconds between two looks at the state, two versions of the page, two signs of life."""


class Progress:
    """Every event goes to the log at once; a thread shows the state twice a second, however many events there are.

    Parameters
    ----------
    log
        The log of the run.
    folder
        Where the page is; None for none.
    beat
        Called once a minute while the run lives.
    """

    def __init__(
        self, log: Path, *, folder: Path | None = None, quiet: bool = False, beat: Callable[[], None] | None = None
    ) -> None:
        self._log, self._folder, self._beat = log, folder, beat
        self._campaign = replay(log) or Campaign()
        self._known: set[str] = set()
        self._lock, self._end = threading.RLock(), threading.Event()
        self._terminal = Terminal(quiet=quiet)
        self._ticker = threading.Thread(target=self._tick, name="progress", daemon=True)
        self._executor: Any = None

    def __enter__(self) -> Self:
        self._terminal.start()
        self._ticker.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.set()
        self._ticker.join()
        if self._campaign.state == "running" and kind is not None:
            state = "interrupted" if issubclass(kind, KeyboardInterrupt) else "failed"
            facts = {"state": state, "why": "" if state == "interrupted" else _one_line(error)}
            self._campaign.event("stopped", time.time(), facts)
            with suppress(LamppostError):  # the disk may be full, and that may be why
                append(self._log, "stopped", self._campaign.updated, **facts)
        self._show_page()
        self._terminal.stop(self._state())

    def start(self, result: str, tasks: Iterable[Task], **facts: Any) -> None:
        """Begin, for the file `result`, with the tasks that are known from the start."""
        tasks = list(tasks)
        about = {"result": result, "host": socket.gethostname(), "machine": machine(), "pid": os.getpid()}
        self.event("start", **about, tasks=len(tasks), **facts)
        self.plan(tasks)
        self._show_page()

    def event(self, what: str, **facts: Any) -> None:
        """Append a line to the log, whole or not at all."""
        with self._lock:
            now = time.time()
            append(self._log, what, now, **facts)
            self._campaign.event(what, now, facts)
            if what == "failed":  # it is no longer one that may be dropped
                self._known.discard(facts["key"])

    def plan(self, tasks: Iterable[Task]) -> None:
        """Tasks that will be run; those that are known already count once."""
        new = [task for task in tasks if task.key not in self._known]
        self._known.update(task.key for task in new)
        if new:
            self.event("plan", tasks=_numbers(new))

    def dropped(self, tasks: Iterable[Task]) -> None:
        """Tasks that will not be run after all; one that is run later for something else is planned again."""
        gone = [task for task in tasks if task.key in self._known]
        self._known.difference_update(task.key for task in gone)
        if gone:
            self.event("dropped", tasks=_numbers(gone))

    def told(self, what: str, task: Task, why: str = "") -> None:
        """A task has begun, was lost with its worker, or has failed."""
        self.plan([task])
        self.event(what, **_about(task), **({"why": why} if why else {}))

    def finished(self, task: Task, report: Report | None) -> None:
        """Count a task that was run, or found done by an earlier run."""
        self.plan([task])
        if report is None:
            self.event("found", **_about(task))
            return
        facts = {"cpu_s": round(report.cpu_s, 3), "rss_mb": round(report.rss_mb, 1), "written": report.written}
        self.event("done", **_about(task), **facts, pid=report.pid, machine=report.machine)

    def working(self, executor: Any) -> None:
        """Tasks go to this executor from now on."""
        self._executor = executor

    def _tick(self) -> None:
        paged = beaten = time.monotonic()
        while not self._end.wait(_TICK):
            now = time.monotonic()
            with suppress(Exception):  # whoever watched is gone; signs of life must go on whatever is shown
                self._terminal.show(self._state)
            if now - paged >= _PAGE:
                paged = now
                with suppress(Exception):
                    self._show_page()
            if self._beat is not None and now - beaten >= _BEAT:
                beaten = now
                self._beat()

    def _state(self) -> dict[str, Any]:
        workers = workers_alive(self._executor)
        with self._lock:
            return {**self._campaign.as_dict(time.time()), "workers_alive": workers}

    def _show_page(self) -> None:
        """Write the page; that it cannot be written is no reason to end a run."""
        if self._folder is not None:
            with suppress(LamppostError):
                write_file(self._folder / PAGE, page_of(self._folder, self._state()).encode())


def workers_alive(executor: Any) -> int | None:
    """How many workers an executor has; None if it does not say."""
    if executor is None:
        return None
    if hasattr(executor, "workers_alive"):
        return int(executor.workers_alive())
    processes: Sequence[Any] = list((getattr(executor, "_processes", None) or {}).values())
    return sum(alive(process.pid) for process in processes if process.pid) if processes else None


def _about(task: Task) -> dict[str, Any]:
    return {"key": task.key, "stage": task.stage, "label": task.label}


def _numbers(tasks: Sequence[Task]) -> dict[str, int]:
    return dict(Counter(name_of(task.stage, task.label) for task in tasks))


def _one_line(error: BaseException | None) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0] if isinstance(error, LamppostError) else f"{lines[0]} {lines[-1] if len(lines) > 1 else ''}".strip()
