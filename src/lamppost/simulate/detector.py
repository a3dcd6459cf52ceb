"""What the detector sees of the particles of an event."""

from abc import abstractmethod
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from lamppost.core import Objects
from lamppost.simulate.card import CMS, Card
from lamppost.spec import Role

__all__ = ["Cms", "Detector", "Truth"]

_ETA = 5.0


class Detector(Role):
    """Turns particles into reconstructed particles."""

    kind: str

    @abstractmethod
    def observe(self, particles: Objects, keys: NDArray[np.uint64]) -> Objects:
        """What is seen of n events: pt [GeV], eta, phi float32, charge int8, by falling pt in every event.

        `particles` has px, py, pz, E [GeV], charge, id (PDG code); `keys` (n,) decide the random numbers of each event.
        """


class Truth(Detector):
    """A perfect detector within |eta| < 5: every particle but those that leave no trace anywhere."""

    kind: Literal["truth"] = "truth"

    def observe(self, particles: Objects, keys: NDArray[np.uint64]) -> Objects:
        """The particles themselves."""
        px, py, pz = (particles.fields[name] for name in ("px", "py", "pz"))
        pt = np.maximum(np.hypot(px, py), 1e-9)  # along the beam eta is large, not infinite
        values = np.stack([pt, np.arcsinh(pz / pt), np.arctan2(py, px), particles.fields["charge"]], axis=1)
        return _seen(particles.counts, values)


class Cms(Detector):
    """Particle flow in a CMS-like detector without pile-up, after the fast simulation Delphes (arXiv:1307.6346).

    Charged particles bend in the field, leave a track with some probability, and energy in a calorimeter cell, as do
    neutral ones. What a cell shows beyond the tracks that point to it is a neutral particle; if there is no such
    excess, cell and tracks are averaged. Particles are massless, at |eta| < 5.
    """

    kind: Literal["cms"] = "cms"
    resolution: float = Field(1.0, ge=0, le=10, description="multiplies every resolution: 2 is twice as bad")
    efficiency: float = Field(1.0, ge=0, le=1, description="multiplies the tracking efficiency")

    def card(self) -> Card:
        """The numbers of this detector."""
        return CMS._replace(resolution=self.resolution, efficiency=self.efficiency)

    def observe(self, particles: Objects, keys: NDArray[np.uint64]) -> Objects:
        """Tracks and neutral excesses."""
        from lamppost.simulate.detector_kernel import ECAL, HCAL, NOWHERE, particle_flow

        momenta = np.stack([particles.fields[name] for name in ("px", "py", "pz", "E")], axis=1)
        code = np.abs(particles.fields["id"])
        layer = np.where((code == 11) | (code == 22), ECAL, np.where(code == 13, NOWHERE, HCAL))
        charge = particles.fields["charge"].astype(np.int64)
        counts, values = particle_flow(particles.offsets, momenta, charge, layer, keys, self.card())
        return _seen(counts, values)


def _seen(counts: NDArray[np.int64], values: NDArray[np.float64]) -> Objects:
    """Objects of the rows pt, eta, phi, charge that are inside the detector."""
    pt, eta, phi = values[:, :3].astype(np.float32).T
    fields = {"pt": pt, "eta": eta, "phi": phi, "charge": values[:, 3].astype(np.int8)}
    inside = Objects(counts, fields).keep(np.abs(eta) < _ETA)
    return inside.ordered(inside.fields["pt"])
