"""Signals, and the selections that limits on them are set with."""

from dataclasses import dataclass, field

from lamppost.core import Method, Window
from lamppost.run.limits.excluded import Question
from lamppost.run.limits.points import Point
from lamppost.run.limits.selected import Sample

__all__ = ["Family", "Fixed", "Injected"]


@dataclass(frozen=True)
class Injected:
    """A signal: its name, the artefact of its sample and that of the rows that may be used, and the fit to it."""

    name: str
    sample: Sample
    question: Question


@dataclass(frozen=True)
class Fixed:
    """A selection that does not depend on the data, `cut` None: all events; one point of strength 0."""

    signal: Injected
    name: str
    cut: str | None
    point: Point

    @property
    def label(self) -> str:
        """What results call it."""
        return self.name


@dataclass
class Family:
    """A method in a window, trained with a signal injected; `points` by number of the efficiency, then strength.

    mass: the artefact of the test whether the features determine m, if it is made
    """

    signal: Injected
    window: Window
    name: str
    method: Method
    efficiencies: tuple[float, ...]
    mass: str | None = None
    points: dict[int, dict[float, Point]] = field(default_factory=dict)

    @property
    def tried(self) -> list[float]:
        """The strengths so far, rising."""
        return sorted(self.points[0]) if self.points else []

    def row(self, number: int) -> tuple[Point, ...]:
        """The injections of one of the nested selections, by rising strength."""
        return tuple(self.points[number][strength] for strength in self.tried)

    def label(self, number: int) -> str:
        """What results call one of the nested selections."""
        return f"{self.name}, {self.window}, {self.efficiencies[number]:g}"
