"""The recipes on a toy whose truth is known: a blob of signal in the region of an otherwise dull mass."""

from dataclasses import replace
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from scipy.stats import kstest, rankdata

from lamppost.core import Array, Events, Method, Rng, Template, View, Window
from lamppost.errors import DataError
from lamppost.methods.random import RandomScore
from lamppost.spec import load_kinds, make

load_kinds()
WINDOW = Window(1.0, 2.0, 1.0)
RATIO = {"kind": "boosted", "members": 4}


def background(rng: Rng, n: int, lo: float, hi: float) -> Events:
    ids = rng.integers(2**63, size=n).astype(np.uint64)
    return Events(ids, rng.normal(size=(n, 3)).astype(np.float32), rng.uniform(lo, hi, n), np.ones(n), tuple("abc"))


def signal(rng: Rng, n: int) -> Events:
    return background(rng, n, 1.2, 1.8).with_x(rng.normal(1.5, 0.3, (n, 3)).astype(np.float32))


@cache
def view() -> View:
    """4 % of signal in the region: 2.5 sigma before any cut."""
    rng = np.random.default_rng(1)
    return View(
        sr=Events.concatenate([background(rng, 4000, 1, 2), signal(rng, 160)]),
        sb=Events.concatenate([background(rng, 4000, 0, 1), background(rng, 4000, 2, 3)]),
        window=WINDOW,
        signals={"one": signal(rng, 2000), "two": signal(rng, 1000)},
        reference=background(rng, 8000, 1, 2),
    )


@cache
def fresh() -> tuple[Events, Events]:
    rng = np.random.default_rng(2)
    return signal(rng, 2000), background(rng, 20_000, 1, 2)


@cache
def scores(kind: str) -> tuple[Array, Array]:
    spec = make(Method, {"kind": kind} if kind == "random" else {"kind": kind, "ratio": RATIO})
    score = spec.fit(view(), np.random.default_rng(3))
    return score(fresh()[0]), score(fresh()[1])


def auc(kind: str) -> float:
    high, low = scores(kind)
    ranks = rankdata(np.concatenate([high, low]))[: len(high)]
    return float((ranks.mean() - (len(high) + 1) / 2) / len(low))


def test_weak_supervision_gains_significance() -> None:
    """eps_S / sqrt(eps_B) at 1 % of background, on events that took no part."""
    high, low = scores("weak")
    kept = (high > np.quantile(low, 0.99)).mean()
    assert kept / np.sqrt(0.01) > 4


def test_who_knows_more_does_not_do_worse() -> None:
    """Supervised, idealised, weak, random: in this order, up to the error of an AUC with 2,000 signal events."""
    error = 0.01
    found = [auc(kind) for kind in ("supervised", "idealised", "weak", "random")]
    assert all(more > less - error for more, less in pairwise(found))
    assert found[0] > 0.98
    assert found[2] > 0.85
    assert abs(found[3] - 0.5) < 4 * np.sqrt(1 / 12 / 2000)


def test_weak_is_idealised_where_the_template_is_the_background() -> None:
    """Bit for bit: the recipe adds nothing of its own."""
    spec = {"ratio": RATIO}
    weak, idealised = (make(Method, {"kind": kind, **spec}) for kind in ("weak", "idealised"))
    same = replace(view(), reference=make(Template, "sidebands").make(view(), np.random.default_rng(1)))
    one, other = (method.fit(same, np.random.default_rng(5)) for method in (weak, idealised))
    np.testing.assert_array_equal(one(fresh()[0]), other(fresh()[0]))


def test_random_score_knows_nothing() -> None:
    rng = np.random.default_rng(4)
    score = make(Method, "random").fit(view(), rng)
    sample = fresh()[1]
    u = score(sample)
    assert kstest(u, "uniform").pvalue > 1e-3
    for column in (*sample.x.T, sample.m):
        assert abs(np.corrcoef(u, column)[0, 1]) < 4 / np.sqrt(len(u))
    another = make(Method, "random").fit(view(), rng)(sample)
    assert abs(np.corrcoef(u, another)[0, 1]) < 4 / np.sqrt(len(u))
    with pytest.raises(DataError, match="damaged"):
        RandomScore.from_bytes(b"{}")


def test_both_sidebands_weigh_the_same() -> None:
    """So that what is linear in m cancels, however steep the spectrum."""
    rng = np.random.default_rng(5)
    sb = Events.concatenate([background(rng, 3000, 0, 1), background(rng, 500, 2, 3)])
    sb = replace(sb, w=rng.uniform(0.5, 1.5, 3500))
    made = make(Template, "sidebands").make(replace(view(), sb=sb), rng)
    below = made.m < 1
    assert made.w[below].sum() == pytest.approx(made.w[~below].sum())
    assert made.w.sum() == pytest.approx(sb.w.sum())
    assert np.ptp(made.w[below] / sb.w[below]) < 1e-12
    one = make(Template, "sidebands").make(replace(view(), sb=sb[sb.m < 1]), rng)
    np.testing.assert_array_equal(one.w, sb.w[sb.m < 1])


def test_who_decorrelates() -> None:
    assert make(Method, "weak").decorrelate
    assert not make(Method, "random").decorrelate
    assert not make(Method, "idealised").decorrelate
