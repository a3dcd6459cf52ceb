"""Classifiers of p against q behind one call: the ratios of lamppost, and other libraries at their defaults."""

from collections.abc import Callable
from typing import Any

import numpy as np

from lamppost.core import Array, Density, Events, Ratio
from lamppost.spec import Role, kinds, load_kinds

Fitted = Callable[[Events], Array]
OURS = ("boosted", "network")


def known(role: type[Role]) -> list[str]:
    """The registered kinds of a role."""
    load_kinds()
    return list(kinds(role))


def spec(role: type[Role], kind: str) -> dict[str, Any]:
    """The shipped defaults of a kind."""
    known(role)
    return role.parse({"kind": kind}).model_dump(mode="json")


def ratios() -> list[str]:
    return known(Ratio)


def densities() -> list[str]:
    return known(Density)


def lamppost_ratio(table: dict[str, Any], p: Events, q: Events, seed: int) -> Fitted:
    known(Ratio)
    return Ratio.parse(table).fit(p, q, given_m=False, rng=np.random.default_rng([seed, 1]))


def _samples(p: Events, q: Events) -> tuple[Array, Array, Array]:
    x, y = np.concatenate([p.x, q.x]), np.repeat([1, 0], [len(p), len(q)])
    return x, y, np.where(y == 1, 0.5 / len(p), 0.5 / len(q)) * len(y)  # both classes weigh the same


def lightgbm(p: Events, q: Events, seed: int) -> Fitted:
    from lightgbm import LGBMClassifier

    x, y, w = _samples(p, q)
    model = LGBMClassifier(n_jobs=1, random_state=seed, verbosity=-1).fit(x, y, sample_weight=w)
    return lambda events: np.asarray(model.booster_.predict(events.x, raw_score=True, num_threads=1))


def xgboost(p: Events, q: Events, seed: int) -> Fitted:
    from xgboost import XGBClassifier

    x, y, w = _samples(p, q)
    model = XGBClassifier(n_jobs=1, random_state=seed).fit(x, y, sample_weight=w)
    return lambda events: np.asarray(model.predict(events.x, output_margin=True), dtype=float)


def scikit_learn(p: Events, q: Events, seed: int) -> Fitted:
    from sklearn.ensemble import HistGradientBoostingClassifier

    x, y, w = _samples(p, q)
    model = HistGradientBoostingClassifier(random_state=seed).fit(x, y, sample_weight=w)
    return lambda events: np.asarray(model.decision_function(events.x))


PLAIN: dict[str, Callable[[Events, Events, int], Fitted]] = {
    "lightgbm": lightgbm,
    "xgboost": xgboost,
    "scikit-learn": scikit_learn,
}


def fitted(engine: str, table: dict[str, Any] | None, p: Events, q: Events, seed: int) -> Fitted:
    """The engine trained on p against q; `table` is the spec of an engine of lamppost."""
    return PLAIN[engine](p, q, seed) if table is None else lamppost_ratio(table, p, q, seed)
