"""Shapes of jets that are single sums over their constituents.

z_i = pT_i / sum pT; dR_i in rapidity and azimuth from the jet's axis, which is that of the summed four-vectors.
"""

import numpy as np
from numpy.typing import NDArray

from lamppost.core import Array
from lamppost.features.particles import Particles, rapidity
from lamppost.features.reclustering import compiled

__all__ = ["shapes"]

FRACTION = 0.9
ROUNDING = 1e-12  # ten equal constituents: nine hold 0.9
KAPPA = 0.5
POINT = 1e-12  # extent of a jet below which rounding makes its shape


def offsets_from_axis(particles: Particles) -> tuple[Array, Array]:
    """Rapidity and azimuth of each constituent relative to its jet's axis, (k,) each."""
    px, py, pz, energy = (particles.sum(column) for column in particles.momenta.T)
    y, phi = rapidity(px, py, pz, energy), np.arctan2(py, px)
    dphi = particles.polar[:, 2] - phi[particles.jet]
    return particles.polar[:, 1] - y[particles.jet], dphi - 2.0 * np.pi * np.rint(dphi / (2.0 * np.pi))


def planar_flow(particles: Particles, z: Array, dy: Array, dphi: Array) -> Array:
    """4 det I / (tr I)^2 of I = sum z x x^T with x = (dy, dphi): 0 for a line, 1 for a disc, (n,); 0 for a point."""
    yy, pp, yp = particles.sum(z * dy * dy), particles.sum(z * dphi * dphi), particles.sum(z * dy * dphi)
    trace = yy + pp
    trace = np.where(trace > POINT**2, trace, np.inf)
    return np.clip(4.0 * ((yy / trace) * (pp / trace) - (yp / trace) ** 2), 0.0, 1.0)  # but for rounding within


@compiled
def hardest(offsets: NDArray[np.int64], falling: Array) -> Array:
    """Of shares (k,) that fall within each jet: the first, and how many of the first add up to `FRACTION`; (2, n)."""
    found = np.zeros((2, offsets.shape[0] - 1))
    for jet in range(offsets.shape[0] - 1):
        held = 0.0
        for i in range(offsets[jet], offsets[jet + 1]):
            if held >= FRACTION - ROUNDING:
                break
            held += falling[i]
            found[1, jet] += 1.0
        if found[1, jet] > 0.0:
            found[0, jet] = falling[offsets[jet]]
    return found


def shapes(particles: Particles, *, radius: float) -> dict[str, Array]:
    """All of them, (n,) each; NaN for a jet without constituents, but n = 0. `jet_charge` only where charge is known.

    n; ptd = sqrt(sum z^2); lead = max z; n90; width = sum z dR, lha = sum z (dR / radius)^(1/2), thrust =
    sum z (dR / radius)^2; planar_flow; jet_charge = sum q z^(1/2).
    """
    pt = particles.polar[:, 0]
    z = pt / particles.sum(pt)[particles.jet]
    dy, dphi = offsets_from_axis(particles)
    distance = np.hypot(dy, dphi)
    lead, n90 = hardest(particles.offsets, z[np.lexsort((-z, particles.jet))])
    found = {
        "ptd": np.sqrt(particles.sum(z * z)),
        "lead": lead,
        "n90": n90,
        "width": particles.sum(z * distance),
        "lha": particles.sum(z * np.sqrt(distance / radius)),
        "thrust": particles.sum(z * (distance / radius) ** 2),
        "planar_flow": planar_flow(particles, z, dy, dphi),
    }
    if particles.charge is not None:
        found["jet_charge"] = particles.sum(particles.charge * z**KAPPA)
    empty = particles.counts == 0
    found = {name: np.where(empty, np.nan, values) for name, values in found.items()}
    return {"n": particles.counts.astype(np.float64)} | found
