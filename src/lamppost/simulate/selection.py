"""Which simulated events are kept."""

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from lamppost.core import Objects
from lamppost.features.clustering import Cluster, cluster
from lamppost.spec import Spec

__all__ = ["Selection"]


class Selection(Spec):
    """The [select] table: at least one anti-kT jet of high transverse momentum, as a trigger would ask for."""

    pt: float = Field(1200.0, gt=0, description="smallest pT of the jet [GeV]")
    eta: float = Field(2.5, gt=0, description="largest |eta| of the jet")
    radius: float = Field(1.0, gt=0, le=2, description="R of the jet")

    def passes(self, particles: Objects) -> NDArray[np.bool_]:
        """Which events (n,) have such a jet; the particles are massless: pt, eta, phi."""
        jets = cluster(particles, Cluster(radius=self.radius, min_pt=self.pt)).jets
        central = jets.keep(np.abs(jets.fields["eta"]) < self.eta)
        return np.asarray(central.counts > 0)
