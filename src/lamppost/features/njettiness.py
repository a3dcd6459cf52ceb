"""N-subjettiness tau_N of jets (arXiv:1011.2268, 1108.2701), by fastjet-contrib.

tau_N = sum_i pT_i min_k dR_ik^beta / (sum_i pT_i R0^beta) over N axes, distances in rapidity and azimuth: what
fastjet-contrib calls the normalised measure.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from lamppost.core import Array
from lamppost.features.particles import Particles
from lamppost.features.wheel import fastjet, momenta

__all__ = ["njettiness"]


def njettiness(
    particles: Particles, wanted: Mapping[float, Sequence[int]], *, radius: float, axes: str
) -> dict[tuple[float, int], Array]:
    """tau_N for exponents beta and orders N: {beta: [N, ...]} -> {(beta, N): (n,)}.

    `axes` is the name of a definition in fastjet-contrib, `radius` is R0. A jet of no more than N constituents has
    tau_N = 0, one without any NaN.
    """
    library = fastjet()
    # the clustering itself is not used; this is the cheapest one
    unused = library.JetDefinition(library.antikt_algorithm, 1e-3, library.E_scheme, library.N2Plain, 1)
    px, py, pz, energy = particles.momenta.T
    sequence = library.ClusterSequence(momenta(px, py, pz, energy, particles.offsets), unused)
    found: dict[tuple[float, int], Array] = {}
    for beta, orders in wanted.items():
        settings = {"measure_definition": "NormalizedMeasure", "axes_definition": axes, "beta": beta, "R0": radius}
        taus = np.asarray(sequence.njettiness(njets=list(orders), **settings))
        taus = np.where(particles.counts[:, None] == 0, np.nan, taus)
        found |= {(beta, order): taus[:, k] for k, order in enumerate(orders)}
    return found
