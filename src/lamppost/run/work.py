"""A run in its folder: what is not done yet is done, then the result is written."""

import json
import time
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Unpack

import tomli_w

from lamppost.config import Setup, with_roots
from lamppost.run.artefacts import Store, bytes_written, provenance, remove_dead_parts, remove_parts, write_file
from lamppost.run.cache import Cache, forget, shared_by
from lamppost.run.cluster import executors
from lamppost.run.costs import Costs
from lamppost.run.estimate import DRY_RUN, estimate
from lamppost.run.folder import alone, make_folder
from lamppost.run.graph import Task, Then, nothing_more
from lamppost.run.progress import Progress
from lamppost.run.running import How, running
from lamppost.run.worker import max_rss_mb

__all__ = ["Clock", "How", "Json", "Work", "read_result", "work_in"]

Json = dict[str, Any]
RESULTS = ("result.json", "blind.json", "compare.json", "reach.json", "calibration.json", "limits.json")
MADE = (
    *("scores.parquet", "details.json", "report.html", "blind_details.json", "blind.html", "comparison.html"),
    *("calibration.html", "certificate.json", "limits.html", "limits.csv"),
)
"""What is made beside a result, and of it."""
OWN = {
    "calibrate": ("calibration.json", "calibration.html", "certificate.json"),
    "limits": ("limits.json", "limits.html", "limits.csv"),
}
"""Tables of the configuration that some results depend on, and no others."""


class Clock:
    """Wall and processor seconds, and bytes written by this process, since it was made."""

    def __init__(self) -> None:
        self._wall, self._cpu, self._written = time.monotonic(), time.process_time(), bytes_written()

    def wall_s(self) -> float:
        return time.monotonic() - self._wall

    def cpu_s(self) -> float:
        """Of this process alone."""
        return time.process_time() - self._cpu

    def written(self) -> int:
        """Bytes."""
        return bytes_written() - self._written


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
    SHA-256, are removed at the start. With `dry_run` nothing is removed nor written but samples of the tasks, and what
    all of them would cost is returned.
    """
    make_folder(out)
    with alone(out):
        cache = shared_by(out, how.get("cache"))
        if (seconds := how.get("dry_run")) is not None:
            executors(how.get("dask"), how["workers"], cache.artefacts, out)  # says what is wrong with `dask`
            return estimate(out, cache, name, tasks, seconds, workers=how["workers"], quiet=how.get("quiet", False))
        _clear(out, cache, setup, sha256, name)
        about = {"seed": setup.seed, "versions": provenance()}
        with running(out, cache, name, tasks, about, how) as campaign:
            work = Work(out, campaign.store, campaign.progress, campaign.run)
            result = {**make(work), **_spent(clock, campaign.costs), "workers": how["workers"]}
            work.write(name, result)
            campaign.progress.event("end", wall_s=result["wall_s"])
    return result


def _clear(out: Path, cache: Cache, setup: Setup, sha256: str, name: str) -> None:
    """Leave nothing half-written, and no result beside a configuration or data that are not its own."""
    remove_dead_parts(out)
    if cache.shared(out):
        cache.store.remove_parts()
    else:
        remove_parts(cache.artefacts)
    table = setup.model_dump(mode="json", by_alias=True, exclude_none=True)
    config, text = out / "config.toml", tomli_w.dumps(with_roots(table, Path.cwd())).encode()
    stale = [name, *_stale(config, text)]
    if not all(_is_of(out / one, sha256) for one in RESULTS):
        stale = [*MADE, *RESULTS]
    for result in stale:
        (out / result).unlink(missing_ok=True)
    forget(cache, out, (DRY_RUN, *(result for result in stale if result in RESULTS and result != name)))
    write_file(config, text)


def _stale(config: Path, text: bytes) -> tuple[str, ...]:
    """What another configuration made, as far as this one changes it."""
    try:
        before = tomllib.loads(config.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return (*MADE, *RESULTS)
    now = tomllib.loads(text.decode())
    own = [(before.pop(table, None) != now.pop(table, None), made) for table, made in OWN.items()]
    if before != now:
        return (*MADE, *RESULTS)
    return tuple(one for changed, made in own if changed for one in made)


def _is_of(result: Path, sha256: str) -> bool:
    """Whether there is no such result, or it is whole and of these data."""
    try:
        return not result.exists() or bool((read_result(result) or {})["data"]["sha256"] == sha256)
    except (KeyError, TypeError):
        return False


def read_result(path: Path) -> Json | None:
    """What a result in a run folder holds; None if there is none, or it is not whole."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _spent(clock: Clock, costs: Costs) -> Json:
    own = clock.cpu_s()
    stages = [
        {"stage": s, "cpu_s": round(c, 2), "tasks": costs.tasks[s], "bytes": costs.written[s]}
        for s, c in costs.cpu_s.items()
    ]
    return {
        "wall_s": round(clock.wall_s(), 2),
        "cpu_s": round(sum(costs.cpu_s.values()) + own, 2),
        "max_rss_mb": round(sum(costs.rss_mb.values()) + max_rss_mb()),
        "timing": [
            *stages,
            {"stage": "main", "cpu_s": round(own, 2), "tasks": 1, "bytes": clock.written()},
            {"stage": "found done", "cpu_s": 0.0, "tasks": costs.reused, "bytes": 0},
        ],
    }
