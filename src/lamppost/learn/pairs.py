"""Two weighted samples as a classifier sees them: what all ratios share."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from lamppost.core import Array, Events, Rng
from lamppost.errors import ConfigError, DataError
from lamppost.learn.preprocess import check_finite

__all__ = ["LEAST_EVENTS", "Pair", "Rows", "columns", "members_leave_events_out"]

Rows = NDArray[np.int64]
LEAST_EVENTS = 10


@dataclass(frozen=True)
class Pair:
    """Inputs x (n, d) named `names`, whether of p (n,), weights w (n,): p and q of equal total weight, of mean 1."""

    names: tuple[str, ...]
    x: NDArray[np.float32]
    is_p: NDArray[np.bool_]
    w: Array

    @classmethod
    def of(cls, kind: str, p: Events, q: Events, *, given_m: bool) -> Self:
        """Join the samples; DataError for less than 10 events, no positive weight or other features in q than in p."""
        for name, sample in (("p", p), ("q", q)):
            if len(sample) < LEAST_EVENTS or not sample.w.sum() > 0:
                msg = f"{kind}: sample {name} has {len(sample)} events of weight {sample.w.sum():g}, "
                raise DataError(msg + f"expected >= {LEAST_EVENTS} events of positive weight")
            if not np.isfinite(sample.w).all():
                msg = f"{kind}: sample {name} has {(~np.isfinite(sample.w)).sum()} weights that are not finite"
                raise DataError(msg)
        if p.names != q.names:
            msg = f"{kind}: sample p has features {', '.join(p.names)}, q has {', '.join(q.names)}"
            raise DataError(msg)
        x = np.concatenate([columns(sample, p.names, given_m) for sample in (p, q)])
        w = np.concatenate([p.w / p.w.sum(), q.w / q.w.sum()]) * len(x) / 2
        return cls(p.names, x, np.arange(len(x)) < len(p), w)

    def part(self, fraction: float, rng: Rng) -> Rows:
        """Rows of the events that a member sees, of p and of q in the same proportion."""
        n_p = int(self.is_p.sum())
        parts = [rng.permutation(n)[: max(int(fraction * n), 1)] for n in (n_p, len(self.x) - n_p)]
        return np.sort(np.concatenate([parts[0], n_p + parts[1]]))


def columns(events: Events, names: tuple[str, ...], given_m: bool) -> NDArray[np.float32]:
    """The features `names` (n, d), with m as a further column where the ratio is conditional on it."""
    x = (events if events.names == names else events.select(names)).x
    check_finite(x, names)
    return np.column_stack([x, events.m.astype(np.float32)]) if given_m else np.ascontiguousarray(x)


def members_leave_events_out(kind: str, calibrate: str, members: int, fraction: float) -> None:
    """ConfigError if a calibration is asked for and no member leaves an event out."""
    if calibrate != "none" and (members == 1 or fraction == 1):
        msg = f"ratio {kind!r}: calibrate = {calibrate!r} needs events that members did not see: expected "
        msg += f"members > 1 and fraction < 1, found members = {members} and fraction = {fraction:g}"
        raise ConfigError(msg)
