"""`sa_cwola`: region against sidebands, less what simulation says m alone does to the features."""

from dataclasses import replace
from typing import Annotated, Literal

import numpy as np
from pydantic import BeforeValidator, Field, SerializeAsAny

from lamppost.core import Method, Ratio, Rng, Score, Template, View
from lamppost.errors import ConfigError

__all__ = ["SaCwola"]


class SaCwola(Method):
    """Simulation-assisted CWoLa (arXiv:2009.02205): a classifier of region against sidebands that simulation corrects.

    log R = log p_data,region / p_data,sidebands - log p_sim,region / p_sim,sidebands

    The second ratio is what the dependence of the features on m does on its own. The paper's loss rewards a classifier
    for being wrong about the simulated regions; here the ratio found there becomes a weight of the sidebands' data,
    and one classifier learns what is left.

    Assumes that the simulation has the right dependence on m: it may be wrong by any factor that depends on the
    features alone. Fails where the factor goes with m as well: that is found instead of a signal, as it is by CWoLa.
    """

    kind: Literal["sa_cwola"] = "sa_cwola"
    ratio: Annotated[SerializeAsAny[Ratio], BeforeValidator(Ratio.parse)] = Field(
        default_factory=lambda: Ratio.parse("boosted"), description="what learns both likelihood ratios"
    )

    def fit(self, view: View, rng: Rng) -> Score:
        """Ratio of the signal region to its sidebands, these weighted by the same ratio of the simulation.

        Raises
        ------
        ConfigError
            If there is no simulation.
        """
        if view.sim is None:
            msg = "method 'sa_cwola' needs a reference simulation: [samples] simulation, found none"
            raise ConfigError(msg)
        sidebands = Template.parse("sidebands")
        inside, beside = (view.sim[where(view.sim.m)] for where in (view.window.inside, view.window.beside))
        simulated = sidebands.make(View(inside, beside, view.window), rng)
        dependence = self.ratio.fit(inside, simulated, given_m=False, rng=rng)
        observed = sidebands.make(view, rng)
        template = replace(observed, w=observed.w * np.exp(dependence(observed)))
        return self.ratio.fit(view.sr, template, given_m=False, rng=rng)
