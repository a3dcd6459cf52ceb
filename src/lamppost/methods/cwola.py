"""`cwola`: classification without labels, region against sidebands."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, SerializeAsAny

from lamppost.core import Method, Ratio, Rng, Score, Template, View
from lamppost.methods.weak import Weak

__all__ = ["Cwola"]


class Cwola(Method):
    """CWoLa hunting (arXiv:1708.02949, 1805.02664, 1902.02634): ratio of the region's events to the sidebands'.

    Assumes that the background's features do not depend on m: decorrelation is on unless told otherwise. Fails where
    they do: the classifier finds the middle of m instead of a signal, the kept fraction peaks in the region and looks
    like a resonance (sculpting), and the signal is lost next to it.
    """

    kind: Literal["cwola"] = "cwola"
    ratio: Annotated[SerializeAsAny[Ratio], BeforeValidator(Ratio.parse)] = Field(
        default_factory=lambda: Ratio.parse("boosted"), description="what learns the likelihood ratio"
    )

    @property
    def template(self) -> Template:
        """The background expectation: the sidebands."""
        return Template.parse("sidebands")

    @property
    def decorrelate(self) -> bool:
        """As the sidebands need it."""
        return self.template.decorrelate

    def fit(self, view: View, rng: Rng) -> Score:
        """Ratio of the signal region to the sidebands."""
        return Weak(template=self.template, ratio=self.ratio).fit(view, rng)
