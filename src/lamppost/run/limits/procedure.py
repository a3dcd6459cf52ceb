"""The whole procedure in some data: which injections there are, decided as their results come in."""

from collections.abc import Iterator
from dataclasses import replace
from math import inf, sqrt
from typing import Any

import numpy as np

from lamppost.config import Search
from lamppost.config.limits import INCLUSIVE
from lamppost.errors import DataError
from lamppost.run.artefacts import Store
from lamppost.run.graph import Task
from lamppost.run.limits.excluded import Question, exclude
from lamppost.run.limits.families import Family, Fixed, Injected
from lamppost.run.limits.injection import inject, largest, take_stock
from lamppost.run.limits.points import Point, median
from lamppost.run.limits.rule import Grid, Target
from lamppost.run.limits.selected import Sample, select_by_cut, select_by_score
from lamppost.run.plan import Hunt
from lamppost.run.planned import Planned
from lamppost.run.samples import Samples
from lamppost.search import seed_of

__all__ = ["Procedure"]

Json = dict[str, Any]
GUESS = 0.3
"""Efficiency for a signal from which the first strength is guessed."""


class Procedure:
    """Plans the tasks of all limits in these samples.

    figures: p-values of what is injected, and an injection of twice the crossing, which limits do not need
    """

    def __init__(self, planned: Planned, search: Search, samples: Samples, *, figures: bool = True) -> None:
        self.planned, self.search, self.samples, self.figures = planned, search, samples, figures
        self.signals = [self._signal(name) for name in search.limits.signals]
        self.fixed = [
            self._fixed(signal, name, cut)
            for signal in self.signals
            for name, cut in {INCLUSIVE: None, **search.limits.cuts}.items()
        ]
        self.families = [
            Family(signal, window, name, method, search.scan.efficiency)
            for signal in self.signals
            for name, method in search.methods.items()
            for window in search.signal_windows(signal.name)
        ]
        self._known = 0

    def test_masses(self) -> None:
        """Have it tested whether the features determine m, for which a limit means nothing."""
        hunt = Hunt(self.planned, self.search, self.samples)
        for family in self.families:
            family.mass = hunt.mass(family.window, family.method)

    def rounds(self, store: Store) -> Iterator[list[Task]]:
        """Tasks, round after round: what is looked at next depends on what came out."""
        yield self.new()
        while [family for family in self.families if self._go_on(family, store)]:
            yield self.new()

    def new(self) -> list[Task]:
        """The tasks that were planned since this was asked last."""
        tasks = list(self.planned.tasks.values())
        fresh, self._known = tasks[self._known :], len(tasks)
        return fresh

    def inclusive(self, signal: Injected) -> Fixed:
        """The fit to all events for a signal."""
        return next(one for one in self.fixed if one.signal.name == signal.name and one.cut is None)

    def stock(self, store: Store, signal: Injected) -> Json:
        """What there is of a signal: events, weights, duplicates; `acceptance` and `per_event`, fb, if known.

        Raises
        ------
        DataError
            If more is in the fit range than was produced.
        """
        about: Json = store.read_arrays(signal.sample.stock)[1]
        limits, model = self.search.limits, self.search.limits.signals[signal.name]
        acceptance = model.acceptance
        if model.generated is not None:
            acceptance = about["weight"] / model.generated
            if acceptance > 1.0:
                found = f"found a weight of {about['weight']:g} in the fit range"
                msg = f"limits.signals.{signal.name}.generated: expected all produced events, {found}"
                raise DataError(msg)
        unit = None if limits.luminosity is None or acceptance is None else 1.0 / (limits.luminosity * acceptance)
        return {**about, "acceptance": acceptance, "per_event": unit}

    def grid(self, store: Store, signal: Injected) -> Grid:
        """The strengths that may be looked at."""
        return Grid.up_to(largest(self.stock(store, signal)["unweighted"]), self.search.limits.precision)

    def _signal(self, name: str) -> Injected:
        search, limits, model = self.search, self.search.limits, self.search.limits.signals[name]
        key = dict(self.samples.signals)[name]
        arguments = {"data": self.samples.data, "signal": key, "name": name}
        stock = self._add("draw", f"signal {name!r}: what there is", take_stock, arguments, (self.samples.data, key))
        shape = search.fit.signal if limits.shape == "fit" else None
        sample = Sample(self.samples.data, key, stock, None, model.mass, shape, search.fit.single)
        sources = (*limits.systematics, *model.systematics)
        question = Question(0, search.fit.single, model.mass, limits.level, sources, limits.summed, self.figures)
        return Injected(name, sample, question)

    def _fixed(self, signal: Injected, name: str, cut: str | None) -> Fixed:
        arguments = {"sample": signal.sample, "cut": cut, "mass": self.search.data.mass}
        label = f"signal {signal.name!r}: {name}"
        selection = self._add("select", f"{label}, selection", select_by_cut, arguments, signal.sample.needs)
        return Fixed(signal, name, cut, self.point(signal, 0, 0.0, (selection,), label))

    def point(self, signal: Injected, number: int, strength: float, selections: tuple[str, ...], label: str) -> Point:
        """Plan what trainings exclude by one of their nested selections."""
        arguments = {"selections": selections, "question": replace(signal.question, number=number)}
        return Point(strength, selections, self._add("exclude", f"{label}, limit", exclude, arguments, selections))

    def _add(self, stage: str, label: str, function: Any, arguments: Json, needs: tuple[str, ...]) -> str:
        lenient = stage == "select"
        return self.planned.add(stage, label, function, arguments, needs=needs, lenient=lenient)

    def _go_on(self, family: Family, store: Store) -> bool:
        """Plan the next injections into a family; whether there are any."""
        limits, before = self.search.limits, len(family.tried)
        if limits.strengths:
            unit = self.stock(store, family.signal)["per_event"] or 1.0
            wanted = [strength / unit for strength in limits.strengths] if not before else []
        elif before == 0:
            wanted = [0.0, self._first(family, store)][: limits.injections]
        else:
            wanted = self._next(family, store)[: limits.injections - before]
        for strength in wanted:
            self._train(family, strength)
        return bool(wanted)

    def _first(self, family: Family, store: Store) -> float:
        """Where the crossing might be: a cut that keeps a part of the background keeps its root of the limit."""
        grid, least = self.grid(store, family.signal), min(self.search.scan.efficiency)
        expected = median(store.read_json(self.inclusive(family.signal).point.excluded))
        guess = (expected if expected < inf else 100.0) * min(1.0, sqrt(least) / GUESS)
        return grid[max(0, min(grid.above(guess), grid.top))]

    def _next(self, family: Family, store: Store) -> list[float]:
        """The strengths that the crossing of one of the nested selections needs."""
        targets = [self.target(family, number, store) for number in family.points]
        wanted = dict.fromkeys(target.grid[k] for target in targets if (k := target.proposal) is not None)
        if self.figures and not wanted:
            wanted = dict.fromkeys(s for target in targets if (s := target.grid[target.beyond]) > max(family.tried))
        return [strength for strength in wanted if strength not in family.tried]

    def target(self, family: Family, number: int, store: Store) -> Target:
        """The crossing that is looked for: of the median that background alone would exclude.

        Not of what is observed: which injection is quoted does not depend on that.
        """
        points = {s: point for s, point in family.points[number].items() if s > 0.0}
        grid = self.grid(store, family.signal)
        return Target(grid, {grid.above(s): median(store.read_json(p.excluded)) for s, p in points.items()})

    def plan_most(self) -> None:
        """Plan as many injections as there may be, of any strength: what they cost does not depend on it."""
        limits, given = self.search.limits, self.search.limits.strengths
        if not given or limits.luminosity is not None:
            number = len(given) or limits.injections
            given = (0.0, *Grid(limits.precision, number).strengths)[:number]
        for family in self.families:
            for strength in given:
                self._train(family, strength)

    def _train(self, family: Family, strength: float) -> None:
        """Plan all trainings with an injection, and what they exclude."""
        where = f"{family.name}: window {family.window}, {strength:.4g} events of {family.signal.name!r}"
        selections = tuple(self.selection(family, strength, repeat, where) for repeat in range(self._repeats))
        for number in range(len(self.search.scan.efficiency)):
            point = self.point(family.signal, number, strength, selections, where)
            family.points.setdefault(number, {})[strength] = point

    @property
    def _repeats(self) -> int:
        return self.search.limits.repeats

    def selection(self, family: Family, strength: float, repeat: int, where: str) -> str:
        """Plan a training with an injection, and what it selects."""
        seed, signal = self.search.seed, family.signal
        sample = signal.sample
        if strength > 0.0:
            arguments = {"data": sample.data, "signal": sample.signal, "stock": sample.stock, "seed": seed}
            arguments |= {"repeat": repeat, "strength": strength, "name": signal.name}
            sample = replace(sample, injected=self._add("draw", f"{where}: drawing", inject, arguments, sample.needs))
        own = seed if repeat == 0 else _seed(seed, repeat)
        hunt = Hunt(
            self.planned,
            self.search.model_copy(update={"seed": own}),
            replace(self.samples, data=sample.injected or sample.data),
            f"{strength:.4g} events of {signal.name!r}, {repeat}: ",
            lenient=True,
            keep=True,
        )
        folds = range(self.search.scan.folds)
        data, of_signal = (
            tuple(hunt.train(family.window, family.name, family.method, fold, others)[0] for fold in folds)
            for others in (None, sample.signal)
        )
        arguments = {"sample": sample, "parts": data, "signal_parts": of_signal}
        arguments |= {"efficiencies": self.search.scan.efficiency, "window": family.window}
        return self._add("select", f"{where}, {repeat}", select_by_score, arguments, (*sample.needs, *data, *of_signal))


def _seed(seed: int, repeat: int) -> int:
    return int(seed_of(seed, "limits", "repeat", repeat).generate_state(1, np.uint64)[0] >> np.uint64(1))
