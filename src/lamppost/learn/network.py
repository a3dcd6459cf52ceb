"""`network`: the likelihood ratio from neural classifiers, an average of members that are all trained at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from lamppost.core import Array, Events, Ratio, Rng, Score
from lamppost.errors import DataError
from lamppost.learn.calibration import Calibration
from lamppost.learn.pairs import columns, members_leave_events_out
from lamppost.learn.preprocess import Preprocess
from lamppost.storage import fitted, pack, unpack

__all__ = ["Network", "NetworkScore"]


class Network(Ratio):
    """log p/q as the mean log-odds of `members` perceptrons, each trained on its own random half of both samples.

    Each sample is scaled to unit weight, whatever its size: the log-odds of a classifier of p against q is then
    log p(x)/q(x). Every feature, preprocessed to a unit normal, enters as itself and as `pieces` ramps between knots
    (the piecewise linear encoding of arXiv:2203.05556): without them a perceptron is slow to find narrow peaks. The
    weights are averaged over the late steps of the training, and no epoch is picked by a validation loss, which does
    not see a signal of per mille.

    Negative weights enter the loss linearly, like all others. Where the weights of p or q sum to less than zero there
    is no log ratio: log-odds are held within about 10 there.

    `calibrate` maps the mean log-odds to the log ratio seen by events that members did not see: each event by the
    members that were not trained on it.
    """

    kind: Literal["network"] = "network"
    members: int = Field(10, ge=1, le=1000, description="trained networks whose log-odds are averaged")
    hidden: tuple[int, ...] = Field((64, 64, 64), min_length=1, description="widths of the hidden layers")
    pieces: int = Field(24, ge=0, description="ramps that every feature enters as, next to itself")
    epochs: float = Field(20, gt=0, description="passes over a member's events, at least 100 steps")
    batch: int = Field(512, ge=16, description="events per step, at most: fewer where there are few events")
    learning_rate: float = Field(3e-3, gt=0, description="Adam's highest rate: a short rise, then a cosine")
    weight_decay: float = Field(0.1, ge=0, description="decoupled decay of the weights, per step and learning rate")
    average: float = Field(0.25, gt=0, le=1, description="last part of the training over which weights are averaged")
    fraction: float = Field(0.5, gt=0, le=1, description="part of either sample that a member is trained on")
    calibrate: Literal["none", "temperature", "isotonic"] = Field(
        "none", description="map the score to the log ratio found out of fold: a line, or any rising curve"
    )

    @model_validator(mode="after")
    def _members_leave_events_out(self) -> Self:
        members_leave_events_out(self.kind, self.calibrate, self.members, self.fraction)
        return self

    def fit(self, p: Events, q: Events, *, given_m: bool, rng: Rng) -> Score:
        """Train all members; raises DataError for a sample of less than 10 events or without positive weight."""
        return self.fit_many([(p, q)], given_m=given_m, rngs=[rng])[0]

    def fit_many(self, jobs: Sequence[tuple[Events, Events]], *, given_m: bool, rngs: Sequence[Rng]) -> list[Score]:
        """Train all members of all jobs at once; a job's score is the same as alone, within float32 rounding."""
        from lamppost.learn.engine.classifier import fit_networks

        return list(fit_networks(self, jobs, given_m=given_m, rngs=rngs))


@fitted("network")
@dataclass(frozen=True, eq=False)
class NetworkScore:
    """Fitted: the preprocessing, the members' weights, and how their mean log-odds become a log ratio.

    `tensors` holds `K.weight` (members, outputs, inputs) and `K.bias` (members, outputs) of layer K.
    """

    preprocess: Preprocess
    tensors: Mapping[str, NDArray[np.float32]]
    given_m: bool = False
    calibration: Calibration | None = None

    def __call__(self, events: Events) -> Array:
        """Mean log-odds (n,) of the members, calibrated if that was asked for."""
        from lamppost.learn.engine.classifier import mean_log_odds

        mean = mean_log_odds(self.tensors, self.coordinates(events))
        return mean if self.calibration is None else self.calibration(mean)

    def coordinates(self, events: Events) -> NDArray[np.float32]:
        """What the networks see of the events: (n, inputs), near a unit normal."""
        names = self.preprocess.names[: len(self.preprocess.names) - self.given_m]
        return self.preprocess.forward(columns(events, names, self.given_m), events.id)[0]

    def to_bytes(self) -> bytes:
        """A safetensors file: weights and, as JSON, everything else."""
        calibration = self.calibration and self.calibration.to_table()
        about = {"given_m": self.given_m, "preprocess": self.preprocess.to_table(), "calibration": calibration}
        return pack("network", about, self.tensors)

    @classmethod
    def from_bytes(cls, data: bytes) -> "NetworkScore":
        """Read back what `to_bytes` wrote; damaged or newer data give a clear error."""
        about, tensors = unpack(data, "network")
        try:
            calibration = about["calibration"] and Calibration.from_table(about["calibration"])
            return cls(Preprocess.from_table(about["preprocess"]), tensors, bool(about["given_m"]), calibration)
        except (KeyError, TypeError, ValueError) as error:
            msg = f"network: damaged content ({error})"
            raise DataError(msg) from None
