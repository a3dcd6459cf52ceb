"""What tasks cost, as the logs of runs have it."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np

from lamppost.run.cache import Cache, users
from lamppost.run.progress.log import entries
from lamppost.run.progress.sorts import window_of

__all__ = ["Cost", "Measured", "cost_of", "measured", "once_of"]

_FEW = 0.5
"""Relative error of the cost of a sort of which one task was measured."""
_LEAST = 0.1
"""And of one of which several were: they were not the same windows."""


@dataclass(frozen=True)
class Measured:
    """One task that was run.

    first: of its sort in its process, which paid for imports; fresh: of its window, which may have paid for compilation
    """

    cpu_s: float
    written: int
    rss_mb: float
    first: bool
    fresh: bool = False


@dataclass(frozen=True)
class Cost:
    """What a task of a sort costs: CPU seconds and their error, bytes, MB; `first`: what the first in a process took.

    `extra`: seconds more of the first of a window in a process; `usual`: whether one was measured that was not the
    first of all.
    """

    cpu_s: float
    error: float
    extra: float
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
    warm: set[tuple[Any, str, str]] = set()
    for one in entries(log):
        if one["event"] == "start":
            warm.clear()
        if one["event"] not in ("done", "sampled") or (sort := sorts.get(one["key"])) is None:
            continue
        where = one.get("machine"), one["pid"]
        process, window = (where, sort, ""), (where, sort, window_of(one["label"]))
        if one["key"] not in seen:
            costs = one["cpu_s"], one.get("written", 0), one["rss_mb"]
            found.setdefault(sort, []).append(Measured(*costs, process not in warm, window not in warm))
            seen.add(one["key"])
        warm |= {process, window}


def cost_of(some: Collection[Measured]) -> Cost:
    """What these say of a task of their sort."""
    first = [one.cpu_s for one in some if one.first]
    fresh = [one.cpu_s for one in some if one.fresh and not one.first]
    warm = [one.cpu_s for one in some if not (one.fresh or one.first)]
    times = warm or fresh or first
    mean = _mean(times)
    extra = max(_mean(fresh) - mean, 0.0) if warm and fresh else 0.0
    spread = float(np.std(times, ddof=1)) / sqrt(len(times)) if len(times) > 1 else _FEW * mean
    written, memory = _mean([one.written for one in some]), max(one.rss_mb for one in some)
    error = max(spread, _LEAST * mean)
    began = _mean(first) if first else None
    return Cost(mean, error, extra, began, bool(warm or fresh), written, memory, len(some))


def once_of(costs: Mapping[str, Cost]) -> float:
    """CPU seconds that every process pays once, for imports and compilation, whatever it does first.

    What the first of a sort took beyond the others; where there is no other, beyond the others of its stage.
    """
    total = 0.0
    for sort, cost in costs.items():
        if cost.first is not None:
            stage = sort.partition(":")[0]
            some = [one for name, one in costs.items() if one.usual and name.partition(":")[0] == stage]
            alike = [one.cpu_s + one.extra for one in some]
            usual = cost.cpu_s + cost.extra if cost.usual else _mean(alike) if alike else cost.first
            total += max(cost.first - usual, 0.0)
    return total


def _mean(values: Iterable[float]) -> float:
    return float(np.mean(list(values)))
