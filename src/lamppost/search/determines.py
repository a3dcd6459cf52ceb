"""Do the features determine m? Then a selection on them is a selection on m, and no p-value may be quoted.

Decorrelation works feature by feature; several features together may still give m away (the two muon momenta of a
dimuon determine its mass). The test: how much of the variance of the rank of m do the features explain, in events
the regression was not trained on?
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from lamppost.core import Array, Events
from lamppost.search.folds import fold_of

__all__ = ["MASS_R2_REFUSED", "MASS_R2_WARNED", "Predictability", "mass_r2"]

MASS_R2_WARNED = 0.1
"""A hunt warns where the features as they are explain more than this part of the variance of m."""
MASS_R2_REFUSED = 0.01
"""A hunt quotes no global p-value where the features that the method sees still explain more than this."""
_NOISE = 20.0
"""The explained variance of unrelated features is about chi2(1) / n: this many over n is not noise."""


class Regressor(Protocol):
    """Fits targets (n,) on features (n, d) and predicts those of others (k, d)."""

    def __call__(self, x: NDArray[np.float32], y: Array, other: NDArray[np.float32]) -> Array: ...


@dataclass(frozen=True)
class Predictability:
    """Explained variance of m by the raw features and by those the method sees, measured in so many events."""

    raw: float
    seen: float
    events: int

    @property
    def warned(self) -> bool:
        """Whether the features determine m well enough to say so."""
        return self.raw > MASS_R2_WARNED + _NOISE / self.events or self.refused

    @property
    def refused(self) -> bool:
        """Whether no p-value may be quoted."""
        return self.seen > MASS_R2_REFUSED + _NOISE / self.events


def mass_r2(events: Events, regress: Regressor) -> float:
    """Squared correlation, out of two folds, of the rank of m with its prediction from x; 0 if anticorrelated.

    The correlation, not 1 - SSE/SST: with few events an overfitted regression makes the latter negative although it
    predicts. Its noise is 1/n.
    """
    rank = np.argsort(np.argsort(events.m, kind="stable"), kind="stable") / max(len(events) - 1, 1)
    half = fold_of(events.id, 2)
    predicted = np.empty(len(events))
    for test in (0, 1):
        rows = half == test
        if min(rows.sum(), (~rows).sum()) < 20:
            return 0.0
        predicted[rows] = regress(events.x[~rows], rank[~rows], events.x[rows])
    if np.ptp(predicted) == 0 or np.ptp(rank) == 0:
        return 0.0
    return float(max(np.corrcoef(rank, predicted)[0, 1], 0.0) ** 2)
