"""`random`: the control that must find nothing."""

from dataclasses import dataclass
from typing import Literal

from lamppost.core import Array, Events, Method, Rng, Score, View, uniform_of
from lamppost.storage import fitted, pack_json, unpack_json

__all__ = ["Random"]


class Random(Method):
    """A score that depends on the event's id alone: the same selection, fit and p-values, and nothing to find."""

    kind: Literal["random"] = "random"

    def fit(self, view: View, rng: Rng) -> Score:
        """Draw the key of the score."""
        return RandomScore(int(rng.integers(2**63)))


@fitted("random")
@dataclass(frozen=True)
class RandomScore:
    """Fitted: a uniform number per event id."""

    key: int

    def __call__(self, events: Events) -> Array:
        """Uniform numbers (n,)."""
        return uniform_of(events.id, self.key)

    def to_bytes(self) -> bytes:
        """The key, as JSON."""
        return pack_json("random", {"key": self.key})

    @classmethod
    def from_bytes(cls, data: bytes) -> "RandomScore":
        """Read back what `to_bytes` wrote."""
        return cls(int(unpack_json(data, "random")["key"]))
