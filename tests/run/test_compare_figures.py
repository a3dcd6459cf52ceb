"""Figures of merit against values worked out by hand; draws, masses, closure, agreement against their definitions."""

from dataclasses import replace
from pathlib import Path
from typing import Any
from weakref import ref

import numpy as np
import pytest
from scipy.stats import kstest

from lamppost.core import Array, Events, Method, Window
from lamppost.errors import DataError
from lamppost.run.artefacts import Store
from lamppost.run.compare.agreement import rank_correlations, shared
from lamppost.run.compare.bands import band, ratio_band, ratios
from lamppost.run.compare.closure import closure_auc, expectation_of
from lamppost.run.compare.draws import Draw, Share, check_draws, draw
from lamppost.run.compare.figures import EPS_B, EPS_S, FLOOR, Cuts, area, curves, figures
from lamppost.run.compare.tasks import flatness
from lamppost.run.samples import Stored
from lamppost.run.view import MassModel, SmoothMass
from lamppost.stats import background as family
from small_comparison import WINDOW, background, signal
from small_hunt import FIT_RANGE
from small_specs import sample

REGION = Window(*WINDOW, 400.0)
SHARE = Share(REGION, 0.3, 0.3, 1)


def events(n: int, n_signal: int, seed: int = 1) -> tuple[Events, np.ndarray]:
    """Labelled events, background first."""
    parts = background(n, seed), signal(n_signal, seed + 1)
    table = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return sample(np.stack([table["a"], table["b"]], axis=1), table["mjj"], seed=seed), table["label"].astype(np.int8)


def test_cuts_by_hand() -> None:
    cuts = Cuts.of(np.array([0.0, 1.0, 2.0, 3.0]), np.array([1.0, 3.0, 4.0]))  # two ties
    assert cuts.background.tolist() == [0, 0, 1, 2, 3, 4]
    assert cuts.signal.tolist() == [0, 1, 2, 2, 3, 3]
    # half-way through the tie of one background and one signal event: half an event of each
    np.testing.assert_allclose(cuts.eps_s_at(np.array([0.0, 0.125, 0.25, 0.5, 1.0])), [1 / 3, 0.5, 2 / 3, 2 / 3, 1])
    np.testing.assert_allclose(cuts.eps_b_at(np.array([1 / 3, 0.5, 2 / 3, 1.0])), [0, 0.125, 0.25, 0.75])


def test_figures_by_hand() -> None:
    """100 background scores 0 to 99, signal at 99.5 (4 of 10), 74.5 (4) and -1 (2)."""
    found = figures(np.arange(100.0), np.repeat([99.5, 74.5, -1.0], [4, 4, 2]))
    assert found["eps_b_at_max"] == FLOOR / 100
    assert found["sic_max"] == pytest.approx(0.8 / np.sqrt(0.25))  # 0.4 / sqrt(0.01) is larger, below the floor
    assert found["sic_at_eps_b_1e-3"] == pytest.approx(0.4 / np.sqrt(1e-3))
    assert found["sic_at_eps_s_0.2"] == pytest.approx(0.2 / np.sqrt(0.01))  # one event for the lack of any
    assert found["auc"] == pytest.approx((4 * 100 + 4 * 75) / 1000)


def test_ties_are_kept_or_rejected_together() -> None:
    constant = figures(np.zeros(1000), np.zeros(100))
    assert constant["sic_max"] == 1.0
    assert constant["auc"] == 0.5
    assert constant["sic_at_eps_s_0.2"] == pytest.approx(0.2 / np.sqrt(0.2))


def test_curves_are_the_figures_at_every_point() -> None:
    rng = np.random.default_rng(3)
    low, high = rng.normal(size=20_000), rng.normal(2.0, 1.0, 3000)
    found = curves(low, high)
    at = int(np.argmin(np.abs(EPS_B - 1e-3)))
    assert found["eps_s"][at] == pytest.approx(figures(low, high)["sic_at_eps_b_1e-3"] * np.sqrt(1e-3))
    assert [y is None for y in found["eps_s"]] == [x * 20_000 < 1 for x in EPS_B]
    falling = -np.sort(-high)
    for eps_s, sic in zip(EPS_S, found["sic"], strict=True):
        kept = (low > falling[int(np.ceil(eps_s * 3000)) - 1]).sum()
        assert (sic is None) == (kept < FLOOR)
        if sic is not None:
            assert sic == pytest.approx(eps_s / np.sqrt(kept / 20_000))


