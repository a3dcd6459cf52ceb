"""`feta`: the region against simulation whose features are moved as the sidebands ask for."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, SerializeAsAny

from lamppost.core import Density, Method, Ratio, Rng, Score, Template, View
from lamppost.methods.weak import Weak

__all__ = ["Feta"]


class Feta(Method):
    """FETA (arXiv:2212.11285): ratio of the region's events to the template `morphed`.

    Assumes that the map from simulation to data goes on smoothly in m across the region, and that simulation has about
    the spectrum of m that data have there: the features may depend on m. Fails where the map is no small correction,
    and where there are fewer simulated events in the region than the classifier needs.
    """

    kind: Literal["feta"] = "feta"
    base: Annotated[SerializeAsAny[Density], BeforeValidator(Density.parse)] = Field(
        default_factory=lambda: Density.parse("spline"), description="what learns the density of the simulation"
    )
    density: Annotated[SerializeAsAny[Density], BeforeValidator(Density.parse)] = Field(
        default_factory=lambda: Density.parse("spline"), description="what learns the map from simulation to data"
    )
    ratio: Annotated[SerializeAsAny[Ratio], BeforeValidator(Ratio.parse)] = Field(
        default_factory=lambda: Ratio.parse("boosted"), description="what learns the likelihood ratio"
    )

    @property
    def template(self) -> Template:
        """The background expectation: the simulation, morphed."""
        return Template.parse({"kind": "morphed", "base": self.base, "density": self.density})

    def fit(self, view: View, rng: Rng) -> Score:
        """Ratio of the signal region to the morphed simulation."""
        return Weak(template=self.template, ratio=self.ratio).fit(view, rng)
