"""What tasks cost, as the logs of runs have it."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np

from lamppost.run.cache import Cache, users
from lamppost.run.progress.log import entries

__all__ = ["Cost", "Measured", "cost_of", "measured", "once_of"]

_FEW = 0.5
"""Relative error of the cost of a sort of which one task was measured."""
_LEAST = 0.1
"""And of one of which several were: they were not the same windows."""


@dataclass(frozen=True)
class Measured:
    """One task that was run: `first` of its sort in its process, which paid for imports and compilation."""

    cpu_s: float
    written: int
    rss_mb: float
    first: bool


@dataclass(frozen=True)
class Cost:
    """What a task of a sort costs: CPU seconds and their error, bytes, MB; `first`: what the first in a process took.

    `usual`: whether one was measured that was not the first.
    """

    cpu_s: float
    error: float
    first: float | None
    usual: bool
    written: float
    rss_mb: float
    samples: int


def measured(out: Path, cache: Cache, sorts: Mapping[str, str]) -> dict[str, list[Measured]]:
    """Tasks of this plan, the very same, that any run has done: those of the folder and of the users of the cache.

    `sorts`: the sort of every task of the plan, by key. What was measured with another configuration has another key.
    """
    logs = [out / "log.jsonl", *(user.folder / "log.jsonl" for user in users(cache))]
    found: dict[str, list[Measured]] = {}
    seen: set[str] = set()
    for log in dict.fromkeys(path.resolve() for path in logs):
        _read(log, sorts, found, seen)
    return found


def _read(log: Path, sorts: Mapping[str, str], found: dict[str, list[Measured]], seen: set[str]) -> None:
    warm: set[tuple[Any, str]] = set()
    for one in entries(log):
        if one["event"] == "start":
            warm.clear()
        if one["event"] not in ("done", "sampled") or (sort := sorts.get(one["key"])) is None:
            continue
        process = (one["pid"], sort)
        if one["key"] not in seen:
            made = Measured(one["cpu_s"], one.get("written", 0), one["rss_mb"], process not in warm)
            found.setdefault(sort, []).append(made)
            seen.add(one["key"])
        warm.add(process)


def cost_of(some: Collection[Measured]) -> Cost:
    """What these say of a task of their sort."""
    usual = [one.cpu_s for one in some if not one.first]
    first = [one.cpu_s for one in some if one.first]
    times = usual or first
    mean = _mean(times)
    spread = float(np.std(times, ddof=1)) / sqrt(len(times)) if len(times) > 1 else _FEW * mean
    written, memory = _mean([one.written for one in some]), max(one.rss_mb for one in some)
    error = max(spread, _LEAST * mean)
    return Cost(mean, error, _mean(first) if first else None, bool(usual), written, memory, len(some))


def once_of(costs: Mapping[str, Cost]) -> float:
    """CPU seconds that every process pays once, for imports and compilation, whatever it does first.

    What the first of a sort took beyond the others; where there is no other, beyond the others of its stage.
    """
    total = 0.0
    for sort, cost in costs.items():
        if cost.first is not None:
            stage = sort.partition(":")[0]
            alike = [one.cpu_s for name, one in costs.items() if one.usual and name.partition(":")[0] == stage]
            usual = cost.cpu_s if cost.usual else _mean(alike) if alike else cost.first
            total += max(cost.first - usual, 0.0)
    return total


def _mean(values: Iterable[float]) -> float:
    return float(np.mean(list(values)))
