"""Folds and random streams that depend on WHAT something is, never on its position.

An event's fold comes from its id alone, so it is the same in every window, for every rerun and whatever else is in the
file. A task's random stream comes from the hash of its key, so adding a window changes no other.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamppost.core import splitmix64
from lamppost.spec import digest

__all__ = ["fold_of", "seed_of"]


def fold_of(ids: NDArray[np.uint64], folds: int) -> NDArray[np.int64]:
    """The fold, 0 to folds - 1, of each event (n,)."""
    return (splitmix64(ids) % np.uint64(folds)).astype(np.int64)


def seed_of(seed: int, *key: Any) -> np.random.SeedSequence:
    """The seed sequence of the task that `key` (numbers, texts, specs) names."""
    entropy = int(digest(list(key))[:32], 16)
    return np.random.SeedSequence([seed, entropy])
