"""A classifier in latent space: it does not find m where features go with m, in the region or outside."""

from functools import cache

import numpy as np
import pytest
from method_toys import FLOW, RATIO, background, improvement, signal, view

from lamppost.core import Events, Method, Score
from lamppost.errors import DataError
from lamppost.methods.lacathode import LacathodeScore
from lamppost.spec import make

N, N_SIGNAL, SLOPE = 6000, 150, 1.0


@cache
def score(kind: str) -> Score:
    density = {"density": FLOW} if kind == "lacathode" else {}
    spec = make(Method, {"kind": kind, "ratio": RATIO, **density})
    return spec.fit(view(N, N_SIGNAL, slope=SLOPE), np.random.default_rng(3))


@cache
def fresh() -> tuple[Events, Events]:
    rng = np.random.default_rng(2)
    return signal(rng, 2000), background(rng, 60_000, 1, 2, SLOPE)


def test_signal_is_found_where_features_follow_the_mass() -> None:
    """Sidebands as they are fail there: they are elsewhere in the features."""
    found, fooled = (improvement(score(kind)(fresh()[0]), score(kind)(fresh()[1])) for kind in ("lacathode", "weak"))
    assert found > 3
    assert found > 1.5 * fooled


def test_the_kept_part_is_the_same_at_every_mass() -> None:
    """The sidebands keep as much of background as the region, within half; of raw features they do not."""
    rng = np.random.default_rng(4)
    sides = Events.concatenate([background(rng, 30_000, 0, 1, SLOPE), background(rng, 30_000, 2, 3, SLOPE)])

    def beside(kind: str) -> float:
        cut = np.quantile(score(kind)(fresh()[1]), 0.9)
        return float((score(kind)(sides) >= cut).mean() / 0.1)

    assert 2 / 3 < beside("lacathode") < 3 / 2
    assert not 2 / 3 < beside("weak") < 3 / 2


def test_other_columns_and_damage() -> None:
    events = fresh()[0][:50]
    np.testing.assert_array_equal(score("lacathode")(events.select(["b", "a"])), score("lacathode")(events))
    with pytest.raises(DataError, match="damaged"):
        LacathodeScore.from_bytes(score("lacathode").to_bytes()[:-5])
