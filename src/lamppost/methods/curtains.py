"""`curtains`: the region against sideband events carried over to its masses."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, SerializeAsAny

from lamppost.core import Density, Method, Ratio, Rng, Score, Template, View
from lamppost.methods.weak import Weak

__all__ = ["Curtains"]


class Curtains(Method):
    """CURTAINs (arXiv:2203.09470), by maximum likelihood as in 2305.04646: ratio to the template `transported`.

    Assumes that the map which takes the features from one mass to another goes on smoothly across the region: they may
    depend on m. Fails where it does not, for instance where a feature turns on within the region. Signal that leaks
    into the sidebands is carried over into the template and hides as much of itself.
    """

    kind: Literal["curtains"] = "curtains"
    density: Annotated[SerializeAsAny[Density], BeforeValidator(Density.parse)] = Field(
        default_factory=lambda: Density.parse("spline"), description="what learns p(x | m), and with it the map"
    )
    oversample: float = Field(4, gt=0, description="events of the template per event in the region")
    ratio: Annotated[SerializeAsAny[Ratio], BeforeValidator(Ratio.parse)] = Field(
        default_factory=lambda: Ratio.parse("boosted"), description="what learns the likelihood ratio"
    )

    @property
    def template(self) -> Template:
        """The background expectation: the sidebands, carried over."""
        return Template.parse({"kind": "transported", "density": self.density, "oversample": self.oversample})

    def fit(self, view: View, rng: Rng) -> Score:
        """Ratio of the signal region to the sidebands carried over."""
        return Weak(template=self.template, ratio=self.ratio).fit(view, rng)
