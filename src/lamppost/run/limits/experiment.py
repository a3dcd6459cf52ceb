"""Trainings in data without signal: limits of the whole procedure, and what a single training selects."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from math import inf
from typing import Any

from lamppost.config import Search
from lamppost.core import Window
from lamppost.errors import DataError, FitError
from lamppost.run.artefacts import Store
from lamppost.run.calibrate.experiment import Null, draw_pseudo, linked
from lamppost.run.calibrate.inside import inside, work_through
from lamppost.run.estimate.choice import with_needs
from lamppost.run.limits.points import Point, ruled
from lamppost.run.limits.procedure import Procedure
from lamppost.run.planned import Planned
from lamppost.run.samples import Samples, load
from lamppost.search import seed_of

__all__ = ["limits_of", "observed", "pseudo_limits", "pseudo_selection"]

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
    names = linked(samples, signal)
    with _searched(store, key, names) as (inner, planned):
        arguments = {"null": null, "number": number, "seed": search.seed, "signal": signal, "injected": injected}
        data = planned.add("draw", "drawing", draw_pseudo, arguments)
        own = search.model_copy(update={"seed": _seed(search, "experiment", number)})
        procedure = Procedure(planned, own, replace(samples, data=data), figures=False)
        rounds = procedure.rounds(inner)
        work_through(inner, (), lambda: next(rounds, ()))
        found = {"events": len(load(inner, data).events), "limits": limits_of(procedure, inner)}
    store.write_json(key, found)


def pseudo_selection(
    store: Store,
    key: str,
    *,
    search: Search,
    samples: Samples,
    null: Null,
    number: int,
    signal: str,
    window: Window,
    method: str,
    strength: float,
    repeat: int,
) -> None:
    """What a training in pseudo-data selects, `strength` events of a signal injected: spectra and efficiencies.

    The same pseudo-data for all methods and signals. What makes a search in them impossible is a failed training.
    """
    names = linked(samples, None)
    with _searched(store, key, names) as (inner, planned):
        arguments = {"null": null, "number": number, "seed": _seed(search, "pseudo-data")}
        data = planned.add("draw", "drawing", draw_pseudo, arguments)
        own = search.model_copy(update={"seed": _seed(search, "pseudo-data", number)})
        procedure = Procedure(planned, own, replace(samples, data=data), figures=False)
        named = ((one, (one.signal.name, one.window, one.name)) for one in procedure.families)
        family = next(one for one, name in named if name == (signal, window, method))
        selection = procedure.selection(family, strength, repeat, "inside")
        work_through(inner, with_needs([planned.tasks[selection]], list(planned.tasks.values())))
        about = inner.read_arrays(selection)[1]
    store.write_arrays(key, {}, about)


@contextmanager
def _searched(store: Store, key: str, names: Iterable[str]) -> Iterator[tuple[Store, Planned]]:
    """Pseudo-data that cannot be drawn or searched, as with too few events in a window, are a fit that fails."""
    with inside(store, key, names) as (inner, planned):
        try:
            yield inner, planned
        except DataError as error:
            if not all(inner.intact(name) for name in names):
                raise
            raise FitError(str(error)) from None


def _seed(search: Search, *what: str | int) -> int:
    return int(seed_of(search.seed, "limits", *what).generate_state(1, "uint64")[0] >> 1)


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
    """The limit by the rule; None if nothing is excluded."""
    limit = ruled(store, points).limit
    return limit if limit < inf else None
