"""The boosted ratio: the log-likelihood ratio where it is known, nothing where there is nothing."""

import json

import numpy as np
import pytest
from scipy.stats import rankdata

from lamppost.core import Array, Events, Ratio
from lamppost.errors import DataError
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
    one, ten = (fit(p, q, spec=Boosted(members=k))(probe).std() for k in (1, 10))
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
    assert [score.to_json() for score in many] == [
        fit(*job, seed=k).to_json() for job, k in zip(jobs, (1, 2), strict=True)
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "damaged"),
        ("[]", "damaged"),
        ('{"schema": 1}', "damaged"),
        (json.dumps({"schema": 99, "kind": "boosted", "given_m": False, "members": []}), "schema 99 is newer"),
    ],
)
def test_damaged_scores(text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        BoostedScore.from_json(text)


def test_defaults() -> None:
    """A change of these changes every result: make it on purpose."""
    assert make(Ratio, "boosted").model_dump() == {
        "kind": "boosted",
        "members": 10,
        "rounds": 100,
        "learning_rate": 0.05,
        "leaves": 16,
        "min_leaf": 40,
        "fraction": 0.5,
    }
