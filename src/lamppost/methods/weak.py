"""`weak`: the ratio of the signal region's events to a background template."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, SerializeAsAny

from lamppost.core import Method, Ratio, Rng, Score, Template, View

__all__ = ["Weak"]


class Weak(Method):
    """Weak supervision: a classifier of region against template approaches log p_data/p_background.

    With the `sidebands` template this is CWoLa hunting (arXiv:1708.02949, 1805.02664, 1902.02634). Assumes that the
    template is distributed like the region's background; where it is not, the difference is what gets found.
    """

    kind: Literal["weak"] = "weak"
    template: Annotated[SerializeAsAny[Template], BeforeValidator(Template.parse)] = Field(
        default_factory=lambda: Template.parse("sidebands"), description="the background expectation in the region"
    )
    ratio: Annotated[SerializeAsAny[Ratio], BeforeValidator(Ratio.parse)] = Field(
        default_factory=lambda: Ratio.parse("boosted"), description="what learns the likelihood ratio"
    )

    @property
    def decorrelate(self) -> bool:
        """As its template needs it."""
        return self.template.decorrelate

    def fit(self, view: View, rng: Rng) -> Score:
        """Ratio of the signal region to the template."""
        return self.ratio.fit(view.sr, self.template.make(view, rng), given_m=False, rng=rng)
