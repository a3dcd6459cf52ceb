"""`interpolated`: the density of the sidebands, sampled at masses of the region (CATHODE)."""

from typing import Annotated, Literal

import numpy as np
from pydantic import BeforeValidator, Field, SerializeAsAny

from lamppost.core import Density, Events, Rng, Template, View
from lamppost.errors import ConfigError

__all__ = ["Interpolated"]


class Interpolated(Template):
    """Events drawn from p(x | m), learnt in the sidebands, at masses in the region (arXiv:2109.00546).

    Assumes that p(x | m) goes on smoothly in m across the region, and that the density can follow it: features may
    depend on m as they like otherwise. Fails where they change within the region in a way that neither sideband shows,
    or where the density misses a fine structure, an edge or a spike: the classifier then finds the sampled events
    instead of a signal. Signal that leaks into the sidebands enters the template and hides as much of itself.
    """

    kind: Literal["interpolated"] = "interpolated"
    density: Annotated[SerializeAsAny[Density], BeforeValidator(Density.parse)] = Field(
        default_factory=lambda: Density.parse("spline"), description="what learns p(x | m) in the sidebands"
    )
    oversample: float = Field(4, gt=0, description="events of the template per event in the region")

    def make(self, view: View, rng: Rng) -> Events:
        """Events of weight 1; several members of the density take turns at random.

        Raises
        ------
        ConfigError
            If the view has no model of the masses in the region.
        """
        if view.sample_m is None:
            msg = "template 'interpolated' needs masses in the region, view.sample_m: a hunt gives it, found None"
            raise ConfigError(msg)
        density = self.density.fit(view.sb, rng)
        n = int(np.ceil(self.oversample * len(view.sr)))
        m = view.sample_m(n, rng)
        ids = rng.integers(2**64, size=n, dtype=np.uint64)
        return Events(ids, density.sample(m, rng), m, np.ones(n), view.sb.names, view.sb.groups)
