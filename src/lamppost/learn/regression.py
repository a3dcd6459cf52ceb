"""Least-squares regression of a number on features: how much do the features say about it?"""

import numpy as np
from numpy.typing import NDArray

from lamppost.core import Array
from lamppost.learn.boosted import settings

__all__ = ["regress"]

_RIDGE = 1e-3
_PAIRS = 12


def regress(x: NDArray[np.float32], y: Array, other: NDArray[np.float32]) -> Array:
    """Predict y (n,) from x (n, d) at `other` (k, d).

    Boosted trees on the features, their pairwise differences and products, and a quadratic ridge regression: an
    invariant mass is a quadratic form of momenta, and trees alone are slow to find differences of angles.
    """
    import lightgbm

    scale, shift = np.maximum(x.std(axis=0), 1e-30), x.mean(axis=0)
    train, test = (_pairs(((v - shift) / scale).astype(np.float64)) for v in (x, other))
    half = np.arange(len(y)) % 2 == 0  # the ridge prediction enters the trees out of fold
    linear = np.empty(len(y))
    for rows in (half, ~half):
        linear[rows] = _ridge(train[~rows], y[~rows], train[rows])
    inputs = np.column_stack([train, linear])
    parameters = {"objective": "l2", "learning_rate": 0.05, "num_leaves": 15, "min_data_in_leaf": 50, **settings(0)}
    data = lightgbm.Dataset(inputs, y, params=parameters)
    booster = lightgbm.train(parameters, data, num_boost_round=200)
    predicted = booster.predict(np.column_stack([test, _ridge(train, y, test)]), num_threads=1)
    return np.asarray(predicted, dtype=np.float64)


def _pairs(z: Array) -> Array:
    """Features, differences and products of all pairs; beyond a dozen features only the first dozen are paired."""
    i, j = np.triu_indices(min(z.shape[1], _PAIRS))
    return np.column_stack([z, (z[:, i] - z[:, j])[:, i != j], z[:, i] * z[:, j]])


def _ridge(x: Array, y: Array, other: Array) -> Array:
    mean = x.mean(axis=0)
    centred = x - mean
    gram = centred.T @ centred + _RIDGE * len(y) * np.eye(x.shape[1])
    predicted: Array = y.mean() + (other - mean) @ np.linalg.solve(gram, centred.T @ (y - y.mean()))
    return predicted
