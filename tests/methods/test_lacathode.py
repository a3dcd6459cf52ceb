"""A classifier of features taken to one mass: it does not find m where they go with m, in the region or outside."""

from functools import cache
from typing import Any, Literal

import numpy as np
import pytest
from method_toys import FLOW, RATIO, WINDOW, auc, background, events_at, improvement, signal, view

from lamppost.core import Array, Conditional, Density, Events, Method, Ratio, Rng, Score, View
from lamppost.errors import ConfigError, DataError
from lamppost.methods.lacathode import LacathodeScore, carried
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
    high, low = fresh()
    assert improvement(score("lacathode")(high), score("lacathode")(low)) > 3
    found, fooled = (auc(score(kind)(high), score(kind)(low)) for kind in ("lacathode", "weak"))
    assert found > fooled + 4 / np.sqrt(12 * len(high))


def test_the_kept_part_is_the_same_at_every_mass() -> None:
    """Each sideband keeps as much of background as the region, within half; of raw features they do not."""
    rng = np.random.default_rng(4)
    sides = [background(rng, 30_000, 0, 1, SLOPE), background(rng, 30_000, 2, 3, SLOPE)]

    def beside(kind: str) -> Array:
        cut = np.quantile(score(kind)(fresh()[1]), 0.9)
        return np.array([(score(kind)(side) >= cut).mean() / 0.1 for side in sides])

    assert (abs(np.log(beside("lacathode"))) < np.log(1.5)).all()
    assert (abs(np.log(beside("weak"))) > np.log(1.5)).any()


def test_of_the_mass_it_knows_nothing() -> None:
    """One z at many masses is one score: but for events that rounding puts on the other side of a tree's cut."""
    fitted, rng = score("lacathode"), np.random.default_rng(6)
    assert isinstance(fitted, LacathodeScore)
    z = rng.normal(size=(500, 2)).astype(np.float32)
    one, *others = (
        fitted(events_at(rng, fitted.density.decode(z, np.full(500, m)), np.full(500, m))) for m in (1.5, 0.2, 1.1, 2.8)
    )
    assert np.ptp(one) > 1
    for other in others:
        assert (abs(other - one) < 1e-6).mean() > 0.98


@cache
def turned() -> View:
    """The features follow each other closely, so that a flow turns them; the signal is narrow in the second."""
    rng = np.random.default_rng(12)

    def drawn(n: int, lo: float, hi: float) -> Events:
        m, g = rng.uniform(lo, hi, n), rng.normal(size=(n, 2))
        return events_at(rng, np.column_stack([g[:, 0], 0.95 * g[:, 0] + 0.3 * g[:, 1]]), m)

    strip = rng.normal([0.0, 1.0], [0.5, 0.02], (300, 2))
    return View(
        sr=Events.concatenate([drawn(10_000, 1, 2), events_at(rng, strip[:60], rng.uniform(1, 2, 60))]),
        sb=Events.concatenate([drawn(10_000, 0, 1), drawn(10_000, 2, 3)]),
        window=WINDOW,
        signals={"test": events_at(rng, strip[60:], rng.uniform(1, 2, 240))},
        reference=drawn(40_000, 1, 2),
    )


def test_trees_find_more_at_one_mass_than_in_the_latent_space() -> None:
    """What the paper does with a network, and trees, which cut along the axes, cannot."""
    given = turned()
    fitted = make(Method, {"kind": "lacathode", "ratio": RATIO, "density": FLOW}).fit(given, np.random.default_rng(3))
    assert isinstance(fitted, LacathodeScore)
    assert given.reference is not None

    def latent(events: Events) -> Events:
        return events.with_x(fitted.density.encode(events))

    rng = np.random.default_rng(3)
    normal = events_at(rng, rng.normal(size=(40_000, 2)), np.full(40_000, 1.5))
    paper = make(Ratio, RATIO).fit(latent(given.sr), normal, given_m=False, rng=rng)
    high, low = given.signals["test"], given.reference
    assert improvement(fitted(high), fitted(low)) > 1.2 * improvement(paper(latent(high)), paper(latent(low)))


def test_members_take_turns_and_all_of_them_score() -> None:
    given = view(2000, 0)
    short = {"kind": "affine", "layers": 2, "hidden": [8], "steps": 50, "members": 3}
    fitted = make(Method, {"kind": "lacathode", "ratio": RATIO, "density": short}).fit(given, np.random.default_rng(3))
    assert isinstance(fitted, LacathodeScore)
    events = given.sr[:200]
    each = [fitted.ratio(carried(fitted.density, events, 1.5, member)) for member in range(3)]
    assert not np.array_equal(each[0], each[1])
    np.testing.assert_allclose(fitted(events), np.mean(each, axis=0), rtol=0, atol=1e-12)


def test_a_density_that_maps_nothing() -> None:
    class Blob:
        def log_prob(self, events: Events) -> Array:
            return np.zeros(len(events))

        def sample(self, m: Array, rng: Rng) -> Any:
            return np.zeros((len(m), 2), np.float32)

    class Still(Density):
        """Knows no map."""

        kind: Literal["still"] = "still"

        def fit(self, events: Events, rng: Rng, **further: Any) -> Conditional:
            return Blob()

    try:
        with pytest.raises(
            ConfigError,
            match=r"^method 'lacathode' needs a density with encode, decode and member_log_probs, found Blob$",
        ):
            make(Method, {"kind": "lacathode", "density": "still"}).fit(view(100, 0), np.random.default_rng(1))
    finally:
        Density.registry.pop("still")


def test_other_columns_and_damage() -> None:
    events = fresh()[0][:50]
    np.testing.assert_array_equal(score("lacathode")(events.select(["b", "a"])), score("lacathode")(events))
    with pytest.raises(DataError, match="damaged"):
        LacathodeScore.from_bytes(score("lacathode").to_bytes()[:-5])
