"""The tasks of expected limits: pseudo-spectra and trainings in pseudo-data, or whole pseudo-experiments."""

from collections.abc import Sequence
from dataclasses import replace
from math import inf
from typing import Any

from lamppost.config import Search
from lamppost.run.artefacts import Store
from lamppost.run.calibrate.experiment import Null
from lamppost.run.graph import Task
from lamppost.run.limits.bands import Repeated, Toys, band, draw_limits
from lamppost.run.limits.experiment import pseudo_limits, pseudo_selection
from lamppost.run.limits.families import Family, Injected
from lamppost.run.limits.points import Point, median, ruled
from lamppost.run.limits.procedure import Procedure
from lamppost.run.limits.repeated import FACTOR, around
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
            self._plan(family, store)
        return procedure.new()

    def _plan(self, family: Family, store: Store | None) -> None:
        """Those of the nested selections of a family, which share their trainings in pseudo-data."""
        rows, signal = {number: family.row(number) for number in family.points}, family.signal
        could = self._strengths(family, store)
        if store is None:
            at, wanted = {number: len(points) - 1 for number, points in rows.items()}, could[1:-1] or could
        else:
            at = {number: ruled(store, points).best for number, points in rows.items()}
            learnt = (_learnt(store, points, at[number]) for number, points in rows.items())
            wanted = tuple(strength for strength in learnt if strength is not None)
        trained = around(wanted, could) if wanted else ()
        for number, points in rows.items():
            strengths = trained if points[at[number]].strength > 0.0 else (0.0, *trained)
            pseudo = tuple(
                self._repeated(family, number, s) for s in strengths if self.procedure.search.limits.pseudo_data
            )
            toys = self._toys(signal, family.label(number), number, points, at[number], pseudo, could)
            self.toys[signal.name, family.label(number)] = toys

    def made(self, store: Store) -> list[Json]:
        """What came out of the pseudo-experiments, those that failed included."""
        return [store.read_json(key) for key in self.experiments]

    def band(self, store: Store, signal: str, label: str) -> Json:
        """What a selection is expected to exclude of a signal, what that was made of, and what was lost."""
        about: Json = {"sets": 0, "failed": 0, "lost": [], "no_band": None}
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
            values, whole = ([inf if v is None else v for v in toys.get(n, [])] for n in ("limits", "inclusive"))
            method = f"{len(values)} pseudo-spectra{self._trained(signal, label, about['sets'])}"
        return {
            "expected": band(values),
            "expected_method": method,
            "pseudo": [value if value < inf else None for value in values],
            "pseudo_inclusive": [value if value < inf else None for value in whole],
            **about,
        }

    def _trained(self, signal: str, label: str, number: int) -> str:
        """Where the selections of pseudo-spectra are from; nothing of fixed ones."""
        if any(fixed.signal.name == signal and fixed.label == label for fixed in self.procedure.fixed):
            return ""
        return f", trained again in {number} sets of pseudo-data" if number else ", trained selections held"

    def _toys(
        self,
        signal: Injected,
        label: str,
        number: int,
        points: tuple[Point, ...],
        at: int,
        pseudo: tuple[Repeated, ...] = (),
        could: tuple[float, ...] = (),
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
            "toys": Toys(search.limits.toys, search.seed, could),
            "name": label,
        }
        read = (*points[at].selections, *whole.selections, whole.excluded, *(point.excluded for point in points))
        made = (key for one in pseudo for key in one.excluded)
        needs = tuple(dict.fromkeys((signal.sample.data, *read, *made)))
        what = f"signal {signal.name!r}, {label}: expected limits"
        return self.procedure.planned.add("toys", what, draw_limits, arguments, needs=needs, lenient=True)

    def _strengths(self, family: Family, store: Store | None) -> tuple[float, ...]:
        """What could be injected; where nothing was made yet the strengths do not matter, only how many there are."""
        if self.procedure.search.limits.strengths:
            return tuple(strength for strength in family.tried if strength > 0.0)
        if store is None:
            return tuple(FACTOR**k for k in range(len(family.points) + 2))
        return self.procedure.grid(store, family.signal).strengths

    def _repeated(self, family: Family, number: int, strength: float) -> Repeated:
        """The same trainings in every set of pseudo-data, and what they exclude; nobody looks at p-values there."""
        limits, signal = self.procedure.search.limits, family.signal
        quiet, excluded = replace(signal, question=replace(signal.question, p_values=False)), list[str]()
        for i in range(limits.pseudo_data):
            label = (
                f"{family.name}: window {family.window}, {strength:.4g} events of {signal.name!r} in pseudo-data {i}"
            )
            selections = tuple(self._training(family, strength, i, repeat, label) for repeat in range(limits.repeats))
            excluded.append(self.procedure.point(quiet, number, strength, selections, label).excluded)
        return Repeated(strength, tuple(excluded))

    def _training(self, family: Family, strength: float, number: int, repeat: int, label: str) -> str:
        search, samples = self.procedure.search, self.procedure.samples
        about = {"signal": family.signal.name, "window": family.window, "method": family.name, "strength": strength}
        arguments = {"search": search, "samples": samples, "null": self._null, "number": number, "repeat": repeat}
        # uncertainties, levels, other methods and signals change nothing here
        named: Json = search.model_dump(mode="json", include={"seed", "scan", "fit"})
        named |= {"shape": search.limits.shape, "mass": family.signal.sample.mass, "how": family.method}
        return self.procedure.planned.add(
            "pseudo",
            f"{label}, {repeat}",
            pseudo_selection,
            {**arguments, **about},
            needs=samples.keys,
            named={"search": named},
            lenient=True,
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


def _learnt(store: Store, points: Sequence[Point], at: int) -> float | None:
    """The injection that is quoted, around which pseudo-data are trained in; where it is none at all the best other.

    Data that hold a signal need no injection to learn it, data without one do. None if no injection excludes anything.
    """
    if points[at].strength > 0.0:
        return points[at].strength
    medians = [median(store.read_json(p.excluded)) if p.strength > 0.0 else inf for p in points]
    return points[best([p.strength for p in points], medians)[0]].strength if min(medians) < inf else None


def null_of(search: Search, samples: Samples) -> Null:
    """What pseudo-data are drawn from: as in a calibration of this search, but always as many events as these data."""
    return Null(samples.data, MassModel.of(search.fit), search.calibrate.neighbours, None)
