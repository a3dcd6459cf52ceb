"""The kept fraction of background is the one asked for."""

import numpy as np
import pytest

from lamppost.core import uniform_of
from lamppost.errors import DataError
from lamppost.search import Calibration, fold_of

SHAPES = {
    "normal": lambda rng, n: rng.normal(size=n),
    "heavy tail": lambda rng, n: rng.standard_cauchy(n),
    "narrow": lambda rng, n: 1e9 + 1e-3 * rng.random(n),
    "few values, broken ties": lambda rng, n: rng.integers(0, 6, n) + 1e-9 * rng.random(n),
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
@pytest.mark.parametrize("efficiency", [0.5, 0.1, 0.01, 0.002])
def test_kept_fraction_of_every_fold(shape, efficiency: float) -> None:  # type: ignore[no-untyped-def]
    """Binomial error of the kept and of the calibrating events; 20 comparisons per case, so 4.5 sigma."""
    rng = np.random.default_rng(1)
    n, folds = 50_000, 5
    fold = fold_of(np.arange(n, dtype=np.uint64), folds)
    score = shape(rng, n)
    for k in range(folds):
        scale = 1.0 + k  # every fold's model speaks a language of its own
        calibrating, tested = score[fold == (k + 1) % folds] * scale, score[fold == k] * scale
        kept = Calibration.fit(calibrating, np.ones(len(calibrating)))(tested) >= -np.log10(efficiency)
        error = np.sqrt(efficiency * (1 - efficiency) * (1 / len(tested) + 1 / len(calibrating)))
        assert abs(kept.mean() - efficiency) < 4.5 * error


def test_monotone_with_a_monotone_tail() -> None:
    rng = np.random.default_rng(2)
    calibration = Calibration.fit(rng.normal(size=3000), np.ones(3000))
    aligned = calibration(np.linspace(-10, 20, 5000))
    assert (np.diff(aligned) >= 0).all()
    beyond = calibration(np.linspace(4.5, 20, 50))
    assert (np.diff(beyond) > 0).all()
    assert aligned[0] >= 0
    assert np.isfinite(aligned).all()


def test_nested_efficiencies() -> None:
    rng = np.random.default_rng(3)
    aligned = Calibration.fit(rng.normal(size=3000), np.ones(3000))(rng.normal(size=5000))
    loose, tight = (aligned >= -np.log10(e) for e in (0.1, 0.01))
    assert not (tight & ~loose).any()


def test_values_at_the_calibrating_events() -> None:
    """The middle of each event's own step: of n events the best has half an event at or above it."""
    aligned = Calibration.fit(np.arange(100.0), np.ones(100))(np.arange(100.0))
    np.testing.assert_allclose(10**-aligned, (100 - np.arange(100) - 0.5) / 100)


def test_weights() -> None:
    rng = np.random.default_rng(4)
    score = rng.normal(size=4000)
    w = rng.integers(1, 3, 4000).astype(float)
    twice = np.repeat(score, w.astype(int))
    at = np.linspace(-2, 2, 50)
    weighted, doubled = Calibration.fit(score, w)(at), Calibration.fit(twice, np.ones(len(twice)))(at)
    np.testing.assert_allclose(weighted, doubled, atol=2e-3)
    np.testing.assert_allclose(Calibration.fit(score, 7 * w)(at), weighted, atol=1e-12)


def test_weights_of_both_signs() -> None:
    """The kept part of the NET weight is the one asked for, where negative weights sit at high scores."""
    rng = np.random.default_rng(5)
    score = rng.normal(size=40_000)
    w = np.where(rng.random(40_000) < 0.05 + 0.3 * (score > 1), -1.0, 1.0)
    aligned = Calibration.fit(score[::2], w[::2])(score[1::2])
    assert (np.diff(aligned[np.argsort(score[1::2])]) >= 0).all()
    kept = w[1::2][aligned >= 1].sum() / w[1::2].sum()
    assert abs(kept - 0.1) < 4.5 * np.sqrt(2 * 0.25 / w[1::2].sum())


def test_all_scores_equal() -> None:
    """A method that learnt nothing: the draw per event decides, and the fraction is still right."""
    ids = np.arange(20_000, dtype=np.uint64)
    jitter = 1e-9 * uniform_of(ids, 1)
    kept = Calibration.fit(0.3 + jitter[::2], np.ones(10_000))(0.3 + jitter[1::2]) >= 2
    assert abs(kept.mean() - 0.01) < 4.5 * np.sqrt(2 * 0.01 / 10_000)
    exactly = Calibration.fit(np.zeros(100), np.ones(100))
    assert np.isfinite(exactly(np.array([-1.0, 0.0, 1.0]))).all()


def test_refusals() -> None:
    with pytest.raises(DataError, match="19 sideband events"):
        Calibration.fit(np.arange(19.0), np.ones(19))
    with pytest.raises(DataError, match="total weight 0 in a fold"):
        Calibration.fit(np.arange(30.0), np.tile([1.0, -1.0], 15))
    bad = np.arange(30.0)
    bad[3] = np.nan
    with pytest.raises(DataError, match="1 of 30 scores are not finite"):
        Calibration.fit(bad, np.ones(30))
    with pytest.raises(DataError, match="1 of 30 scores are not finite"):
        Calibration.fit(np.arange(30.0), np.ones(30))(bad)
