"""The global p-value of searches that share events, from how correlated these are."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamppost.config import Fit
from lamppost.core import Events
from lamppost.errors import DataError, FitError
from lamppost.run.artefacts import Store
from lamppost.run.samples import load
from lamppost.run.tasks import merged_scores, plain
from lamppost.search import seed_of
from lamppost.stats import Combination, Correlation, bootstrap_correlation, combine

__all__ = ["combine_searches", "rank"]

Json = dict[str, Any]


def rank(row: Json) -> tuple[float, float]:
    """What orders windows, the most significant first."""
    return row["p_window"], -row["z_local"]


def combine_searches(
    store: Store, key: str, *, events: str, searches: tuple[tuple[str, tuple[str, ...]], ...], fit: Fit, seed: int
) -> None:
    """Combine windows as seen by methods, each given by its measurement and the scores of its folds.

    Each is judged at the mass, efficiency and background that the data chose. The bootstrap gives correlations only;
    selections are those of the data, nothing is trained again. Where a selection cannot be bootstrapped, the artefact
    says why: {"refused": ...}.
    """
    found = [store.read_json(measured) for measured, _ in searches]
    if failed := [one["failed"] for one in found if "failed" in one]:
        raise FitError(failed[0])
    # the most significant first: of equal p-values `combine` takes the first
    order = sorted(range(len(found)), key=lambda i: rank(found[i]["row"]))
    everything = load(store, events).events
    kept = [kept_of(store, searches[i][1], everything.id, found[i]["row"]["efficiency"]) for i in order]
    number = int(seed_of(seed, "bootstrap").generate_state(1, np.uint32)[0])
    try:
        correlation, total = combined([found[i] for i in order], everything, kept, fit, number)
    except (DataError, FitError) as error:
        store.write_json(key, {"refused": str(error)})
        return
    back = np.ix_(np.argsort(order), np.argsort(order))
    matrices = {"correlation": correlation.matrix[back], "errors": correlation.errors[back]}
    numbers = {name: getattr(total, name) for name in ("p_global", "p_global_error", "effective")}
    store.write_json(key, {**numbers, **plain(matrices)})


def kept_of(store: Store, parts: Sequence[str], ids: NDArray[np.uint64], efficiency: float) -> NDArray[np.intp]:
    """The events that are kept."""
    return np.flatnonzero(merged_scores(store, parts, ids) >= -np.log10(efficiency))


def combined(
    measured: Sequence[Json], everything: Events, kept: Sequence[NDArray[np.intp]], fit: Fit, seed: int
) -> tuple[Correlation, Combination]:
    """The correlations of measured searches, and what the first of them, the most significant, is worth.

    Raises
    ------
    DataError, FitError
        If an id of an event occurs twice, or a selection cannot be bootstrapped.
    """
    rows, about = [one["row"] for one in measured], [one["searched"] for one in measured]
    some = np.unique(np.concatenate(kept))
    correlation = bootstrap_correlation(
        everything.id[some],
        everything.m[some],
        np.stack([np.isin(some, one, assume_unique=True) for one in kept]),
        fit.edges,
        masses=[row["best_mass"] for row in rows],
        w=everything.w[some],
        background=[one["background"] for one in about],
        signal=fit.signal,
        n_parameters=[row["fit"]["n_parameters"] for row in rows],
        seed=seed,
    )
    errors = [one["p_window_error"] for one in about]
    total = combine(
        np.array([row["p_window"] for row in rows]),
        correlation,
        p_local=np.array([row["p_local"] for row in rows]),
        errors=None if None in errors else np.array(errors),
        seed=seed,
    )
    return correlation, total
