"""`lacathode`: a classifier where the background looks the same at every mass, by way of a flow's latent space."""

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import BeforeValidator, Field, SerializeAsAny

from lamppost.core import Array, Bijection, Density, Events, Method, Ratio, Rng, Score, View
from lamppost.errors import DataError
from lamppost.methods.nested import Ensemble, ensemble, nest, unnest
from lamppost.storage import fitted

__all__ = ["Lacathode", "LacathodeScore", "carried"]


class Lacathode(Method):
    """LaCATHODE (arXiv:2210.14924): ratio of the region's data to drawn background, both as they look at one mass.

    f(z; m), a flow of p(x | m) learnt on the sidebands, makes of a unit normal z the features at m: z = f^-1(x; m) of
    background is unit normal whatever m. The classifier sees u = f(z; m0), with m0 the middle of the region, and tells
    the data's from those of drawn z. It neither knows m nor meets values it was not trained on, so its selection keeps
    the same part of the background at every mass, in the region and outside.

    The paper's classifier sees z itself. A fixed map of z changes no likelihood ratio and tells no more of m, but trees
    cut along the axes, and flows turn those of the features into curves: u has them straight again.

    Assumes that the flow interpolates p(x | m) across the region. Fails where it does not: what is wrong with the flow
    is found as if it were signal. Loses what the way to m0 smears: a signal that is as narrow in x at every mass is
    less so in u where the background moves with m.
    """

    kind: Literal["lacathode"] = "lacathode"
    density: Annotated[SerializeAsAny[Density], BeforeValidator(Density.parse)] = Field(
        default_factory=lambda: Density.parse("spline"), description="what maps the sidebands to the unit normal"
    )
    ratio: Annotated[SerializeAsAny[Ratio], BeforeValidator(Ratio.parse)] = Field(
        default_factory=lambda: Ratio.parse("boosted"), description="what learns the likelihood ratio"
    )
    oversample: float = Field(4.0, gt=0, description="background events drawn per event in the region")

    def fit(self, view: View, rng: Rng) -> Score:
        """Density on the sidebands, then the ratio of the region's events taken to m0; members take turns.

        Raises
        ------
        ConfigError
            If the density is no ensemble of bijections.
        """
        density = ensemble(self.kind, self.density.fit(view.sb, rng))
        m0 = 0.5 * (view.window.lo + view.window.hi)
        n = max(int(np.ceil(self.oversample * len(view.sr))), 1)
        ids, m = rng.integers(2**64, size=n, dtype=np.uint64), np.full(n, m0)
        drawn = Events(ids, density.sample(m, rng), m, np.ones(n), view.sr.names)
        of = rng.integers(density.members, size=len(view.sr))
        parts = [carried(density, view.sr[of == member], m0, member) for member in range(density.members)]
        ratio = self.ratio.fit(Events.concatenate(parts), drawn, given_m=False, rng=rng)
        return LacathodeScore(density, ratio, view.sr.names, m0)


def carried(density: Bijection, events: Events, m0: float, member: int) -> Events:
    """The events with the features that a member gives them at mass m0."""
    x = density.decode(density.encode(events, member), np.full(len(events), m0), member)
    return Events(events.id, x, events.m, events.w, events.names)


@fitted("lacathode")
@dataclass(frozen=True, eq=False)
class LacathodeScore:
    """Fitted: the map to the latent space and back, the log ratio there, and the mass to go back to."""

    density: Ensemble
    ratio: Score
    names: tuple[str, ...]
    m0: float

    def __call__(self, events: Events) -> Array:
        """log p_data(u)/p_background(u) (n,), each event taken from its own mass to m0; the mean of all members."""
        events, members = events.select(self.names), range(self.density.members)
        scores = [self.ratio(carried(self.density, events, self.m0, member)) for member in members]
        return np.asarray(np.mean(scores, axis=0))

    def to_bytes(self) -> bytes:
        """A safetensors file with both parts in it."""
        about = {"names": self.names, "m0": self.m0}
        return nest("lacathode", about, {"density": self.density, "ratio": self.ratio})

    @classmethod
    def from_bytes(cls, data: bytes) -> "LacathodeScore":
        """Read back what `to_bytes` wrote; DataError if damaged or newer."""
        about, parts, _ = unnest(data, "lacathode")
        try:
            return cls(parts["density"], parts["ratio"], tuple(about["names"]), float(about["m0"]))
        except (KeyError, TypeError, ValueError) as error:
            msg = f"lacathode: damaged content ({error})"
            raise DataError(msg) from None
