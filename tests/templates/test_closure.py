"""Every template that learns is the background of the region where neither sidebands nor simulation are."""

from functools import cache
from typing import Any

import numpy as np
import pytest

from lamppost.core import Array, Events, Template
from lamppost.run.compare.closure import closure_auc
from lamppost.spec import make
from smooth_background import FEW_TREES, SMALL_FLOW, SMALL_NETWORK, WINDOW, background, view

pytest.importorskip("jax")
LEARNT: dict[str, dict[str, Any]] = {
    "interpolated": {"density": SMALL_FLOW},
    "transported": {"density": SMALL_FLOW},
    "reweighted": {"ratio": FEW_TREES},
    "reweighted by a network": {"ratio": SMALL_NETWORK},
    "morphed": {"base": SMALL_FLOW, "density": SMALL_FLOW},
}
WRONG = "sidebands", "simulated"
SIGMAS = 4.0
BUDGET = 0.05
"""In widths of a feature: what few steps and few trees leave undone, beyond the statistical error."""
AUC_PER_WIDTH = 0.5 / np.sqrt(np.pi)
"""Of two unit normals that are little apart, Phi(d / sqrt(2)) - 1/2."""


@cache
def made(name: str) -> Events:
    table = {"kind": name.split()[0], **LEARNT.get(name, {})}
    return make(Template, table).make(view(), np.random.default_rng(1))


@cache
def truth() -> Events:
    return background(np.random.default_rng(77), 500_000)


def moments(x: Array) -> Array:
    """Both features, in units of their widths, their squares and their product: (n, 5)."""
    u, v = ((x - truth().x.mean(axis=0)) / truth().x.std(axis=0)).T.astype(np.float64)
    return np.column_stack([u, v, u * u, u * v, v * v])


def standard_error(template: Events) -> float:
    """Of a mean, in widths: that of the template itself, and of a cubic in m through the sidebands."""
    beside, inside = (np.vander(m - 1.5, 4) for m in (view().sb.m, truth().m))
    at = inside.mean(axis=0)
    return float(np.sqrt(at @ np.linalg.solve(beside.T @ beside, at) + (template.w**2).sum() / template.w.sum() ** 2))


def moments_off(template: Events) -> float:
    """How far the moment that is furthest off is off, as a part of what is allowed."""
    true = moments(truth().x)
    off = (np.average(moments(template.x), axis=0, weights=template.w) - true.mean(axis=0)) / true.std(axis=0)
    return float(np.abs(off).max() / (SIGMAS * standard_error(template) + BUDGET))


@cache
def auc_off(name: str) -> float:
    """How far the AUC of trees against as many true events is off 0.5, as a part of what is allowed."""
    template = made(name)
    area, error = closure_auc(template, truth()[: len(template)], 2)
    learnt = AUC_PER_WIDTH * standard_error(template)
    return abs(area - 0.5) / (SIGMAS * float(np.hypot(error, learnt)) + AUC_PER_WIDTH * BUDGET)


@pytest.mark.parametrize("name", LEARNT)
def test_means_widths_and_correlation_are_those_of_the_background(name: str) -> None:
    assert moments_off(made(name)) < 1


@pytest.mark.parametrize("name", WRONG)
def test_they_are_not_where_nothing_is_learnt(name: str) -> None:
    assert moments_off(made(name)) > 1


@pytest.mark.parametrize("name", LEARNT)
def test_no_classifier_tells_it_from_the_background(name: str) -> None:
    assert auc_off(name) < 1


@pytest.mark.parametrize("name", WRONG)
def test_a_classifier_tells_what_is_not_learnt(name: str) -> None:
    assert auc_off(name) > 1


@pytest.mark.parametrize("name", LEARNT)
def test_masses_are_those_of_the_region(name: str) -> None:
    template = made(name)
    assert WINDOW.inside(template.m).all()
    off = np.average(template.m, weights=template.w) - truth().m.mean()
    assert abs(off) < SIGMAS * truth().m.std() * standard_error(template)
