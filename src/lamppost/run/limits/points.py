"""Injections into a selection, and the limit that follows from what each of them excludes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

from lamppost.run.artefacts import Store
from lamppost.run.limits.rule import best

__all__ = ["Point", "Ruled", "median", "quoted", "ruled"]

Json = dict[str, Any]


@dataclass(frozen=True)
class Point:
    """An injection, the artefacts of its trainings, and of what it excludes."""

    strength: float
    selections: tuple[str, ...]
    excluded: str


@dataclass(frozen=True)
class Ruled:
    """What every injection excludes, the number of the one that is quoted, whether any was crossed, and the limit.

    limit: infinite where nothing is excluded
    """

    found: tuple[Json, ...]
    best: int
    crossed: bool
    limit: float


def ruled(store: Store, points: Sequence[Point]) -> Ruled:
    """The limit max(s, e(s)) at the injection s whose expected max(s, e(s)) is smallest."""
    found = tuple(store.read_json(point.excluded) for point in points)
    number, crossed = best([point.strength for point in points], [median(one) for one in found])
    observed = found[number]["excluded"]
    limit = inf if observed is None else max(points[number].strength, observed)
    return Ruled(found, number, crossed, limit)


def median(found: Json) -> float:
    """The median that background alone would exclude with the selections of an injection; infinite if nothing."""
    return inf if found["expected"] is None else float(found["expected"][2])


def quoted(row: Mapping[str, Any]) -> Json:
    """Of a selection in `limits.json`: the injection that is quoted, the only one of a fixed selection."""
    at = row["at"]
    return next(point for point in row["points"] if at is None or point["strength"] == at)
