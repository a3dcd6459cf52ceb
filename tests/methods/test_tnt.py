"""Two objects that label each other do better than what labelled them first."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from method_toys import RATIO, WINDOW, events_at, improvement

from lamppost.core import Array, Events, Method, Outlier, Rng, View
from lamppost.errors import ConfigError, DataError
from lamppost.methods.tnt import TntScore
from lamppost.spec import make

GROUPS = {"j1": ("a", "b"), "j2": ("c", "d")}
TAGGER = {"kind": "vae", "members": 2}
N, N_SIGNAL = 8000, 240


def objects(rng: Rng, n: int, lo: float, hi: float, shift: float = 0.0) -> Events:
    """Two objects of two normal features each, those of signal moved and narrow."""
    x = rng.normal(size=(n, 4)) if shift == 0 else rng.normal([shift, -shift, shift, -shift], 0.3, (n, 4))
    return replace(events_at(rng, x, rng.uniform(lo, hi, n)), groups=GROUPS)


@cache
def view() -> View:
    """Either object of a signal is 2 sigma from the background's in two features."""
    rng = np.random.default_rng(1)
    return View(
        sr=Events.concatenate([objects(rng, N, 1, 2), objects(rng, N_SIGNAL, 1, 2, 2.0)]),
        sb=Events.concatenate([objects(rng, N, 0, 1), objects(rng, N, 2, 3)]),
        window=WINDOW,
    )


@cache
def fresh() -> tuple[Events, Events]:
    rng = np.random.default_rng(2)
    return objects(rng, 2000, 1, 2, 2.0), objects(rng, 60_000, 1, 2)


@cache
def score(rounds: int = 2) -> TntScore:
    spec = make(Method, {"kind": "tnt", "tagger": TAGGER, "ratio": RATIO, "rounds": rounds})
    fitted = spec.fit(view(), np.random.default_rng(3))
    assert isinstance(fitted, TntScore)
    return fitted


def tagged(events: Events) -> Array:
    """The first taggers' own sum."""
    everything, total = Events.concatenate([view().sr, view().sb]), np.zeros(len(events))
    for columns in GROUPS.values():
        fitted = make(Outlier, TAGGER).fit(everything.select(columns), np.random.default_rng(4))
        total += fitted(events.select(columns))
    return total


def test_it_gains_over_its_own_tagger() -> None:
    own = improvement(tagged(fresh()[0]), tagged(fresh()[1]))
    once, twice = (improvement(score(rounds)(fresh()[0]), score(rounds)(fresh()[1])) for rounds in (1, 2))
    assert once > 1.5 * own
    assert twice > 0.9 * once
    assert twice > 3


def related(rng: Rng, n: int, lo: float, hi: float, signal: bool = False) -> Events:
    """Objects of background have one feature in common by seven tenths; signal hides in the bulk of either."""
    x = rng.normal(size=(n, 4))
    x[:, [0, 2]] = np.sqrt(0.7) * rng.normal(size=(n, 1)) + np.sqrt(0.3) * x[:, [0, 2]]
    if signal:
        x = rng.normal([1.0, -1.0, 1.0, -1.0], 0.25, (n, 4))
    return replace(events_at(rng, x, rng.uniform(lo, hi, n)), groups=GROUPS)


def test_objects_that_know_of_each_other_and_a_tagger_that_does_not_see_the_signal() -> None:
    """eps_S / sqrt(eps_B) of guessing is 0.1."""
    rng = np.random.default_rng(1)
    seen = View(
        sr=Events.concatenate([related(rng, N, 1, 2), related(rng, 300, 1, 2, signal=True)]),
        sb=Events.concatenate([related(rng, N, 0, 1), related(rng, N, 2, 3)]),
        window=WINDOW,
    )
    high, low = related(rng, 2000, 1, 2, signal=True), related(rng, 60_000, 1, 2)
    table = {"kind": "tnt", "tagger": {**TAGGER, "epochs": 5}, "ratio": RATIO}
    once, often = (make(Method, table | {"rounds": rounds}).fit(seen, np.random.default_rng(3)) for rounds in (1, 5))
    assert improvement(once(high), once(low)) > 1
    assert improvement(often(high), often(low)) > 1.5 * improvement(once(high), once(low))


def test_the_score_is_the_sum_of_both_objects() -> None:
    events = fresh()[0][:100]
    one, two = (score().parts[name](events.select(GROUPS[name])) for name in ("j1", "j2"))
    np.testing.assert_allclose(score()(events), one + two)
    swapped = events.select(["d", "c", "b", "a"])
    np.testing.assert_array_equal(score()(swapped), score()(events))


def test_two_groups_or_none() -> None:
    for groups in ({}, {"j1": ("a", "b")}, {"j1": ("a",), "j2": ("b",), "j3": ("c",)}):
        other = replace(view(), sr=replace(view().sr, groups=groups))
        with pytest.raises(ConfigError, match="two groups"):
            make(Method, "tnt").fit(other, np.random.default_rng(1))


def test_files() -> None:
    read_back = TntScore.from_bytes(score().to_bytes())
    np.testing.assert_array_equal(read_back(fresh()[0]), score()(fresh()[0]))
    with pytest.raises(DataError, match="damaged"):
        TntScore.from_bytes(score().to_bytes()[:-5])


def test_equal_tags_are_cut_alike_in_the_region_and_beside_it() -> None:
    """Whole numbers as features: a tie at the cut belongs to nobody in particular."""
    seen = {name: replace(part, x=np.round(part.x)) for name, part in (("sr", view().sr), ("sb", view().sb))}
    spec = make(Method, {"kind": "tnt", "tagger": TAGGER, "ratio": RATIO})

    def rounded(events: Events) -> Array:
        return np.asarray(events.x[:, 0], dtype=np.float64)

    region, beside = spec._tagged(replace(view(), **seen), rounded)
    p, n = region[:N].mean(), len(beside)
    assert abs(p - beside.mean()) < 4 * np.sqrt(p * (1 - p) * (1 / N + 1 / n))
