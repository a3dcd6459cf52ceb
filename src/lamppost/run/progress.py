"""What a user sees of a run (stderr) and what the run remembers of itself (log.jsonl)."""

import errno
import json
import os
import sys
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from lamppost.run.artefacts import not_written
from lamppost.run.graph import Task
from lamppost.run.worker import Report

__all__ = ["Progress", "spent"]

# What a task of each stage costs relative to the others until the run's own tasks tell: for the first ETA only
_COST = {"read": 1.0, "draw": 0.1, "fit": 6.0, "train": 6.0, "check": 3.0, "claim": 10.0, "validate": 1.0}


class Progress:
    """A live bar with ETA on a terminal, a line per tenth of the work elsewhere; every event goes to the log."""

    def __init__(self, tasks: Sequence[Task], log: Path, *, quiet: bool = False) -> None:
        self._cost = {
            task.key: _COST.get(task.stage, 1.0) * (0.05 if "random score: training" in task.label else 1.0)
            for task in tasks
        }
        self._log, self._quiet = log, quiet
        self._total, self._reused, self._made, self._told = sum(self._cost.values()), 0.0, 0.0, 0
        self._start = time.monotonic()
        self._bar: Any = None
        self._id: Any = None

    def __enter__(self) -> Self:
        if not self._quiet and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, SpinnerColumn, TaskProgressColumn, TextColumn
            from rich.progress import Progress as Bar

            columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
            self._bar = Bar(*columns, TextColumn("{task.fields[eta]}"), console=Console(stderr=True), transient=True)
            self._bar.start()
            self._id = self._bar.add_task("starting", total=self._total, eta="")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def event(self, what: str, **facts: Any) -> None:
        """Append a line to the log, whole or not at all."""
        line = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "event": what, **facts}
        try:
            with self._log.open("ab", buffering=0) as log:
                before, text = log.tell(), (json.dumps(line) + "\n").encode()
                if log.write(text) < len(text):
                    log.truncate(before)
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            raise not_written(self._log, error) from None

    def finished(self, task: Task, report: Report | None) -> None:
        """Count a task that was run, or found done by an earlier run."""
        if report is None:
            self._reused += self._cost[task.key]
            self.event("found", key=task.key, stage=task.stage, label=task.label)
        else:
            self._made += self._cost[task.key]
            facts = {"cpu_s": round(report.cpu_s, 3), "rss_mb": round(report.rss_mb, 1), "pid": report.pid}
            self.event("done", key=task.key, stage=task.stage, label=task.label, **facts)
        self._tell(task.label)

    def added(self, tasks: Iterable[Task]) -> None:
        """Tasks that nobody knew of at the start."""
        for task in tasks:
            if task.key not in self._cost:
                self._cost[task.key] = _COST.get(task.stage, 1.0)
                self._total += self._cost[task.key]
        self._told = int(10 * (self._reused + self._made) / max(self._total, 1e-9))

    def dropped(self, tasks: Iterable[Task]) -> None:
        """Tasks that will not be run after all."""
        for task in tasks:
            self._total -= self._cost[task.key]
            self._cost[task.key] = 0.0  # it may still be run for something else

    def _tell(self, label: str) -> None:
        done = self._reused + self._made
        left = self._total - done
        spent = time.monotonic() - self._start
        eta = f"ETA {_clock(spent * left / self._made)}" if self._made > 0 else ""
        tenths = int(10 * done / self._total + 1e-9)
        if self._bar is not None:
            self._bar.update(self._id, completed=done, description=label, eta=eta)
        elif not self._quiet and tenths > self._told:
            self._told = tenths
            sys.stderr.write(f"{tenths * 10:3d} % after {_clock(spent)}{', ' if eta else ''}{eta}: {label}\n")
            sys.stderr.flush()


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:d}:{minutes:02d}:{rest:02d}" if hours else f"{minutes:d}:{rest:02d}"


def spent(log: Path) -> dict[str, float]:
    """CPU seconds of every task that the log of a run knows, of all its starts, by key."""
    lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
    return {one["key"]: one["cpu_s"] for one in map(json.loads, lines) if one["event"] == "done"}
