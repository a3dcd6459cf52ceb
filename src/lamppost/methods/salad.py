"""`salad`: the region against simulation that is reweighted as the sidebands ask for."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, SerializeAsAny

from lamppost.core import Method, Ratio, Rng, Score, Template, View
from lamppost.methods.weak import Weak

__all__ = ["Salad"]


class Salad(Method):
    """SALAD (arXiv:2001.05001): ratio of the region's events to the template `reweighted`.

    Assumes that the simulation has events wherever data have, and that data over simulation goes on smoothly in m
    across the region: the features may depend on m. Fails where the simulation is empty or has few events, so that the
    classifier finds what reweighting could not mend.
    """

    kind: Literal["salad"] = "salad"
    reweighting: Annotated[SerializeAsAny[Ratio], BeforeValidator(Ratio.parse)] = Field(
        default_factory=lambda: Ratio.parse("boosted"), description="what learns data over simulation, given m"
    )
    ratio: Annotated[SerializeAsAny[Ratio], BeforeValidator(Ratio.parse)] = Field(
        default_factory=lambda: Ratio.parse("boosted"), description="what learns the likelihood ratio"
    )

    @property
    def template(self) -> Template:
        """The background expectation: the simulation, reweighted."""
        return Template.parse({"kind": "reweighted", "ratio": self.reweighting})

    def fit(self, view: View, rng: Rng) -> Score:
        """Ratio of the signal region to the reweighted simulation."""
        return Weak(template=self.template, ratio=self.ratio).fit(view, rng)
