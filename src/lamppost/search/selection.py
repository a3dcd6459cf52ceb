"""From raw scores to a selection that keeps a fixed fraction of the background.

The score of fold k's model is calibrated on the sideband events of fold k + 1, which neither trained that model nor
are scored by it in the result: score -> -log10 of the fraction of background with a higher score. All folds then
speak the same language, and `aligned >= -log10(efficiency)` keeps that fraction of background in each.
"""

from dataclasses import dataclass

import numpy as np

from lamppost.core import Array
from lamppost.errors import DataError

__all__ = ["Calibration", "mid_sums", "rising"]

_TAIL = 100


def rising(sums: Array) -> Array:
    """The sums (n,) where they rise; where negative weights make them fall, half-way between peak and dip."""
    level: Array = 0.5 * (np.maximum.accumulate(sums) + np.minimum.accumulate(sums[::-1])[::-1])
    return level


def mid_sums(w: Array) -> Array:
    """The weight before the middle of each event (n,), never falling."""
    return rising(np.cumsum(w) - 0.5 * w)


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
        _check(score)
        order = np.argsort(score, kind="stable")
        weight = w[order]
        above = mid_sums(weight[::-1])[::-1]
        aligned = -np.log10(np.maximum(above, 1e-12 * weight.sum()) / weight.sum())
        return cls(score[order], np.maximum.accumulate(aligned))

    def __call__(self, score: Array) -> Array:
        """-log10 of the background fraction above each score (n,); linear beyond the last calibration event."""
        _check(score)
        aligned = np.interp(score, self.score, self.aligned)
        tail = min(_TAIL, len(self.score) // 2)
        run = self.score[-1] - self.score[-1 - tail]
        slope = (self.aligned[-1] - self.aligned[-1 - tail]) / run if run > 0 else 0.0
        beyond = np.maximum(score - self.score[-1], 0.0)
        calibrated: Array = aligned + slope * beyond
        return calibrated


def _check(score: Array) -> None:
    if not np.isfinite(score).all():
        msg = f"calibration: {int(np.sum(~np.isfinite(score)))} of {len(score)} scores are not finite"
        raise DataError(msg)
