"""`idealised`: weak supervision with the true background as template; a reference for `compare` only."""

from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field, SerializeAsAny

from lamppost.core import Method, Ratio, Rng, Score, View
from lamppost.errors import ConfigError

__all__ = ["Idealised"]


class Idealised(Method):
    """The idealised anomaly detector (arXiv:2109.00546): ratio of the region's data to true background events."""

    kind: Literal["idealised"] = "idealised"
    needs_truth: ClassVar[bool] = True
    ratio: Annotated[SerializeAsAny[Ratio], BeforeValidator(Ratio.parse)] = Field(
        default_factory=lambda: Ratio.parse("boosted"), description="what learns the likelihood ratio"
    )

    def fit(self, view: View, rng: Rng) -> Score:
        """Ratio of the signal region to `view.reference`, the true background."""
        if view.reference is None:
            msg = "method 'idealised' sees the truth: only a labelled comparison can run it"
            raise ConfigError(msg)
        return self.ratio.fit(view.sr, view.reference, given_m=False, rng=rng)
