"""Compiled Cambridge/Aachen clustering of the constituents of one jet, down to a single node.

Those at the smallest distance dR^2 = dy^2 + dphi^2 merge first and their four-vectors add (arXiv:hep-ph/9707323); there
is no radius. Nodes 0 to n - 1 are the particles, node n + k is made by step k, node 2n - 2 is the jet. Every node
remembers its nearest neighbour, so that the whole takes O(n^2).
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
from numba import njit
from numpy.typing import NDArray

from lamppost.core import Array

__all__ = ["compiled", "recluster", "separation"]

F = TypeVar("F", bound=Callable[..., Any])
Tree = tuple[Array, Array, NDArray[np.int64]]


def compiled(function: F) -> F:
    """Compile for one thread; sums may be reordered into vector lanes, always in the same way on one CPU type."""
    made = njit(function, cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract"})
    return cast(F, made)


@compiled
def separation(y1: float, phi1: float, y2: float, phi2: float) -> float:
    """dR^2 = dy^2 + dphi^2, the azimuths within one turn of each other."""
    dphi = abs(phi1 - phi2)
    dphi = min(dphi, 2.0 * np.pi - dphi)
    return (y1 - y2) ** 2 + dphi**2


@compiled
def combine(i: int, j: int, made: int, momenta: Array, polar: Array) -> None:
    """Fill node `made` with the sum of two four-vectors."""
    for c in range(4):
        momenta[made, c] = momenta[i, c] + momenta[j, c]
    px, py, pz, energy = momenta[made]
    pt2 = px * px + py * py
    mass2 = max((energy + pz) * (energy - pz) - pt2, 0.0)
    y = 0.5 * np.log((pt2 + mass2) / (energy + abs(pz)) ** 2)
    polar[made, 0], polar[made, 1], polar[made, 2] = np.sqrt(pt2), (-y if pz > 0.0 else y), np.arctan2(py, px)


@compiled
def seek(slot: int, size: int, y: Array, phi: Array, near: NDArray[np.int64], gap: Array) -> None:
    """Find the nearest other slot and its dR^2; infinity if there is none."""
    gap[slot] = np.inf
    for k in range(size):
        distance = separation(y[slot], phi[slot], y[k], phi[k])
        if k != slot and distance < gap[slot]:
            near[slot], gap[slot] = k, distance


@compiled
def refresh(i: int, j: int, size: int, y: Array, phi: Array, near: NDArray[np.int64], gap: Array) -> None:
    """Nearest neighbours after slot i was renewed and the last slot, now beyond `size`, moved to slot j."""
    seek(i, size, y, phi, near, gap)
    for k in range(size):
        if k == i:
            continue
        distance = separation(y[i], phi[i], y[k], phi[k])
        if near[k] == i or near[k] == j:
            seek(k, size, y, phi, near, gap)
        elif distance < gap[k]:
            near[k], gap[k] = i, distance
        if near[k] == size:
            near[k] = j


@compiled
def recluster(particles: Array, coordinates: Array) -> Tree:
    """Momenta (2n - 1, 4), polar (2n - 1, 3) and children (2n - 1, 2) of all nodes of a jet with n > 0 particles.

    `particles` (n, 4), `coordinates` (n, 3): rows of `Particles.momenta` and `.polar`; particles have children -1.
    """
    n = particles.shape[0]
    momenta, polar = np.empty((2 * n - 1, 4)), np.empty((2 * n - 1, 3))
    children = np.full((2 * n - 1, 2), -1)
    momenta[:n], polar[:n] = particles, coordinates
    node, near, gap = np.arange(n), np.zeros(n, np.int64), np.empty(n)
    y, phi = coordinates[:, 1].copy(), coordinates[:, 2].copy()
    for k in range(n):
        seek(k, n, y, phi, near, gap)
    for made in range(n, 2 * n - 1):
        size = 2 * n - 1 - made  # slots left after this step
        pair = int(np.argmin(gap[: size + 1]))
        i, j = min(pair, near[pair]), max(pair, near[pair])  # the renewed slot is never the one that moves
        combine(node[i], node[j], made, momenta, polar)
        children[made] = node[i], node[j]
        node[i], y[i], phi[i] = made, polar[made, 1], polar[made, 2]
        node[j], y[j], phi[j], near[j], gap[j] = node[size], y[size], phi[size], near[size], gap[size]
        refresh(i, j, size, y, phi, near, gap)
    return momenta, polar, children
