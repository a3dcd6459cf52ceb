"""Reach: whole blind hunts for falling numbers of injected events, until none is seen any more."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Unpack

import numpy as np

from lamppost.config import Comparison
from lamppost.errors import ConfigError, FitError
from lamppost.run.artefacts import Store
from lamppost.run.compare.draws import classes, inject
from lamppost.run.compare.plan import plan_labelled
from lamppost.run.compare.reached import INCLUSIVE, STOP, Background, Outcome, outcome_of, result_of
from lamppost.run.estimate.choice import with_needs
from lamppost.run.graph import Task
from lamppost.run.plan import Hunt, Looked
from lamppost.run.planned import Planned
from lamppost.run.progress import spent
from lamppost.run.samples import Samples, load
from lamppost.run.work import Clock, How, Json, Work, work_in
from lamppost.search import seed_of

__all__ = ["run_reach"]


@dataclass(frozen=True)
class Plan:
    """All tasks there may be; `drawn` by (events, draw), what hunts end with by (method, events, draw).

    `combined` is what makes one claim of the windows of a hunt, if they are combined.
    """

    tasks: Mapping[str, Task]
    sha256: str
    samples: Samples
    drawn: Mapping[tuple[int, int], str]
    looked: Mapping[tuple[str, int, int], tuple[Looked, ...]]
    combined: Mapping[tuple[str, int, int], str | None]

    @property
    def names(self) -> list[str]:
        """The methods, and the fit without any."""
        return list(dict.fromkeys(name for name, _, _ in self.looked))

    def hunts(self, name: str, events: int) -> list[tuple[Looked, ...]]:
        """The hunts by a method for a number of events, draw by draw."""
        return [looks for (n, k, _), looks in self.looked.items() if (n, k) == (name, events)]

    def together(self, name: str, events: int) -> list[str | None]:
        """What combines the windows of these hunts, draw by draw."""
        return [self.combined.get(key) for key in self.looked if key[:2] == (name, events)]

    def trainings(self, names: Sequence[str], numbers: Sequence[int]) -> set[str]:
        """What these methods have to fit and to measure for these numbers of events."""
        looks = [one for name in names for n in numbers for hunt in self.hunts(name, n) for one in hunt]
        together = {key for name in names for n in numbers for key in self.together(name, n) if key is not None}
        return {key for one in looks for key in (*one.fits, *one.parts, one.measured)} | together

    def towards(self, ends: Collection[str]) -> list[Task]:
        """The tasks that make these artefacts, in the order of the plan."""
        return with_needs([self.tasks[key] for key in ends], list(self.tasks.values()))


def plan(comparison: Comparison) -> Plan:
    """Every hunt that may be asked for; for a draw the random streams are the same whatever is injected."""
    settings, search, planned = comparison.reach, comparison.hunt(), Planned()
    if INCLUSIVE in search.methods:
        msg = f"methods.{INCLUSIVE}: the fit without any selection has this name, expected another"
        raise ConfigError(msg)
    samples, sha256 = plan_labelled(planned, comparison)
    share = {"background": settings.background, "seed": comparison.seed}
    windows = "reach.windows" if settings.windows else "scan.windows"
    drawn: dict[tuple[int, int], str] = {}
    looked: dict[tuple[str, int, int], tuple[Looked, ...]] = {}
    combined: dict[tuple[str, int, int], str | None] = {}
    for events in settings.events:
        for number in range(settings.draws):
            where = f"{events} events, draw {number}: "
            arguments = {"data": samples.data, **share, "number": number, "events": events}
            key = planned.add("draw", f"{where}drawing", inject, arguments, needs=(samples.data,))
            seed = int(seed_of(comparison.seed, "reach", number).generate_state(1, np.uint64)[0] >> np.uint64(1))
            own = search.model_copy(update={"seed": seed})
            hunt = Hunt(planned, own, replace(samples, data=key), where, key=windows, lenient=True)
            drawn[events, number] = key
            looked[INCLUSIVE, events, number] = (Looked(comparison.window, INCLUSIVE, (), hunt.inclusive(), None),)
            for name, method in search.methods.items():
                looks = tuple(hunt.look(window, name, method) for window in hunt.claims)
                looked[name, events, number] = looks
                combined[name, events, number] = hunt.combine(name, looks)
    return Plan(planned.tasks, sha256, samples, drawn, looked, combined)


def run_reach(comparison: Comparison, out: Path, **how: Unpack[How]) -> Json:
    """Run the hunts that are not done yet and write `reach.json` and `config.toml`; the same as `run_comparison` else.

    From the largest number of events downwards: what a method is asked next depends on what it saw.
    """
    clock = Clock()
    planned = plan(comparison)

    def make(work: Work) -> Json:
        found: dict[str, list[Outcome]] = {name: [] for name in planned.names}
        rounds = _rounds(comparison, planned, work, found)
        work.do((), lambda: next(rounds, ()))
        background = _background(comparison, planned, work.store)
        stored = load(work.store, planned.samples.data)
        return result_of(comparison, stored, planned.sha256, background, spent(out / "log.jsonl"), found)

    return work_in(out, comparison, planned.sha256, list(planned.tasks.values()), "reach.json", make, clock, **how)


def _rounds(comparison: Comparison, planned: Plan, work: Work, found: dict[str, list[Outcome]]) -> Iterator[list[Task]]:
    """The tasks of one number of events after the other, by the methods that still see something; fills `found`."""
    settings, active = comparison.reach, planned.names
    for events in settings.events:
        looks = [one for name in active for hunt in planned.hunts(name, events) for one in hunt]
        ends = {key for one in looks for key in (one.measured, one.mass) if key is not None}
        yield planned.towards(ends | {key for name in active for key in planned.together(name, events) if key})
        for name in active:
            hunts, together = planned.hunts(name, events), planned.together(name, events)
            found[name].append(outcome_of(work.store, name, events, hunts, together, comparison.fit.combine))
        _check_some_fit([found[name][-1] for name in active])
        for name in [name for name in active if _unseen(found[name], settings.z)]:
            active.remove(name)
            left = [n for n in settings.events if n < events]
            never, wanted = planned.trainings([name], left), planned.trainings(active, left)
            work.progress.dropped(planned.tasks[key] for key in never - wanted)
        if not active:
            return


def _background(comparison: Comparison, planned: Plan, store: Store) -> list[Background]:
    """The background in the data of each draw; it is the same whatever is injected."""
    events, label = classes(load(store, planned.samples.data))
    found = []
    for number in range(comparison.reach.draws):
        rows = store.read_arrays(planned.drawn[comparison.reach.events[0], number])[0]["rows"]
        m = events.m[rows[label[rows] == 0]]
        found.append(Background(len(m), int(comparison.window.inside(m).sum())))
    return found


def _check_some_fit(outcomes: Sequence[Outcome]) -> None:
    """Where not one hunt by any method can be fitted, the configuration is at fault, and not the draws."""
    if all(one.failed == len(one.z_global) for one in outcomes):
        msg = f"every hunt failed with {outcomes[0].events} events injected; the first: {outcomes[0].reason}"
        raise FitError(msg)


def _unseen(outcomes: Sequence[Outcome], z: float) -> bool:
    last = outcomes[-STOP:]
    return len(last) == STOP and all(outcome.median < z for outcome in last)
