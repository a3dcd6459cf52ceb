"""Every registered ratio keeps one contract: log p/q where it is known, nothing where there is nothing."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from scipy.stats import rankdata

from lamppost.core import Array, Events, Ratio, Score
from lamppost.errors import ConfigError, DataError
from lamppost.spec import kinds
from small_specs import default, sample

N = 8000
EVERY = pytest.mark.parametrize("kind", kinds(Ratio))
CALIBRATED = [
    (kind, how)
    for kind, made in kinds(Ratio).items()
    if "calibrate" in made.model_fields
    for how in ("temperature", "isotonic")
]


def normal(seed: int, shift: float = 0.0, n: int = N) -> Events:
    """Two unit normals, the first moved by `shift`; m flat in [1, 2], of no consequence."""
    rng = np.random.default_rng(seed)
    return sample(rng.normal(size=(n, 2)) + np.array([shift, 0.0]), rng.uniform(1, 2, n), seed=seed)


def probe(n: int = 4000) -> Events:
    """Where most events of p and of q are, of a shift of 1."""
    rng = np.random.default_rng(99)
    return sample(rng.uniform([-1, -1.5], [2, 1.5], (n, 2)), rng.uniform(1, 2, n))


def auc(high: Array, low: Array) -> float:
    ranks = rankdata(np.concatenate([high, low]))[: len(high)]
    return float((ranks.mean() - (len(high) + 1) / 2) / len(low))


def fit(kind: str, p: Events, q: Events, seed: int = 1, given_m: bool = False, **changes: Any) -> Score:
    spec = default(Ratio, kind, **changes)
    score: Score = spec.fit(p, q, given_m=given_m, rng=np.random.default_rng(seed))
    return score


@cache
def shifted(kind: str) -> Score:
    return fit(kind, normal(1, 1.0), normal(2))


@EVERY
def test_two_gaussians(kind: str) -> None:
    """N(1, 1) against N(0, 1): log p/q = x - 1/2."""
    error = shifted(kind)(probe()) - (probe().x[:, 0] - 0.5)
    # some 100 effective parameters learnt from 16000 events at a Fisher information of about 0.2 each: 0.18
    assert np.sqrt(np.mean(error**2)) < 0.25
    assert abs(error.mean()) < 0.07


@EVERY
@pytest.mark.parametrize("given_m", [False, True])
def test_closure(kind: str, given_m: bool) -> None:
    """One sample twice, scored on events that took no part: AUC 1/2 within 4 sigma, mean weight 1."""
    halves = [normal(seed) for seed in (3, 4, 5, 6)]
    score = fit(kind, *halves[:2], given_m=given_m)
    assert abs(auc(score(halves[2]), score(halves[3])) - 0.5) < 4 * np.sqrt(1 / 12 * (2 / N))
    # exp of a noise of width s has a mean of 1 + s^2 / 2 at most
    noise = score(halves[3]).std()
    assert noise < 0.35
    assert np.exp(score(halves[3])).mean() == pytest.approx(1, abs=noise**2 + 4 * noise / np.sqrt(N))


@EVERY
def test_mean_weight_is_one(kind: str) -> None:
    """The mean over q of p/q, for p another one than q."""
    assert np.exp(shifted(kind)(normal(7))).mean() == pytest.approx(1, abs=0.1)


@EVERY
def test_the_other_way_round_is_the_negative(kind: str) -> None:
    turned = fit(kind, normal(2), normal(1, 1.0))(probe())
    assert np.sqrt(np.mean((turned + shifted(kind)(probe())) ** 2)) < 0.25


@EVERY
def test_sizes_and_scale_of_weights_do_not_shift_the_ratio(kind: str) -> None:
    """Both samples are scaled to unit weight: a quarter of p, or all of p eight times as heavy, is the same p."""
    p, q = normal(1, 1.0), normal(2)
    np.testing.assert_allclose(fit(kind, replace(p, w=np.full(N, 8.0)), q)(probe()), shifted(kind)(probe()), atol=1e-4)
    assert abs(np.mean(fit(kind, p[::4], q)(probe()) - shifted(kind)(probe()))) < 4 / np.sqrt(N / 4)


@EVERY
def test_weights_enter_the_ratio(kind: str) -> None:
    """q reweighted to look like p leaves nothing to find."""
    p, q = normal(8, 0.5), normal(9)
    score = fit(kind, p, replace(q, w=np.exp(0.5 * q.x[:, 0].astype(np.float64) - 0.125)))
    assert abs(auc(score(normal(10, 0.5)), score(normal(11))) - 0.5) < 0.06  # without the weights 0.638


@EVERY
@pytest.mark.parametrize("side", ["p", "q"])
def test_weight_two_is_the_event_twice(kind: str, side: str) -> None:
    p, q = normal(12, 0.5, 4000), normal(13, n=4000)

    def doubled(heavy: bool, events: Events) -> Events:
        count = np.where(events.x[:, 1] > 0, 2, 1)
        return replace(events, w=count.astype(np.float64)) if heavy else events[np.repeat(np.arange(4000), count)]

    def excess(change: Callable[[Events], Events]) -> float:
        score = fit(kind, change(p), q) if side == "p" else fit(kind, p, change(q))
        scores = score(probe())
        high = (probe().x[:, 1] > 0.2).astype(bool)
        return float(scores[high].mean() - scores[probe().x[:, 1] < -0.2].mean())

    plain = excess(lambda events: events)
    moved = [excess(lambda events, heavy=heavy: doubled(heavy, events)) - plain for heavy in (True, False)]
    sign = 1 if side == "p" else -1
    np.testing.assert_allclose(moved, sign * np.log(2), atol=0.15)


@EVERY
def test_events_without_weight_do_not_count(kind: str) -> None:
    p, q = normal(1, 1.0), normal(2)
    none = replace(normal(14, -1.0, 2000), w=np.zeros(2000))
    score = fit(kind, Events.concatenate([p, none]), q)
    assert np.sqrt(np.mean((score(probe()) - (probe().x[:, 0] - 0.5)) ** 2)) < 0.3


@EVERY
def test_order_of_features_and_of_events_does_not_matter(kind: str) -> None:
    p, q, names, order = normal(1, 1.0), normal(2), ["b", "a"], np.random.default_rng(15).permutation(N)
    swapped = fit(kind, p.select(names), q.select(names))(probe().select(names))
    shuffled = fit(kind, p[order], q[order])(probe())
    for changed in (swapped, shuffled):
        # either has the noise of its own draw of events, about 0.1
        assert np.sqrt(np.mean((changed - shifted(kind)(probe())) ** 2)) < 0.25


@EVERY
def test_given_m(kind: str) -> None:
    """p and q differ in how x goes with m, not in x nor in m."""
    rng = np.random.default_rng(16)
    m = rng.uniform(1, 2, N)
    sign = np.where(m > 1.5, 1.0, -1.0)
    p = sample((sign + 0.5 * rng.normal(size=N))[:, None], m)
    q = sample((sign[rng.permutation(N)] + 0.5 * rng.normal(size=N))[:, None], m)
    blind, sees_m = fit(kind, p, q), fit(kind, p, q, given_m=True)
    assert auc(sees_m(p), sees_m(q)) > 0.7  # the truth is nearly 0.75
    assert auc(blind(p), blind(q)) < 0.57
    np.testing.assert_array_equal(blind(replace(p, m=p.m + 1)), blind(p))
    assert (sees_m(replace(p, m=3 - p.m)) != sees_m(p)).any()


@EVERY
def test_negative_weights(kind: str) -> None:
    """A blob of which three in ten events count -1 is a blob of four tenths the size."""
    rng = np.random.default_rng(17)
    rest, blob, q = normal(18, n=N - 2000), rng.normal(1.5, 0.4, (2000, 2)), normal(19)
    w = np.concatenate([np.ones(N - 2000), np.where(np.arange(2000) < 600, -1.0, 1.0)])
    m = np.ones(N)
    signed = fit(kind, sample(np.concatenate([rest.x, blob]), m, w), q)
    fewer = fit(kind, sample(np.concatenate([rest.x, blob[-800:]]), m[: N - 1200]), q)
    there = sample(rng.normal(1.5, 0.4, (1000, 2)), np.ones(1000))
    assert abs(signed(there).mean() - fewer(there).mean()) < 0.25
    assert signed(there).mean() > 0.5
    assert abs(signed(q)).max() < 8


@EVERY
@pytest.mark.parametrize("given_m", [False, True])
def test_many_at_once_are_as_one_by_one(kind: str, given_m: bool) -> None:
    """Jobs of several sizes, in any company."""
    jobs = [(normal(20, 0.5), normal(21)), (normal(22, n=2500), normal(23, 1.0, 3500)), (normal(24, n=300), normal(25))]
    spec = default(Ratio, kind)
    rngs = [np.random.default_rng(seed) for seed in (1, 2, 3)]
    before = [events.x.tobytes() for job in jobs for events in job]
    together = spec.fit_many(jobs, given_m=given_m, rngs=rngs)
    assert [events.x.tobytes() for job in jobs for events in job] == before
    for score, job, seed in zip(together, jobs, (1, 2, 3), strict=True):
        alone = fit(kind, *job, seed=seed, given_m=given_m)
        np.testing.assert_allclose(score(probe()), alone(probe()), atol=1e-5)
    assert spec.fit_many([], given_m=given_m, rngs=[]) == []
    with pytest.raises(ValueError, match=r"shorter|longer"):
        spec.fit_many(jobs, given_m=given_m, rngs=rngs[:2])


@pytest.mark.parametrize(("kind", "how"), CALIBRATED)
def test_calibrated(kind: str, how: str) -> None:
    """As good as the truth allows, out of fold; the order of events is kept, or nearly."""
    p, q = normal(26, 1.0), normal(27)
    plain, mended = fit(kind, p, q), fit(kind, p, q, calibrate=how)
    truth = probe().x[:, 0] - 0.5
    assert np.sqrt(np.mean((mended(probe()) - truth) ** 2)) < 0.3
    order = np.argsort(plain(probe()))
    assert (np.diff(mended(probe())[order]) >= 0).all()
    back = type(mended).from_bytes(mended.to_bytes())  # type: ignore[attr-defined]
    np.testing.assert_array_equal(back(probe()), mended(probe()))
    with pytest.raises(ConfigError, match="did not see"):
        default(Ratio, kind, calibrate=how, members=1)


@EVERY
def test_refusals(kind: str) -> None:
    good = normal(28, n=100)
    spoiled = good.x.copy()
    spoiled[7, 1] = np.nan
    for bad, found in (
        (good[:9], "has 9 events"),
        (replace(good, w=0 * good.w), "has 100 events of weight 0"),
        (replace(good, w=-good.w), "has 100 events of weight -100"),
        (replace(good, w=np.where(np.arange(100) == 3, np.inf, 1.0)), "has 1 weights that are not finite"),
    ):
        for p, q, side in ((bad, good, "p"), (good, bad, "q")):
            with pytest.raises(DataError, match=f"{kind}: sample {side} {found}"):
                fit(kind, p, q)
    unknown = replace(good, w=np.where(np.arange(100) == 3, np.nan, 1.0))
    for p, q in ((unknown, good), (good, unknown)):
        with pytest.raises(DataError, match="weight"):
            fit(kind, p, q)


@EVERY
def test_features_go_by_name(kind: str) -> None:
    """Nothing goes by the place of a column in silence."""
    good = normal(28, n=100)
    for names in (["b", "a"], ["a"]):
        with pytest.raises(DataError, match="a, b") as refused:
            fit(kind, good.select(names), good)
        assert "\n" not in str(refused.value)
    score = shifted(kind)
    np.testing.assert_array_equal(score(good.select(["b", "a"])), score(good))
    with pytest.raises(DataError, match="no feature 'b', known are a"):
        score(good.select(["a"]))
