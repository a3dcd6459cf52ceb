"""Expected limits: the same rule in pseudo-spectra of background alone, with what was learnt in other data."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

import numpy as np

from lamppost.core import Array, Events
from lamppost.errors import FitError
from lamppost.run.artefacts import Store
from lamppost.run.limits.excluded import RETRAINING, Question, efficiency_of, workspace_of
from lamppost.run.limits.points import Point, median
from lamppost.run.limits.repeated import between, rule
from lamppost.run.samples import load
from lamppost.search import seed_of
from lamppost.stats import shared_limits

__all__ = ["SIGMAS", "Repeated", "Toys", "band", "draw_limits"]

Json = dict[str, Any]
BLOCK = 1 << 16
FEWEST = 2
"""Sets of pseudo-data that tell anything of how they differ."""
SIGMAS = (-2.0, -1.0, 0.0, 1.0, 2.0)
LEVELS = (0.022750131948179195, 0.15865525393145707, 0.5, 0.8413447460685429, 0.9772498680518208)


@dataclass(frozen=True)
class Toys:
    """How many pseudo-spectra, from which seed; `strengths`: those above zero that could have been injected."""

    n: int
    seed: int
    strengths: tuple[float, ...]


@dataclass(frozen=True)
class Repeated:
    """Trainings in sets of pseudo-data: their strength, and the artefacts of what each set excludes, in order."""

    strength: float
    excluded: tuple[str, ...]


def draw_limits(
    store: Store,
    key: str,
    *,
    data: str,
    points: tuple[Point, ...],
    at: int,
    question: Question,
    inclusive: Point,
    everything: Question,
    pseudo: tuple[Repeated, ...],
    toys: Toys,
    name: str,
) -> None:
    """The limits (n,) of pseudo-spectra, and those of the fit to all events in the same ones, None if that fails.

    What is excluded fluctuates as in the selections of the injection number `at`: the events that two of them share are
    the same in both, so that counts are as correlated. `pseudo` has trainings in pseudo-data, by rising strength: with
    them every pseudo-spectrum is one of a set, whose expected limits choose the injection that is quoted; without any,
    the efficiency moves as much as trainings in the data do. A fixed selection is a single point of strength 0.
    """
    events, found = load(store, data).events, [store.read_json(point.excluded) for point in points]
    if found[at]["excluded"] is None:
        msg = f"{name}: nothing is excluded at any injection"
        raise FitError(msg)
    kept, workspaces, efficiencies = _selected(store, points[at], question)
    whole, whole_workspaces, _ = _selected(store, inclusive, everything)
    medians, lost = _repeated(store, pseudo)
    limits = shared_limits(
        [*workspaces, *whole_workspaces],
        overlaps([*kept, *whole], events),
        level=question.level,
        toys=toys.n,
        seed=seed_of(toys.seed, "limits", "toys", name, question.mass, question.number),
        held=(RETRAINING,) if len(medians) else (),
    )
    excluded = _ratio(limits[:, : len(kept)], efficiencies)
    good = np.isfinite(excluded)
    if not good.any():
        msg = f"{name}: no pseudo-spectrum could be fitted"
        raise FitError(msg)
    if len(medians):
        rng = np.random.default_rng(seed_of(toys.seed, "limits", "sets", name, question.mass, question.number))
        strengths, expected = _expected(points, found, [one.strength for one in pseudo], medians, toys.strengths)
        ruled = rule(strengths, expected[rng.integers(len(expected), size=toys.n)], excluded / median(found[at]))
    else:
        ruled = np.maximum(points[at].strength, excluded)
    inside = limits[good, len(kept)] if whole else np.full(int(good.sum()), np.nan)
    answer = {
        "limits": [float(value) if value < inf else None for value in ruled[good]],
        "inclusive": [float(value) if np.isfinite(value) else None for value in inside],
        "failed": int((~good).sum()),
        "sets": len(medians),
        "lost": lost,
    }
    store.write_json(key, answer)


def _repeated(store: Store, pseudo: Sequence[Repeated]) -> tuple[Array, list[str]]:
    """Expected e (sets, strengths) of the sets in which nothing failed, infinite of nothing; the reasons of others.

    None of the sets where fewer are left than tell how they differ.
    """
    made = [[store.read_json(key) for key in each] for each in zip(*(one.excluded for one in pseudo), strict=True)]
    why = [[text for one in each if one["expected"] is None for text in one["failed"][:1]] for each in made]
    whole = [[median(one) for one in each] for each, failed in zip(made, why, strict=True) if not failed]
    whole = whole if len(whole) >= FEWEST else []
    return np.array(whole).reshape(len(whole), len(pseudo)), [failed[0] for failed in why if failed]


def _expected(
    points: Sequence[Point], found: Sequence[Json], trained: Sequence[float], medians: Array, strengths: Sequence[float]
) -> tuple[Array, Array]:
    """Strengths (g,) that could have been injected, and the expected e (sets, g) of each; zero is by itself."""
    known = [(p.strength, median(one)) for p, one in zip(points, found, strict=True) if p.strength > 0.0]
    s, e = np.array([one for one in known if one[1] < inf]).reshape(-1, 2).T
    zero, positive = np.array(trained) == 0.0, np.array(trained) > 0.0
    columns, at = [medians[:, zero]], np.zeros(int(zero.sum()))
    if positive.any() and len(s):
        columns.append(between(strengths, np.array(trained)[positive], medians[:, positive], s, e))
        at = np.concatenate([at, strengths])
    return at, np.concatenate(columns, axis=1)


def _selected(store: Store, point: Point, question: Question) -> tuple[list[Any], list[Any], Array]:
    """Kept events, model and efficiency of every training that a limit is made of."""
    used = store.read_json(point.excluded)["used"]
    read = [store.read_arrays(point.selections[number]) for number in used]
    chosen = [one["selections"][question.number] for _, one in read]
    about = efficiency_of(chosen)
    models = [workspace_of(one, question, about) for one in chosen] if about["efficiency"] else []
    kept = [arrays[f"kept {question.number}"] for arrays, _ in read] if models else []
    return kept, models, np.array([one["efficiency"] for one in chosen])


def _ratio(limits: Array, efficiencies: Array) -> Array:
    """Mean limit over mean efficiency, of the trainings whose pseudo-spectrum (n, k) could be fitted; NaN of none."""
    fitted = np.isfinite(limits)
    total = np.where(fitted, limits, 0.0).sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(fitted.any(axis=1), total / (fitted @ efficiencies), np.nan))


def overlaps(kept: Sequence[Any], events: Events) -> Array:
    """sum w^2 of common events over the root of the product of both sums (k, k)."""
    common = np.zeros((len(kept), len(kept)))
    for first in range(0, len(events), BLOCK):
        rows = slice(first, first + BLOCK)
        block = np.stack([mask[rows] for mask in kept]) * events.w[rows]
        common += block @ block.T
    size = np.sqrt(np.maximum(np.diag(common), 1e-300))
    return np.asarray(common / np.outer(size, size))


def band(values: Sequence[float]) -> list[float | None]:
    """Quantiles of limits at -2, -1, 0, 1, 2 sigma; None where too few of them tell, or where nothing is excluded."""
    n = len(values)
    tell = [q for q in LEVELS if n > 0 and (n * min(q, 1.0 - q) >= 1.0 or q == 0.5)]
    found = {q: float(np.quantile(values, q, method="inverted_cdf")) for q in tell}
    return [found[q] if found.get(q, inf) < inf else None for q in LEVELS]
