"""`morphed`: simulation in the region, its features moved as the sidebands ask for (FETA)."""

from dataclasses import replace
from typing import Annotated, Literal

import numpy as np
from pydantic import BeforeValidator, Field, SerializeAsAny

from lamppost.core import Density, Events, Rng, Template, View
from lamppost.templates.simulated import region_and_sidebands
from lamppost.templates.transported import both_ways

__all__ = ["Morphed"]


class Morphed(Template):
    """Simulated events of the region, x' = g(x; m), with a map g from simulation to data (arXiv:2212.11285).

    g is learnt in the sidebands by maximum likelihood, as the flow of p_data(x | m) with the density p_sim(x | m) of
    the simulation in place of the unit normal (Flows for Flows): it starts as the identity, and only has to learn what
    is wrong with the simulation. m is left as it was.

    Assumes that g goes on smoothly in m across the region, and that simulation has about the spectrum of m that data
    have there. Fails where the simulation is so far off that g is no small correction. Of features that are integers a
    value is moved as a whole: how often which occurs is corrected only as far as integers can be mapped to integers.
    """

    kind: Literal["morphed"] = "morphed"
    base: Annotated[SerializeAsAny[Density], BeforeValidator(Density.parse)] = Field(
        default_factory=lambda: Density.parse("spline"), description="what learns the density of the simulation"
    )
    density: Annotated[SerializeAsAny[Density], BeforeValidator(Density.parse)] = Field(
        default_factory=lambda: Density.parse("spline"), description="what learns the map from simulation to data"
    )

    def make(self, view: View, rng: Rng) -> Events:
        """The simulated events of the region with their weights; DataError from the density if any is negative.

        Raises
        ------
        ConfigError
            If there is no simulation, or the density is no bijection.
        DataError
            If the simulation has next to nothing in the region or in the sidebands.
        """
        region, beside = region_and_sidebands(self.kind, view, learns=True)
        # there is no signal in a simulation of the background: its region helps to learn its density
        base = self.base.fit(Events.concatenate([region, beside]), rng)
        density = both_ways(self.kind, self.density.fit(view.sb, rng, base=base))
        x, of = np.empty_like(region.x), rng.integers(density.members, size=len(region))
        for member in range(density.members):
            rows = np.flatnonzero(of == member)
            x[rows] = density.decode(region.x[rows], region.m[rows], member)
        ids = rng.integers(2**64, size=len(region), dtype=np.uint64)
        return replace(region, id=ids, x=x, blocks={})
