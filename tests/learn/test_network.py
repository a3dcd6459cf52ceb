"""The network ratio: the log-likelihood ratio where it is known, and members that do not notice each other."""

import logging
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import rankdata

from lamppost.core import Array, Events, Ratio
from lamppost.errors import ConfigError, DataError
from lamppost.learn.network import Network, NetworkScore
from lamppost.spec import make

jax = pytest.importorskip("jax")
QUICK = Network(members=3, epochs=10)
N = 4000  # events per sample nearly everywhere, so that nearly nothing compiles again


def events(x: NDArray[Any], m: Array | None = None, w: Array | None = None) -> Events:
    n = len(x)
    ids = np.arange(n, dtype=np.uint64)
    m, w = (np.ones(n) if given is None else given for given in (m, w))
    return Events(ids, x.astype(np.float32), m, w, tuple("abcdef"[: x.shape[1]]))


def auc(high: Array, low: Array) -> float:
    ranks = rankdata(np.concatenate([high, low]))[: len(high)]
    return float((ranks.mean() - (len(high) + 1) / 2) / len(low))


def fit(p: Events, q: Events, seed: int = 1, spec: Network = QUICK, given_m: bool = False) -> NetworkScore:
    score = spec.fit(p, q, given_m=given_m, rng=np.random.default_rng(seed))
    assert isinstance(score, NetworkScore)
    return score


def normal(seed: int, shift: float = 0.0, n: int = N) -> Events:
    """Two unit normals, the first moved by `shift`."""
    return events(np.random.default_rng(seed).normal(size=(n, 2)) + np.array([shift, 0.0]))


def test_two_gaussians() -> None:
    """N(mu, 1) against N(0, 1): log p/q = mu x - mu^2 / 2, in the middle where both samples have events."""
    rng = np.random.default_rng(1)
    probe = rng.uniform([-1, -1.5], [2, 1.5], (4000, 2))
    error = fit(normal(1, 1.0), normal(2))(events(probe)) - (probe[:, 0] - 0.5)
    # some 30 effective parameters learnt from 8000 events at a Fisher information of about 0.2 each
    assert np.sqrt(np.mean(error**2)) < 2.5 * np.sqrt(30 / (8000 * 0.2))
    assert abs(error.mean()) < 0.1


def test_sizes_and_scale_of_weights_do_not_shift_the_ratio() -> None:
    """Both samples are scaled to unit weight: a fifth of p, or all of p eight times as heavy, is the same p."""
    p, q, probe = normal(3, 0.5), normal(4), events(np.random.default_rng(5).uniform(-1, 1.5, (2000, 2)))
    full = fit(p, q)(probe)
    np.testing.assert_allclose(fit(events(p.x, w=np.full(N, 8.0)), q)(probe), full, atol=1e-4)
    assert abs(np.mean(fit(p[::5], q)(probe) - full)) < 4 * np.sqrt(1 / 800)


def test_weights_of_the_background_enter_the_ratio() -> None:
    """q reweighted to look like p leaves nothing to find."""
    p, q = normal(6, 0.5), normal(7)
    weighted = events(q.x, w=np.exp(0.5 * q.x[:, 0].astype(float) - 0.125))
    fresh, background = normal(8, 0.5), normal(9)
    score, plain = fit(p, weighted), fit(p, q)
    assert abs(auc(score(fresh), score(background)) - 0.5) < 0.08
    assert auc(plain(fresh), plain(background)) > 0.6  # the truth is 0.638


def test_closure() -> None:
    """The same sample twice, scored on events that took no part: AUC 0.5 within 4 sigma."""
    halves = [normal(seed) for seed in (10, 11, 12, 13)]
    score = fit(*halves[:2])
    assert abs(auc(score(halves[2]), score(halves[3])) - 0.5) < 4 * np.sqrt(1 / 12 * (2 / N))
    assert auc(score(halves[0]), score(halves[1])) > 0.52  # on its own training events it believes in its noise


