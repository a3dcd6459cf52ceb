"""The regression behind the question whether the features determine m."""

import numpy as np

from lamppost.learn.regression import regress


def explained(x: np.ndarray, y: np.ndarray) -> float:
    half = len(y) // 2
    predicted = regress(x[:half].astype(np.float32), y[:half], x[half:].astype(np.float32))
    assert predicted.shape == y[half:].shape
    return float(np.corrcoef(predicted, y[half:])[0, 1] ** 2)


def test_differences_and_products_are_found() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(4000, 6))
    assert explained(x, np.cos(x[:, 0] - x[:, 3])) > 0.9
    assert explained(x, x[:, 1] * x[:, 4]) > 0.9
    assert explained(x, rng.normal(size=4000)) < 16 / 2000


def test_units_and_offsets() -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(size=(2000, 2)) * [1e4, 1e-4] + [1e5, 0.0]
    assert explained(x, x[:, 0] + 1e8 * x[:, 1]) > 0.9


def test_constant_feature_and_constant_target() -> None:
    rng = np.random.default_rng(3)
    x = np.column_stack([np.ones(500), rng.normal(size=500)]).astype(np.float32)
    assert np.isfinite(regress(x, x[:, 1].astype(float), x)).all()
    np.testing.assert_allclose(regress(x, np.full(500, 0.5), x), 0.5)


def test_more_features_than_are_paired() -> None:
    rng = np.random.default_rng(4)
    x = rng.normal(size=(1500, 20))
    assert explained(x, x[:, 19] + 0.1 * rng.normal(size=1500)) > 0.8
