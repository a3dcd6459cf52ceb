"""`reweighted`: simulation in the region, weighted as the sidebands ask for (SALAD)."""

from dataclasses import replace
from typing import Annotated, Literal

import numpy as np
from pydantic import BeforeValidator, Field, SerializeAsAny

from lamppost.core import Events, Ratio, Rng, Template, View
from lamppost.templates.simulated import region_and_sidebands

__all__ = ["Reweighted"]


class Reweighted(Template):
    """Simulated events of the region with weights p_data(x, m) / p_sim(x, m), learnt in the sidebands (2001.05001).

    A classifier of data against simulation that sees m next to the features interpolates the ratio across the region:
    a network smoothly; trees take that of the nearer sideband, so that what goes linearly with m cancels in the whole
    of the region. The spectrum of m is corrected along with the features.

    Assumes that simulation has events wherever data have, and that what is wrong with it goes on smoothly in m. Fails
    where the simulation is empty or its events are few: no weight makes up for an event that is not there, and large
    weights are few events.
    """

    kind: Literal["reweighted"] = "reweighted"
    ratio: Annotated[SerializeAsAny[Ratio], BeforeValidator(Ratio.parse)] = Field(
        default_factory=lambda: Ratio.parse("boosted"), description="what learns data over simulation, given m"
    )

    def make(self, view: View, rng: Rng) -> Events:
        """The simulated events of the region; their own weights, of either sign, times the ratio.

        Raises
        ------
        ConfigError
            If there is no simulation.
        DataError
            If it has next to nothing in the region or in the sidebands.
        """
        region, beside = region_and_sidebands(self.kind, view, learns=True)
        ratio = self.ratio.fit(view.sb, beside, given_m=True, rng=rng)
        return replace(region, w=region.w * np.exp(ratio(region)))
