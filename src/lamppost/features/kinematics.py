"""Four-vectors in the coordinates of hadron colliders, and what can be said of one: an object or a sum of objects."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from lamppost.core import Array
from lamppost.features.quantity import Quantity

__all__ = ["ENERGIES", "MASSES", "VECTOR", "Momenta", "azimuth", "quantities"]

TURN = 2.0 * np.pi
MASSES = ("mass", "m")
ENERGIES = ("e", "E", "energy")
"""Names under which files keep the mass of objects, or their energy instead."""


def azimuth(phi: Array) -> Array:
    """Angles brought to [-pi, pi]."""
    wrapped: Array = np.clip(phi - TURN * np.round(phi / TURN), -np.pi, np.pi)
    return wrapped


@dataclass(frozen=True)
class Momenta:
    """Four-vectors: pt [GeV], eta, phi [rad], mass [GeV], each (k,) float64.

    `along`: pz [GeV] where it is known; of what has no transverse momentum eta does not tell it.
    """

    pt: Array
    eta: Array
    phi: Array
    mass: Array
    along: Array | None = None

    @classmethod
    def of(cls, fields: Mapping[str, NDArray[Any]]) -> Self:
        """From arrays of those names, the mass from the first of `MASSES` or `ENERGIES`; without any it is 0."""
        pt, eta, phi = (np.asarray(fields[name], dtype=np.float64) for name in ("pt", "eta", "phi"))
        for name in (*MASSES, *ENERGIES):
            if name in fields:
                value = np.asarray(fields[name], dtype=np.float64)
                return cls(pt, eta, phi, value if name in MASSES else _mass(value, pt * np.cosh(eta)))
        return cls(pt, eta, phi, np.zeros(len(pt)))

    @classmethod
    def cartesian(cls, px: Array, py: Array, pz: Array, energy: Array) -> Self:
        """From components [GeV]; a mass squared that rounding made negative is 0."""
        pt = np.hypot(px, py)
        mass = np.sqrt(np.maximum((energy + pz) * (energy - pz) - pt * pt, 0.0))
        return cls(pt, _pseudorapidity(pz, pt), np.arctan2(py, px), mass, pz)

    @classmethod
    def total(cls, parts: Sequence["Momenta"]) -> Self:
        """The sums of the four-vectors of `parts`, element by element.

        m^2 = sum m_i^2 + 2 sum_ij p_i.p_j with p_i.p_j = mT_i mT_j cosh(dy) - pT_i pT_j cos(dphi), written without a
        difference of large numbers, so that light systems of large momentum keep their mass.
        """
        px, py, pz = (np.sum([getattr(part, name) for part in parts], axis=0) for name in ("px", "py", "pz"))
        pt = np.hypot(px, py)
        mass2 = np.sum([part.mass**2 for part in parts], axis=0)
        mass2 += 2.0 * np.sum([_product(a, b) for a, b in combinations(parts, 2)], axis=0)
        return cls(pt, _pseudorapidity(pz, pt), np.arctan2(py, px), np.sqrt(mass2), pz)

    @cached_property
    def px(self) -> Array:
        """pT cos(phi) [GeV]."""
        return self.pt * np.cos(self.phi)

    @cached_property
    def py(self) -> Array:
        """pT sin(phi) [GeV]."""
        return self.pt * np.sin(self.phi)

    @cached_property
    def pz(self) -> Array:
        """pT sinh(eta) [GeV]."""
        return self.pt * np.sinh(self.eta) if self.along is None else self.along

    @cached_property
    def energy(self) -> Array:
        """sqrt(p^2 + m^2) [GeV]."""
        return np.hypot(np.hypot(self.pt, self.pz), self.mass)

    @cached_property
    def mt(self) -> Array:
        """sqrt(pT^2 + m^2) [GeV]."""
        return np.hypot(self.pt, self.mass)

    @cached_property
    def rapidity(self) -> Array:
        """arsinh(pz / mT)."""
        return np.where(self.mass == 0.0, self.eta, _pseudorapidity(self.pz, self.mt))


def _mass(energy: Array, momentum: Array) -> Array:
    mass: Array = np.sqrt(np.maximum((energy + momentum) * (energy - momentum), 0.0))  # rounding made it negative
    return mass


def _pseudorapidity(pz: Array, pt: Array) -> Array:
    with np.errstate(divide="ignore", invalid="ignore"):  # along the beam: infinite; nothing at all: NaN
        eta: Array = np.arcsinh(pz / pt)
    return eta


def _product(a: Momenta, b: Momenta) -> Array:
    """E_a E_b - p_a.p_b, a sum of terms of which none is negative.

    The last is mT_a mT_b - pT_a pT_b.
    """
    mt, pt = a.mt * b.mt, a.pt * b.pt
    apart: Array = 2.0 * mt * np.sinh((a.rapidity - b.rapidity) / 2.0) ** 2
    apart += 2.0 * pt * np.sin((a.phi - b.phi) / 2.0) ** 2
    with np.errstate(invalid="ignore"):  # no transverse momentum and no mass: 0 / 0
        rest = ((a.mass * b.mt) ** 2 + (a.pt * b.mass) ** 2) / (mt + pt)
    return apart + np.where(mt + pt > 0.0, rest, 0.0)


def _transverse_energy(p: Momenta) -> Array:
    with np.errstate(invalid="ignore"):  # at rest: NaN
        energy: Array = p.energy * p.pt / np.hypot(p.pt, p.pz)
    return energy


_PDG = "PDG, Kinematics"
VECTOR: Mapping[str, tuple[Quantity, Callable[[Momenta], Array]]] = {
    quantity.name: (quantity, function)
    for quantity, function in (
        (Quantity("pt", "sqrt(px^2 + py^2)", "GeV", 0.0, None, _PDG, "transverse momentum"), lambda p: p.pt),
        (Quantity("eta", "arsinh(pz / pT)", "", None, None, _PDG, "pseudorapidity"), lambda p: p.eta),
        (Quantity("phi", "atan2(py, px)", "rad", -np.pi, np.pi, _PDG, "azimuth"), lambda p: azimuth(p.phi)),
        (Quantity("m", "sqrt(E^2 - p^2)", "GeV", 0.0, None, _PDG, "invariant mass"), lambda p: p.mass),
        (Quantity("px", "pT cos(phi)", "GeV", None, None, _PDG, "momentum along x"), lambda p: p.px),
        (Quantity("py", "pT sin(phi)", "GeV", None, None, _PDG, "momentum along y"), lambda p: p.py),
        (Quantity("pz", "pT sinh(eta)", "GeV", None, None, _PDG, "momentum along the beam"), lambda p: p.pz),
        (Quantity("e", "sqrt(p^2 + m^2)", "GeV", 0.0, None, _PDG, "energy"), lambda p: p.energy),
        (Quantity("et", "E pT / p", "GeV", 0.0, None, _PDG, "transverse energy, E sin(theta)"), _transverse_energy),
        (Quantity("y", "ln[(E + pz) / (E - pz)] / 2", "", None, None, _PDG, "rapidity"), lambda p: p.rapidity),
    )
}
"""What can be said of one four-vector, and how it is computed."""


def quantities() -> Mapping[str, Quantity]:
    """What can be said of one object or of the sum of several, by name."""
    return {name: quantity for name, (quantity, _) in VECTOR.items()}
