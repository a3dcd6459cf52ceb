"""`combination`: several methods made to agree on one score."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import BeforeValidator, Field, SerializeAsAny, model_validator

from lamppost.core import Array, Composite, Events, Method, Ratio, Rng, Score, View, uniform_of
from lamppost.errors import DataError
from lamppost.methods.nested import nest, unnest
from lamppost.storage import fitted

__all__ = ["Combination", "CombinationScore", "Tail"]

_HELD_OUT = 0.3
_LEAST = 20

How = Literal["rank", "product", "learned"]


class Combination(Composite):
    """Several methods and one score (arXiv:2307.11157).

    Each method's score s becomes t = -log P(score >= s) in the sidebands, so that all speak the same language whatever
    their units. Combined by `rank`: the mean of exp(-t), smallest first: the fraction of sideband events that rank
    higher. By `product`: the sum of t, as for independent p-values. `learned`: the log ratio of region to sidebands as
    a function of all t, from three tenths of the events, which no method was fitted to.

    Gains where methods err independently and see the same signal. Assumes that each is worth having: one that knows
    nothing, or misses a weak signal by chance, costs `rank` and `product` a good part of their sensitivity. Fails as
    its worst member does: one that sculpts sculpts the whole, and `learned` favours it where its score depends on m.
    All members see the same features, decorrelated for all as soon as one of them needs it.
    """

    kind: Literal["combination"] = "combination"
    methods: tuple[Annotated[SerializeAsAny[Method], BeforeValidator(Method.parse)], ...] = Field(
        # one that sees the smallest signals if they are one cluster, one that sees signals of any shape
        default_factory=lambda: tuple(Method.parse(kind) for kind in ("ranode", "cathode")),
        min_length=1,
        description="the methods that are combined",
    )
    how: How = Field("product", description="mean rank, product of the tail probabilities, or learned")
    ratio: Annotated[SerializeAsAny[Ratio], BeforeValidator(Ratio.parse)] = Field(
        default_factory=lambda: Ratio.parse({"kind": "boosted", "leaves": 4}),
        description="what learns a learned combination",
    )

    @model_validator(mode="after")
    def _blind(self) -> Self:
        for method in self.methods:
            if type(method).needs_truth:
                msg = f"method {method.kind!r} sees the truth: it cannot be combined"
                raise ValueError(msg)
        return self

    @property
    def decorrelate(self) -> bool:
        """As soon as one of the methods needs it."""
        return any(method.decorrelate for method in self.methods)

    @property
    def members(self) -> tuple[Method, ...]:
        """All of them, unless it is learned how to combine them: they then see seven tenths of the view."""
        return () if self.how == "learned" else self.methods

    def combine(self, scores: Sequence[Score], view: View, rng: Rng) -> Score:
        """By their distributions in the sidebands, or learned from events that the methods have not seen."""
        if self.how != "learned":
            return self._components(scores, view.sb)
        key = int(rng.integers(2**63))
        sr, sb = (uniform_of(events.id, key) < _HELD_OUT for events in (view.sr, view.sb))
        seen = replace(view, sr=view.sr[~sr], sb=view.sb[~sb])
        components = self._components([method.fit(seen, rng) for method in self.methods], view.sb[sb])
        p, q = (components.tails(events) for events in (view.sr[sr], view.sb[sb]))
        return replace(components, learned=self.ratio.fit(p, q, given_m=False, rng=rng))

    def _components(self, scores: Sequence[Score], background: Events) -> "CombinationScore":
        tails = tuple(Tail.fit(score(background), background.w) for score in scores)
        return CombinationScore(tuple(scores), tails, self.how)


@dataclass(frozen=True, eq=False)
class Tail:
    """-log P(score >= s) of a background: ascending scores (k,) and values (k,), linear beyond the last."""

    score: Array
    value: Array

    @classmethod
    def fit(cls, score: Array, w: Array) -> "Tail":
        """Learn from scores (n,) with weights (n,) >= 0; DataError for fewer than 20 events."""
        if len(score) < _LEAST or not w.sum() > 0:
            msg = f"combination: {len(score)} sideband events of weight {w.sum():g}, expected >= {_LEAST}"
            raise DataError(msg)
        s, where = np.unique(score, return_inverse=True)
        each = np.bincount(where, w)
        above = np.cumsum(each[::-1])[::-1] - 0.5 * each
        value = -np.log(np.clip(above / w.sum(), 0.1 / len(score), 1.0))
        return cls(s, np.maximum.accumulate(value))  # where weights are negative, too

    def __call__(self, score: Array) -> Array:
        """-log P (n,), never falling with the score (n,)."""
        last = max(len(self.score) - 1 - _LEAST, 0)
        run = self.score[-1] - self.score[last]
        slope = (self.value[-1] - self.value[last]) / run if run > 0 else 0.0
        beyond = np.maximum(score - self.score[-1], 0.0)
        return np.asarray(np.interp(score, self.score, self.value) + slope * beyond)


@fitted("combination")
@dataclass(frozen=True, eq=False)
class CombinationScore:
    """Fitted: the score of every method, its distribution on the sidebands, and how they are combined."""

    scores: tuple[Score, ...]
    tails_of: tuple[Tail, ...]
    how: How
    learned: Score | None = None

    def __call__(self, events: Events) -> Array:
        """The combined score (n,)."""
        tails = self.tails(events)
        if self.learned is not None:
            return self.learned(tails)
        t = tails.x.astype(np.float64)
        return np.asarray(t.sum(axis=1) if self.how == "product" else -np.log(np.exp(-t).mean(axis=1)))

    def tails(self, events: Events) -> Events:
        """The events with t of every method as features."""
        t = [tail(score(events)) for score, tail in zip(self.scores, self.tails_of, strict=True)]
        names = tuple(f"method{i}" for i in range(len(t)))
        return Events(events.id, np.column_stack(t).astype(np.float32), events.m, events.w, names)

    def to_bytes(self) -> bytes:
        """A safetensors file with all parts in it."""
        parts = {f"{i}": score for i, score in enumerate(self.scores)}
        parts |= {} if self.learned is None else {"learned": self.learned}
        tensors = {f"{i}.{name}": getattr(t, name) for i, t in enumerate(self.tails_of) for name in ("score", "value")}
        return nest("combination", {"how": self.how, "methods": len(self.scores)}, parts, tensors)

    @classmethod
    def from_bytes(cls, data: bytes) -> "CombinationScore":
        """Read back what `to_bytes` wrote; DataError if damaged or newer."""
        about, parts, tensors = unnest(data, "combination")
        try:
            n = range(about["methods"])
            tails = tuple(Tail(tensors[f"{i}.score"], tensors[f"{i}.value"]) for i in n)
            return cls(tuple(parts[f"{i}"] for i in n), tails, about["how"], parts.get("learned"))
        except (KeyError, TypeError) as error:
            msg = f"combination: damaged content ({error})"
            raise DataError(msg) from None
