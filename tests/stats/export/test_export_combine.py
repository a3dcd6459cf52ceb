"""Datacards for Combine, read back by an independent reader of their text and ROOT files."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from card_reader import Card
from export_models import SOURCES, model, nll, reference, template_source, toy_spectrum

from lamppost.errors import ConfigError
from lamppost.stats.counts.counting import Count, count_significance
from lamppost.stats.export import counting_card, write_shape_card
from lamppost.stats.export.binned import Binned
from lamppost.stats.limits.limits import upper_limit

iminuit = pytest.importorskip("iminuit")


def background_of(card: Card) -> list[str]:
    """The free parameters of the background."""
    return sorted(name for name in card.parameters if name.startswith("background_"))


@pytest.mark.parametrize("case", ["plain", "yields", "weighted", "polynomial"])
def test_likelihood_is_that_of_the_model(tmp_path: Path, case: str) -> None:
    """Without changes of the signal's shape the card is exact; 1e-5 is the rounding of its numbers."""
    options: dict[str, Any] = {
        "yields": {"systematics": ({"kind": "normalisation", "name": "lumi", "up": 1.05},), "spurious": 20.0},
        "weighted": {"spectrum": toy_spectrum(weight=0.3)},
        "polynomial": {"background": "polynomial", "n_parameters": 5},
    }.get(case, {})
    workspace = model(**options)
    card = Card(write_shape_card(workspace, tmp_path))
    fit, directions = workspace.background_fit, Binned(workspace).directions
    rng = np.random.default_rng(1602)
    found, expected = [], []
    for k in range(10):
        steps = rng.normal(0.0, 1.5 * (k > 0), fit.n_parameters)
        nuisances = (
            {name: float(rng.normal(0.0, 1.5)) for name in card.constraints}
            if k
            else dict.fromkeys(card.constraints, 0.0)
        )
        signal = float(k * 20)
        values = {"r": signal} | dict(zip(background_of(card), steps, strict=True)) | nuisances
        found.append(card.nll(values))
        expected.append(nll(workspace, fit.parameters + directions @ steps, signal, nuisances))
    assert np.ptp(expected) > 1.0
    np.testing.assert_allclose(np.subtract(found, found[0]), np.subtract(expected, expected[0]), rtol=0.0, atol=1e-5)


def test_histograms_of_shapes(tmp_path: Path) -> None:
    """At +-1 sigma of one source the signal is the model's, whichever way Combine interpolates."""
    plain = model()
    workspace = model(systematics=(*SOURCES, template_source(plain)))
    card = Card(write_shape_card(workspace, tmp_path))
    names = dict(zip([source.name for source in workspace.systematics], card.constraints, strict=True))
    start = card.parameters | {"r": 100.0}
    background = card.expected(start | {"r": 0.0})
    np.testing.assert_allclose(background, workspace.background_fit.expected, rtol=1e-8)
    for name, own in names.items():
        for nu in (-1.0, 1.0):
            found = card.expected(start | {own: nu}) - background
            np.testing.assert_allclose(found, 100.0 * workspace.response({name: nu}), rtol=1e-9, atol=1e-9)


def fitted(function: Callable[[dict[str, float]], float], start: dict[str, float], fixed: dict[str, float]) -> Any:
    """Values and minimum of a function of named parameters, some of them fixed."""
    free = {name: value for name, value in start.items() if name not in fixed}

    def cost(x: Any) -> float:
        return function(dict(zip(free, x, strict=True)) | fixed)

    search = iminuit.Minuit(cost, np.array(list(free.values())), name=tuple(free))
    search.errordef, search.strategy, search.tol = 0.5, 1, 1e-3
    search.errors = [40.0 if name == "r" else 0.3 for name in free]
    search.migrad(ncall=20000)
    assert search.fval is not None
    return dict(zip(free, search.values, strict=True)) | fixed, float(search.fval)