def test_area_counts_pairs() -> None:
    rng = np.random.default_rng(4)
    p, q = rng.integers(0, 6, 40).astype(float), rng.integers(0, 5, 60).astype(float)
    w_p, w_q = rng.integers(1, 4, 40).astype(float), rng.integers(1, 4, 60).astype(float)
    pairs = (p[:, None] > q) + 0.5 * (p[:, None] == q)
    assert area(p, q) == pytest.approx(pairs.mean())
    assert area(p, q, w_p, w_q) == pytest.approx(np.average(pairs, weights=np.outer(w_p, w_q)))


def test_band_is_of_what_is_known() -> None:
    assert band([None, None]) is None
    assert band([2.0, None, 1.0, 3.0]) == pytest.approx([2.0, 1.32, 2.68])


def test_a_ratio_to_nothing_is_infinite() -> None:
    """Dropping it, and keeping 0 over something, would say that a method is worse than it is."""
    found = ratios([1.0, 2.0, 0.0, 0.0, None], [2.0, 0.0, 0.0, 1.0, 1.0])
    assert found == [0.5, np.inf, None, 0.0, None]
    assert ratio_band(found) == [0.5, pytest.approx(0.16), None]  # of 0, 0.5 and infinity
    assert ratio_band([np.inf, np.inf, 1.0]) == [None, None, None]
    assert ratio_band([None]) is None
    finite = [3.0, 1.0, 2.0, 5.0]
    assert ratio_band(finite) == band(finite)


