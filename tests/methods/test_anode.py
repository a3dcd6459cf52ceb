"""The ratio of two densities, and the background that one of them promises above a cut."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from method_toys import FLOW, WINDOW, background, events_at, improvement, log_background, log_signal, signal, view

from lamppost.core import Events, Method
from lamppost.errors import ConfigError, DataError
from lamppost.methods.anode import AnodeScore
from lamppost.methods.mass_model import MassDensity, expected_in_region
from lamppost.spec import make

N, N_SIGNAL = 8000, 160


@cache
def score(n_signal: int = N_SIGNAL) -> AnodeScore:
    spec = make(Method, {"kind": "anode", "density": FLOW | {"members": 4, "holdout": 0.0}})
    fitted = spec.fit(view(N, n_signal), np.random.default_rng(3))
    assert isinstance(fitted, AnodeScore)
    return fitted


@cache
def fresh() -> tuple[Events, Events]:
    rng = np.random.default_rng(2)
    return signal(rng, 2000), background(rng, 50_000, 1, 2)


def test_score_is_the_log_ratio() -> None:
    """Where it is much larger than the error of two densities learnt from so few events."""
    events = Events.concatenate([fresh()[0], fresh()[1][:2000]])
    part = N_SIGNAL / (N + N_SIGNAL)
    log_b = log_background(events)
    truth = np.logaddexp(np.log(part) + log_signal(events), np.log1p(-part) + log_b) - log_b
    found = score()(events)
    assert np.corrcoef(found, truth)[0, 1] > 0.7
    assert abs(found[2000:].mean()) < 0.1
    assert improvement(score()(fresh()[0]), score()(fresh()[1])) > 4


@pytest.mark.parametrize("n_signal", [N_SIGNAL, 0])
def test_background_estimate_closes(n_signal: int) -> None:
    """Within three stated errors of the true background above the cut, signal or not; and the errors say something."""
    fitted = score(n_signal)
    efficiencies = np.array([0.1, 0.01, 1e-3])
    cuts = np.quantile(fitted(fresh()[1]), 1 - efficiencies)
    n, error = fitted.background_above(cuts, np.random.default_rng(1), draws=20_000)
    assert (np.abs(n - N * efficiencies) < 3 * error).all()
    assert (error[:2] / n[:2] < [0.1, 0.3]).all()
    known, better = fitted.background_above(cuts, np.random.default_rng(1), expected=(2.0 * N, 0.0), draws=20_000)
    np.testing.assert_allclose(known / n, 2 * N / fitted.expected[0])
    assert (better / known < error / n).all()


def test_background_estimate_of_nothing_and_everything() -> None:
    n, error = score().background_above(np.array([-1e9, 1e9]), np.random.default_rng(1), draws=10_000)
    assert n[0] == pytest.approx(score().expected[0], rel=1e-3)
    assert n[1] == 0
    assert error[1] >= score().expected[0] / 10_000  # less than one of the draws


def test_outside_the_region_the_nearer_edge_counts() -> None:
    events = fresh()[1][:100]
    below, edge = (replace(events, m=np.full(100, m)) for m in (0.3, WINDOW.lo))
    np.testing.assert_array_equal(score()(below), score()(edge))


def test_expected_events_of_a_falling_spectrum() -> None:
    """Exponential in m: the pull over 100 draws is a unit normal."""
    pulls = []
    for seed in range(100):
        rng = np.random.default_rng(seed)
        m = rng.exponential(1.5, 30_000)
        m = m[m < 3]
        events = events_at(rng, np.zeros((len(m), 1)), m)
        sample = replace(view(100, 0), sr=events[WINDOW.inside(m)], sb=events[WINDOW.beside(m)])
        truth = 30_000 * (np.exp(-1 / 1.5) - np.exp(-2 / 1.5))
        n, error = expected_in_region(sample)
        pulls.append((n - truth) / error)
        heavy = replace(sample, sb=replace(sample.sb, w=np.full(len(sample.sb), 2.0)))
        np.testing.assert_allclose(expected_in_region(heavy), (2 * n, 2 * error), rtol=1e-6)
    assert abs(np.mean(pulls)) < 4 / np.sqrt(100)
    assert 0.7 < np.std(pulls) < 1.3
    assert expected_in_region(replace(sample, sb=sample.sb[sample.sb.m < 1])) is None


@pytest.mark.parametrize("start", [0.5, 0.9])
def test_data_that_begin_within_a_sideband(start: float) -> None:
    """What lies before the data is not empty, it is not known: the pull over 40 draws stays a unit normal."""
    pulls = []
    for seed in range(40):
        m = np.random.default_rng(seed).exponential(1.5, 30_000)
        m = m[(m > start) & (m < 3)]
        events = events_at(np.random.default_rng(seed), np.zeros((len(m), 1)), m)
        found = expected_in_region(replace(view(100, 0), sb=events[WINDOW.beside(m)]))
        assert found is not None
        pulls.append((found[0] - 30_000 * (np.exp(-1 / 1.5) - np.exp(-2 / 1.5))) / found[1])
    assert abs(np.mean(pulls)) < 4 / np.sqrt(40)
    assert np.std(pulls) < 1.5


def test_one_sideband_is_enough_for_the_score_but_not_for_the_estimate() -> None:
    fitted = replace(score(), expected=None)
    assert AnodeScore.from_bytes(fitted.to_bytes()).expected is None
    with pytest.raises(DataError, match="give `expected`"):
        fitted.background_above(np.zeros(1), np.random.default_rng(1))
    assert fitted.background_above(np.full(1, -1e9), np.random.default_rng(1), expected=(50.0, 1.0))[
        0
    ] == pytest.approx(50)


def test_mass_density() -> None:
    rng = np.random.default_rng(1)
    m = 1 + np.sqrt(rng.random(100_000))
    density = MassDensity.fit(m, WINDOW)
    at = np.linspace(1.2, 1.95, 20)
    np.testing.assert_allclose(density(at), np.log(2 * (at - 1)), atol=0.15)
    assert density(np.array([5.0])) == density.log_p[-1]


def test_it_needs_masses_and_whole_files() -> None:
    with pytest.raises(ConfigError, match="sample_m"):
        make(Method, "anode").fit(replace(view(100, 0), sample_m=None), np.random.default_rng(1))
    with pytest.raises(DataError, match="damaged"):
        AnodeScore.from_bytes(score().to_bytes()[:-5])
