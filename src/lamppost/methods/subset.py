"""`subset`: a method that sees some of the features."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import BeforeValidator, Field, SerializeAsAny, model_validator

from lamppost.core import Array, Events, Method, Rng, Score, View
from lamppost.errors import DataError
from lamppost.methods.nested import nest, unnest
from lamppost.storage import fitted

__all__ = ["Subset", "SubsetScore", "shown"]


class Subset(Method):
    """Another method, shown some of the features only.

    Methods of one hunt, and members of one `combination`, can then look at different features of the same events, as
    CATHODE and CATHODE-b do in CMS (arXiv:2412.03747). Assumes what its method assumes, and fails where that fails.
    """

    kind: Literal["subset"] = "subset"
    features: tuple[str, ...] = Field((), description="names of the features that it sees; none: all of them")
    method: Annotated[SerializeAsAny[Method], BeforeValidator(Method.parse)] = Field(
        default_factory=lambda: Method.parse("weak"), description="the method"
    )

    @model_validator(mode="after")
    def _blind(self) -> Self:
        if type(self.method).needs_truth:
            msg = f"method {self.method.kind!r} sees the truth: it cannot be one of a subset"
            raise ValueError(msg)
        return self

    @property
    def decorrelate(self) -> bool:
        """As the method needs it."""
        return self.method.decorrelate

    def fit(self, view: View, rng: Rng) -> Score:
        """The method's score of these features; DataError if there is no such feature."""
        seen = self.seen(view)
        return SubsetScore(seen.sr.names, self.method.fit(seen, rng))

    def seen(self, view: View) -> View:
        """The view with these features only."""
        names = self.features or view.sr.names
        return replace(
            view,
            sr=shown(view.sr, names),
            sb=shown(view.sb, names),
            sim=None if view.sim is None else shown(view.sim, names),
            signals={name: shown(sample, names) for name, sample in view.signals.items()},
        )


def shown(events: Events, features: Sequence[str]) -> Events:
    """The events with these features only; DataError if there is no such feature."""
    return events if tuple(features) == events.names else events.select(features)


@fitted("subset")
@dataclass(frozen=True, eq=False)
class SubsetScore:
    """Fitted: a score of some features."""

    features: tuple[str, ...]
    score: Score

    def __call__(self, events: Events) -> Array:
        """The score (n,)."""
        return np.asarray(self.score(shown(events, self.features)))

    def to_bytes(self) -> bytes:
        """A safetensors file with the score in it."""
        return nest("subset", {"features": list(self.features)}, {"score": self.score})

    @classmethod
    def from_bytes(cls, data: bytes) -> "SubsetScore":
        """Read back what `to_bytes` wrote; DataError if damaged or newer."""
        about, parts, _ = unnest(data, "subset")
        try:
            return cls(tuple(about["features"]), parts["score"])
        except (KeyError, TypeError) as error:
            msg = f"subset: damaged content ({error})"
            raise DataError(msg) from None
