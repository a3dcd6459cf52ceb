"""A hunt in its run folder: plan, run, collect."""

from pathlib import Path
from typing import Unpack

from lamppost.config import Search
from lamppost.run.collect import result_of, write_scores
from lamppost.run.plan import plan
from lamppost.run.work import Clock, How, Json, Work, work_in

__all__ = ["run_hunt"]


def run_hunt(search: Search, out: Path, **how: Unpack[How]) -> Json:
    """Run what is not done yet and write `result.json`, `details.json`, `scores.parquet` and `config.toml`.

    Returns the result. A run that was interrupted, or whose configuration changed, redoes only what is missing.

    Raises
    ------
    LamppostError
        If the input or the configuration is at fault, or the folder cannot be written.
    """
    clock = Clock()
    planned = plan(search)  # before anything is written: a wrong path or window leaves no folder behind

    def make(work: Work) -> Json:
        work.do(planned.tasks)
        result, details = result_of(search, planned, work.store)
        write_scores(out / "scores.parquet", planned, work.store)
        work.write("details.json", details)
        return result

    return work_in(out, search, planned.sha256, planned.tasks, "result.json", make, clock, **how)
