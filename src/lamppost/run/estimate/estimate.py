"""Tasks, CPU hours, wall time, disk and memory of a run, before it is started."""

import shutil
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from math import sqrt
from pathlib import Path
from typing import Any

from lamppost.run.cache import Cache
from lamppost.run.estimate.choice import chosen, with_needs
from lamppost.run.estimate.measured import Cost, cost_of, measured, once_of
from lamppost.run.estimate.sampling import sample
from lamppost.run.graph import Task
from lamppost.run.progress.sorts import name_of, prior, window_of

__all__ = ["estimate"]

_GUESSED = 3.0
"""A sort of which no task was measured may cost so many times more, or less."""
_ONCE = 0.5
"""Relative error of what workers pay once: not every worker does everything."""


def estimate(
    out: Path,
    cache: Cache,
    name: str,
    tasks: Sequence[Task],
    seconds: float,
    *,
    workers: int,
    quiet: bool,
) -> dict[str, Any]:
    """What the tasks that are missing would cost; samples of those of which no cost is known take `seconds` at most.

    The cost of a sort is the mean over those measured, here or by other users of the cache. What the first of a process
    took beyond it, imports, every worker pays once (`cpu_s_once`, known to a half); what the first of a window took,
    compilation, every worker pays that comes to it. The error of a cost is that of the mean, at least 10 %;
    50 % where one was measured; where none was, what its stage usually costs relative to others is taken, within a
    factor of 3. `cpu_s_range` is two such errors wide to either side.
    """
    begun, sorts = time.monotonic(), {task.key: name_of(task.stage, task.label) for task in tasks}
    known = measured(out, cache, sorts)
    missing = [task for task in tasks if not cache.store.path(task.key).exists()]
    some = chosen(missing, sorts, {sort: len(found) for sort, found in known.items()})
    if some and seconds > 0:
        if not quiet:
            sys.stderr.write(f"running {len(some)} of {len(missing)} tasks to see what they cost\n")
        made = {task.key for task in some}
        there = [task for task in with_needs(some, tasks) if task.key not in made]
        sample(out, cache, [*there, *some], seconds)
        known = measured(out, cache, sorts)
    missing = [task for task in missing if not cache.store.path(task.key).exists()]
    costs = _costs(sorts, known)
    total = _total(missing, sorts, costs, workers)
    free = shutil.disk_usage(cache.artefacts).free
    took = round(time.monotonic() - begun, 1)
    memory = max((cost.rss_mb for cost in costs.values()), default=0.0)
    about = {"schema": 1, "estimate": name, "workers": workers, **total}
    return {**about, "rss_mb": memory, "disk_free": free, "took_s": took}


def _costs(sorts: Mapping[str, str], known: Mapping[str, Any]) -> dict[str, Cost]:
    """The cost of every sort, measured or guessed."""
    found = {sort: cost_of(some) for sort, some in known.items()}
    guesses = sum(prior(sort) for sort in found)
    scale = sum(cost.cpu_s for cost in found.values()) / guesses if guesses else 1.0
    written = sum(cost.written for cost in found.values()) / max(len(found), 1)
    missing = set(sorts.values()) - found.keys()
    guessed = {sort: Cost(prior(sort) * scale, 0.0, 0.0, None, False, written, 0.0, 0) for sort in missing}
    return {sort: (found | guessed)[sort] for sort in dict.fromkeys(sorts.values())}


def _total(
    missing: Sequence[Task], sorts: Mapping[str, str], costs: Mapping[str, Cost], workers: int
) -> dict[str, Any]:
    left: Counter[str] = Counter(sorts[task.key] for task in missing)
    stages = _stages(Counter(sorts.values()), left, _fresh(missing, sorts, workers), costs)
    once = once_of(costs) * min(workers, len(missing))
    cpu_s = sum(stage["cpu_s"] for stage in stages.values()) + once
    error = 2 * sqrt((_ONCE * once) ** 2 + sum((left[sort] * cost.error) ** 2 for sort, cost in costs.items()))
    guessed = {sort: left[sort] * cost.cpu_s for sort, cost in costs.items() if left[sort] and not cost.samples}
    low, high = (1 - 1 / _GUESSED) * sum(guessed.values()), (_GUESSED - 1) * sum(guessed.values())
    longest = max((costs[sort].cpu_s for sort in left), default=0.0)
    return {
        "tasks": {what: sum(stage[what] for stage in stages.values()) for what in _COLUMNS},
        "stages": [{"stage": stage, **about} for stage, about in stages.items()],
        "cpu_s": cpu_s,
        "cpu_s_once": once,
        "cpu_s_range": [max(cpu_s - low - error, 0.0), cpu_s + high + error],
        "wall_s": max(cpu_s / workers, longest),
        "bytes": int(sum(stage["bytes"] for stage in stages.values())),
        "guessed": sorted(guessed, key=lambda sort: -guessed[sort]),
    }


def _stages(
    planned: Mapping[str, int], left: Mapping[str, int], fresh: Mapping[str, int], costs: Mapping[str, Cost]
) -> dict[str, dict[str, Any]]:
    """Tasks, CPU seconds and bytes by stage."""
    stages: dict[str, dict[str, Any]] = {}
    for sort, cost in costs.items():
        n = left[sort]
        about: dict[str, float] = {
            "planned": planned[sort],
            "there": planned[sort] - n,
            "left": n,
            "measured": cost.samples,
        }
        about |= {"cpu_s": n * cost.cpu_s + fresh[sort] * cost.extra, "bytes": n * cost.written}
        stage = stages.setdefault(sort.partition(":")[0], dict.fromkeys(about, 0))
        for what, value in about.items():
            stage[what] += value
    return stages


_COLUMNS = ("planned", "there", "left", "measured")


def _fresh(missing: Sequence[Task], sorts: Mapping[str, str], workers: int) -> Counter[str]:
    """How many tasks of each sort are the first of their window in a worker, if they go to as many as can be."""
    found: Counter[str] = Counter()
    for (sort, _), number in Counter((sorts[task.key], window_of(task.label)) for task in missing).items():
        found[sort] += min(number, workers)
    return found
