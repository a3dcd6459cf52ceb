"""Calibrated scores: the log ratio where it is known, every order kept, and a clear error where there is no answer."""

from typing import Any, Literal, get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamppost.core import Array
from lamppost.errors import DataError
from lamppost.learn.calibration import Calibration, fit_calibration

Kind = Literal["temperature", "isotonic"]
KINDS: tuple[Kind, ...] = get_args(Kind)
MU = 1.0  # N(mu, 1) against N(0, 1): log p/q = mu x - mu^2 / 2


def truth(x: Array) -> Array:
    return MU * x - MU**2 / 2


def sample(n_p: int, n_q: int, seed: int) -> tuple[Array, Any]:
    rng = np.random.default_rng(seed)
    is_p = np.arange(n_p + n_q) < n_p
    return rng.normal(size=n_p + n_q) + MU * is_p, is_p


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sizes", [(50_000, 50_000), (10_000, 100_000)])
@pytest.mark.parametrize(("confidence", "shift"), [(3.0, 0.7), (0.2, -5.0)])
def test_a_wrong_confidence_is_corrected(kind: Kind, sizes: tuple[int, int], confidence: float, shift: float) -> None:
    x, is_p = sample(*sizes, 1)
    calibration = fit_calibration(kind, confidence * truth(x) + shift, is_p, np.ones(len(x)))
    probe = np.linspace(MU / 2 - 1.5, MU / 2 + 1.5, 200)
    wrong = np.abs(calibration(confidence * truth(probe) + shift) - truth(probe))
    # the slope of a logistic regression is known to 1 / sqrt(n p (1 - p) var x); steps hold some hundred events
    assert wrong.max() < (5 / np.sqrt(0.2 * min(sizes)) if kind == "temperature" else 0.3)
    assert np.abs(wrong).mean() < (2 / np.sqrt(0.2 * min(sizes)) if kind == "temperature" else 0.1)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(5))
def test_the_ratio_is_normalised(kind: Kind, seed: int) -> None:
    """The mean of p/q under q is 1, on events that the calibration has not seen."""
    n = 40_000
    x, is_p = sample(n, n, seed)
    calibration = fit_calibration(kind, 2.5 * truth(x) + 1, is_p, np.ones(2 * n))
    other, other_is_p = sample(n, n, seed + 100)
    ratio = np.exp(calibration(2.5 * truth(other[~other_is_p]) + 1))
    # both samples fluctuate; var(p/q) = e^(mu^2) - 1
    assert abs(ratio.mean() - 1) < 5 * np.sqrt(2 * (np.exp(MU**2) - 1) / n)


