"""A small signal by the likelihood of a mixture: how much of it, where it is, and how it ranks."""

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from method_toys import CENTRE, FLOW, WIDTH, WINDOW, background, improvement, log_background, log_signal, signal, view
from scipy.stats import norm

from lamppost.core import Array, Events, Method
from lamppost.errors import ConfigError, DataError
from lamppost.methods.ranode import RanodeScore
from lamppost.methods.signal_density import Normals, fit_signal
from lamppost.spec import make

N, N_SIGNAL = 8000, 60
TRUTH = N_SIGNAL / (N + N_SIGNAL)


@cache
def score(fraction: Any = "learn", n_signal: int = N_SIGNAL) -> RanodeScore:
    spec = make(Method, {"kind": "ranode", "fraction": fraction, "density": FLOW | {"members": 2}})
    fitted = spec.fit(view(N, n_signal), np.random.default_rng(3))
    assert isinstance(fitted, RanodeScore)
    return fitted


@cache
def fresh() -> tuple[Events, Events]:
    rng = np.random.default_rng(2)
    return signal(rng, 2000), background(rng, 60_000, 1, 2)


@pytest.mark.parametrize("fraction", ["learn", "scan", 0.005])
def test_signal_of_two_thirds_of_a_sigma_is_found(fraction: Any) -> None:
    """As well as by the true densities, but for a third."""
    events = Events.concatenate(list(fresh()))
    truth = log_signal(events) - log_background(events)
    best = improvement(truth[:2000], truth[2000:])
    assert improvement(score(fraction)(fresh()[0]), score(fraction)(fresh()[1])) > 0.67 * best


@pytest.mark.parametrize("fraction", ["learn", "scan"])
def test_fraction_is_within_half_of_the_truth(fraction: Any) -> None:
    assert 0.5 < score(fraction).fraction / TRUTH < 1.5


def test_given_fraction_is_kept() -> None:
    assert score(0.005).fraction == pytest.approx(0.005)


def test_samples_are_where_the_signal_is() -> None:
    """Features and mass at the truth, by their mean and by most events being within three widths."""
    drawn = score().sample(3000, np.random.default_rng(1))
    assert len(drawn) == 3000
    assert score().window.inside(drawn.m).all()
    np.testing.assert_allclose(np.median(drawn.x, axis=0), CENTRE, atol=WIDTH)
    assert abs(np.median(drawn.m) - 1.5) < 0.1
    assert (np.hypot(*(drawn.x - CENTRE).T) < 3 * WIDTH).mean() > 0.6


def test_without_a_signal_a_cut_carves_no_peak() -> None:
    """Of what it keeps, as much as anywhere is in the middle third: within four errors. And scores are numbers."""
    nothing, events = score("learn", 0), fresh()[1]
    found = nothing(events)
    kept = events.m[found > np.quantile(found, 0.99)]
    middle = (np.abs(kept - 1.5) < 1 / 6).mean()
    assert abs(middle - 1 / 3) < 4 * np.sqrt(2 / 9 / len(kept))
    far = fresh()[1][:4].with_x(np.array([[1e30, 0], [-1e30, 1e30], [50, -50], [0, 1e4]], np.float32))
    assert np.isfinite(nothing(far)).all()


def test_mass_alone_does_not_change_a_score() -> None:
    """At the same features a score moves with m as p_B(x|m) does, in the sidebands too, and with no peak of the signal.

    Beyond the sidebands, where p_B was not learnt, it stays as it is at their ends.
    """
    x = np.repeat(CENTRE[None], 50, axis=0).astype(np.float32)
    events = replace(fresh()[0][:50], x=x, m=np.linspace(1.05, 1.95, 50))
    found = score()(events)
    np.testing.assert_allclose(found - found.mean(), log_background(events).mean() - log_background(events), atol=0.3)
    beyond, end = (replace(events[:1], m=np.array([m])) for m in (4.0, WINDOW.hi + WINDOW.reach))
    np.testing.assert_allclose(score()(beyond), score()(end))
    beside = replace(events, m=np.linspace(WINDOW.lo - WINDOW.reach, WINDOW.hi + WINDOW.reach, 50))
    moved = score()(beside) + log_background(beside)
    assert np.ptp(moved) < 0.5 * np.ptp(log_background(beside))


