"""From the global significance of hunts to the smallest signal that they see, with its uncertainty."""

from collections.abc import Sequence
from math import inf

import numpy as np

from lamppost.core import Array

__all__ = ["crossing", "interval"]

_RESAMPLED = 2000


def crossing(events: Sequence[float], medians: Sequence[float], z: float) -> float:
    """The smallest number of events whose median (k,) is z or more, between two numbers linear in log n.

    events (k,): falling. Infinite if no median is z or more, 0 if that of the smallest number still is.
    """
    last = max((i for i, median in enumerate(medians) if median >= z), default=None)
    if last is None:
        return inf
    if last == len(events) - 1:
        return 0.0
    part = (medians[last] - z) / (medians[last] - medians[last + 1])
    return float(events[last] * (events[last + 1] / events[last]) ** part)


def interval(events: Sequence[float], found: Array, z: float, seed: np.random.SeedSequence) -> tuple[float, float]:
    """The 68 % interval of `crossing` by bootstrap: of found (k, draws), draws are drawn again, the same for all k."""
    draws = found.shape[1]
    chosen = np.random.default_rng(seed).integers(draws, size=(_RESAMPLED, draws))
    medians = np.median(found[:, chosen], axis=2).T
    crossings = [crossing(events, row, z) for row in medians]
    low, high = np.quantile(crossings, [0.16, 0.84], method="inverted_cdf")  # some are infinite
    return float(low), float(high)
