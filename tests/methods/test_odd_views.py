"""Views with next to nothing in them: a finite score or one line that says what is missing, and no warning."""

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from method_toys import WINDOW, background, view

from lamppost.core import Array, Events, Method, View
from lamppost.errors import LamppostError
from lamppost.spec import make

DENSITY = {"kind": "affine", "members": 2, "layers": 2, "hidden": [8], "steps": 20, "least": 20, "holdout": 0.0}
RATIO = {"kind": "boosted", "members": 2, "rounds": 5, "min_leaf": 5}
METHODS: dict[str, dict[str, Any]] = {
    "ranode": {"density": DENSITY},
    "anode": {"density": DENSITY},
    "lacathode": {"density": DENSITY, "ratio": RATIO},
    "cathode": {"density": DENSITY, "ratio": RATIO},
    "sa_cwola": {"ratio": RATIO},
}
N = 500


@cache
def whole() -> View:
    sim = background(np.random.default_rng(7), 3000, 0, 3)
    return replace(view(N, 0), sim=sim)


def weighted(events: Events, w: Array) -> Events:
    return replace(events, w=w)


def odd(case: str) -> View:
    seen, n = whole(), np.arange(N)
    if case.startswith("region"):
        return replace(seen, sr=seen.sr[: int(case.split()[1])])
    if case == "one sideband":
        return replace(seen, sb=seen.sb[seen.sb.m < WINDOW.lo])
    if case == "one value in the region":
        return replace(seen, sr=seen.sr.with_x(np.zeros_like(seen.sr.x)))
    weights = {
        "no weight": np.zeros(N),
        "negative weights": np.where(n % 10 < 3, -1.0, 1.0),
        "one huge weight": np.where(n == 0, 1e4, 1.0),
        "tiny weights": np.full(N, 1e-12),
    }
    return replace(seen, sr=weighted(seen.sr, weights[case]))


CASES = [*(f"region {n}" for n in (0, 1, 5, 15)), "one sideband", "one value in the region"]
CASES += ["no weight", "negative weights", "one huge weight", "tiny weights"]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("kind", METHODS)
def test_a_score_or_one_line(kind: str, case: str) -> None:
    method = make(Method, {"kind": kind, **METHODS[kind]})
    try:
        score = method.fit(odd(case), np.random.default_rng(1))
    except LamppostError as error:
        assert "\n" not in str(error)  # noqa: PT017  a score is as good
        assert case not in ("one sideband", "tiny weights")
        return
    assert case not in ("region 0", "region 1", "region 5", "no weight")
    assert np.isfinite(score(whole().sr)).all()
