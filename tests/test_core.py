"""Events are values: they cannot be written to, and all of an event goes where the event goes."""

import numpy as np
import pytest

from lamppost.core import Events, Window, splitmix64, uniform_of
from lamppost.errors import DataError


def events(n: int = 6) -> Events:
    x = np.arange(3 * n, dtype=np.float32).reshape(n, 3)
    return Events(
        np.arange(n, dtype=np.uint64),
        x,
        np.linspace(10.0, 20.0, n),
        np.ones(n),
        ("a", "b", "c"),
        {"one": ("a", "c"), "two": ("b",)},
        {"tracks": (np.ones((n, 4, 2), np.float32), np.ones((n, 4), bool))},
    )


@pytest.mark.parametrize("name", ["id", "x", "m", "w"])
def test_arrays_are_read_only(name: str) -> None:
    with pytest.raises(ValueError, match="read-only"):
        getattr(events(), name)[0] = 0
    with pytest.raises(ValueError, match="read-only"):
        getattr(events()[1:3], name)[0] = 0


def test_owner_keeps_a_writable_array() -> None:
    mine = np.ones(2)
    Events(np.arange(2, dtype=np.uint64), np.zeros((2, 1), np.float32), mine, mine, ("a",))
    mine[0] = 5.0


@pytest.mark.parametrize("rows", [slice(1, 4), np.array([1, 2, 3]), np.array([False, True, True, True, False, False])])
def test_rows(rows: object) -> None:
    some = events()[rows]
    assert len(some) == 3
    np.testing.assert_array_equal(some.id, [1, 2, 3])
    np.testing.assert_array_equal(some.x[:, 0], [3, 6, 9])
    assert some.blocks["tracks"][0].shape == (3, 4, 2)
    assert some.blocks["tracks"][1].shape == (3, 4)


def test_select() -> None:
    some = events().select(["c", "b"])
    assert some.names == ("c", "b")
    np.testing.assert_array_equal(some.x[1], [5, 4])
    assert some.groups == {"one": ("c",), "two": ("b",)}
    assert events().select(["b"]).groups == {"two": ("b",)}
    with pytest.raises(DataError, match="no feature 'z', known are a, b, c"):
        events().select(["a", "z"])


def test_concatenate() -> None:
    both = Events.concatenate([events()[:2], events()[2:]])
    np.testing.assert_array_equal(both.x, events().x)
    np.testing.assert_array_equal(both.m, events().m)
    assert both.groups == events().groups
    assert both.blocks["tracks"][1].shape == (6, 4)
    with pytest.raises(DataError, match="cannot join"):
        Events.concatenate([events(), events().select(["a", "c", "b"])])


def test_lengths_must_agree() -> None:
    with pytest.raises(DataError, match="do not match"):
        Events(np.zeros(2, np.uint64), np.zeros((2, 1), np.float32), np.ones(2), np.ones(3), ("a",))
    with pytest.raises(DataError, match="do not match"):
        events().with_x(np.zeros((6, 2), np.float32))


def test_every_mass_is_in_one_place() -> None:
    window = Window(3.0, 4.0, 0.5)
    m = np.array([2.4, 2.5, 2.9, 3.0, 3.9, 4.0, 4.4, 4.5])
    np.testing.assert_array_equal(np.flatnonzero(window.inside(m)), [3, 4])
    np.testing.assert_array_equal(np.flatnonzero(window.beside(m)), [1, 2, 5, 6])
    assert str(window) == "[3, 4)"


def test_splitmix64_reference() -> None:
    """First outputs of the generator seeded with 1234567, as published with it."""
    step = 0x9E3779B97F4A7C15
    states = np.array([(1234567 + i * step) % 2**64 for i in range(3)], np.uint64)
    assert splitmix64(states).tolist() == [6457827717110365317, 3203168211198807973, 9817491932198370423]


def test_uniform_of() -> None:
    ids = np.arange(100_000, dtype=np.uint64)
    draws = [uniform_of(ids, key) for key in (0, 1, 2**63)]
    for u in draws:
        assert ((u >= 0) & (u < 1)).all()
        assert abs(u.mean() - 0.5) < 5 / np.sqrt(12 * len(u))
        assert abs(np.corrcoef(u[:-1], u[1:])[0, 1]) < 5 / np.sqrt(len(u))
    for a, b in ((0, 1), (0, 2), (1, 2)):
        assert abs(np.corrcoef(draws[a], draws[b])[0, 1]) < 5 / np.sqrt(len(ids))
    np.testing.assert_array_equal(uniform_of(ids[::-1], 1), draws[1][::-1])
