"""The tasks of expected limits: pseudo-spectra and trainings in pseudo-data, or whole pseudo-experiments."""

from collections.abc import Sequence
from dataclasses import replace
from math import inf
from typing import Any

from lamppost.config import Search
from lamppost.run.artefacts import Store
from lamppost.run.calibrate.experiment import Null
from lamppost.run.graph import Task
from lamppost.run.limits.bands import Toys, band, draw_limits
from lamppost.run.limits.experiment import pseudo_efficiency, pseudo_limits
from lamppost.run.limits.families import Family, Injected
from lamppost.run.limits.points import Point, median, ruled
from lamppost.run.limits.procedure import Procedure
from lamppost.run.limits.rule import best
from lamppost.run.samples import Samples
from lamppost.run.view import MassModel

__all__ = ["Expected", "null_of"]

Json = dict[str, Any]


class Expected:
    """The artefacts of what is expected, when it is planned.

    toys: those of pseudo-spectra by (signal, selection); experiments: those of whole pseudo-experiments
    """

    def __init__(self, procedure: Procedure) -> None:
        self.procedure, self.toys = procedure, dict[tuple[str, str], str]()
        self.experiments = list[str]()
        self._null = null_of(procedure.search, procedure.samples)

    def plan(self, store: Store | None) -> list[Task]:
        """The tasks, after all injections; without a store none was made yet, and those that there are stand for it."""
        procedure, limits = self.procedure, self.procedure.search.limits
        if limits.experiments:
            self.experiments = [self._experiment(number) for number in range(limits.experiments)]
            return procedure.new()
        for fixed in procedure.fixed:
            self.toys[fixed.signal.name, fixed.label] = self._toys(fixed.signal, fixed.label, 0, (fixed.point,), 0)
        for family in procedure.families:
            for number in family.points:
                points, label = family.row(number), family.label(number)
                at, *others = _trained(store, points)
                pseudo = tuple((n, self._pseudo(family, points[n].strength)) for n in (at, *others))
                grid: tuple[float, ...] = ()
                if store is not None and not limits.strengths:
                    grid = procedure.grid(store, family.signal).strengths
                self.toys[family.signal.name, label] = self._toys(
                    family.signal, label, number, points, at, pseudo, grid
                )
        return procedure.new()

    def made(self, store: Store) -> list[Json]:
        """What came out of the pseudo-experiments, those that failed included."""
        return [store.read_json(key) for key in self.experiments]

    def band(self, store: Store, signal: str, label: str) -> Json:
        """What a selection is expected to exclude of a signal, what that was made of, and what was lost."""
        about: Json = {"efficiencies": [], "spread": None, "failed": 0, "lost": [], "no_band": None}
        if self.experiments:
            made = self.made(store)
            ended = [one["limits"][signal] for one in made if "failed" not in one]
            values, whole = (
                [inf if one[name] is None else one[name] for one in ended] for name in (label, "inclusive")
            )
            number = str(len(made)) if len(ended) == len(made) else f"{len(ended)} of {len(made)}"
            method = f"{number} pseudo-experiments with all trainings"
        else:
            toys = store.read_json(self.toys[signal, label])
            about |= {"no_band": toys["failed"]} if "limits" not in toys else {k: toys[k] for k in about if k in toys}
            values, whole = toys.get("limits", []), [inf if v is None else v for v in toys.get("inclusive", [])]
            method = f"{len(values)} pseudo-spectra{self._trained(signal, label, len(about['efficiencies']))}"
        return {
            "expected": band(values),
            "expected_method": method,
            "pseudo": [value if value < inf else None for value in values],
            "pseudo_inclusive": [value if value < inf else None for value in whole],
            **about,
        }

    def _trained(self, signal: str, label: str, number: int) -> str:
        """Where the efficiencies in pseudo-spectra are from; nothing of fixed selections."""
        if any(fixed.signal.name == signal and fixed.label == label for fixed in self.procedure.fixed):
            return ""
        return (
            f", efficiencies spread as in {number} trainings in pseudo-data" if number else ", trained selections held"
        )

    def _toys(
        self,
        signal: Injected,
        label: str,
        number: int,
        points: tuple[Point, ...],
        at: int,
        pseudo: tuple[tuple[int, tuple[str, ...]], ...] = (),
        grid: tuple[float, ...] = (),
    ) -> str:
        search, whole = self.procedure.search, self.procedure.inclusive(signal).point
        arguments = {
            "data": signal.sample.data,
            "points": points,
            "at": at,
            "question": replace(signal.question, number=number),
            "inclusive": whole,
            "everything": signal.question,
            "pseudo": pseudo,
            "toys": Toys(search.limits.toys, search.seed, grid),
            "name": label,
        }
        read = (*points[at].selections, *whole.selections, whole.excluded, *(point.excluded for point in points))
        made = (key for _, keys in pseudo for key in keys)
        needs = tuple(dict.fromkeys((signal.sample.data, *read, *made)))
        what = f"signal {signal.name!r}, {label}: expected limits"
        return self.procedure.planned.add("toys", what, draw_limits, arguments, needs=needs, lenient=True)

    def _pseudo(self, family: Family, strength: float) -> tuple[str, ...]:
        return tuple(self._training(family, strength, i) for i in range(self.procedure.search.limits.pseudo_data))

    def _training(self, family: Family, strength: float, number: int) -> str:
        search, samples, sample = self.procedure.search, self.procedure.samples, family.signal.sample
        arguments = {
            "search": search,
            "samples": samples,
            "null": self._null,
            "number": number,
            "signal": sample.signal,
            "stock": sample.stock,
            "window": family.window,
            "name": family.signal.name,
            "method": family.method,
            "strength": strength,
        }
        injected = f"{strength:.4g} events of {family.signal.name!r}"
        label = f"{family.name}: window {family.window}, {injected}: efficiency in pseudo-data {number}"
        # uncertainties, levels and other methods change nothing here
        named = {"search": search.model_dump(mode="json", include={"seed", "scan"})}
        needs = tuple(dict.fromkeys((*samples.keys, sample.stock)))
        return self.procedure.planned.add(
            "pseudo", label, pseudo_efficiency, arguments, needs=needs, named=named, lenient=True
        )

    def _experiment(self, number: int) -> str:
        search, samples = self.procedure.search, self.procedure.samples
        arguments = {"search": search, "samples": samples, "null": self._null, "number": number}
        unnamed: Any = {"data": {"path"}, "samples": True, "calibrate": True}
        unnamed["limits"] = {"toys", "experiments", "pseudo_data"}
        named = {"search": search.model_dump(mode="json", exclude=unnamed)}
        label = f"limits in pseudo-experiment {number}"
        return self.procedure.planned.add(
            "limits", label, pseudo_limits, arguments, needs=samples.keys, named=named, lenient=True
        )


def _trained(store: Store | None, points: Sequence[Point]) -> list[int]:
    """The injection that is quoted; if that is none at all, also the best that injects anything.

    Data that hold a signal need no injection to learn it, data without one do.
    """
    if store is None:
        return [len(points) - 1]
    number = ruled(store, points).best
    if points[number].strength > 0.0:
        return [number]
    medians = [median(store.read_json(p.excluded)) if p.strength > 0.0 else inf for p in points]
    return [number, best([p.strength for p in points], medians)[0]] if min(medians) < inf else [number]


def null_of(search: Search, samples: Samples) -> Null:
    """What pseudo-data are drawn from: as in a calibration of this search, but always as many events as these data."""
    return Null(samples.data, MassModel.of(search.fit), search.calibrate.neighbours, None)
