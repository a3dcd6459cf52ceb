"""`sa_cwola`: region against sidebands, by a classifier that must not tell them apart as simulation does."""

from dataclasses import replace
from typing import Annotated, Literal

import numpy as np
from pydantic import BeforeValidator, Field, SerializeAsAny

from lamppost.core import Events, Method, Ratio, Rng, Score, Template, View
from lamppost.errors import ConfigError, DataError

__all__ = ["SaCwola"]

_LEAST = 10


class SaCwola(Method):
    """Simulation-assisted CWoLa (arXiv:2009.02205): region against sidebands, wrong where simulation tells them apart.

    The paper adds to the loss of CWoLa a reward for being wrong about the simulated region and sidebands. Here

    t(x) = (p_sim,region - p_sim,sidebands) / (p_sim,region + p_sim,sidebands)

    is learnt first, and every event of data then takes part once more with weight |t|, labelled against what simulation
    says of it: as a sideband event where t > 0, as one of the region where t < 0. For background that goes with m as
    the simulation does, both samples are then alike. |t| is below 1 and the extra events are data: nothing is divided
    by a density that simulation knows badly, and its own fluctuations enter as t alone.

    Assumes that the simulation has the right dependence on m: it may be wrong by any factor that depends on the
    features alone. Fails where the factor goes with m as well: that is found instead of a signal, as it is by CWoLa.
    Labels that contradict each other cost sensitivity where features say much about m; where they say nothing, this is
    `cwola`. Features are taken as they are unless told otherwise: decorrelated ones leave little to correct.
    """

    kind: Literal["sa_cwola"] = "sa_cwola"
    ratio: Annotated[SerializeAsAny[Ratio], BeforeValidator(Ratio.parse)] = Field(
        default_factory=lambda: Ratio.parse("boosted"), description="what learns both likelihood ratios"
    )

    def fit(self, view: View, rng: Rng) -> Score:
        """Ratio of the signal region to its sidebands, with labels against those that simulation suggests.

        Raises
        ------
        ConfigError
            If there is no simulation.
        DataError
            If data or simulation have next to nothing in the region or beside it.
        """
        if view.sim is None:
            msg = "method 'sa_cwola' needs a reference simulation: [samples] simulation, found none"
            raise ConfigError(msg)
        sidebands = Template.parse("sidebands")
        inside, beside = (view.sim[where(view.sim.m)] for where in (view.window.inside, view.window.beside))
        for what, events in (
            ("events", view.sr),
            ("events", view.sb),
            ("simulated events", inside),
            ("simulated events", beside),
        ):
            if len(events) < _LEAST or not events.w.sum() > 0:
                where = "in" if events is view.sr or events is inside else "beside"
                found = f"{len(events)} {what} of weight {events.w.sum():g} {where} the region {view.window}"
                msg = f"method 'sa_cwola': {found}, expected at least {_LEAST} of positive weight"
                raise DataError(msg)
        simulated = sidebands.make(View(inside, beside, view.window), rng)
        dependence = self.ratio.fit(inside, simulated, given_m=False, rng=rng)
        region, observed = _unit(view.sr), _unit(sidebands.make(view, rng))
        again = Events.concatenate([region, observed])
        t = np.tanh(0.5 * dependence(again))
        again = replace(again, w=again.w * np.abs(t))
        p = Events.concatenate([region, again[t < 0]])
        return self.ratio.fit(p, Events.concatenate([observed, again[t > 0]]), given_m=False, rng=rng)


def _unit(events: Events) -> Events:
    return replace(events, w=events.w / events.w.sum())
