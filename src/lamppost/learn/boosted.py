"""`boosted`: the likelihood ratio from gradient-boosted trees (LightGBM), an average of members."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from lamppost.core import Array, Events, Ratio, Rng, Score
from lamppost.learn.calibration import Calibration, fit_calibration
from lamppost.learn.pairs import Pair, Rows, columns, members_leave_events_out
from lamppost.storage import fitted, pack_json, unpack_json

__all__ = ["Boosted", "BoostedScore", "settings"]

_PER_BIN = 32  # events whose quantiles become a member's bin edges: few, so that the edges of members differ


class Boosted(Ratio):
    """log p/q as the mean log-odds of `members` boosted trees, each grown on its own random part of both samples.

    Each sample is scaled to unit weight, whatever its size: the log-odds of a classifier of p against q is then
    log p(x)/q(x). Trees are the stronger and the more robust choice where p and q are almost equal, as they are in weak
    supervision (arXiv:2309.13111); still, most of what one of them learns there is noise. Two things keep it down:
    trees may only cut where a coarse grid allows it, so that there are few fluctuations to choose from, and members
    see other events through another grid, so that their average is both less noisy and finer than any of them.
    The price: what distinguishes p within the last 1/bins of a feature, and in no other feature, is averaged over.

    Negative weights count negatively in every sum. A leaf in which the weights cancel would get any value at all: with
    negative weights present, a leaf needs sum w >= min_leaf sum w^2 / sum w (the latter two over all events) at
    log-odds 0 and more beyond, that is a net weight known as well as that of `min_leaf` events without weights.

    `calibrate` maps the mean log-odds to the log ratio seen by events that members did not see: each event by the
    members that were not grown on it. These are 1 - fraction of all, so noise is damped more than it need be.
    """

    kind: Literal["boosted"] = "boosted"
    members: int = Field(10, ge=1, le=1000, description="trained classifiers whose log-odds are averaged")
    rounds: int = Field(50, ge=1, description="boosting rounds per member")
    learning_rate: float = Field(0.1, gt=0, le=1, description="shrinkage of every tree")
    leaves: int = Field(31, ge=2, description="leaves per tree")
    min_leaf: int = Field(100, ge=1, description="events per leaf, at least")
    fraction: float = Field(0.9, gt=0, le=1, description="part of either sample that a member is grown on")
    bins: int = Field(
        63, ge=2, le=255, description="bins of about equal content per feature; more for a strong signal in a tail"
    )
    calibrate: Literal["none", "temperature", "isotonic"] = Field(
        "none", description="map the score to the log ratio found out of fold: a line, or any rising curve"
    )

    @model_validator(mode="after")
    def _members_leave_events_out(self) -> Self:
        members_leave_events_out(self.kind, self.calibrate, self.members, self.fraction)
        return self

    def fit(self, p: Events, q: Events, *, given_m: bool, rng: Rng) -> Score:
        """Grow all members; raises DataError for a sample of less than 10 events or without positive weight."""
        pair = Pair.of(self.kind, p, q, given_m=given_m)
        seen = [pair.part(self.fraction, rng) for _ in range(self.members)]
        members = tuple(self._grow(pair.x[rows], pair.is_p[rows], pair.w[rows], rng) for rows in seen)
        score = BoostedScore(members, pair.names, given_m)
        if self.calibrate == "none":
            return score
        scores, fresh = score.out_of_fold(pair.x, seen)
        calibration = fit_calibration(self.calibrate, scores[fresh], pair.is_p[fresh], pair.w[fresh])
        return replace(score, calibration=calibration)

    def _grow(self, x: NDArray[np.float32], is_p: NDArray[np.bool_], w: Array, rng: Rng) -> str:
        import lightgbm

        # an event of mean weight 1 has hessian 1/4 at log-odds 0
        floor = 0.25 * self.min_leaf * float(w @ w) / len(w) if (w < 0).any() else 1e-3
        parameters = {
            "objective": "binary",
            "boost_from_average": False,  # the samples weigh the same: log-odds start at 0
            "learning_rate": self.learning_rate,
            "num_leaves": self.leaves,
            "min_data_in_leaf": self.min_leaf,
            "min_sum_hessian_in_leaf": floor,
            "max_bin": self.bins,
            "bin_construct_sample_cnt": _PER_BIN * self.bins,
            **settings(int(rng.integers(2**31 - 1))),
        }
        data = lightgbm.Dataset(x, is_p.astype(np.float32), weight=w, params=parameters)
        return str(lightgbm.train(parameters, data, num_boost_round=self.rounds).model_to_string())


def settings(seed: int) -> dict[str, Any]:
    """What makes LightGBM repeat itself bit by bit: one thread, fixed order, fixed seed."""
    return {"seed": seed, "deterministic": True, "force_row_wise": True, "num_threads": 1, "verbosity": -1}


@fitted("boosted")
@dataclass(frozen=True)
class BoostedScore:
    """Fitted: the members as LightGBM text, and how their mean becomes a log ratio."""

    members: tuple[str, ...]
    names: tuple[str, ...]
    given_m: bool = False
    calibration: Calibration | None = None

    @cached_property
    def _boosters(self) -> list[Any]:
        import lightgbm

        return [lightgbm.Booster(model_str=text) for text in self.members]

    def __call__(self, events: Events) -> Array:
        """Mean log-odds (n,) of the members, calibrated if that was asked for."""
        x = columns(events, self.names, self.given_m)
        total = np.zeros(len(events))
        for booster in self._boosters:
            total += booster.predict(x, raw_score=True, num_threads=1)
        mean = total / len(self.members)
        return mean if self.calibration is None else self.calibration(mean)

    def out_of_fold(self, x: NDArray[np.float32], seen: Sequence[Rows]) -> tuple[Array, NDArray[np.bool_]]:
        """Mean log-odds (n,) of the members that did not see the event, and for which events there is one (n,).

        `seen` holds the rows of x (n, d) that each member was grown on.
        """
        total, count = np.zeros(len(x)), np.zeros(len(x))
        for booster, rows in zip(self._boosters, seen, strict=True):
            fresh = np.ones(len(x), dtype=bool)
            fresh[rows] = False
            if fresh.any():
                total[fresh] += booster.predict(x[fresh], raw_score=True, num_threads=1)
                count += fresh
        return total / np.maximum(count, 1), count > 0

    def to_bytes(self) -> bytes:
        """The members' text and the calibration, as JSON."""
        calibration = self.calibration and self.calibration.to_table()
        about = {"names": self.names, "given_m": self.given_m, "members": self.members, "calibration": calibration}
        return pack_json("boosted", about)

    @classmethod
    def from_bytes(cls, data: bytes) -> "BoostedScore":
        """Read back what `to_bytes` wrote; damaged or newer data give a clear error."""
        about = unpack_json(data, "boosted")
        calibration = about["calibration"] and Calibration.from_table(about["calibration"])
        return cls(tuple(about["members"]), tuple(about["names"]), bool(about["given_m"]), calibration)
