"""The recipes of weak supervision where features follow m: who finds the signal, and who finds m instead."""

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from scipy.stats import rankdata

from lamppost.core import Array, Events, Method, Score, Template, View
from lamppost.errors import ConfigError
from lamppost.spec import make
from small_specs import sample
from smooth_background import FEW_TREES, SMALL_FLOW, WINDOW, background, masses, signal
from smooth_background import view as smooth_view

pytest.importorskip("jax")
RECIPES: dict[str, tuple[str, dict[str, Any]]] = {
    "cwola": ("sidebands", {}),
    "cathode": ("interpolated", {"density": SMALL_FLOW, "oversample": 3}),
    "curtains": ("transported", {"density": SMALL_FLOW, "oversample": 3}),
    "salad": ("reweighted", {"ratio": {"kind": "boosted", "members": 3}}),
    "feta": ("morphed", {"base": {**SMALL_FLOW, "weight_decay": 0.5}, "density": SMALL_FLOW}),
}
CONDITIONAL = "cathode", "curtains", "salad", "feta"
N_SIGNAL, N_BACKGROUND = 2000, 20_000


def method(kind: str) -> Method:
    table = dict(RECIPES.get(kind, ("", {}))[1])
    if kind == "salad":
        table["reweighting"] = table.pop("ratio")
    return make(Method, {"kind": kind, "ratio": FEW_TREES, **table})


@cache
def score(kind: str) -> Score:
    return method(kind).fit(smooth_view(), np.random.default_rng(3))


@cache
def fresh() -> tuple[Events, Events]:
    """Signal, background of the region."""
    rng = np.random.default_rng(21)
    return signal(rng, N_SIGNAL), background(rng, N_BACKGROUND)


def auc(high: Array, low: Array) -> float:
    ranks = rankdata(np.concatenate([high, low]))[: len(high)]
    return float((ranks.mean() - (len(high) + 1) / 2) / len(low))


@pytest.mark.parametrize("kind", RECIPES)
def test_it_is_the_ratio_to_its_template(kind: str) -> None:
    """Bit for bit: the recipe hands on its parameters and adds nothing of its own."""
    template, table = RECIPES[kind]
    weak = make(Method, {"kind": "weak", "template": {"kind": template, **table}, "ratio": FEW_TREES})
    assert weak.fit(smooth_view(), np.random.default_rng(3)).to_bytes() == score(kind).to_bytes()


@pytest.mark.parametrize("kind", CONDITIONAL)
def test_a_signal_gains_significance(kind: str) -> None:
    """eps_S / sqrt(eps_B) at 1 % of background, on events that took no part: 1 keeps all, 0.1 knows nothing."""
    high, low = (score(kind)(sample) for sample in fresh())
    kept = (high > np.quantile(low, 0.99)).mean()
    assert kept / np.sqrt(0.01) > 3
    assert auc(high, low) > 0.9


def test_who_learns_how_features_follow_m_beats_who_does_not() -> None:
    cwola = auc(*(score("cwola")(sample) for sample in fresh()))
    for kind in CONDITIONAL:
        assert auc(*(score(kind)(sample) for sample in fresh())) > cwola + 4 / np.sqrt(12 * N_SIGNAL)


@cache
def curved(signals: int) -> View:
    """The first feature is higher beside the region; simulation is wrong in the second, by a factor at all m."""
    rng = np.random.default_rng(31)

    def drawn(n: int, lo: float, hi: float, wrong: bool = False) -> Events:
        m = masses(n, rng, lo, hi)
        x = rng.normal(size=(n, 2)) + np.column_stack([0.5 * (m - 1.5) ** 2, np.zeros(n)])
        keep = rng.random(n) < 1 / (1 + np.exp(2 * x[:, 1])) if wrong else np.ones(n, bool)
        return sample(x[keep], m[keep], seed=int(rng.integers(2**31)))

    everything = drawn(15_000, 0, 3)
    return View(
        sr=Events.concatenate([drawn(5000, 1, 2), signal(rng, signals)]),
        sb=everything[WINDOW.beside(everything.m)],
        window=WINDOW,
        sim=drawn(60_000, 0, 3, wrong=True),
        reference=drawn(20_000, 0, 3),
    )


@cache
def assisted(kind: str, signals: int) -> tuple[Array, Array, Array]:
    """Scores of fresh signal, of fresh background in the region, and beside it."""
    view = curved(signals)
    score = method(kind).fit(view, np.random.default_rng(3))
    assert view.reference is not None
    inside = WINDOW.inside(view.reference.m)
    return score(fresh()[0]), score(view.reference[inside]), score(view.reference[~inside])


def test_simulation_takes_m_out_of_the_score() -> None:
    """CWoLa finds the middle of m; what simulation knows of m, wrong as it is otherwise, goes."""
    (_, inside, outside), (_, *assisted_by) = assisted("cwola", 0), assisted("sa_cwola", 0)
    spread = np.sqrt((1 / len(inside) + 1 / len(outside)) / 12)
    assert auc(inside, outside) - 0.5 > 10 * spread
    assert abs(auc(*assisted_by) - 0.5) < 0.2 * (auc(inside, outside) - 0.5)


def test_simulation_helps_to_find_the_signal() -> None:
    def significance(kind: str) -> float:
        high, low, _ = assisted(kind, 100)
        return float((high > np.quantile(low, 0.99)).mean() / 0.1)

    assert significance("sa_cwola") > 3
    assert significance("sa_cwola") > 2 * significance("cwola")


def test_simulated_weights_that_cancel_leave_the_score_alone() -> None:
    """Events at the same place with weights 1 and -1, a quarter of the simulation: no more than noise changes."""
    view, rng = curved(100), np.random.default_rng(5)
    assert view.sim is not None
    some = view.sim[rng.permutation(len(view.sim))[: len(view.sim) // 8]]
    some = some.with_x(some.x + np.float32(1.0))
    both = Events.concatenate([view.sim, some, replace(some, w=-some.w)])
    fitted = method("sa_cwola").fit(replace(view, sim=both), np.random.default_rng(3))
    plain = assisted("sa_cwola", 100)
    assert abs(auc(fitted(fresh()[0]), plain[1]) - auc(plain[0], plain[1])) < 4 / np.sqrt(12 * N_SIGNAL)


@pytest.mark.parametrize("kind", ["salad", "feta", "sa_cwola"])
def test_no_simulation(kind: str) -> None:
    with pytest.raises(ConfigError, match=r"needs a reference simulation: \[samples\] simulation, found none$"):
        method(kind).fit(replace(smooth_view(), sim=None), np.random.default_rng(1))


@pytest.mark.parametrize("kind", ["cathode", "curtains"])
def test_no_masses(kind: str) -> None:
    with pytest.raises(ConfigError, match="a hunt gives it"):
        method(kind).fit(replace(smooth_view(), sample_m=None), np.random.default_rng(1))


def test_who_decorrelates() -> None:
    """CWoLa alone cannot live with features that follow m."""
    assert make(Method, "cwola").decorrelate
    assert not any(make(Method, kind).decorrelate for kind in (*CONDITIONAL, "sa_cwola"))
    assert [kind for kind, (template, _) in RECIPES.items() if make(Template, template).decorrelate] == ["cwola"]
