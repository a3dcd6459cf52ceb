"""Do methods agree on the same events? Rank correlations of their scores, and how much of a cut they share."""

from collections.abc import Sequence

import numpy as np
from scipy.stats import rankdata

from lamppost.core import Array

__all__ = ["rank_correlations", "shared"]


def rank_correlations(scores: Sequence[Array]) -> Array:
    """Spearman's correlation (methods, methods) of scores (n,) of the same events; 0 with a score that is constant."""
    ranks = np.stack([rankdata(score) for score in scores])
    ranks -= ranks.mean(axis=1, keepdims=True)
    norm = np.sqrt((ranks**2).sum(axis=1))
    norm[norm == 0] = np.inf
    correlations: Array = ranks @ ranks.T / np.outer(norm, norm)
    np.fill_diagonal(correlations, 1.0)
    return correlations


def shared(scores: Sequence[Array], part: float) -> Array:
    """The part (methods, methods) of the highest scores (n,) that two methods have in common; chance gives `part`.

    Of events with equal scores at the cut, those are taken that come first.
    """
    n = max(round(part * len(scores[0])), 1)
    kept = np.zeros((len(scores), len(scores[0])))
    for row, score in zip(kept, scores, strict=True):
        row[np.argsort(-score, kind="stable")[:n]] = 1.0
    common: Array = kept @ kept.T / n
    return common
