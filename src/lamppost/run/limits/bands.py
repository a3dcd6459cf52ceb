"""Expected limits: the same rule in pseudo-spectra of background alone, with the efficiencies of other data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf, log1p, sqrt
from typing import Any

import numpy as np

from lamppost.core import Array, Events
from lamppost.errors import FitError
from lamppost.run.artefacts import Store
from lamppost.run.limits.excluded import RETRAINING, Question, efficiency_of, workspace_of
from lamppost.run.limits.points import Point, median
from lamppost.run.samples import load
from lamppost.search import seed_of
from lamppost.stats import shared_limits

__all__ = ["SIGMAS", "Toys", "band", "draw_limits"]

Json = dict[str, Any]
BLOCK = 1 << 16
SIGMAS = (-2.0, -1.0, 0.0, 1.0, 2.0)
LEVELS = (0.022750131948179195, 0.15865525393145707, 0.5, 0.8413447460685429, 0.9772498680518208)


@dataclass(frozen=True)
class Toys:
    """How many pseudo-spectra, from which seed; `grid`: strengths that could have been injected; none: as they were."""

    n: int
    seed: int
    grid: tuple[float, ...]


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
    pseudo: tuple[tuple[int, tuple[str, ...]], ...],
    toys: Toys,
    name: str,
) -> None:
    """The limits (n,) of pseudo-spectra, and those of the fit to all events in the same ones, None if that fails.

    What is excluded fluctuates as in the selections of the injection number `at`: the events that two of them share are
    the same in both, so that counts are as correlated. `pseudo` has trainings in pseudo-data by the number of their
    injection: with them the efficiency of every pseudo-spectrum is drawn, and the injection that is quoted is chosen
    accordingly; without any, the efficiency moves as much as trainings in the data do. A fixed selection is a single
    point of strength 0.
    """
    events, found = load(store, data).events, [store.read_json(point.excluded) for point in points]
    if found[at]["excluded"] is None:
        msg = f"{name}: nothing is excluded at any injection"
        raise FitError(msg)
    kept, workspaces, efficiencies = _selected(store, points[at], question)
    whole, whole_workspaces, _ = _selected(store, inclusive, everything)
    made = {n: [store.read_json(key) for key in keys] for n, keys in pseudo}
    measured = {n: _efficiencies(each, question.number) for n, each in made.items()}
    measured = {n: each for n, each in measured.items() if len(each) > 1 and each.mean() > 0.0}
    seed = seed_of(toys.seed, "limits", "toys", name, question.mass, question.number)
    limits = shared_limits(
        [*workspaces, *whole_workspaces],
        overlaps([*kept, *whole], events),
        level=question.level,
        toys=toys.n,
        seed=seed,
        held=(RETRAINING,) if measured else (),
    )
    excluded = _ratio(limits[:, : len(kept)], efficiencies)
    good = np.isfinite(excluded)
    if not good.any():
        msg = f"{name}: no pseudo-spectrum could be fitted"
        raise FitError(msg)
    rng = np.random.default_rng(seed_of(toys.seed, "limits", "efficiencies", name, question.mass, question.number))
    normal = rng.standard_normal(toys.n)
    spreads = {n: _spread(each, found[n]) for n, each in measured.items()}
    factors = {n: _drawn(each.mean() / found[n]["efficiency"], spreads[n], normal) for n, each in measured.items()}
    strengths, medians = np.array([point.strength for point in points]), np.array([median(one) for one in found])
    ruled = rule(strengths, medians, at, excluded / medians[at], factors, toys.grid)
    inside = limits[good, len(kept)] if whole else np.full(int(good.sum()), np.nan)
    answer = {
        "limits": ruled[good].tolist(),
        "inclusive": [float(value) if np.isfinite(value) else None for value in inside],
        "failed": int((~good).sum()),
        "efficiencies": [float(one) for one in measured.get(at, ())],
        "spread": spreads.get(at),
        "lost": [one["failed"] for each in made.values() for one in each if "failed" in one],
    }
    store.write_json(key, answer)


def _selected(store: Store, point: Point, question: Question) -> tuple[list[Any], list[Any], Array]:
    """Kept events, model and efficiency of every training that a limit is made of."""
    used = store.read_json(point.excluded)["used"]
    read = [store.read_arrays(point.selections[number]) for number in used]
    chosen = [one["selections"][question.number] for _, one in read]
    about = efficiency_of(chosen)
    models = [workspace_of(one, question, about) for one in chosen] if about["efficiency"] else []
    kept = [arrays[f"kept {question.number}"] for arrays, _ in read] if models else []
    return kept, models, np.array([one["efficiency"] for one in chosen])


def _efficiencies(made: Sequence[Json], number: int) -> Array:
    """The efficiencies of the trainings in pseudo-data that did not fail."""
    return np.array([one["efficiencies"][number] for one in made if "failed" not in one])


def _ratio(limits: Array, efficiencies: Array) -> Array:
    """Mean limit over mean efficiency, of the trainings whose pseudo-spectrum (n, k) could be fitted; NaN of none."""
    fitted = np.isfinite(limits)
    total = np.where(fitted, limits, 0.0).sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(fitted.any(axis=1), total / (fitted @ efficiencies), np.nan))


def _spread(measured: Array, found: Json) -> float:
    """Relative spread of efficiencies from one repetition of the analysis to the next.

    Every set of pseudo-data is trained in once, an analysis takes the mean over its repeated trainings. Their spread in
    the same data is known, so the variance of that mean is the one between pseudo-data without what averages out.
    """
    n, once = len(found["used"]), float(measured.var(ddof=1) / measured.mean() ** 2)
    repeated = (found["retraining"] or 0.0) ** 2 if n > 1 else 0.0
    return sqrt(max(once - (1.0 - 1.0 / n) * repeated, once / n))


def _drawn(mean: float, spread: float, normal: Array) -> Array:
    """Log-normal numbers (n,) of this mean and relative spread, from normal ones."""
    width = sqrt(log1p(spread**2))
    return np.asarray(mean * np.exp(width * normal - 0.5 * width**2))


def rule(
    strengths: Array, medians: Array, at: int, pulls: Array, factors: Mapping[int, Array], grid: Sequence[float]
) -> Array:
    """The limits (n,) of repetitions in which efficiencies are `factors` (n,) times those in the data.

    strengths, medians (k,): injections, and the median of what each excludes
    pulls (n,): what is excluded over its median
    factors: by the number of an injection; one of strength zero is by itself, any other tells about all that are larger
    grid: strengths that could have been injected, on lines between those that were, in the logarithms of both; none: as
    they were. Without factors the injection is the number `at`.
    """
    if not factors:
        return np.asarray(np.maximum(strengths[at], pulls * medians[at]))
    s, e = list[Array](), list[Array]()
    known = (strengths > 0.0) & np.isfinite(medians)
    for number, factor in factors.items():
        x, y = strengths[[number]], medians[[number]]
        if x[0] > 0.0:
            x, y = strengths[known], medians[known]
            if len(grid):
                x, y = np.array(grid), np.exp(np.interp(np.log(grid), np.log(x), np.log(y)))
        s.append(x)
        e.append(y / factor[:, None])
    injected, expected = np.concatenate(s), np.concatenate(e, axis=1)
    chosen = np.maximum(injected, expected).argmin(axis=1)
    return np.asarray(np.maximum(injected[chosen], pulls * expected[np.arange(len(pulls)), chosen]))


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
