"""Every template that learns is the background of the region where neither sidebands nor simulation are."""

from functools import cache
from typing import Any

import numpy as np
import pytest
from scipy.stats import rankdata

from lamppost.core import Array, Events, Ratio, Template
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
WRONG = "sidebands", "simulation"


@cache
def made(name: str) -> Events:
    sim = view().sim
    assert sim is not None
    if name == "simulation":
        return sim[WINDOW.inside(sim.m)]
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
    """Of a mean, in units of the width: that of the template itself, and of a cubic in m through the sidebands."""
    beside, inside = (np.vander(m - 1.5, 4) for m in (view().sb.m, truth().m))
    at = inside.mean(axis=0)
    return float(np.sqrt(at @ np.linalg.solve(beside.T @ beside, at) + (template.w**2).sum() / template.w.sum() ** 2))


def worst_pull(template: Events) -> float:
    true = moments(truth().x)
    off = (np.average(moments(template.x), axis=0, weights=template.w) - true.mean(axis=0)) / true.std(axis=0)
    return float(np.abs(off).max() / standard_error(template))


def auc(template: Events) -> tuple[float, float]:
    """That of trees, out of sample, between the template and as many true events; and its standard deviation."""
    rng = np.random.default_rng(2)
    part = np.flatnonzero(rng.random(len(template)) < min(1.0, 5000 / len(template)))
    # as many events as the weights are worth, so that what follows needs none
    drawn = rng.choice(part, len(part), p=template.w[part] / template.w[part].sum())
    p, q = template[drawn], truth()[: len(part)]
    half, unique = len(part) // 2, np.isin(drawn, drawn[: len(part) // 2], invert=True)
    score = make(Ratio, FEW_TREES).fit(p[:half], q[:half], given_m=False, rng=rng)
    high, low = score(p[unique]), score(q[half:])
    ranks = rankdata(np.concatenate([high, low]))[: len(high)]
    area = (ranks.mean() - (len(high) + 1) / 2) / len(low)
    worth = (template.w[part].sum() ** 2 / (template.w[part] ** 2).sum()) * len(high) / len(part)
    return float(area), float(np.sqrt((1 / worth + 1 / len(low)) / 12))


@pytest.mark.parametrize("name", LEARNT)
def test_means_widths_and_correlation_are_those_of_the_background(name: str) -> None:
    assert worst_pull(made(name)) < 5  # standard errors: a flow is no cubic


@pytest.mark.parametrize("name", WRONG)
def test_they_are_not_where_nothing_is_learnt(name: str) -> None:
    assert worst_pull(made(name)) > 10


@pytest.mark.parametrize("name", LEARNT)
def test_no_classifier_tells_it_from_the_background(name: str) -> None:
    area, spread = auc(made(name))
    assert abs(area - 0.5) < 4 * spread


@pytest.mark.parametrize("name", WRONG)
def test_a_classifier_tells_what_is_not_learnt(name: str) -> None:
    area, spread = auc(made(name))
    assert area - 0.5 > 6 * spread


@pytest.mark.parametrize("name", LEARNT)
def test_masses_are_those_of_the_region(name: str) -> None:
    template = made(name)
    assert WINDOW.inside(template.m).all()
    off = np.average(template.m, weights=template.w) - truth().m.mean()
    assert abs(off) < 4 * truth().m.std() * standard_error(template)
