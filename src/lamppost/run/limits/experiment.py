"""Pseudo-experiments with all trainings: the limits of the whole procedure in data without signal."""

from dataclasses import replace
from math import inf
from typing import Any

from lamppost.config import Search
from lamppost.run.artefacts import Store, not_written
from lamppost.run.calibrate.experiment import Null, draw_pseudo, linked, there
from lamppost.run.graph import Task, run_graph
from lamppost.run.limits.bands import Point
from lamppost.run.limits.procedure import Procedure
from lamppost.run.limits.rule import bound
from lamppost.run.planned import Planned
from lamppost.run.samples import Samples, load
from lamppost.run.worker import InlineExecutor, Report
from lamppost.search import seed_of

__all__ = ["limits_of", "observed", "pseudo_limits"]

Json = dict[str, Any]


def pseudo_limits(
    store: Store,
    key: str,
    *,
    search: Search,
    samples: Samples,
    null: Null,
    number: int,
    signal: str | None = None,
    injected: int = 0,
) -> None:
    """Set limits in pseudo-data: strengths are looked for, trainings and thresholds made anew.

    `signal`, an artefact, puts so many of its events into the pseudo-data on average, for tests of coverage; these are
    not injected again. Artefacts live as long as the task does; what is kept are the limits by selection.
    """
    with store.temporary(key) as work:
        try:
            for name in linked(samples, signal):
                (work / name).symlink_to(store.path(name).resolve())
            found = _limits(Store(work), search, samples, null, number, signal, injected)
        except OSError as error:
            raise not_written(work, error) from None
    store.write_json(key, found)


def _limits(
    inner: Store, search: Search, samples: Samples, null: Null, number: int, signal: str | None, injected: int
) -> Json:
    planned = Planned()
    for name in linked(samples, signal):
        planned.tasks[name] = Task(name, "read", "what is there", there, {})
    arguments = {"null": null, "number": number, "seed": search.seed, "signal": signal, "injected": injected}
    data = planned.add("draw", "drawing", draw_pseudo, arguments)
    seed = int(seed_of(search.seed, "limits", "experiment", number).generate_state(1, "uint64")[0] >> 1)
    own = search.model_copy(update={"seed": seed})
    procedure = Procedure(planned, own, replace(samples, data=data))
    rounds = procedure.rounds(inner)
    run_graph((), inner, InlineExecutor, in_flight=1, finished=_nothing, then=lambda: next(rounds, ()))
    return {"events": len(load(inner, data).events), "limits": limits_of(procedure, inner)}


def limits_of(procedure: Procedure, store: Store) -> dict[str, dict[str, float | None]]:
    """The observed limit of every selection by signal and `label`, signal events in the fit range; None if none."""
    found: dict[str, dict[str, float | None]] = {}
    for fixed in procedure.fixed:
        found.setdefault(fixed.signal.name, {})[fixed.label] = observed(store, (fixed.point,))
    for family in procedure.families:
        for number in family.points:
            found[family.signal.name][family.label(number)] = observed(store, family.row(number))
    return found


def observed(store: Store, points: tuple[Point, ...]) -> float | None:
    """The limit by the rule of all injections that exclude anything."""
    excluded = [store.read_json(point.excluded)["excluded"] for point in points]
    limit, _, _ = bound([point.strength for point in points], [inf if e is None else e for e in excluded])
    return limit if limit < inf else None


def _nothing(task: Task, report: Report | None) -> None:
    """No progress is shown of the inside of a pseudo-experiment."""
