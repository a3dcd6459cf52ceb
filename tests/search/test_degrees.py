"""How far features follow m: none gets a degree that it does not need, and none is denied one that it does."""

import numpy as np
import pytest

from lamppost.core import Array, Events, Window, splitmix64
from lamppost.errors import DataError
from lamppost.search import QuantileMap, needed_degrees

WINDOW = Window(3200.0, 3600.0, 400.0)
DRAWS = 40


def falling(n: int, rng: np.random.Generator) -> Array:
    """Masses from 2.8 to 8 TeV that fall like m^-7."""
    return np.asarray(2800.0 * (1 - rng.random(n) * (1 - (2800 / 8000) ** 6)) ** (-1 / 6))


def made(n: int, seed: int, follow: tuple[float, ...] = ()) -> Events:
    """Two features, normal and exponential, whose location and scale are a polynomial in ln m of these coefficients."""
    rng = np.random.default_rng(seed)
    m = falling(n, rng)
    t = np.log(m / 2800.0)
    bent = sum((c * t ** (k + 1) for k, c in enumerate(follow)), np.zeros(n))
    x = np.column_stack([rng.normal(size=n) + bent, rng.exponential(size=n) * np.exp(bent)])
    ids = splitmix64(rng.integers(2**63, size=n).astype(np.uint64))
    return Events(ids, x.astype(np.float32), m, np.ones(n), ("a", "b"), {})


def test_features_that_do_not_follow_m_need_nothing() -> None:
    found = np.array([needed_degrees(made(4000, 1000 + i), WINDOW) for i in range(DRAWS)])
    # by AIC any of three degrees is taken in vain with P(chi2_4 > 8) = 9 % at first, 15 % in all
    assert np.sum(found > 0) <= 25  # of 80: 5 sigma above 12
    assert np.sum(found > 0) >= 1


def test_what_the_features_follow_is_found() -> None:
    linear = np.array([needed_degrees(made(4000, 1000 + i, (1.0,)), WINDOW) for i in range(10)])
    assert np.all(linear >= 1)
    bent = np.array([needed_degrees(made(20_000, 1000 + i, (1.0, -2.0)), WINDOW) for i in range(10)])
    assert np.all(bent >= 2)


def test_ties_weights_and_order_are_no_matter() -> None:
    events = made(4000, 1000, (1.0,))
    shuffled = events[np.random.default_rng(1001).permutation(len(events))]
    assert needed_degrees(shuffled, WINDOW) == needed_degrees(events, WINDOW)
    nothing = Events(
        splitmix64(np.arange(500, dtype=np.uint64) + np.uint64(1 << 40)),
        np.full((500, 2), 9.0, np.float32),
        np.linspace(2800.0, 8000.0, 500),
        np.zeros(500),
        events.names,
        {},
    )
    assert needed_degrees(Events.concatenate([events, nothing]), WINDOW) == needed_degrees(events, WINDOW)
    constant = events.with_x(np.column_stack([np.zeros(4000), np.round(events.x[:, 0])]).astype(np.float32))
    assert needed_degrees(constant, WINDOW)[0] == 0
    assert needed_degrees(constant, WINDOW)[1] >= 1


def test_too_few_events_are_one_line() -> None:
    with pytest.raises(DataError, match="expected >= 200"):
        needed_degrees(made(150, 1000), WINDOW)


def test_a_cut_keeps_its_fraction_in_the_region() -> None:
    """A map learnt on one sample, a cut in another: what the map adds to the fluctuations of the counts is small.

    With cubic curves through four slices, whatever the feature, it was as large as these fluctuations.
    """
    excess = []
    for i in range(DRAWS):
        events = QuantileMap.fit(made(6000, 2000 + i), WINDOW)(made(60_000, 3000 + i))
        inside, kept = WINDOW.inside(events.m), events.x > 1.88
        beside = WINDOW.beside(events.m)
        excess.append(np.mean(kept[inside], axis=0) / np.mean(kept[beside], axis=0) - 1.0)
    inside_6000 = 0.23 * 6000 * 0.03  # events of as large a sample as the map's that a cut of 3 % keeps in the region
    assert np.std(excess) * np.sqrt(inside_6000) < 0.6  # cubic curves: 0.84, through four slices: 2.2
