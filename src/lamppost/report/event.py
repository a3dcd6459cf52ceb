"""One event as the display draws it: particles, jets, what belongs to what."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import cycle

import numpy as np
from numpy.typing import NDArray

from lamppost.core import Array, Objects
from lamppost.errors import DataError

__all__ = ["GREY", "MOST_PARTICLES", "Display", "Jet", "Particles", "wrapped"]

MOST_PARTICLES = 300
# blue and orange first: apart for every kind of colour vision, and dark against light on paper
COLOURS = ("#3f6fd8", "#e8890c", "#7a3b8f", "#1b9e77", "#a96b59", "#d6212f")
GREY = "#8d8d93"
_PARTICLE, _JET = ("pt", "eta", "phi"), ("pt", "eta", "phi", "mass", "radius")


def wrapped(phi: Array) -> Array:
    """An azimuth, or a difference of two, in [-pi, pi)."""
    turned: Array = np.remainder(phi + np.pi, 2.0 * np.pi) - np.pi
    return turned


@dataclass(frozen=True)
class Jet:
    """A jet, or with radius 0 an object without extent: pt and mass [GeV], eta, phi and radius [rad]."""

    name: str
    colour: str
    pt: float
    eta: float
    phi: float
    mass: float
    radius: float


@dataclass(frozen=True)
class Particles:
    """Particles by falling pt [GeV], each array (n,); `jet`: the number of the jet each belongs to, or -1."""

    pt: Array
    eta: Array
    phi: Array
    jet: NDArray[np.int64]

    def take(self, rows: NDArray[np.bool_]) -> "Particles":
        """The particles that a mask (n,) keeps."""
        return Particles(self.pt[rows], self.eta[rows], self.phi[rows], self.jet[rows])


@dataclass(frozen=True)
class Display:
    """One event to draw; each collection holds exactly one event, pt and mass in GeV.

    `particles` has pt, eta, phi, and perhaps "jet": the number of the jet each belongs to, or -1. Without it a
    particle belongs to the nearest jet with dR < R. `jets` has pt, eta, phi, mass and radius (0: an object without
    extent, such as a muon), named by `names`, by default j1, j2, ... `facts` are short texts beside the title.

    Raises
    ------
    DataError
        If a collection does not hold one event, lacks a field or has a value that is not finite, or if names or
        numbers of jets do not fit.
    """

    particles: Objects
    jets: Objects
    title: str = ""
    facts: Sequence[str] = ()
    names: Sequence[str] = ()

    def __post_init__(self) -> None:
        _check("particles", self.particles, _PARTICLE)
        _check("jets", self.jets, _JET)
        total = int(self.jets.counts[0])
        if self.names and len(self.names) != total:
            msg = f"event display: expected a name for each of {total} jets, found {len(self.names)}"
            raise DataError(msg)
        numbers = self.particles.fields.get("jet", np.zeros(0))
        if len(strange := numbers[(numbers < -1) | (numbers >= total)]):
            msg = f"event display: particles: expected jet from -1 to {total - 1}, found {strange[0]}"
            raise DataError(msg)

    @cached_property
    def drawn(self) -> Particles:
        """The particles that are drawn: the hardest `MOST_PARTICLES`."""
        pt, eta, phi = (self.particles.fields[key].astype(np.float64) for key in _PARTICLE)
        given = self.particles.fields.get("jet")
        jet = self._nearest(eta, phi) if given is None else given.astype(np.int64)
        order = np.argsort(-pt, kind="stable")[:MOST_PARTICLES]
        return Particles(pt[order], eta[order], wrapped(phi[order]), jet[order])

    @cached_property
    def objects(self) -> list[Jet]:
        """The jets, in their order, with names and colours."""
        columns = [self.jets.fields[key].astype(np.float64) for key in _JET]
        columns[2] = wrapped(columns[2])
        names = self.names or [f"j{n}" for n in range(1, int(self.jets.counts[0]) + 1)]
        rows = zip(names, cycle(COLOURS), *(column.tolist() for column in columns), strict=False)
        return [Jet(name, colour, pt, eta, phi, mass, radius) for name, colour, pt, eta, phi, mass, radius in rows]

    @cached_property
    def missing(self) -> tuple[float, float]:
        """Minus the vector sum of all particles in the transverse plane: (pt [GeV], phi)."""
        pt, phi = (self.particles.fields[key].astype(np.float64) for key in ("pt", "phi"))
        x, y = -float(np.sum(pt * np.cos(phi))), -float(np.sum(pt * np.sin(phi)))
        return float(np.hypot(x, y)), float(np.arctan2(y, x))

    def _nearest(self, eta: Array, phi: Array) -> NDArray[np.int64]:
        if not self.objects:
            return np.full(len(eta), -1)
        j_eta, j_phi, radius = (self.jets.fields[key] for key in ("eta", "phi", "radius"))
        distance = np.hypot(eta[:, None] - j_eta, wrapped(phi[:, None] - j_phi))
        distance[distance >= radius] = np.inf
        return np.where(np.isfinite(distance).any(axis=1), distance.argmin(axis=1), -1)


def _check(what: str, objects: Objects, names: Sequence[str]) -> None:
    if len(objects) != 1:
        msg = f"event display: {what}: expected one event, found {len(objects)}"
        raise DataError(msg)
    for name in names:
        if name not in objects.fields:
            msg = f"event display: {what}: expected the field {name!r}, found {', '.join(objects.fields) or 'none'}"
            raise DataError(msg)
        if not (finite := np.isfinite(objects.fields[name])).all():
            at = int(finite.argmin())
            msg = f"event display: {what}: {name} of number {at} is {objects.fields[name][at]}, expected a finite value"
            raise DataError(msg)
