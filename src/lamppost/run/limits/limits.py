"""Limits in their run folder: injections until the crossings are known, expected limits, the table."""

from collections.abc import Iterator
from pathlib import Path
from typing import Unpack

from lamppost.config import Search
from lamppost.errors import ConfigError
from lamppost.run.artefacts import Store, write_file
from lamppost.run.blind.opening import require_open
from lamppost.run.blind.stage import is_logged, not_dry, open_again
from lamppost.run.graph import Task
from lamppost.run.limits.expected import Expected
from lamppost.run.limits.procedure import Procedure
from lamppost.run.limits.result import result_of
from lamppost.run.limits.tables import csv_of
from lamppost.run.planned import Planned, plan_samples
from lamppost.run.samples import load
from lamppost.run.work import Clock, How, Json, Work, work_in

__all__ = ["run_limits"]


def run_limits(search: Search, out: Path, **how: Unpack[How]) -> Json:
    """Do what is not done yet and write `limits.json`, `limits.csv` and `config.toml`.

    Raises
    ------
    LamppostError
        If the input or the configuration is at fault, or the folder cannot be written.
    """
    clock = Clock()
    if not search.limits.signals:
        known = ", ".join(search.samples.signals) or "none, and samples.signals has none either"
        msg = f"limits.signals: expected the mass of at least one signal, [limits.signals.NAME]; samples: {known}"
        raise ConfigError(msg)
    dry = how.get("dry_run") is not None
    require_open(search, out)
    planned = Planned()
    samples, sha256 = plan_samples(planned, search)
    logged = is_logged(out)
    if logged and search.blind is None:  # whereas windows that were opened as they are now, samples may look into
        not_dry(how)
    procedure = Procedure(planned, search.model_copy(update={"blind": None}), samples)
    procedure.test_masses()
    expected = Expected(procedure)
    if dry:
        procedure.plan_most()
        expected.plan(None)

    def make(work: Work) -> Json:
        if logged:
            open_again(search, sha256, out, "limits")
        rounds = _rounds(procedure, expected, work.store)
        work.do((), lambda: next(rounds, ()))
        result = result_of(procedure, work.store, load(work.store, samples.data), sha256, expected)
        write_file(out / "limits.csv", csv_of(result).encode())
        return result

    tasks = list(planned.tasks.values())
    return work_in(out, search, sha256, tasks, "limits.json", make, clock, **how)


def _rounds(procedure: Procedure, expected: Expected, store: Store) -> Iterator[list[Task]]:
    """Injections first, then what is expected."""
    yield from procedure.rounds(store)
    yield expected.plan(store)
