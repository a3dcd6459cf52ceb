"""The boosted ratio: the log-likelihood ratio where it is known, nothing where there is nothing."""

from typing import Any, Literal

import numpy as np
import pytest
from scipy.stats import rankdata

from lamppost.core import Array, Events, Ratio
from lamppost.errors import ConfigError, DataError
from lamppost.learn.boosted import Boosted, BoostedScore
from lamppost.spec import make

QUICK = Boosted(members=3)


def events(x: Array, m: Array | None = None, w: Array | None = None) -> Events:
    n = len(x)
    ids = np.arange(n, dtype=np.uint64)
    m, w = (np.ones(n) if given is None else given for given in (m, w))
    return Events(ids, x.astype(np.float32), m, w, tuple("abcdef"[: x.shape[1]]))


def auc(high: Array, low: Array) -> float:
    ranks = rankdata(np.concatenate([high, low]))[: len(high)]
    return float((ranks.mean() - (len(high) + 1) / 2) / len(low))


def fit(p: Events, q: Events, seed: int = 1, spec: Boosted = QUICK, given_m: bool = False) -> BoostedScore:
    score = spec.fit(p, q, given_m=given_m, rng=np.random.default_rng(seed))
    assert isinstance(score, BoostedScore)
    return score


def test_two_gaussians() -> None:
    """N(mu, 1) against N(0, 1): log p/q = mu x - mu^2 / 2, in the middle where both samples have events."""
    rng = np.random.default_rng(1)
    mu = np.array([1.0, 0.5])
    p, q = events(rng.normal(size=(20_000, 2)) + mu), events(rng.normal(size=(20_000, 2)))
    probe = rng.uniform(-1.0, 1.5, (4000, 2))
    truth = probe @ mu - mu @ mu / 2
    learnt = fit(p, q)(events(probe))
    assert np.corrcoef(learnt, truth)[0, 1] > 0.98
    assert np.sqrt(np.mean((learnt - truth) ** 2)) < 0.15
    assert abs(np.mean(learnt - truth)) < 0.05


def test_sizes_and_scale_of_weights_do_not_shift_the_ratio() -> None:
    """Both samples are scaled to unit weight: a tenth of p, or all of p ten times as heavy, is the same p."""
    rng = np.random.default_rng(2)
    p, q = events(rng.normal(size=(20_000, 2)) + 0.5), events(rng.normal(size=(20_000, 2)))
    probe = events(rng.uniform(-1, 1.5, (2000, 2)))
    full = fit(p, q)(probe)
    heavy = fit(events(p.x.astype(float), w=np.full(20_000, 8.0)), q)(probe)
    np.testing.assert_allclose(heavy, full, atol=1e-6)
    assert abs(np.mean(fit(p[::10], q)(probe) - full)) < 0.1


def test_weights_of_the_background_enter_the_ratio() -> None:
    """q reweighted to look like p leaves nothing to find."""
    rng = np.random.default_rng(3)
    p, q = rng.normal(size=(20_000, 1)) + 0.5, rng.normal(size=(20_000, 1))
    w = np.exp(0.5 * q[:, 0] - 0.125)
    fresh, background = rng.normal(size=(10_000, 1)) + 0.5, rng.normal(size=(10_000, 1))
    score = fit(events(p), events(q, w=w))
    probe = events(np.linspace(-1, 1.5, 200)[:, None])
    assert abs(score(probe)).max() < 0.4
    assert abs(auc(score(events(fresh)), score(events(background))) - 0.5) < 0.06
    assert auc(*(fit(events(p), events(q))(events(x)) for x in (fresh, background))) > 0.6


def test_closure() -> None:
    """The same sample twice, scored on events that took no part: AUC 0.5 within 4 sigma."""
    rng = np.random.default_rng(4)
    halves = [events(rng.normal(size=(4000, 4))) for _ in range(4)]
    score = fit(*halves[:2])
    found = auc(score(halves[2]), score(halves[3]))
    assert abs(found - 0.5) < 4 * np.sqrt(1 / 12 * (2 / 4000))
    assert auc(score(halves[0]), score(halves[1])) > 0.55  # on its own training events it believes in its noise


