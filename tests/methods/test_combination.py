"""Several methods, one score: no worse than the worst, and blind to the units of its components."""

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from method_toys import auc, background, signal, view
from scipy.stats import spearmanr

from lamppost.core import Array, Events, Method
from lamppost.errors import ConfigError, DataError
from lamppost.methods.combination import CombinationScore, Tail
from lamppost.spec import make

WEAK = [{"kind": "weak", "ratio": {"kind": "boosted", "members": 2, "rounds": r}} for r in (20, 60)]
HOW = pytest.mark.parametrize("how", ["rank", "product", "learned"])


@cache
def score(how: str) -> CombinationScore:
    return fit(how, WEAK)


def fit(how: str, methods: list[Any]) -> CombinationScore:
    spec = make(Method, {"kind": "combination", "methods": methods, "how": how})
    fitted = spec.fit(view(6000, 240, slope=0.0), np.random.default_rng(3))
    assert isinstance(fitted, CombinationScore)
    return fitted


@cache
def fresh() -> tuple[Events, Events]:
    rng = np.random.default_rng(2)
    return signal(rng, 2000), background(rng, 20_000, 1, 2, 0.0)


@HOW
def test_no_worse_than_the_worst(how: str) -> None:
    """Up to the error of an AUC with 2,000 signal events, and what fewer events cost a learned one."""
    high, low = fresh()
    single = [auc(part(high), part(low)) for part in score("product").scores]
    assert auc(score(how)(high), score(how)(low)) > min(single) - (0.05 if how == "learned" else 0.01)


@HOW
def test_a_random_component_does_not_take_over(how: str) -> None:
    high, low = fresh()
    mixed = fit(how, [WEAK[1], "random"])
    assert auc(mixed(high), mixed(low)) > 0.7


class _Stretched:
    """A score in other units."""

    def __init__(self, part: Any) -> None:
        self.part = part

    def __call__(self, events: Events) -> Array:
        return np.exp(2 * self.part(events)) - 7

    def to_bytes(self) -> bytes:
        raise NotImplementedError


@pytest.mark.parametrize("how", ["rank", "product"])
def test_only_the_order_of_a_component_counts(how: str) -> None:
    plain, sb = score(how), view(6000, 240, slope=0.0).sb
    stretched = _Stretched(plain.scores[0])
    tails = (Tail.fit(stretched(sb), sb.w), plain.tails_of[1])
    other = replace(plain, scores=(stretched, plain.scores[1]), tails_of=tails)
    events = Events.concatenate(fresh())
    assert spearmanr(plain(events), other(events)).statistic > 0.999


def test_tail_is_the_survival_function() -> None:
    rng = np.random.default_rng(1)
    s = rng.exponential(size=20_000)
    tail = Tail.fit(s, np.ones(len(s)))
    at = np.array([0.1, 1.0, 3.0])
    np.testing.assert_allclose(tail(at), at, atol=4 / np.sqrt(20_000 * np.exp(-3)))
    assert (np.diff(tail(np.linspace(-1, 50, 1000))) >= 0).all()
    assert tail(np.array([50.0]))[0] > tail(np.array([20.0]))[0] > tail.value[-1]
    w = rng.integers(1, 3, 2000)
    heavy, twice = Tail.fit(s[:2000], w.astype(float)), Tail.fit(np.repeat(s[:2000], w), np.ones(w.sum()))
    np.testing.assert_allclose(heavy(at), twice(at))
    with pytest.raises(DataError, match="expected >= 20"):
        Tail.fit(s[:5], np.ones(5))


def test_decorrelation_and_truth() -> None:
    assert make(Method, {"kind": "combination", "methods": ["random", "weak"]}).decorrelate
    assert not make(Method, {"kind": "combination", "methods": ["random"]}).decorrelate
    with pytest.raises(ConfigError, match="sees the truth"):
        make(Method, {"kind": "combination", "methods": ["idealised"]})


@HOW
def test_files(how: str) -> None:
    read_back = CombinationScore.from_bytes(score(how).to_bytes())
    np.testing.assert_array_equal(read_back(fresh()[0]), score(how)(fresh()[0]))
    with pytest.raises(DataError, match="damaged"):
        CombinationScore.from_bytes(score(how).to_bytes()[:-5])
