"""`transported`: sideband events carried over to masses of the region (CURTAINs)."""

from typing import Annotated, Literal

import numpy as np
from pydantic import BeforeValidator, Field, SerializeAsAny

from lamppost.core import Bijection, Conditional, Density, Events, Rng, Template, View
from lamppost.errors import ConfigError

__all__ = ["Transported", "both_ways"]


def both_ways(kind: str, density: Conditional) -> Bijection:
    """The density itself; ConfigError if it maps no event."""
    if not isinstance(density, Bijection):
        msg = f"template {kind!r} needs a density with encode and decode, found {type(density).__name__}"
        raise ConfigError(msg)
    return density


class Transported(Template):
    """Sideband events x at m, taken to masses m' in the region by x' = f(f^-1(x; m); m') (arXiv:2203.09470).

    f(z; m), the flow of p(x | m) learnt in both sidebands by maximum likelihood, makes of a unit normal z the features
    at m. It is the identity for m' = m, and brings every event back: what distinguishes one event from another is kept,
    so what f misses of p(x | m) at all masses alike cancels, where events that are sampled from it show it.
    arXiv:2305.04646 trains a second flow from m to m' on top of the density; here the density's own maps do both steps.

    Assumes that features go on smoothly in m across the region. Fails where they do not, and where an event is so far
    outside of what the density has seen that it stays where it was. Signal in the sidebands is carried over as well.
    """

    kind: Literal["transported"] = "transported"
    density: Annotated[SerializeAsAny[Density], BeforeValidator(Density.parse)] = Field(
        default_factory=lambda: Density.parse("spline"), description="what learns p(x | m), and with it the map"
    )
    oversample: float = Field(4, gt=0, description="events of the template per event in the region")

    def make(self, view: View, rng: Rng) -> Events:
        """Sideband events in random order, again and again as needed, with their weights, each to a mass of its own.

        Copies of one event share an id, a new one, so that a split by id keeps them together: a classifier that learns
        from some of them knows the others by heart.

        Raises
        ------
        ConfigError
            If the view has no model of the masses in the region, or the density is no bijection.
        """
        if view.sample_m is None:
            msg = "template 'transported' needs masses in the region, view.sample_m: a hunt gives it, found None"
            raise ConfigError(msg)
        density = both_ways(self.kind, self.density.fit(view.sb, rng))
        n = int(np.ceil(self.oversample * len(view.sr)))
        rows = np.resize(rng.permutation(len(view.sb)), n)
        source, m = view.sb[rows], view.sample_m(n, rng)
        x, of = np.empty_like(source.x), rng.integers(density.members, size=n)
        for member in range(density.members):
            its = np.flatnonzero(of == member)
            x[its] = density.decode(density.encode(source[its], member), m[its], member)
        ids = rng.integers(2**64, size=len(view.sb), dtype=np.uint64)[rows]
        return Events(ids, x, m, source.w, source.names, source.groups)
