"""`lacathode`: a classifier in the latent space of the background, where it looks the same at every mass."""

from dataclasses import dataclass, replace
from typing import Annotated, Literal, cast

import numpy as np
from pydantic import BeforeValidator, Field, SerializeAsAny

from lamppost.core import Array, Density, Events, Method, Ratio, Rng, Score, View
from lamppost.errors import DataError
from lamppost.methods.nested import Ensemble, nest, unnest
from lamppost.storage import fitted

__all__ = ["Lacathode", "LacathodeScore"]


class Lacathode(Method):
    """LaCATHODE (arXiv:2210.14924): ratio of the region's data, encoded, to unit normal numbers.

    A flow learnt on the sidebands maps x at mass m to z, which for background is unit normal whatever m. The
    classifier sees z alone, so its selection keeps the same part of the background at every mass, in the region and
    outside: it neither knows m nor meets values it was not trained on. Assumes that the flow interpolates p(x|m) across
    the region. Fails where it does not: the difference to the unit normal is found as if it were signal. Loses what the
    map smears: a signal narrow in x is narrow in z only at one mass.
    """

    kind: Literal["lacathode"] = "lacathode"
    density: Annotated[SerializeAsAny[Density], BeforeValidator(Density.parse)] = Field(
        default_factory=lambda: Density.parse("spline"), description="what maps the sidebands to the unit normal"
    )
    ratio: Annotated[SerializeAsAny[Ratio], BeforeValidator(Ratio.parse)] = Field(
        default_factory=lambda: Ratio.parse("boosted"), description="what learns the likelihood ratio"
    )
    oversample: float = Field(4.0, gt=0, description="normal draws per event in the region")

    def fit(self, view: View, rng: Rng) -> Score:
        """Density on the sidebands, then the ratio in its latent space."""
        density = cast(Ensemble, self.density.fit(view.sb, rng))
        n = max(int(self.oversample * len(view.sr)), 1)
        ids = rng.integers(2**63, size=n).astype(np.uint64)
        z = rng.standard_normal((n, len(view.sr.names)), np.float32)
        normal = Events(ids, z, rng.choice(view.sr.m, n), np.ones(n), view.sr.names)
        encoded = view.sr.with_x(density.encode(view.sr))
        plain = replace(encoded, groups={}, blocks={})
        return LacathodeScore(density, self.ratio.fit(plain, normal, given_m=False, rng=rng), view.sr.names)


@fitted("lacathode")
@dataclass(frozen=True, eq=False)
class LacathodeScore:
    """Fitted: the map to the latent space and the log ratio there."""

    density: Ensemble
    ratio: Score
    names: tuple[str, ...]

    def __call__(self, events: Events) -> Array:
        """log p_data(z)/N(z) (n,) of the events, each encoded at its own mass."""
        events = events.select(self.names)
        return self.ratio(events.with_x(self.density.encode(events)))

    def to_bytes(self) -> bytes:
        """A safetensors file with both parts in it."""
        return nest("lacathode", {"names": self.names}, {"density": self.density, "ratio": self.ratio})

    @classmethod
    def from_bytes(cls, data: bytes) -> "LacathodeScore":
        """Read back what `to_bytes` wrote; DataError if damaged or newer."""
        about, parts, _ = unnest(data, "lacathode")
        try:
            return cls(parts["density"], parts["ratio"], tuple(about["names"]))
        except (KeyError, TypeError) as error:
            msg = f"lacathode: damaged content ({error})"
            raise DataError(msg) from None
