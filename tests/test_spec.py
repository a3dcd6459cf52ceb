"""Specs: found by role and kind, named by their content."""

from abc import abstractmethod
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from lamppost.errors import ConfigError
from lamppost.spec import Role, Spec, digest, kinds, make


class Fruit(Role):
    """A role of its own, so that no registry of the package is touched."""

    @abstractmethod
    def weigh(self) -> float: ...


class Apple(Fruit):
    """Grows on trees."""

    kind: Literal["apple"] = "apple"
    grams: float = Field(100.0, gt=0)
    colours: tuple[str, ...] = ()

    def weigh(self) -> float:
        return self.grams


class Pip(Spec):
    number: float = 1.0


def test_make() -> None:
    assert kinds(Fruit) == {"apple": Apple}
    assert make(Fruit, "apple") == Apple()
    assert make(Fruit, {"kind": "apple", "grams": 80}).weigh() == 80
    apple = Apple(grams=3)
    assert make(Fruit, apple) is apple
    assert Fruit.parse("apple") == Apple()


@pytest.mark.parametrize("value", [3, None, [], ["apple"], {}, {"grams": 3}, {"kind": ["apple"]}, {"kind": {}}])
def test_what_is_no_table_with_a_kind(value: object) -> None:
    with pytest.raises(ConfigError, match="fruit: expected a table with a kind, found"):
        make(Fruit, value)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"kind": "pear"}, "fruit: unknown kind 'pear', known are apple"),
        ({"kind": "apple", "gram": 3}, "fruit 'apple': unknown key 'gram'"),
        ({"kind": "apple", "grams": -1}, "fruit 'apple': grams: Input should be greater than 0, found -1"),
        ({"kind": "apple", "grams": float("nan")}, "fruit 'apple': grams: Input should be a finite number, found nan"),
        ({"kind": "apple", "grams": -1, "x": 1, "y": 1}, "(and 2 more)"),
        ({"kind": "apple", "colours": ["red", 3]}, "fruit 'apple': colours.1: Input should be a valid string, found 3"),
    ],
)
def test_errors_are_one_line_that_names_the_key(table: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make(Fruit, table)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_kind_is_defined_once() -> None:
    with pytest.raises(TypeError, match="'apple' is defined twice"):

        class Other(Fruit):
            kind: Literal["apple"] = "apple"

            def weigh(self) -> float:
                return 0.0


def test_an_abstract_class_is_no_kind() -> None:
    class Citrus(Fruit):
        kind: Literal["citrus"] = "citrus"

    assert "citrus" not in kinds(Fruit)


def test_digest_of_specs() -> None:
    assert digest(Apple()) == digest(Apple(grams=100))
    assert digest(Apple()) != digest(Apple(grams=101))
    assert digest(Apple(), 1) != digest(1, Apple())
    assert digest([1, 2], 3) != digest([1], 2, 3)
    assert digest("ab", "c") != digest("a", "bc")
    assert len(digest()) == 64
    with pytest.raises(TypeError, match="cannot name an artefact by a set"):
        digest({1, 2})


def test_digest_is_the_same_tomorrow() -> None:
    """Artefacts of an earlier run are found by it."""
    assert digest("train", [3300.0, 3700.0], {"b": 1, "a": None}, Pip()).startswith("1ff79435b8b753d6")


@given(st.dictionaries(st.text(max_size=5), st.integers() | st.floats(allow_nan=False) | st.text(max_size=5)))
def test_digest_ignores_the_order_of_keys(table: dict[str, object]) -> None:
    assert digest(table) == digest(dict(reversed(table.items())))
