"""Soft drop (arXiv:1402.2657) and the primary Lund plane (arXiv:1807.04758) of jets, compiled.

Both follow the harder branch of the Cambridge/Aachen tree from the jet down to one particle. Each splitting has
z = pT_soft / (pT_soft + pT_hard), dR in rapidity and azimuth, and kT = pT_soft dR.
"""

import numpy as np
from numpy.typing import NDArray

from lamppost.core import Array
from lamppost.features.particles import Particles
from lamppost.features.reclustering import compiled, recluster, separation

__all__ = ["groom"]

COLUMNS = ("msd", "zg", "rg", "nsd", "lund_n", "lund_kt", "lund_delta", "lund_z")
MSD, ZG, RG, NSD, EMISSIONS, KT, DELTA, Z = range(len(COLUMNS))


@compiled
def mass(momentum: Array) -> float:
    """Invariant mass; 0 where rounding makes its square negative."""
    px, py, pz, energy = momentum
    return float(np.sqrt(max((energy + pz) * (energy - pz) - (px * px + py * py), 0.0)))


@compiled
def splitting(node: int, polar: Array, children: NDArray[np.int64]) -> tuple[int, float, float, float]:
    """The harder child of a node; z, dR and kT of the splitting."""
    hard, soft = children[node]
    if polar[soft, 0] > polar[hard, 0]:
        hard, soft = soft, hard
    delta = np.sqrt(separation(polar[hard, 1], polar[hard, 2], polar[soft, 1], polar[soft, 2]))
    return hard, polar[soft, 0] / (polar[soft, 0] + polar[hard, 0]), delta, polar[soft, 0] * delta


@compiled
def descend(
    momenta: Array,
    polar: Array,
    children: NDArray[np.int64],
    z_cut: float,
    beta: float,
    radius: float,
    kt_cut: float,
    row: Array,
) -> None:
    """Fill one row of results from the tree of one jet."""
    row[:] = 0.0
    node = children.shape[0] - 1
    while children[node, 0] >= 0:
        hard, z, delta, kt = splitting(node, polar, children)
        if z > z_cut * (1.0 if beta == 0.0 else (delta / radius) ** beta):
            if row[NSD] == 0.0:
                row[MSD], row[ZG], row[RG] = mass(momenta[node]), z, delta
            row[NSD] += 1.0
        if kt > kt_cut:
            row[EMISSIONS] += 1.0
        if kt > row[KT]:
            row[KT], row[DELTA], row[Z] = kt, delta, z
        node = hard
    if row[NSD] == 0.0:
        row[MSD] = mass(momenta[node])  # everything else was groomed away


@compiled
def groomed(
    offsets: NDArray[np.int64], momenta: Array, polar: Array, z_cut: float, beta: float, radius: float, kt_cut: float
) -> Array:
    """All jets: (n, columns)."""
    found = np.full((offsets.shape[0] - 1, 8), np.nan)
    for jet in range(offsets.shape[0] - 1):
        first, last = offsets[jet], offsets[jet + 1]
        if last > first:
            tree = recluster(momenta[first:last], polar[first:last])
            descend(*tree, z_cut, beta, radius, kt_cut, found[jet])
    return found


def groom(particles: Particles, *, z_cut: float, beta: float, radius: float, kt_cut: float) -> dict[str, Array]:
    """Soft drop with z > z_cut (dR / radius)^beta and the Lund emissions, (n,) each; NaN for a jet without particles.

    msd [GeV], zg, rg: mass, z and dR of the first splitting that passes (the last particle's mass, 0, 0 if none does);
    nsd: how many pass; lund_n: emissions with kT above `kt_cut` [GeV]; lund_kt [GeV], lund_delta, lund_z: the emission
    of largest kT (0 if there is none).
    """
    found = groomed(particles.offsets, particles.momenta, particles.polar, z_cut, beta, radius, kt_cut)
    return dict(zip(COLUMNS, found.T, strict=True))
