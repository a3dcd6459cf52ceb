"""The constituents of jets, in the coordinates of hadron colliders."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from lamppost.core import Array, Objects

__all__ = ["Particles", "rapidity"]


def rapidity(px: Array, py: Array, pz: Array, energy: Array) -> Array:
    """y = ln[(E + pz) / (E - pz)] / 2, (k,), without cancellation at large |y|; a negative mass squared counts as 0."""
    pt2 = px * px + py * py
    mass2 = np.maximum((energy + pz) * (energy - pz) - pt2, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):  # no momentum at all: no rapidity
        y = 0.5 * np.log((pt2 + mass2) / (energy + np.abs(pz)) ** 2)
    return np.where(pz > 0.0, -y, y)


@dataclass(frozen=True)
class Particles:
    """The constituents of n jets, one after the other: those of jet i are `offsets[i]` to `offsets[i + 1]`.

    offsets (n + 1,) int64; momenta (k, 4) px, py, pz, E [GeV]; polar (k, 3) pT [GeV], rapidity, azimuth [rad]; charge
    (k,) where known, in units of e.
    """

    offsets: NDArray[np.int64]
    momenta: Array
    polar: Array
    charge: Array | None

    @classmethod
    def of(cls, constituents: Objects) -> Self:
        """From fields px, py, pz, E (and charge); what carries no transverse momentum is left out."""
        px, py, pz, energy = (constituents.fields[name].astype(np.float64) for name in ("px", "py", "pz", "E"))
        pt = np.hypot(px, py)
        if not np.all(pt > 0.0):
            return cls.of(constituents.keep(pt > 0.0))
        charge = constituents.fields.get("charge")
        return cls(
            constituents.offsets,
            np.stack([px, py, pz, energy], axis=1),
            np.stack([pt, rapidity(px, py, pz, energy), np.arctan2(py, px)], axis=1),
            None if charge is None else charge.astype(np.float64),
        )

    @property
    def counts(self) -> NDArray[np.int64]:
        """How many constituents each jet has, (n,)."""
        return np.diff(self.offsets)

    @property
    def jet(self) -> NDArray[np.int64]:
        """The jet of each constituent, (k,)."""
        return np.repeat(np.arange(len(self.offsets) - 1), self.counts)

    def sum(self, values: Array) -> Array:
        """Sum over the constituents of each jet: (k,) -> (n,)."""
        return np.bincount(self.jet, weights=values, minlength=len(self.offsets) - 1).astype(np.float64, copy=False)
