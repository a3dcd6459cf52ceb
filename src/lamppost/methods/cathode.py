"""`cathode`: the region against events sampled from the interpolated density of the sidebands."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, SerializeAsAny

from lamppost.core import Density, Method, Ratio, Rng, Score, Template, View
from lamppost.methods.weak import Weak

__all__ = ["Cathode"]


class Cathode(Method):
    """CATHODE (arXiv:2109.00546): ratio of the region's events to the template `interpolated`.

    Assumes that p(x | m) of the background goes on smoothly in m across the region: the features may depend on m.
    Fails where the density does not interpolate well, for features that are little more than m itself or have edges
    and spikes: the classifier then finds where the density is wrong. Outside of the region the score means nothing,
    and what it keeps there may follow m (sculpting; see `lacathode`).
    """

    kind: Literal["cathode"] = "cathode"
    density: Annotated[SerializeAsAny[Density], BeforeValidator(Density.parse)] = Field(
        default_factory=lambda: Density.parse("spline"), description="what learns p(x | m) in the sidebands"
    )
    oversample: float = Field(4, gt=0, description="events of the template per event in the region")
    ratio: Annotated[SerializeAsAny[Ratio], BeforeValidator(Ratio.parse)] = Field(
        default_factory=lambda: Ratio.parse("boosted"), description="what learns the likelihood ratio"
    )

    @property
    def template(self) -> Template:
        """The background expectation: sampled from the interpolated density."""
        return Template.parse({"kind": "interpolated", "density": self.density, "oversample": self.oversample})

    def fit(self, view: View, rng: Rng) -> Score:
        """Ratio of the signal region to the sampled template."""
        return Weak(template=self.template, ratio=self.ratio).fit(view, rng)
