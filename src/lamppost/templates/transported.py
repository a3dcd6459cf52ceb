"""`transported`: sideband events carried over to masses of the region (CURTAINs)."""

from typing import Annotated, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field, SerializeAsAny

from lamppost.core import Array, Conditional, Density, Events, Rng, Template, View
from lamppost.errors import ConfigError

__all__ = ["Bijection", "Transported", "both_ways"]

Features = NDArray[np.float32]


@runtime_checkable
class Bijection(Conditional, Protocol):
    """Fitted density whose `members` map events to their base and back."""

    @property
    def members(self) -> int: ...

    def encode(self, events: Events, member: int = 0) -> Features: ...

    def decode(self, z: Features, m: Array, member: int = 0) -> Features: ...


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
        source, m = view.sb[np.resize(rng.permutation(len(view.sb)), n)], view.sample_m(n, rng)
        x, of = np.empty_like(source.x), rng.integers(density.members, size=n)
        for member in range(density.members):
            rows = np.flatnonzero(of == member)
            x[rows] = density.decode(density.encode(source[rows], member), m[rows], member)
        ids = rng.integers(2**64, size=n, dtype=np.uint64)
        return Events(ids, x, m, source.w, source.names, source.groups)
