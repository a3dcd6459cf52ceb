"""Energy correlation functions of jets (arXiv:1305.0007, 1609.07483), compiled.

With z_i = pT_i / sum pT and distances dR in rapidity and azimuth, sums over pairs i < j and triples i < j < k:
e2 = sum z_i z_j dR_ij^beta, and ve3 = sum z_i z_j z_k times the product of the v smallest of the three dR^beta.
"""

import numpy as np
from numpy.typing import NDArray

from lamppost.core import Array
from lamppost.features.particles import Particles
from lamppost.features.reclustering import compiled, separation

__all__ = ["correlators"]


@compiled
def angles(polar: Array, beta: float) -> Array:
    """dR_ij^beta of one jet, (n, n)."""
    n = polar.shape[0]
    theta = np.zeros((n, n))
    for i in range(n):
        for j in range(i):
            distance = np.sqrt(separation(polar[i, 1], polar[i, 2], polar[j, 1], polar[j, 2]))
            theta[i, j] = theta[j, i] = distance if beta == 1.0 else distance**beta
    return theta


@compiled
def thirds(pair: float, left: Array, right: Array, z: Array) -> tuple[float, float, float]:
    """Sums over the third particle k of z_k times the product of the one, two and three smallest distances."""
    one, two, three = 0.0, 0.0, 0.0
    for k in range(z.shape[0]):
        a, b, product = left[k], right[k], left[k] * right[k]
        low, high = (a if a < b else b), (a if a > b else b)
        with_pair = pair * low
        one += z[k] * (low if low < pair else pair)
        two += z[k] * (product if high < pair else with_pair)  # what leaves out the largest of the three
        three += z[k] * pair * product
    return one, two, three


@compiled
def pairs(z: Array, theta: Array) -> float:
    """e2 of one jet."""
    total = 0.0
    for i in range(z.shape[0]):
        for j in range(i):
            total += z[i] * z[j] * theta[i, j]
    return total


@compiled
def triplets(z: Array, theta: Array) -> tuple[float, float, float]:
    """1e3, 2e3 and 3e3 of one jet."""
    one, two, three = 0.0, 0.0, 0.0
    for i in range(z.shape[0]):
        for j in range(i):
            a, b, c = thirds(theta[i, j], theta[i, :j], theta[j, :j], z[:j])
            one += z[i] * z[j] * a
            two += z[i] * z[j] * b
            three += z[i] * z[j] * c
    return one, two, three


@compiled
def correlated(offsets: NDArray[np.int64], polar: Array, beta: float, third: bool) -> Array:
    """e2, 1e3, 2e3 and 3e3 of all jets, (4, n); the last three only with `third`."""
    found = np.full((4, offsets.shape[0] - 1), np.nan)
    for jet in range(offsets.shape[0] - 1):
        particles = polar[offsets[jet] : offsets[jet + 1]]
        if particles.shape[0] == 0:
            continue
        z = particles[:, 0] / np.sum(particles[:, 0])
        theta = angles(particles, beta)
        found[0, jet] = pairs(z, theta)
        if third:
            found[1:, jet] = triplets(z, theta)
    return found


def correlators(particles: Particles, *, beta: float, third: bool) -> dict[str, Array]:
    """c1 = e2, and with `third` also c2 = 3e3 / e2^2, d2 = 3e3 / e2^3, m2 = 1e3 / e2, n2 = 2e3 / e2^2, each (n,).

    0 where all particles coincide (e2 = 0), NaN for a jet without particles.
    """
    e2, one, two, three = correlated(particles.offsets, particles.polar, beta, third)
    safe = np.where(e2 == 0.0, 1.0, e2)
    c2 = three / safe / safe  # in steps: the powers of a tiny e2 are no numbers
    ratios = {"c2": c2, "d2": c2 / safe, "m2": one / safe, "n2": two / safe / safe}
    return {"c1": e2} | (ratios if third else {})