def test_draws_are_held_two_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many strengths there are: of a draw of two million events memory holds few."""
    everything, label = events(10_000, 4000)
    made: list[ref[Draw]] = []
    alive: list[int] = []

    def watched(*arguments: Any) -> Draw:
        alive.append(sum(one() is not None for one in made))
        drawn = draw(*arguments)
        made.append(ref(drawn))
        return drawn

    monkeypatch.setattr("lamppost.run.compare.draws.draw", watched)
    monkeypatch.setattr(
        "lamppost.run.compare.draws.load", lambda *_: Stored(everything, np.arange(len(label)), label, {})
    )
    strengths = (0.0, 0.01, 0.02, 0.05, 0.1)
    check_draws(Store(tmp_path), "checked.json", data="", share=SHARE, draws=1, strengths=strengths)
    assert len(alive) == 5
    assert max(alive) == 1
    injected = [one["injected"] for one in Store(tmp_path).read_json("checked.json")[0]["strengths"]]
    assert injected == [draw(everything, label, SHARE, 0, strength).injected[1] for strength in strengths]


def ids(drawn: Draw) -> list[set[int]]:
    names = ("data", "reference", "truth", "test", "test_signal")
    return [set(getattr(drawn, name).id.tolist()) for name in names]


def test_no_event_is_in_two_parts_and_none_is_lost() -> None:
    everything, label = events(10_000, 4000)
    parts = ids(draw(everything, label, SHARE, 0, 0.2))
    assert len(set.union(*parts)) == sum(map(len, parts))
    assert [len(part) for part in parts[1:]] == [3000, 1200, 3000, 1200]
    data, reference, _, test, _ = ids(draw(everything, label, SHARE, 0, 0.0))
    assert data | reference | test == set(everything[label == 0].id.tolist())


def test_parts_do_not_depend_on_the_strength_and_injections_are_nested() -> None:
    everything, label = events(10_000, 4000)
    weak, strong = (draw(everything, label, SHARE, 3, strength) for strength in (0.05, 0.2))
    assert ids(weak)[1:] == ids(strong)[1:]
    assert ids(weak)[0] < ids(strong)[0]
    assert ids(draw(everything, label, SHARE, 4, 0.05))[3] != ids(weak)[3]


def test_the_strength_is_signal_over_background_in_the_region() -> None:
    everything, label = events(20_000, 20_000)
    truth = set(everything[label == 1].id.tolist())
    for number in range(3):
        data = draw(everything, label, SHARE, number, 0.2).data
        is_signal = np.array([event in truth for event in data.id.tolist()])
        inside = REGION.inside(data.m)
        expected = 0.2 * (inside & ~is_signal).sum()
        assert abs((inside & is_signal).sum() - expected) < 4 * np.sqrt(expected)
        assert is_signal.sum() > 1.1 * (inside & is_signal).sum()  # its tails are injected, too


def test_too_little_signal_for_a_strength() -> None:
    everything, label = events(10_000, 100)
    with pytest.raises(DataError, match=r"compare.strengths: 0.5 takes \d+ signal events in the region .*, 40 of any"):
        draw(everything, label, SHARE, 0, 0.5)
    outside = replace(everything, m=np.where(label == 1, 5000.0, everything.m))
    with pytest.raises(DataError, match="expected 0% of them"):
        draw(outside, label, SHARE, 0, 0.01)


def masses(m: Array) -> SmoothMass:
    edges = np.geomspace(*FIT_RANGE, 61)
    return SmoothMass(m, np.ones(len(m)), REGION, MassModel(tuple(edges), (family("dijet"),), 3))


def test_masses_are_those_of_the_background_whatever_is_in_the_region() -> None:
    m = background(60_000, 5)["mjj"]
    drawn = masses(m)(20_000, np.random.default_rng(1))
    assert REGION.inside(drawn).all()
    lo, hi = ((3300.0) ** -6, (3700.0) ** -6)
    # the fit's own error shifts the median of the region by far less than 20,000 masses can tell
    assert kstest(drawn, lambda x: (lo - x**-6.0) / (lo - hi)).pvalue > 1e-3
    bumped = masses(np.append(m, np.full(5000, 3500.0)))(20_000, np.random.default_rng(1))
    np.testing.assert_allclose(drawn, bumped, rtol=1e-12)


def test_closure_of_the_same_and_of_another_sample() -> None:
    rng = np.random.default_rng(6)
    true = sample(rng.normal(size=(4000, 2)), np.full(4000, 3500.0), seed=1)
    same = sample(rng.normal(size=(4000, 2)), np.full(4000, 3500.0), seed=2)
    auc, error = closure_auc(same, true, 1)
    assert error == pytest.approx(np.sqrt(8001 / 12) / 4000)
    assert abs(auc - 0.5) < 4 * error
    assert closure_auc(same.with_x(same.x + np.float32(0.5)), true, 1)[0] > 0.5 + 10 * error
    # twice as likely on one side, and mended by its weight
    more = sample(np.abs(rng.normal(size=(2000, 2))), np.full(2000, 3500.0), seed=3)
    skewed = Events.concatenate([same, more])
    right = np.all(skewed.x > 0, axis=1)
    mended = replace(skewed, w=np.where(right, right[:4000].sum() / right.sum(), 1.0))
    assert closure_auc(skewed, true, 1)[0] > 0.5 + 10 * error
    assert abs(closure_auc(mended, true, 1)[0] - 0.5) < 4 * error


def test_who_has_a_background_to_compare() -> None:
    assert expectation_of(Method.parse("weak")) is not None
    assert expectation_of(Method.parse("random")) is None
    assert expectation_of(Method.parse("idealised")) is None


def test_agreement() -> None:
    score = np.array([3.0, 1.0, 4.0, 1.5, 5.0, 9.0, 2.0, 6.0, 0.0, 8.0])
    found = rank_correlations([score, np.exp(score), -score, np.zeros(10)])
    np.testing.assert_allclose(found[0], [1, 1, -1, 0], atol=1e-12)
    np.testing.assert_allclose(np.diag(found), 1)
    common = shared([score, np.roll(score, 1), np.arange(10.0)], 0.2)
    np.testing.assert_allclose(common, [[1, 0, 0.5], [0, 1, 0], [0.5, 0, 1]])


def test_flatness_of_a_score_that_knows_nothing_and_of_one_that_knows_the_mass() -> None:
    near, _ = events(40_000, 10)
    near = near[REGION.inside(near.m) | REGION.beside(near.m)]
    n, part = len(near), 0.02
    rng = np.random.default_rng(7)
    blind = [flatness(near, rng.random(n), part, REGION, key) for key in range(30)]
    # kept events of region and sidebands are Poisson counts, 30 times over
    region = REGION.inside(near.m).mean()
    error = np.sqrt((1 / region + 1 / (1 - region)) / (part * n) / 30)
    assert abs(np.mean([one["region_over_sidebands"] for one in blind]) - 1) < 4 * error
    assert kstest([one["p"] for one in blind], "uniform").pvalue > 1e-3
    peaked = flatness(near, -np.abs(near.m - 3500.0), part, REGION, 1)
    assert peaked["p"] < 1e-6
    assert peaked["region_over_sidebands"] > 10
    constant = flatness(near, np.zeros(n), part, REGION, 1)  # draws decide, not the order of events
    assert constant["p"] > 1e-3
