"""The particles of a jet as a padded array, for networks that take sets."""

import numpy as np
from numpy.typing import NDArray

from lamppost.core import Objects
from lamppost.features.kinematics import Momenta, azimuth

__all__ = ["padded"]


def padded(constituents: Objects, axes: Momenta, particles: int) -> NDArray[np.float32]:
    """The hardest particles of each of n jets relative to its axis: (n, particles, 3) float32.

    Columns: pT_i / pT of the jet, eta_i - eta, phi_i - phi in [-pi, pi]; by falling pT, filled up with zeros, so that
    a place is taken where the first is larger than 0.
    """
    ordered = constituents.ordered(constituents.fields["pt"])
    jet, rank = ordered.event, np.arange(int(ordered.counts.sum()))
    rank -= ordered.offsets[:-1][jet]
    first = rank < particles
    jet, rank = jet[first], rank[first]
    pt, eta, phi = (ordered.fields[name][first].astype(np.float64) for name in ("pt", "eta", "phi"))
    block = np.zeros((len(constituents), particles, 3), dtype=np.float32)
    block[jet, rank, 0] = pt / axes.pt[jet]
    block[jet, rank, 1] = eta - axes.eta[jet]
    block[jet, rank, 2] = azimuth(phi - axes.phi[jet])
    return block