def test_members_average_noise_away() -> None:
    rng = np.random.default_rng(5)
    p, q, probe = (events(rng.normal(size=(2000, 2))) for _ in range(3))
    one, ten = (fit(p, q, spec=Boosted(members=k, fraction=0.5))(probe).std() for k in (1, 10))
    assert ten < 0.8 * one


def test_given_m() -> None:
    """p and q differ in how x goes with m, not in x nor in m."""
    rng = np.random.default_rng(6)
    m = rng.uniform(1, 2, 8000)
    sign = np.where(m > 1.5, 1.0, -1.0)
    p = events((sign + 0.5 * rng.normal(size=8000))[:, None], m)
    q = events((sign[rng.permutation(8000)] + 0.5 * rng.normal(size=8000))[:, None], m)
    assert auc(fit(p, q, given_m=True)(p), fit(p, q, given_m=True)(q)) > 0.7
    assert auc(fit(p, q)(p), fit(p, q)(q)) < 0.6


def test_negative_weights() -> None:
    """A blob of which three in ten events count -1 is a blob of four tenths the size."""
    rng = np.random.default_rng(7)
    rest, blob, q = rng.normal(size=(16_000, 2)), rng.normal(1.5, 0.4, (2000, 2)), events(rng.normal(size=(16_000, 2)))
    signs = np.where(rng.random(2000) < 0.3, -1.0, 1.0)
    signed = fit(events(np.concatenate([rest, blob]), w=np.concatenate([np.ones(16_000), signs])), q)
    fewer = fit(events(np.concatenate([rest, blob[:800]])), q)
    probe = events(rng.normal(1.5, 0.4, (1000, 2)))
    assert abs(signed(probe).mean() - fewer(probe).mean()) < 0.2
    assert abs(signed(q)).max() < 5


@pytest.mark.parametrize(("negative", "wrong"), [(0.1, 0.15), (0.3, 0.25), (0.45, 0.6)])
def test_two_gaussians_of_signed_weights(negative: float, wrong: float) -> None:
    """Weights of +1 and -1 in both samples: the same ratio, with the noise of n (1 - 2 f)^2 events."""
    rng = np.random.default_rng(12)
    n, mu = 40_000, np.array([1.0, 0.5])
    p, q = (
        events(rng.normal(size=(n, 2)) + shift, w=np.where(rng.random(n) < negative, -1.0, 1.0)) for shift in (mu, 0.0)
    )
    score, probe = fit(p, q), rng.uniform(-1.0, 1.5, (4000, 2))
    assert np.sqrt(np.mean((score(events(probe)) - (probe @ mu - mu @ mu / 2)) ** 2)) < wrong
    assert abs(score(events(rng.normal(size=(n, 2)) * 3))).max() < 5


