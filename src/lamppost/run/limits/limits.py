"""Limits in their run folder: injections until the crossings are known, expected limits, the table."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Unpack

from lamppost.config import Search
from lamppost.errors import ConfigError
from lamppost.run.artefacts import Store, write_file
from lamppost.run.blind.opening import require_open
from lamppost.run.blind.stage import is_logged, open_again
from lamppost.run.calibrate.experiment import Null
from lamppost.run.graph import Task
from lamppost.run.limits.bands import Point, Toys, draw_limits
from lamppost.run.limits.experiment import pseudo_limits
from lamppost.run.limits.procedure import Family, Fixed, Injected, Procedure
from lamppost.run.limits.result import Bands, csv_of, result_of
from lamppost.run.planned import Planned, plan_samples
from lamppost.run.samples import Samples, load
from lamppost.run.view import MassModel
from lamppost.run.work import Clock, How, Json, Work, work_in

__all__ = ["null_of", "run_limits"]


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
    require_open(search, out)
    planned = Planned()
    samples, sha256 = plan_samples(planned, search)
    if is_logged(out):
        open_again(search, sha256, out, "limits")
    procedure = Procedure(planned, search.model_copy(update={"blind": None}), samples)
    procedure.test_masses()
    experiments = _experiments(procedure)

    def make(work: Work) -> Json:
        bands = Bands({}, tuple(experiments))
        rounds = _rounds(procedure, experiments, bands, work)
        work.do((), lambda: next(rounds, ()))
        result = result_of(procedure, work.store, load(work.store, samples.data), sha256, bands)
        write_file(out / "limits.csv", csv_of(result).encode())
        return result

    tasks = list(planned.tasks.values())
    return work_in(out, search, sha256, tasks, "limits.json", make, clock, **how)


def _rounds(procedure: Procedure, experiments: Mapping[str, Task], bands: Bands, work: Work) -> Iterator[list[Task]]:
    """Injections first, then what is expected; tells progress of every task. Fills `bands`."""
    for tasks in procedure.rounds(work.store):
        yield tasks
    for fixed in procedure.fixed:
        bands.toys[fixed.signal.name, fixed.label] = _toys(procedure, fixed.signal, (fixed.point,), fixed.label, ())
    for family in procedure.families:
        for number in family.points:
            points, label = family.row(number), family.label(number)
            bands.toys[family.signal.name, label] = _toys(
                procedure, family.signal, points, label, _grid(procedure, family, work.store), number
            )
    tasks = [*procedure.new(), *experiments.values()]
    yield tasks


def _grid(procedure: Procedure, family: Family, store: Store) -> tuple[float, ...]:
    """The strengths at which pseudo-spectra are judged: all that could have been injected in between."""
    positive = [strength for strength in family.tried if strength > 0.0]
    if procedure.search.limits.strengths or not positive:
        return ()
    return tuple(procedure.grid(store, family.signal).between(positive[0], positive[-1]))


def _toys(
    procedure: Procedure,
    signal: Injected,
    points: tuple[Point, ...],
    label: str,
    grid: tuple[float, ...],
    number: int = 0,
) -> str:
    whole: Fixed = procedure.inclusive(signal)
    keys = [key for point in points for key in (*point.selections, point.excluded)]
    question = replace(signal.question, number=number)
    arguments = {
        "data": signal.sample.data,
        "points": points,
        "question": question,
        "inclusive": whole.point.selections[0],
        "everything": signal.question,
        "toys": Toys(procedure.search.limits.toys, procedure.search.seed, grid),
        "name": label,
    }
    needs = tuple(dict.fromkeys((signal.sample.data, *keys, *whole.point.selections)))
    what = f"signal {signal.name!r}, {label}: expected limits"
    return procedure.planned.add("toys", what, draw_limits, arguments, needs=needs, lenient=True)


def null_of(search: Search, samples: Samples) -> Null:
    """What pseudo-experiments are drawn from: the same as in a calibration of this search."""
    settings = search.calibrate
    return Null(samples.data, MassModel.of(search.fit), settings.neighbours, settings.events)


def _experiments(procedure: Procedure) -> dict[str, Task]:
    """The pseudo-experiments with all trainings, by artefact."""
    search, samples = procedure.search, procedure.samples
    null = null_of(search, samples)
    unnamed: Any = {"data": {"path"}, "samples": True, "calibrate": True, "limits": {"toys", "experiments"}}
    named = search.model_dump(mode="json", exclude=unnamed)
    apart = Planned()
    for number in range(search.limits.experiments):
        arguments = {"search": search, "samples": samples, "null": null, "number": number}
        label = f"limits in pseudo-experiment {number}"
        more: Any = {"needs": samples.keys, "named": {"search": named}, "lenient": True}
        apart.add("limits", label, pseudo_limits, arguments, **more)
    return apart.tasks
