"""A comparison in its run folder: plan, run, collect."""

from pathlib import Path
from typing import Unpack

from lamppost.config import Comparison
from lamppost.run.compare.collect import result_of
from lamppost.run.compare.plan import plan
from lamppost.run.work import Clock, How, Json, Work, work_in

__all__ = ["run_comparison"]


def run_comparison(comparison: Comparison, out: Path, **how: Unpack[How]) -> Json:
    """Run what is not done yet and write `compare.json` and `config.toml`.

    Returns the result. A run that was interrupted, or whose configuration changed, redoes only what is missing.

    Raises
    ------
    LamppostError
        If the input or the configuration is at fault, or the folder cannot be written.
    """
    clock = Clock()
    planned = plan(comparison)  # before anything is written: a wrong path leaves no folder behind

    def make(work: Work) -> Json:
        work.do(planned.tasks)
        return result_of(comparison, planned, work.store)

    return work_in(out, comparison, planned.sha256, planned.tasks, "compare.json", make, clock, **how)
