"""Jets from particles, whole chunks of events at once."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import Field

from lamppost.core import Objects
from lamppost.features.kinematics import Momenta
from lamppost.features.wheel import fastjet, momenta
from lamppost.spec import Spec

__all__ = ["Cluster", "Clustered", "cluster"]

_ALGORITHMS = {"antikt": "antikt_algorithm", "ca": "cambridge_algorithm", "kt": "kt_algorithm"}


class Cluster(Spec):
    """Sequential recombination by fastjet (arXiv:1111.6097), four-vectors added (E scheme)."""

    algorithm: Literal["antikt", "ca", "kt"] = Field(
        "antikt", description="anti-kT (arXiv:0802.1189), Cambridge/Aachen (hep-ph/9707323) or kT (hep-ph/9305266)"
    )
    radius: float = Field(1.0, gt=0, le=1000, description="R")
    min_pt: float = Field(20.0, ge=0, description="smallest pT of a jet [GeV]")


@dataclass(frozen=True)
class Clustered:
    """Jets and what they are made of.

    `jets`: fields pt, eta, phi, mass, and `jet`, the row of each in `members`; `members`: one row per jet, its
    particles in the order of the input, fields `index`, counted in the event, and `particle`, counted in the chunk;
    `particles`: the input, with px, py, pz, E, float64 [GeV].
    """

    jets: Objects
    members: Objects
    particles: Objects


def cluster(particles: Objects, how: Cluster) -> Clustered:
    """Jets of every event; particles need pt, eta, phi, and are massless unless they have a mass."""
    p = Momenta.of(particles.fields)
    library = fastjet()
    definition = library.JetDefinition(getattr(library, _ALGORITHMS[how.algorithm]), how.radius)
    sequence = library.ClusterSequence(momenta(p.px, p.py, p.pz, p.energy, particles.offsets), definition)
    found = sequence.inclusive_jets(how.min_pt)
    indices = sequence.constituent_index(how.min_pt)
    axes = found.layout.content
    total = Momenta.cartesian(*(np.asarray(axes[name].data) for name in ("px", "py", "pz", "E")))
    counts = np.diff(np.asarray(found.layout.offsets.data)).astype(np.int64)
    jets = Objects(
        counts,
        {"pt": total.pt, "eta": total.eta, "phi": total.phi, "mass": total.mass, "jet": np.arange(len(total.pt))},
    )
    lists = indices.layout.content
    sizes = np.diff(np.asarray(lists.offsets.data)).astype(np.int64)
    index = np.asarray(lists.content.data)[: int(sizes.sum())].astype(np.int64)
    particle = index + np.repeat(particles.offsets[:-1][jets.event], sizes)
    members = Objects(sizes, {"index": index, "particle": particle})
    components = {"px": p.px, "py": p.py, "pz": p.pz, "E": p.energy}
    return Clustered(jets, members, Objects(particles.counts, {**particles.fields, **components}))