@pytest.mark.parametrize("kind", KINDS)
@given(seed=st.integers(0, 1000), n=st.integers(2, 300), ties=st.booleans(), useful=st.booleans())
def test_the_order_is_kept(kind: Kind, seed: int, n: int, ties: bool, useful: bool) -> None:
    rng = np.random.default_rng(seed)
    x, is_p = sample(n, n, seed)
    scores = x if useful else rng.permutation(x)
    scores = np.round(scores, 1) if ties else scores
    calibration = fit_calibration("isotonic" if n < 20 else kind, scores, is_p, rng.uniform(0.5, 2, 2 * n))
    inside = np.linspace(scores.min(), scores.max(), 500)
    everywhere = np.unique(np.round(np.concatenate([scores, inside, np.linspace(-20, 20, 500)]), 6))
    calibrated = calibration(everywhere)
    assert np.isfinite(calibrated).all()
    assert (np.diff(calibrated) > 0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_what_knows_nothing_says_nothing(kind: Kind) -> None:
    n = 20_000
    scores, is_p = np.random.default_rng(3).normal(size=2 * n) * 5, np.arange(2 * n) < n
    calibrated = fit_calibration(kind, scores, is_p, np.ones(2 * n))(scores)
    assert np.abs(calibrated).mean() < (5 / np.sqrt(n / 2) if kind == "temperature" else 0.1)
    backwards = fit_calibration("temperature", np.where(is_p, -1.0, 1.0) + scores, is_p, np.ones(2 * n))
    assert np.ptp(backwards(scores)) < 0.02


@pytest.mark.parametrize("kind", KINDS)
def test_weight_two_is_the_event_twice(kind: Kind) -> None:
    x, is_p = sample(3000, 3000, 4)
    twice = np.concatenate([np.arange(6000), np.flatnonzero(x > 1)])
    heavy = fit_calibration(kind, x, is_p, np.where(x > 1, 2.0, 1.0))
    doubled = fit_calibration(kind, x[twice], is_p[twice], np.ones(len(twice)))
    probe = np.linspace(-1, 2, 50)
    # isotonic rounds every step by one typical event, which is not the same for both
    assert np.abs(heavy(probe) - doubled(probe)).mean() < (1e-7 if kind == "temperature" else 0.05)
    assert np.abs(heavy(probe) - fit_calibration(kind, x, is_p, np.ones(6000))(probe)).mean() > 0.1


@pytest.mark.parametrize("kind", KINDS)
def test_scale_of_weights_and_order_of_events_do_not_matter(kind: Kind) -> None:
    x, is_p = sample(3000, 1000, 5)
    order = np.random.default_rng(5).permutation(4000)
    one = fit_calibration(kind, x, is_p, np.ones(4000))
    other = fit_calibration(kind, x[order], is_p[order], np.where(is_p, 7.0, 1e-3)[order])
    np.testing.assert_allclose(one(x), other(x), atol=1e-7)


def test_signed_weights_that_cancel() -> None:
    """q with 30 % of its events at -1, from the very distribution of the rest: the same ratio, more noise."""
    n = 50_000
    x, is_p = sample(n, n, 6)
    signs = np.where(~is_p & (np.random.default_rng(6).random(2 * n) < 0.3), -1.0, 1.0)
    calibration = fit_calibration("temperature", 3 * truth(x), is_p, signs)
    probe = np.linspace(-1, 2, 50)
    assert np.abs(calibration(3 * truth(probe)) - truth(probe)).max() < 5 * 2.5 / np.sqrt(0.2 * n)


def test_no_answer() -> None:
    x, is_p = sample(100, 100, 7)
    w = np.ones(200)
    with pytest.raises(DataError, match="no negative weights, found 1"):
        fit_calibration("isotonic", x, is_p, np.where(np.arange(200) == 3, -1.0, w))
    with pytest.raises(DataError, match="separates p from q"):
        fit_calibration("temperature", np.where(is_p, 1.0, -1.0) + 0.1 * x / np.abs(x).max(), is_p, w)
    with pytest.raises(DataError, match="negative weights outweigh"):
        fit_calibration("temperature", x, is_p, np.where(np.abs(x - x.mean()) > 1, -1.0, 1.0))
    with pytest.raises(DataError, match="two samples of positive weight"):
        fit_calibration("temperature", x, np.ones(200, dtype=bool), w)
    with pytest.raises(DataError, match="two samples of positive weight"):
        fit_calibration("temperature", x, is_p, np.where(is_p, 1.0, -1.0))
    with pytest.raises(DataError, match="finite scores"):
        fit_calibration("isotonic", np.where(is_p, np.nan, x), is_p, w)


@pytest.mark.parametrize("kind", KINDS)
def test_one_score_for_all_is_no_information(kind: Kind) -> None:
    is_p = np.arange(10) < 3
    calibration = fit_calibration(kind, np.full(10, 3.5), is_p, np.ones(10))
    np.testing.assert_array_equal(calibration(np.array([2.5, 3.5, 4.5])), [-1.0, 0.0, 1.0])


def test_separated_scores_stay_finite() -> None:
    x, is_p = sample(1000, 1000, 8)
    calibration = fit_calibration("isotonic", np.where(is_p, 5.0, -5.0) + 0.01 * x, is_p, np.ones(2000))
    assert np.abs(calibration(np.where(is_p, 5.0, -5.0))).max() < np.log(1001) + 0.1


def test_table() -> None:
    x, is_p = sample(500, 500, 9)
    calibration = fit_calibration("isotonic", x, is_p, np.ones(1000))
    assert Calibration.from_table(calibration.to_table()) == calibration
