"""A small signal by the likelihood of a mixture: how much of it, where it is, and how it ranks."""

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from method_toys import CENTRE, FLOW, background, improvement, log_background, signal, view

from lamppost.core import Events, Method
from lamppost.errors import ConfigError, DataError
from lamppost.methods.ranode import RanodeScore, background_share, most_likely_fraction
from lamppost.spec import make

N, N_SIGNAL = 8000, 160
TRUTH = N_SIGNAL / (N + N_SIGNAL)


@cache
def score(fraction: Any = "scan") -> RanodeScore:
    flows = {"density": FLOW | {"members": 2}, "signal": FLOW | {"members": 2, "holdout": 0.0}}
    spec = make(Method, {"kind": "ranode", "fraction": fraction, "grid": [1e-3, 1e-2, 3e-2, 1e-1], **flows})
    fitted = spec.fit(view(N, N_SIGNAL), np.random.default_rng(3))
    assert isinstance(fitted, RanodeScore)
    return fitted


@cache
def fresh() -> tuple[Events, Events]:
    rng = np.random.default_rng(2)
    return signal(rng, 2000), background(rng, 60_000, 1, 2)


@pytest.mark.parametrize("fraction", ["scan", "learn", 0.02])
def test_signal_of_two_sigma_is_found(fraction: Any) -> None:
    assert improvement(score(fraction)(fresh()[0]), score(fraction)(fresh()[1])) > 5


def test_scanned_fraction() -> None:
    assert 0.5 < score().fraction / TRUTH < 1.5


def test_learned_fraction_is_what_the_members_found_less_the_background() -> None:
    found = score("learn")
    assert found.signal.fractions is not None
    assert found.fraction == pytest.approx(np.mean(found.signal.fractions) * (1 - found.shared))
    assert TRUTH / 3 < found.fraction < 3 * TRUTH


def test_samples_are_where_the_signal_is() -> None:
    """The mode of features and mass: most events within two widths of the truth, of background 3 %."""
    drawn = score().sample(3000, np.random.default_rng(1))
    assert len(drawn) == 3000
    np.testing.assert_allclose(np.median(drawn.x, axis=0), CENTRE, atol=0.4)
    assert abs(np.median(drawn.m) - 1.5) < 0.1
    assert (np.hypot(*(drawn.x - CENTRE).T) < 0.75).mean() > 0.4


def test_mass_alone_does_not_change_a_score() -> None:
    """At the same features a score moves with m as p_B(x|m) does, and with no peak of the signal."""
    x = np.repeat(CENTRE[None], 50, axis=0).astype(np.float32)
    events = replace(fresh()[0][:50], x=x, m=np.linspace(1.05, 1.95, 50))
    found = score()(events)
    np.testing.assert_allclose(found - found.mean(), log_background(events).mean() - log_background(events), atol=0.3)
    outside = replace(events, m=np.full(50, 4.0))
    np.testing.assert_allclose(score()(outside), score()(replace(events, m=np.full(50, 2.0))))


def test_fraction_at_fixed_shapes() -> None:
    """The likelihood's own estimate, within four of its errors; weights count like events."""
    rng = np.random.default_rng(1)
    is_signal = rng.random(20_000) < 0.05
    z = rng.normal(np.where(is_signal, 3.0, 0.0))
    log_ratio = 3 * z - 4.5
    found = most_likely_fraction(log_ratio, np.ones(20_000))
    assert abs(found - 0.05) < 4 * 0.0025
    w = rng.integers(0, 3, 20_000)
    twice = most_likely_fraction(np.repeat(log_ratio, w), np.ones(w.sum()))
    assert most_likely_fraction(log_ratio, w.astype(float)) == pytest.approx(twice)
    assert most_likely_fraction(np.full(100, -1.0), np.ones(100)) < 1e-5


def test_background_share() -> None:
    """0.3 p_B + 0.7 p_S against p_B, p_S where nearly no background is."""
    z = np.random.default_rng(1).normal(size=20_000)
    log_ratio = np.logaddexp(np.log(0.3), np.log(0.7) + 5 * z - 12.5)
    assert background_share(log_ratio, np.ones(20_000)) == pytest.approx(0.3, abs=0.01)
    assert background_share(np.full(100, 3.0), np.ones(100)) == 0.99


def test_it_needs_masses_and_whole_files() -> None:
    with pytest.raises(ConfigError, match="sample_m"):
        make(Method, "ranode").fit(replace(view(100, 0), sample_m=None), np.random.default_rng(1))
    with pytest.raises(ConfigError, match="fraction"):
        make(Method, {"kind": "ranode", "fraction": 1.5})
    with pytest.raises(DataError, match="damaged"):
        RanodeScore.from_bytes(score().to_bytes()[:-5])
