"""Every registered outlier score keeps one contract: rare events high, usual ones alike, fair to weights."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from scipy.stats import rankdata

from lamppost.core import Array, Events, Outlier, Score
from lamppost.errors import DataError
from lamppost.spec import kinds
from small_specs import default, sample

pytest.importorskip("jax")
N = 1900
EVERY = pytest.mark.parametrize("kind", kinds(Outlier))


def diagonal(seed: int, n: int = N) -> Events:
    """Three features that hang together: events along one line, 0.2 from it."""
    rng = np.random.default_rng(seed)
    return sample(rng.normal(size=(n, 1)) + 0.2 * rng.normal(size=(n, 3)), np.ones(n), seed=seed)


def auc(high: Array, low: Array) -> float:
    ranks = rankdata(np.concatenate([high, low]))[: len(high)]
    return float((ranks.mean() - (len(high) + 1) / 2) / len(low))


def fit(kind: str, events: Events, seed: int = 1) -> Score:
    score: Score = default(Outlier, kind).fit(events, np.random.default_rng(seed))
    return score


@cache
def fitted(kind: str) -> Score:
    return fit(kind, diagonal(1))


@EVERY
def test_rare_events_score_high(kind: str) -> None:
    """Every feature of theirs is a usual one: only together they are not."""
    usual, odd = diagonal(2), diagonal(3)
    odd = odd.with_x(np.random.default_rng(4).permuted(odd.x, axis=0))
    assert auc(fitted(kind)(odd), fitted(kind)(usual)) > 0.85


@EVERY
def test_fresh_events_score_like_those_of_the_training(kind: str) -> None:
    assert abs(auc(fitted(kind)(diagonal(1)), fitted(kind)(diagonal(2))) - 0.5) < 4 * np.sqrt(1 / 6 / N)


@EVERY
def test_far_away_is_high_and_finite(kind: str) -> None:
    for far in (30.0, 1e30):
        score = fitted(kind)(sample(np.array([[far, -far, far]]), np.ones(1)))
        assert np.isfinite(score).all()
        assert score[0] > np.quantile(fitted(kind)(diagonal(2)), 0.999)


@EVERY
@pytest.mark.parametrize("unit", [1024.0, 1e-3])
def test_units_and_scale_of_weights_do_not_matter(kind: str, unit: float) -> None:
    events, fresh = diagonal(1), diagonal(2)
    scaled = [one.with_x((one.x * np.float32(unit)).astype(np.float32)) for one in (events, fresh)]
    score = fit(kind, replace(scaled[0], w=np.full(N, 8.0)))
    assert np.corrcoef(score(scaled[1]), fitted(kind)(fresh))[0, 1] > 0.99


@EVERY
def test_order_of_features_and_of_events_does_not_matter(kind: str) -> None:
    """Nothing but noise, and that is less than what tells rare events from usual ones."""
    events, fresh, names = diagonal(1), diagonal(2), ["c", "a", "b"]
    swapped = fit(kind, events.select(names))(fresh.select(names))
    shuffled = fit(kind, events[np.random.default_rng(5).permutation(N)])(fresh)
    other = fit(kind, events, seed=2)(fresh)
    plain = fitted(kind)(fresh)
    noise = np.sqrt(np.mean((other - plain) ** 2))
    for changed in (swapped, shuffled):
        assert np.sqrt(np.mean((changed - plain) ** 2)) < 3 * noise + 1e-6
        assert np.corrcoef(changed, plain)[0, 1] > 0.8


@EVERY
def test_weight_two_is_the_event_twice(kind: str) -> None:
    """A second population, along another line: what counts double is more usual."""
    mixed, fresh = (Events.concatenate([diagonal(seed), turned(diagonal(seed + 1, 300))]) for seed in (6, 8))
    second = np.arange(len(mixed)) >= N

    def excess(events: Events) -> float:
        scores = np.mean([fit(kind, events, seed)(fresh) for seed in (1, 2, 3)], axis=0)
        return float(np.log(scores[second].mean() / scores[~second].mean()))

    plain = excess(mixed)
    heavy = excess(replace(mixed, w=np.where(second, 4.0, 1.0)))
    times_four = excess(mixed[np.repeat(np.arange(len(mixed)), np.where(second, 4, 1))])
    assert heavy < plain
    assert abs(heavy - times_four) < 0.3 * abs(heavy - plain)


def turned(events: Events) -> Events:
    return events.with_x((events.x * np.array([1, -1, 1])).astype(np.float32))


@EVERY
def test_refusals(kind: str) -> None:
    events = diagonal(1)
    spoiled = events.x.copy()
    spoiled[7, 1] = np.nan
    for wrong, found in (
        (events[:5], "5 events"),
        (replace(events, w=0 * events.w), "0 events of weight above 0"),
        (replace(events, w=np.where(np.arange(N) == 3, -2.0, 1.0)), "weight of -2"),
        (replace(events, w=np.where(np.arange(N) == 3, np.nan, 1.0)), "weight"),
        (events.with_x(spoiled), "'b' is nan in row 7"),
        (events.with_x(np.ones_like(events.x)), "'a' is 1 in all"),
    ):
        with pytest.raises(DataError, match=found) as refused:
            fit(kind, wrong)
        assert "\n" not in str(refused.value)
