"""A hunt in its run folder: plan, run, collect."""

from collections.abc import Callable
from pathlib import Path
from typing import Unpack

from lamppost.config import Search
from lamppost.run.collect import result_of, write_scores
from lamppost.run.plan import Plan, plan
from lamppost.run.work import Clock, How, Json, Work, work_in

__all__ = ["hunt_in", "run_hunt"]


def run_hunt(search: Search, out: Path, **how: Unpack[How]) -> Json:
    """Run what is not done yet and write `result.json`, `details.json`, `scores.parquet` and `config.toml`.

    Returns the result. A run that was interrupted, or whose configuration changed, redoes only what is missing. That
    windows may be blind is no matter here.

    Raises
    ------
    LamppostError
        If the input or the configuration is at fault, or the folder cannot be written.
    """
    clock = Clock()
    planned = plan(search)  # before anything is written: a wrong path or window leaves no folder behind
    return hunt_in(search, planned, out, clock, **how)


def hunt_in(
    search: Search,
    planned: Plan,
    out: Path,
    clock: Clock,
    opened: Callable[[], Json] | None = None,
    **how: Unpack[How],
) -> Json:
    """Run a hunt that is planned; `opened` is called before the first task, and what it says is told in the result."""

    def make(work: Work) -> Json:
        blinding = None if opened is None else opened()
        work.do(planned.tasks)
        result, details = result_of(search, planned, work.store)
        write_scores(out / "scores.parquet", planned, work.store)
        work.write("details.json", details)
        if blinding is None:
            return result
        if blinding["overridden"]:
            result["warnings"].append(f"opened although blind tests failed, the reason given: {blinding['despite']}")
        return {**result, "blinding": blinding}

    return work_in(out, search, planned.sha256, planned.tasks, "result.json", make, clock, **how)
