"""`boosted`: the likelihood ratio from gradient-boosted trees (LightGBM), an average of members."""

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from lamppost.core import Array, Events, Ratio, Rng, Score
from lamppost.errors import DataError

__all__ = ["Boosted", "BoostedScore", "settings"]

SCHEMA = 1


class Boosted(Ratio):
    """log p/q as the mean log-odds of `members` boosted trees, each grown on its own random half of both samples.

    With unit total weight for p and q, the log-odds of a classifier of p against q is log p(x)/q(x). Averaging members
    trained on different halves removes most of the noise that one boosted tree learns when p and q are almost equal,
    as they are in weak supervision (arXiv:2309.13111 finds trees the stronger and the more robust choice there).
    """

    kind: Literal["boosted"] = "boosted"
    members: int = Field(10, ge=1, le=1000, description="trained classifiers whose log-odds are averaged")
    rounds: int = Field(100, ge=1, description="boosting rounds per member")
    learning_rate: float = Field(0.05, gt=0, le=1, description="shrinkage of every tree")
    leaves: int = Field(16, ge=2, description="leaves per tree")
    min_leaf: int = Field(40, ge=1, description="events per leaf, at least")
    fraction: float = Field(0.5, gt=0, le=1, description="part of the events a member is grown on")

    def fit(self, p: Events, q: Events, *, given_m: bool, rng: Rng) -> Score:
        """Grow all members. Negative weights take part in the sums that LightGBM splits on."""
        for name, sample in (("p", p), ("q", q)):
            if len(sample) < 10 or not sample.w.sum() > 0:
                msg = f"boosted: sample {name} has {len(sample)} events of weight {sample.w.sum():g}, expected >= 10"
                raise DataError(msg)
        x = np.concatenate([inputs(p, given_m), inputs(q, given_m)])
        y = np.concatenate([np.ones(len(p)), np.zeros(len(q))])
        # equal total weights: the log-odds is log p/q; mean weight 1 keeps min_leaf's and lambda's meaning
        w = np.concatenate([p.w / p.w.sum(), q.w / q.w.sum()]) * len(y) / 2
        return BoostedScore(tuple(self._grow(x, y, w, rng) for _ in range(self.members)), given_m)

    def _grow(self, x: NDArray[np.float32], y: Array, w: Array, rng: Rng) -> str:
        import lightgbm

        rows = np.sort(rng.permutation(len(y))[: max(int(self.fraction * len(y)), 1)])
        seed = int(rng.integers(2**31 - 1))
        parameters = {
            "objective": "binary",
            "learning_rate": self.learning_rate,
            "num_leaves": self.leaves,
            "min_data_in_leaf": self.min_leaf,
            "min_sum_hessian_in_leaf": 1e-3,
            "max_bin": 127,
            **settings(seed),
        }
        data = lightgbm.Dataset(x[rows], y[rows], weight=w[rows], params=parameters, free_raw_data=True)
        return str(lightgbm.train(parameters, data, num_boost_round=self.rounds).model_to_string())


def settings(seed: int) -> dict[str, Any]:
    """What makes LightGBM repeat itself bit by bit: one thread, fixed order, fixed seed."""
    return {"seed": seed, "deterministic": True, "force_row_wise": True, "num_threads": 1, "verbosity": -1}


def inputs(events: Events, given_m: bool) -> NDArray[np.float32]:
    """The features (n, d), with m as a further column where the ratio is conditional on it."""
    return np.column_stack([events.x, events.m.astype(np.float32)]) if given_m else np.ascontiguousarray(events.x)


@dataclass(frozen=True)
class BoostedScore:
    """Fitted: the members as LightGBM text."""

    members: tuple[str, ...]
    given_m: bool = False

    @cached_property
    def _boosters(self) -> list[Any]:
        import lightgbm

        return [lightgbm.Booster(model_str=text) for text in self.members]

    def __call__(self, events: Events) -> Array:
        """Mean log-odds (n,) of the members."""
        x = inputs(events, self.given_m)
        total = np.zeros(len(events))
        for booster in self._boosters:
            total += booster.predict(x, raw_score=True, num_threads=1)
        return total / len(self.members)

    def to_json(self) -> str:
        """Schema, kind and the members' text."""
        return json.dumps({"schema": SCHEMA, "kind": "boosted", "given_m": self.given_m, "members": self.members})

    @classmethod
    def from_json(cls, text: str) -> "BoostedScore":
        """Read back what `to_json` wrote; a damaged or newer text gives a clear error."""
        try:
            table = json.loads(text)
            schema, members, given_m = int(table["schema"]), tuple(map(str, table["members"])), bool(table["given_m"])
        except (ValueError, KeyError, TypeError) as error:
            msg = f"boosted score: damaged text ({error})"
            raise DataError(msg) from None
        if schema > SCHEMA:
            msg = f"boosted score: schema {schema} is newer than the {SCHEMA} this version reads"
            raise DataError(msg)
        return cls(members, given_m)
