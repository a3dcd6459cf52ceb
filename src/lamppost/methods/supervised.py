"""`supervised`: the classifier that knows signal and background; an upper bound for `compare` only."""

from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field, SerializeAsAny

from lamppost.core import Events, Method, Ratio, Rng, Score, View
from lamppost.errors import ConfigError

__all__ = ["Supervised"]


class Supervised(Method):
    """Ratio of true signal to true background: no search can do better on these features."""

    kind: Literal["supervised"] = "supervised"
    needs_truth: ClassVar[bool] = True
    ratio: Annotated[SerializeAsAny[Ratio], BeforeValidator(Ratio.parse)] = Field(
        default_factory=lambda: Ratio.parse("boosted"), description="what learns the likelihood ratio"
    )

    def fit(self, view: View, rng: Rng) -> Score:
        """Ratio of all `view.signals` to `view.reference`, the true background."""
        if view.reference is None or not view.signals:
            msg = "method 'supervised' sees the truth: only a labelled comparison can run it"
            raise ConfigError(msg)
        signal = Events.concatenate([view.signals[name] for name in sorted(view.signals)])
        return self.ratio.fit(signal, view.reference, given_m=False, rng=rng)
