"""A method that sees some features is the method that was given no others."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from method_toys import view

from lamppost.config import parse
from lamppost.core import Events, Method, Template, View
from lamppost.errors import ConfigError, DataError
from lamppost.run.compare.closure import closure_auc, expectation_of
from lamppost.spec import make
from small_hunt import search

CWOLA = {"kind": "weak", "ratio": {"kind": "boosted", "members": 1, "rounds": 10}}
SUBSET = {"kind": "subset", "features": ["b"], "method": CWOLA}


def only(seen: View, *names: str) -> View:
    return replace(seen, sr=seen.sr.select(names), sb=seen.sb.select(names))


def test_it_is_the_method_without_the_others() -> None:
    seen = view(1000, 50)
    score = make(Method, SUBSET).fit(seen, np.random.default_rng(3))
    alone = make(Method, CWOLA).fit(only(seen, "b"), np.random.default_rng(3))
    np.testing.assert_array_equal(score(seen.sr), alone(seen.sr.select(["b"])))
    moved = seen.sr.with_x(seen.sr.x + np.array([100.0, 0.0], dtype=np.float32))
    np.testing.assert_array_equal(score(moved), score(seen.sr))


def test_members_of_a_combination_may_see_different_features() -> None:
    seen = view(1000, 50)
    both = [SUBSET, {**SUBSET, "features": ["a"]}]
    score = make(Method, {"kind": "combination", "methods": both}).fit(seen, np.random.default_rng(3))
    for column in (0, 1):
        step = np.zeros(2, dtype=np.float32)
        step[column] = 100.0
        assert (score(seen.sr.with_x(seen.sr.x + step)) != score(seen.sr)).any()


def test_closure_is_about_what_it_sees() -> None:
    """The first feature follows m, and tells sidebands from region; the second, alone, does so less."""
    seen = view(1500, 0)
    aucs = {}
    for name in ("a", "b"):
        expectation = expectation_of(make(Method, {**SUBSET, "features": [name]}))
        assert expectation is not None
        made = expectation(seen, np.random.default_rng(1))
        assert made.names == (name,)
        aucs[name] = closure_auc(made, seen.sr, 5)
        whole = make(Template, "sidebands").make(only(seen, name), np.random.default_rng(1))
        assert aucs[name] == closure_auc(whole, seen.sr.select([name]), 5)
    assert aucs["a"][0] > 0.5 + 3 * aucs["a"][1]
    assert expectation_of(make(Method, {**SUBSET, "method": "anode"})) is None


def test_decorrelation_is_what_the_method_needs() -> None:
    assert make(Method, SUBSET).decorrelate
    assert not make(Method, {**SUBSET, "method": "cathode"}).decorrelate


def test_what_is_refused() -> None:
    with pytest.raises(ConfigError, match="'idealised' sees the truth: it cannot be one of a subset"):
        make(Method, {**SUBSET, "method": "idealised"})
    with pytest.raises(DataError, match="no feature 'c', known are a, b"):
        make(Method, {**SUBSET, "features": ["c"]}).fit(view(200, 0), np.random.default_rng(1))


@pytest.mark.parametrize("where", [SUBSET, {"kind": "combination", "methods": [SUBSET, "weak"]}])
def test_a_feature_that_is_not_read_is_refused_before_anything_is(where: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"methods.mine: no feature 'b', known are a, c$"):
        parse(search(data={"features": ["a", "c"]}, method=None, methods={"mine": where}))
    assert parse(search(method=None, methods={"mine": where})).methods


def test_an_empty_list_is_all() -> None:
    seen = view(500, 0)
    score = make(Method, {**SUBSET, "features": []}).fit(seen, np.random.default_rng(1))
    alone = make(Method, CWOLA).fit(seen, np.random.default_rng(1))
    events: Events = seen.sr
    np.testing.assert_array_equal(score(events), alone(events))