def test_given_m() -> None:
    """p and q differ in how x goes with m, not in x nor in m."""
    rng = np.random.default_rng(14)
    m = rng.uniform(1, 2, N)
    sign = np.where(m > 1.5, 1.0, -1.0)
    p = events((sign + 0.5 * rng.normal(size=N))[:, None], m)
    q = events((sign[rng.permutation(N)] + 0.5 * rng.normal(size=N))[:, None], m)
    blind, sees_m = fit(p, q), fit(p, q, given_m=True)
    assert auc(sees_m(p), sees_m(q)) > 0.7  # the truth is nearly 0.75
    assert auc(blind(p), blind(q)) < 0.6


def test_negative_weights() -> None:
    """A blob of which three in ten events count -1 is a blob of four tenths the size."""
    rng = np.random.default_rng(15)
    rest, blob, q = rng.normal(size=(N - 1000, 2)), rng.normal(1.5, 0.4, (1000, 2)), normal(16)
    signs = np.where(np.arange(1000) < 300, -1.0, 1.0)
    signed = fit(events(np.concatenate([rest, blob]), w=np.concatenate([np.ones(N - 1000), signs])), q)
    fewer = fit(events(np.concatenate([rest, blob[-400:]])), q)
    probe = events(rng.normal(1.5, 0.4, (1000, 2)))
    # 140 positive, 60 negative events in a member's half of the blob's core, 80 in the other's: 0.15 and 0.11 of noise
    assert abs(signed(probe).mean() - fewer(probe).mean()) < 0.4
    assert signed(probe).mean() > 0.5
    assert abs(signed(q)).max() < 8


def test_where_weights_sum_to_less_than_nothing() -> None:
    """No log ratio exists there: it is taken for very small, and stays finite."""
    rng = np.random.default_rng(17)
    x = np.concatenate([rng.normal(size=(N - 500, 2)), rng.normal(4, 0.2, (500, 2))])
    score = fit(events(x, w=np.where(np.arange(N) < N - 500, 1.0, -1.0)), events(x))
    assert score(events(x[-500:])).max() < -4
    assert score(events(x)).min() > -15
    assert abs(np.median(score(events(x[:-500])))) < 0.3


def test_members_and_jobs_do_not_notice_each_other() -> None:
    """Jobs of three sizes, two of which share a training, are what they are alone; so are members."""
    jobs = [(normal(20, 0.5), normal(21)), (normal(22, n=2400), normal(23, 1.0, 2400)), (normal(24, n=40), normal(25))]
    seeds = [1, 2, 3]
    probe = normal(26)
    many = QUICK.fit_many(jobs, given_m=False, rngs=[np.random.default_rng(seed) for seed in seeds])
    for score, job, seed in zip(many, jobs, seeds, strict=True):
        alone = fit(*job, seed=seed)
        np.testing.assert_allclose(score(probe), alone(probe), atol=1e-5)
        assert score(probe).std() > 0.1
    single = [NetworkScore(many[0].preprocess, {name: a[[k]] for name, a in many[0].tensors.items()}) for k in range(3)]
    np.testing.assert_allclose(np.mean([score(probe) for score in single], axis=0), many[0](probe), atol=1e-5)
    assert not np.allclose(single[0](probe), single[1](probe), atol=1e-2)


def test_same_seed_same_bits_and_read_back() -> None:
    p, q, probe = normal(27, 0.5), normal(28), normal(29)
    first, again, another = fit(p, q), fit(p, q), fit(p, q, seed=2)
    assert first.to_bytes() == again.to_bytes()
    assert first.to_bytes() != another.to_bytes()
    read_back = NetworkScore.from_bytes(first.to_bytes())
    assert read_back.to_bytes() == first.to_bytes()
    assert read_back(probe).tobytes() == first(probe).tobytes()
    with pytest.raises(DataError, match="damaged"):
        NetworkScore.from_bytes(first.to_bytes()[:-1])


