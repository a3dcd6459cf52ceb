"""`random`: the control that must find nothing."""

import json
from dataclasses import dataclass
from typing import Literal

from lamppost.core import Array, Events, Method, Rng, Score, View, uniform_of
from lamppost.errors import DataError

__all__ = ["Random"]


class Random(Method):
    """A score that depends on the event's id alone: the same selection, fit and p-values, and nothing to find."""

    kind: Literal["random"] = "random"

    def fit(self, view: View, rng: Rng) -> Score:
        """Draw the key of the score."""
        return RandomScore(int(rng.integers(2**63)))


@dataclass(frozen=True)
class RandomScore:
    """Fitted: a uniform number per event id."""

    key: int

    def __call__(self, events: Events) -> Array:
        """Uniform numbers (n,)."""
        return uniform_of(events.id, self.key)

    def to_json(self) -> str:
        """Kind and key."""
        return json.dumps({"schema": 1, "kind": "random", "key": self.key})

    @classmethod
    def from_json(cls, text: str) -> "RandomScore":
        """Read back what `to_json` wrote."""
        try:
            return cls(int(json.loads(text)["key"]))
        except (ValueError, KeyError, TypeError) as error:
            msg = f"random score: damaged text ({error})"
            raise DataError(msg) from None
