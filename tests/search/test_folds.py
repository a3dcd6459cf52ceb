"""Folds and seeds depend on what something is."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import chi2_contingency, chisquare

from lamppost.core import Method, uniform_of
from lamppost.search import fold_of, seed_of
from lamppost.spec import make

N = 60_000
IDS = {
    "consecutive": np.arange(N, dtype=np.uint64),
    "far apart": np.arange(N, dtype=np.uint64) << np.uint64(40),
    "multiples of the folds": np.arange(N, dtype=np.uint64) * np.uint64(60),
    "random": np.random.default_rng(1).integers(2**64, size=N, dtype=np.uint64),
}


@pytest.mark.parametrize("ids", IDS.values(), ids=IDS.keys())
@pytest.mark.parametrize("folds", [2, 3, 5, 64])
def test_folds_are_equal_and_independent(ids: NDArray[np.uint64], folds: int) -> None:
    fold = fold_of(ids, folds)
    assert chisquare(np.bincount(fold, minlength=folds)).pvalue > 1e-4
    pairs = np.zeros((folds, folds))
    np.add.at(pairs, (fold[:-1:2], fold[1::2]), 1)
    assert chi2_contingency(pairs).pvalue > 1e-4


def test_fold_is_the_events_own() -> None:
    ids = IDS["random"]
    fold, order = fold_of(ids, 5), np.random.default_rng(2).permutation(N)
    np.testing.assert_array_equal(fold_of(ids[order], 5), fold[order])
    np.testing.assert_array_equal(fold_of(ids[123:456], 5), fold[123:456])


def test_draws_do_not_know_the_fold() -> None:
    """Jitter, ties and the random score come from the same id as the fold."""
    for key in (0, 1, 2**62 + 5):
        fold, draw = fold_of(IDS["consecutive"], 5), uniform_of(IDS["consecutive"], key)
        table = np.histogram2d(fold, draw, bins=[5, 10])[0]
        assert chi2_contingency(table).pvalue > 1e-4


def test_seed_depends_on_the_key_only() -> None:
    def state(*key: object, seed: int = 1) -> list[int]:
        return seed_of(seed, *key).generate_state(4).tolist()

    weak = make(Method, "weak")
    assert state("train", 3300.0, weak, 2) == state("train", 3300.0, make(Method, {"kind": "weak"}), 2)
    keys = [("train", 1, 2), ("train", 12), ("train", 2, 1), ("train", [1, 2]), ("toys", 1, 2), ("train", 1.0, 2), ()]
    assert len({tuple(state(*key)) for key in keys}) == len(keys)
    assert state("train", seed=1) != state("train", seed=2)
    assert state("train", seed=2**62) == state("train", seed=2**62)
