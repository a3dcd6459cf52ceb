"""Expected limits: the same rule in pseudo-spectra of background alone, the trained selections held."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

import numpy as np

from lamppost.core import Array, Events
from lamppost.errors import FitError
from lamppost.run.artefacts import Store
from lamppost.run.limits.excluded import Question, efficiency_of, workspace_of
from lamppost.run.limits.rule import interpolated
from lamppost.run.samples import load
from lamppost.search import seed_of
from lamppost.stats import shared_limits

__all__ = ["SIGMAS", "Point", "Toys", "band", "draw_limits"]

Json = dict[str, Any]
BLOCK = 1 << 16
SIGMAS = (-2.0, -1.0, 0.0, 1.0, 2.0)
LEVELS = (0.022750131948179195, 0.15865525393145707, 0.5, 0.8413447460685429, 0.9772498680518208)


@dataclass(frozen=True)
class Point:
    """An injection, the artefacts of its trainings, and of what it excludes."""

    strength: float
    selections: tuple[str, ...]
    excluded: str


@dataclass(frozen=True)
class Toys:
    """How many pseudo-spectra, from which seed; `grid`: strengths at which the rule is applied, none: as injected."""

    n: int
    seed: int
    grid: tuple[float, ...]


def draw_limits(
    store: Store,
    key: str,
    *,
    data: str,
    points: tuple[Point, ...],
    question: Question,
    inclusive: str,
    everything: Question,
    toys: Toys,
    name: str,
) -> None:
    """The limits (n,) of pseudo-spectra, and those of the fit to all events in the same ones.

    The events that two selections share are the same in both: counts are as correlated. A fixed selection is a single
    point of strength 0.
    """
    events = load(store, data).events
    used = [point for point in points if store.read_json(point.excluded)["excluded"] is not None]
    if not used:
        msg = f"{name}: nothing is excluded at any injection"
        raise FitError(msg)
    selections, about, owner = [], [], []
    for number, point in enumerate(used):
        found = [store.read_arrays(key) for key in point.selections]
        kept = [(arrays, one) for arrays, one in found if "failed" not in one]
        summary = efficiency_of([one["selections"][question.number] for _, one in kept])
        for arrays, one in kept:
            selections.append((arrays[f"kept {question.number}"], one["selections"][question.number]))
            about.append(summary)
            owner.append(number)
    arrays, one = store.read_arrays(inclusive)
    workspaces = [workspace_of(s, question, a) for (_, s), a in zip(selections, about, strict=True)]
    summary = efficiency_of([one["selections"][0]])
    workspaces.append(workspace_of(one["selections"][0], everything, summary))
    common = overlaps([*(mask for mask, _ in selections), arrays["kept 0"]], events)
    seed = seed_of(toys.seed, "limits", "toys", name, question.mass, question.number)
    limits = shared_limits(workspaces, common, level=question.level, toys=toys.n, seed=seed)
    means = np.array([[np.nan_to_num(a["efficiency"]) for a in about]])
    excluded = np.stack(
        [
            limits[:, :-1][:, np.array(owner) == number].mean(axis=1) / means[0][np.array(owner) == number][0]
            for number in range(len(used))
        ],
        axis=1,
    )
    whole = limits[:, -1] / summary["efficiency"]
    good = np.isfinite(excluded).all(axis=1) & np.isfinite(whole)
    if not good.any():
        msg = f"{name}: no pseudo-spectrum could be fitted"
        raise FitError(msg)
    ruled = rule(np.array([point.strength for point in used]), excluded[good], toys.grid)
    answer = {"limits": ruled.tolist(), "inclusive": whole[good].tolist(), "failed": int((~good).sum())}
    store.write_json(key, answer)


def rule(strengths: Array, excluded: Array, grid: Sequence[float]) -> Array:
    """min over strengths of max(strength, excluded) for every pseudo-spectrum, from (n, k)."""
    at = strengths
    if len(grid):
        at = np.array([*(s for s in strengths if s == 0.0), *grid])
        excluded = interpolated(strengths, excluded, at)
    return np.asarray(np.maximum(at, excluded).min(axis=1))


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