def test_an_event_is_scored_alone() -> None:
    """Bit by bit: whatever its place in a chunk, and whichever chunk it is in."""
    score, sample = fit(normal(30, 0.5), normal(31)), normal(32, n=20_000)
    scores = score(sample)
    assert scores.dtype == np.float64
    order = np.random.default_rng(33).permutation(len(sample))
    np.testing.assert_array_equal(score(sample[order]), scores[order])
    for rows in (slice(7, 8), slice(8191, 8194), slice(0, 0)):
        np.testing.assert_array_equal(score(sample[rows]), scores[rows])


@pytest.mark.parametrize("calibrate", ["temperature", "isotonic"])
def test_calibration(calibrate: str) -> None:
    """Too long a training on few events makes members too sure of themselves; out of fold that is seen and mended."""
    p, q = normal(34, 0.5, 400), normal(35, n=400)
    sure = QUICK.model_copy(update={"epochs": 80})
    plain, mended = fit(p, q, spec=sure), fit(p, q, spec=sure.model_copy(update={"calibrate": calibrate}))
    probe = normal(36)
    scores, truth = mended(probe), 0.5 * probe.x[:, 0] - 0.125
    assert np.mean((scores - truth) ** 2) < 0.5 * np.mean((plain(probe) - truth) ** 2)
    order = np.argsort(plain(probe))
    assert (np.diff(scores[order]) >= 0).all()
    read_back = NetworkScore.from_bytes(mended.to_bytes())
    np.testing.assert_array_equal(read_back(probe), scores)


def test_another_size_compiles_nothing(caplog: pytest.LogCaptureFixture) -> None:
    spec = Network(members=2, epochs=1)

    def compiled(n: int) -> int:
        caplog.clear()
        with jax.log_compiles(), caplog.at_level(logging.WARNING):
            fit(normal(37, n=n // 2), normal(38, n=n // 2), spec=spec)(normal(39, n=n // 3))
        return sum("ompiling" in record.message for record in caplog.records)

    assert compiled(20_000) >= 1
    assert compiled(23_000) == 0


def test_far_outside_of_what_was_seen() -> None:
    score = fit(normal(40, 0.5), normal(41))
    far = np.array([[1e30, -1e30], [3e38, 0.0], [-50.0, 50.0]])
    assert np.isfinite(score(events(far))).all()
    assert abs(score(events(far))).max() < 50


@pytest.mark.parametrize("n", [10, 30])
def test_few_events(n: int) -> None:
    score = fit(normal(42, 0.5, n), normal(43, n=n))
    assert np.isfinite(score(normal(44))).all()
    assert abs(score(normal(44))).max() < 50


def test_refusals() -> None:
    with pytest.raises(DataError, match="sample p has 9 events"):
        fit(normal(45, n=9), normal(46))
    with pytest.raises(DataError, match="sample q has 10 events of weight 0"):
        fit(normal(45), events(normal(46, n=10).x, w=np.tile([1.0, -1.0], 5)))
    with pytest.raises(ConfigError, match="needs events that members did not see"):
        make(Ratio, {"kind": "network", "members": 1, "calibrate": "isotonic"})


def test_spec_needs_no_framework() -> None:
    code = "import sys, lamppost.learn.network; print(*[m for m in ('jax', 'optax', 'lightgbm') if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == ""


def test_defaults() -> None:
    """A change of these changes every result: make it on purpose."""
    assert make(Ratio, "network").model_dump() == {
        "kind": "network",
        "members": 10,
        "hidden": (64, 64, 64),
        "pieces": 24,
        "epochs": 20,
        "batch": 512,
        "learning_rate": 3e-3,
        "weight_decay": 0.1,
        "average": 0.25,
        "fraction": 0.5,
        "calibrate": "none",
    }