def mixture(n: int, n_signal: int, seed: int) -> tuple[Array, Array]:
    """Unit normals of three features with a cluster of width 0.3, and their log p_B."""
    rng = np.random.default_rng(seed)
    y = np.concatenate([rng.normal(size=(n, 3)), rng.normal([1.5, -1.0, 0.5], 0.3, (n_signal, 3))])
    return y, norm.logpdf(y).sum(axis=1)


def test_cluster_next_to_a_known_background() -> None:
    """Its fraction within four errors of a count in the cluster, its centre within four of a mean."""
    y, log_b = mixture(20_000, 100, 1)
    density, fraction, gain = fit_signal(y, log_b, np.ones(len(y)), np.random.default_rng(1), None)
    truth = 100 / 20_100
    assert abs(fraction - truth) < 4 * truth / np.sqrt(60)
    np.testing.assert_allclose(density.part @ density.centre, [1.5, -1.0, 0.5], atol=4 * 0.4 / np.sqrt(60))
    assert gain > 15  # 5.5 sigma


def test_impossible_events_are_no_signal() -> None:
    """A few events in a place where p_B says that there are none attract nothing."""
    y, log_b = mixture(20_000, 100, 1)
    log_b[:3], y[:3] = -200.0, -4.5
    density, _, _ = fit_signal(y, log_b, np.ones(len(y)), np.random.default_rng(1), None)
    np.testing.assert_allclose(density.part @ density.centre, [1.5, -1.0, 0.5], atol=4 * 0.4 / np.sqrt(60))


def test_weight_two_is_the_event_twice() -> None:
    y, log_b = mixture(5000, 100, 2)
    w = np.where(np.arange(len(y)) % 2, 2.0, 1.0)
    rng = [np.random.default_rng(1) for _ in range(2)]
    one = fit_signal(y, log_b, w, rng[0], None)
    again = np.repeat(np.arange(len(y)), w.astype(int))
    two = fit_signal(y[again], log_b[again], np.ones(len(again)), rng[1], None)
    np.testing.assert_allclose(one[0].part @ one[0].centre, two[0].part @ two[0].centre, atol=0.1)
    assert one[1] == pytest.approx(two[1], rel=0.2)


def test_weights_are_worth_as_many_events_as_they_are() -> None:
    """Without a signal, weights of any spread and a crowd of weight 0 promise no more than chance does."""
    y, log_b = mixture(20_000, 0, 4)
    rng = np.random.default_rng(1)
    plain, spread = np.ones(len(y)), rng.lognormal(0, 0.7, len(y))
    gains = [fit_signal(y, log_b, w, np.random.default_rng(1), None)[2] for w in (plain, spread)]
    assert max(gains) < 15
    y, log_b = mixture(5000, 60, 5)
    more = np.concatenate([np.ones(len(y)), np.zeros(9 * len(y))])
    one = fit_signal(y, log_b, np.ones(len(y)), np.random.default_rng(1), None)
    many = fit_signal(np.tile(y, (10, 1)), np.tile(log_b, 10), more, np.random.default_rng(1), None)
    assert many[2] == pytest.approx(one[2], rel=0.1)
    assert many[1] == pytest.approx(one[1], rel=0.1)


def test_normals_are_a_density_that_is_sampled() -> None:
    density = Normals(np.array([[0.0, 1.0], [2.0, -1.0]]), np.array([[1.0, 0.25], [0.04, 1.0]]), np.array([0.3, 0.7]))
    drawn = density.sample(100_000, np.random.default_rng(1))
    at, step = np.linspace(-8, 8, 801, retstep=True)
    p = np.exp(density.log_prob(np.stack(np.meshgrid(at, at, indexing="ij"), axis=-1).reshape(-1, 2))).reshape(801, 801)
    assert p.sum() * step**2 == pytest.approx(1, abs=1e-3)
    np.testing.assert_allclose(p.sum(axis=1) * step, np.exp(density.log_prob(at[:, None])), atol=1e-6)
    np.testing.assert_allclose(drawn.mean(axis=0), density.part @ density.centre, atol=4 * 1.5 / np.sqrt(100_000))


def test_it_needs_masses_and_whole_files() -> None:
    with pytest.raises(ConfigError, match="sample_m"):
        make(Method, "ranode").fit(replace(view(100, 0), sample_m=None), np.random.default_rng(1))
    with pytest.raises(ConfigError, match="fraction"):
        make(Method, {"kind": "ranode", "fraction": 1.5})
    with pytest.raises(DataError, match="damaged"):
        RanodeScore.from_bytes(score().to_bytes()[:-5])