@pytest.mark.parametrize("n", [10, 30, 79])
def test_few_events_give_a_flat_score(n: int) -> None:
    """Too few for two leaves: no ranking, no crash."""
    rng = np.random.default_rng(8)
    sample, probe = events(rng.normal(size=(n // 2 + 5, 2))), events(rng.normal(size=(100, 2)))
    scores = fit(sample, sample)(probe)
    assert np.isfinite(scores).all()
    assert np.ptp(scores) == 0


def test_refusals() -> None:
    x = np.zeros((10, 1))
    with pytest.raises(DataError, match="sample p has 9 events"):
        fit(events(x[:9]), events(x))
    with pytest.raises(DataError, match="sample q has 10 events of weight 0"):
        fit(events(x), events(x, w=np.tile([1.0, -1.0], 5)))


def test_fit_many_is_fit_one_by_one() -> None:
    rng = np.random.default_rng(9)
    jobs = [(events(rng.normal(size=(200, 2))), events(rng.normal(size=(200, 2)))) for _ in range(2)]
    many = QUICK.fit_many(jobs, given_m=False, rngs=[np.random.default_rng(k) for k in (1, 2)])
    assert [score.to_bytes() for score in many] == [
        fit(*job, seed=k).to_bytes() for job, k in zip(jobs, (1, 2), strict=True)
    ]


@pytest.mark.parametrize("sizes", [(60_000, 6_000), (6_000, 60_000)])
def test_one_sample_ten_times_the_other(sizes: tuple[int, int]) -> None:
    """The score is a log density ratio all the same: p/q has mean 1 under q, and the truth where it is known."""
    rng = np.random.default_rng(13)
    p, q = events(rng.normal(size=(sizes[0], 1)) + 0.5), events(rng.normal(size=(sizes[1], 1)))
    score, x = fit(p, q), rng.normal(size=(50_000, 1))
    # var(p/q) = e^(mu^2) - 1 under q, for the events that are scored and for the smaller sample
    assert abs(np.exp(score(events(x))).mean() - 1) < 5 * np.sqrt((np.exp(0.25) - 1) / 6000)
    middle = x[np.abs(x[:, 0] - 0.25) < 1.2]
    assert abs(np.mean(score(events(middle)) - (0.5 * middle[:, 0] - 0.125))) < 3 / np.sqrt(6000)


def test_closure_of_two_large_halves() -> None:
    """AUC 0.500 +- 0.005 and mean weight 1 within 1 %, on events that took no part."""
    rng = np.random.default_rng(14)
    halves = [events(rng.normal(size=(100_000, 2))) for _ in range(4)]
    score = fit(*halves[:2])
    p, q = (score(half) for half in halves[2:])
    assert abs(auc(p, q) - 0.5) < 0.005
    assert abs(np.exp(q).mean() - 1) < 0.01


@pytest.mark.parametrize("calibrate", ["temperature", "isotonic"])
def test_calibration_corrects_confidence(calibrate: Literal["temperature", "isotonic"]) -> None:
    """Trees that learn their events by heart are over-confident, and the calibrated score is not."""
    rng = np.random.default_rng(15)
    n, mu = 4000, np.array([0.5, 0.5, 0.5])
    samples = [events(rng.normal(size=(n, 3)) + shift) for shift in (mu, 0.0)]
    keen = Boosted(members=4, rounds=100, learning_rate=0.3, min_leaf=5, bins=255, fraction=0.5)
    x = rng.normal(size=(8000, 3))
    plain = fit(*samples, spec=keen)(events(x))
    fitted = fit(*samples, spec=keen.model_copy(update={"calibrate": calibrate}))
    mended = fitted(events(x))
    truth = x @ mu - mu @ mu / 2
    assert np.sqrt(np.mean((mended - truth) ** 2)) < 0.7 * np.sqrt(np.mean((plain - truth) ** 2))
    assert abs(np.exp(plain).mean() - 1) > 0.3
    # var(p/q) = e^(mu^2) - 1 under q, of 4000 events to learn from
    assert abs(np.exp(mended).mean() - 1) < 5 * np.sqrt((np.exp(mu @ mu) - 1) / n)
    assert (np.diff(mended[np.argsort(plain)]) >= 0).all()
    assert len(np.unique(mended)) == len(np.unique(plain))
    again = BoostedScore.from_bytes(fitted.to_bytes())
    assert again == fitted
    np.testing.assert_array_equal(again(events(x[:500])), mended[:500])


@pytest.mark.parametrize("parameter", [{"members": 1}, {"fraction": 1.0}])
def test_calibration_needs_events_left_out(parameter: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="'temperature' needs events that members did not see: expected members > 1"):
        make(Ratio, {"kind": "boosted", "calibrate": "temperature", **parameter})


def test_an_event_is_calibrated_by_members_that_did_not_see_it() -> None:
    rng = np.random.default_rng(16)
    x = rng.normal(size=(1000, 2)).astype(np.float32)
    score = fit(*(events(rng.normal(size=(1000, 2))) for _ in range(2)))
    seen = [np.arange(500), np.arange(250, 750), np.arange(600)]
    scores, fresh = score.out_of_fold(x, seen)
    alone = [BoostedScore((text,), score.names)(events(x)) for text in score.members]
    np.testing.assert_allclose(scores[:250], alone[1][:250])
    np.testing.assert_allclose(scores[600:750], (alone[0] + alone[2])[600:750] / 2)
    np.testing.assert_array_equal(fresh, ~((np.arange(1000) >= 250) & (np.arange(1000) < 500)))


def test_defaults() -> None:
    """A change of these changes every result: make it on purpose."""
    assert make(Ratio, "boosted").model_dump() == {
        "kind": "boosted",
        "members": 10,
        "rounds": 50,
        "learning_rate": 0.1,
        "leaves": 31,
        "min_leaf": 100,
        "fraction": 0.9,
        "bins": 63,
        "calibrate": "none",
    }
