"""From raw scores to a selection that keeps a fixed fraction of the background.

The score of fold k's model is calibrated on the sideband events of fold k + 1, which neither trained that model nor
are scored by it in the result: score -> -log10 of the fraction of background with a higher score. All folds then
speak the same language, and `aligned >= -log10(efficiency)` keeps that fraction of background in each.
"""

from dataclasses import dataclass

import numpy as np

from lamppost.core import Array
from lamppost.errors import DataError

__all__ = ["Calibration"]

_TAIL = 100


@dataclass(frozen=True)
class Calibration:
    """Ascending raw scores of the calibration background and -log10 of the weighted fraction at or above each."""

    score: Array
    aligned: Array

    @classmethod
    def fit(cls, score: Array, w: Array) -> "Calibration":
        """Learn the survival function of the background scores (n,) with weights (n,)."""
        if len(score) < 20 or not w.sum() > 0:
            msg = f"calibration: {len(score)} sideband events of total weight {w.sum():g} in a fold, expected >= 20"
            raise DataError(msg)
        order = np.argsort(score, kind="stable")
        weight = np.maximum(w[order], 0.0)
        above = np.cumsum(weight[::-1])[::-1] - 0.5 * weight
        aligned = -np.log10(np.maximum(above, 1e-12 * weight.sum()) / weight.sum())
        return cls(score[order], np.maximum.accumulate(aligned))

    def __call__(self, score: Array) -> Array:
        """-log10 of the background fraction above each score (n,); linear beyond the last calibration event."""
        aligned = np.interp(score, self.score, self.aligned)
        tail = min(_TAIL, len(self.score) // 2)
        run = self.score[-1] - self.score[-1 - tail]
        slope = (self.aligned[-1] - self.aligned[-1 - tail]) / run if run > 0 else 0.0
        beyond = np.maximum(score - self.score[-1], 0.0)
        calibrated: Array = aligned + slope * beyond
        return calibrated
