"""`simulated`: simulation in the region as it stands, and what the templates made of simulation ask of it."""

from typing import Literal

from lamppost.core import Events, Rng, Template, View
from lamppost.errors import ConfigError, DataError

__all__ = ["Simulated", "region_and_sidebands"]

_LEAST = 20
"""Simulated events in the region and in the sidebands, at least."""


class Simulated(Template):
    """The simulated events of the region with the weights that they came with.

    Assumes that the simulation is right. Fails where it is not, which is nearly everywhere: the classifier finds the
    simulation's errors. It is what `reweighted` (2001.05001) and `morphed` (2212.11285), which mend them, start from.
    """

    kind: Literal["simulated"] = "simulated"

    def make(self, view: View, rng: Rng) -> Events:
        """Nothing is learnt and nothing drawn.

        Raises
        ------
        ConfigError
            If there is no simulation.
        DataError
            If it has next to nothing in the region.
        """
        return region_and_sidebands(self.kind, view)[0]


def region_and_sidebands(kind: str, view: View, *, learns: bool = False) -> tuple[Events, Events]:
    """The simulated events of the region and those of the sidebands, for the template `kind`.

    Raises
    ------
    ConfigError
        If there is no simulation.
    DataError
        If less than _LEAST of them, or no positive weight, are in the region; where the template `learns`, in the
        sidebands as well.
    """
    if view.sim is None:
        msg = f"template {kind!r} needs a reference simulation: [samples] simulation, found none"
        raise ConfigError(msg)
    window, m = view.window, view.sim.m
    region, beside = view.sim[window.inside(m)], view.sim[window.beside(m)]
    needed = {"region": region, "sidebands": beside} if learns else {"region": region}
    for where, events in needed.items():
        if len(events) < _LEAST or not events.w.sum() > 0:
            msg = (
                f"template {kind!r}: {len(events)} simulated events of weight {events.w.sum():g} in the {where} of "
                f"window {window}, expected at least {_LEAST} of positive weight"
            )
            raise DataError(msg)
    return region, beside