def card_limit(card: Card) -> float:
    """The asymptotic CLs limit of a card's likelihood (q-tilde, arXiv:1007.1727)."""
    from scipy.optimize import brentq
    from scipy.stats import norm

    start = card.parameters | {"r": 10.0}
    null, _ = fitted(card.nll, start, {"r": 0.0})
    asimov = card.expected(null)

    def q(r: float, observed: Any, best: tuple[dict[str, float], float]) -> float:
        if best[0]["r"] > r:
            return 0.0
        low = best[1]
        if best[0]["r"] < 0.0:
            low = fitted(lambda values: card.nll(values, observed), null, {"r": 0.0})[1]
        return max(2.0 * (fitted(lambda values: card.nll(values, observed), best[0], {"r": r})[1] - low), 0.0)

    best = fitted(card.nll, start, {})
    best_asimov = null, card.nll(null, asimov)

    def log_cls(r: float) -> float:
        seen, expected = math.sqrt(q(r, card.observed, best)), math.sqrt(q(r, asimov, best_asimov))
        if seen > expected:  # the part of q-tilde with a negative yield; CLs of its normal form
            seen = (seen**2 + expected**2) / (2.0 * expected)
            return float(norm.logsf(seen) - norm.logsf(seen - expected)) - math.log(0.05)
        return float(norm.logsf(seen) - norm.logsf(seen - expected)) - math.log(0.05)

    return float(brentq(log_cls, max(best[0]["r"], 1.0), max(best[0]["r"], 0.0) + 500.0, xtol=0.3))


@pytest.mark.parametrize("case", ["plain", "systematics"])
def test_limits_agree(tmp_path: Path, case: str) -> None:
    spectrum = toy_spectrum(12)
    sources = (*SOURCES[1:3], template_source(model(spectrum=spectrum))) if case == "systematics" else ()
    workspace = model(spectrum=spectrum, systematics=sources, spurious=20.0 if sources else 0.0)
    found = card_limit(Card(write_shape_card(workspace, tmp_path)))
    assert found == pytest.approx(upper_limit(workspace, toys=0).observed, rel=0.03)


def test_reference_case(tmp_path: Path) -> None:
    """Local significance 3.494, from the files alone."""
    card = Card(write_shape_card(reference(), tmp_path))
    start = card.parameters | {"r": 100.0}
    q0 = 2.0 * (fitted(card.nll, start, {"r": 0.0})[1] - fitted(card.nll, start, {})[1])
    assert math.sqrt(q0) == pytest.approx(3.494, abs=0.001)


def save(folder: Path, text: str) -> Card:
    path = folder / "count.txt"
    path.write_text(text)
    return Card(path)


@pytest.mark.parametrize("constraint", ["gamma", "gaussian", "lognormal"])
def test_counting_card_gives_the_same_significance(tmp_path: Path, constraint: Any) -> None:
    count = Count(25.0, 12.0, 2.5, constraint)
    card = save(tmp_path, counting_card(count, signal=4.0))
    start = {"r": 3.0} | {name: value for name, value in card.parameters.items() if name != "r"}
    q0 = 2.0 * (fitted(card.nll, start, {"r": 0.0})[1] - fitted(card.nll, start, {})[1])
    assert math.sqrt(q0) == pytest.approx(count_significance(count, method="profile").z, abs=1e-3)


def test_counting_card_of_the_on_off_problem(tmp_path: Path) -> None:
    """Li and Ma, ApJ 272 (1983) 317, equation 17: no signal but what n_off control events leave."""
    on, off, tau = 17.0, 40.0, 5.0
    card = save(tmp_path, counting_card(Count.on_off(on, off, tau)))
    start = card.parameters | {"r": 9.0}
    q0 = 2.0 * (fitted(card.nll, start, {"r": 0.0})[1] - fitted(card.nll, start, {})[1])
    total = on + off
    exact = 2.0 * (on * math.log((1 + tau) * on / total) + off * math.log((1 + tau) / tau * off / total))
    assert q0 == pytest.approx(exact, abs=1e-3)
    np.testing.assert_allclose(card.observed, [on, off])


def test_counting_card_with_an_uncertain_signal(tmp_path: Path) -> None:
    card = save(tmp_path, counting_card(Count(5.0, 3.0, signal_error=0.1), signal=2.0))
    start = card.parameters | {"r": 1.0}
    assert card.expected(start)[0] == pytest.approx(5.0)
    assert card.expected(start | {"signal_yield": 1.0})[0] == pytest.approx(3.0 + 2.0 * 1.1)


def test_counting_card_needs_a_signal() -> None:
    with pytest.raises(ConfigError, match="must be more than 0 events, found 0"):
        counting_card(Count(5.0, 3.0), signal=0.0)
