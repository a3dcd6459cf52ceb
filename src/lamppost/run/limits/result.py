"""From injections and expected limits to the content of `limits.json` and `limits.csv`."""

from collections.abc import Mapping, Sequence
from math import hypot, inf
from typing import Any

import numpy as np

from lamppost import __version__
from lamppost.core import Array, Window
from lamppost.errors import FitError
from lamppost.run.artefacts import Store, provenance
from lamppost.run.collect import origin
from lamppost.run.limits.expected import Expected
from lamppost.run.limits.families import Family, Injected
from lamppost.run.limits.points import Point, ruled
from lamppost.run.limits.procedure import Procedure
from lamppost.run.limits.warn import lost, warnings
from lamppost.run.samples import Stored
from lamppost.search import Predictability

__all__ = ["result_of"]

Json = dict[str, Any]
NOT_CROSSED = "is as large as what it is expected to exclude"


def result_of(procedure: Procedure, store: Store, stored: Stored, sha256: str, expected: Expected) -> Json:
    """The content of `limits.json`, times apart; FitError if no selection excludes anything."""
    search = procedure.search
    rows = _rows(procedure, store, expected)
    if all(row["observed"] is None for each in rows.values() for row in each):
        texts = (text for each in rows.values() for row in each for point in row["points"] for text in point["failed"])
        msg = f"limits: nothing is excluded by any selection, the first reason: {next(texts, 'no signal is kept')}"
        raise FitError(msg)
    signals = {signal.name: _signal(procedure, store, signal, rows) for signal in procedure.signals}
    return {
        "schema": 1,
        "lamppost": __version__,
        "seed": search.seed,
        "data": origin(search, stored, sha256),
        "limits": search.limits.model_dump(mode="json"),
        "unit": "fb" if search.limits.luminosity else "events",
        "signals": signals,
        "definitions": _definitions(procedure),
        "warnings": [*warnings(signals), *lost(expected.made(store))],
        "versions": provenance(),
    }


def _rows(procedure: Procedure, store: Store, expected: Expected) -> dict[str, list[Json]]:
    """Every selection of every signal: the fit to all events first, fixed cuts, methods."""
    rows: dict[str, list[Json]] = {}
    for fixed in procedure.fixed:
        kind = "inclusive" if fixed.cut is None else "cut"
        about: Json = {"selection": fixed.name, "kind": kind, "cut": fixed.cut, "window": None, "efficiency": None}
        about |= {"claim": True, "label": fixed.label, "at": None, "bound": None, "coarse": None}
        row = _row(store, expected, fixed.signal.name, about, (fixed.point,))
        rows.setdefault(fixed.signal.name, []).append(row)
    for family in procedure.families:
        for number in family.points:
            about = {"selection": family.name, "kind": family.method.kind, "cut": None}
            about |= {"window": _edges(family.window), "efficiency": family.efficiencies[number]}
            about["claim"] = family.mass is None or not Predictability(**store.read_json(family.mass)).refused
            about |= {"label": family.label(number), **_searched(procedure, store, family, number)}
            rows[family.signal.name].append(_row(store, expected, family.signal.name, about, family.row(number)))
    for each in rows.values():
        for row in each:
            row["gain"] = _gain(row, each[0])
    return rows


def _edges(window: Window) -> list[float]:
    return [window.lo, window.hi]


def _row(store: Store, expected: Expected, signal: str, about: Json, points: tuple[Point, ...]) -> Json:
    limit = ruled(store, points)
    known = limit.limit < inf
    return {
        **about,
        "observed": limit.limit if known else None,
        "error": limit.limit * _relative(limit.found[limit.best]) if known else None,
        **expected.band(store, signal, about["label"]),
        "points": [_point(point, one) for point, one in zip(points, limit.found, strict=True)],
    }


def _searched(procedure: Procedure, store: Store, family: Family, number: int) -> Json:
    """The injection that is quoted, and why its crossing is not known as well as it was asked for, if so."""
    limit = ruled(store, family.row(number))
    why = _unknown(procedure, store, family, number, crossed=limit.crossed)
    at = family.row(number)[limit.best].strength
    return {"at": at, "bound": None if limit.crossed else why, "coarse": why if limit.crossed else None}


def _relative(found: Json) -> float:
    """Relative error of what is excluded: of the efficiency, and the spread of trainings over their number's root."""
    spread = found["spread"] or 0.0
    return hypot(found["statistical"] or 0.0, spread / max(len(found["trainings"]), 1) ** 0.5)


def _unknown(procedure: Procedure, store: Store, family: Family, number: int, *, crossed: bool) -> str | None:
    """Why the crossing of a selection is not known as well as it was asked for, and what to set; None if it is."""
    limits, made = procedure.search.limits, len(family.tried)
    if limits.strengths:
        return None if crossed else f"no injection of {made} in limits.strengths {NOT_CROSSED}: add larger ones"
    target = procedure.target(family, number, store)
    if target.proposal is not None:
        what = "their crossing is known less well than to limits.precision" if crossed else f"none {NOT_CROSSED}"
        return f"the search ended after {made} injections, and {what}: set limits.injections higher"
    if crossed:
        return None
    return (
        f"no injection of {made} up to {max(family.tried):.4g} events, the most that the signal sample allows, "
        f"{NOT_CROSSED}: a larger sample is needed"
    )


def _point(point: Point, found: Json) -> Json:
    names = ("efficiency", "statistical", "retraining", "n_excluded", "excluded", "expected", "p_injected")
    fitted = ("observed", "signal", "signal_error", "z_injected", "sculpting_p", "method", "p_failed")
    trained = ("efficiency", "folds", "events", *fitted)
    excluded = found["excluded"]
    return {
        "strength": point.strength,
        **{name: found[name] for name in (*names, "p_inclusive")},
        "limit": None if excluded is None else max(point.strength, excluded),
        "trainings": [{name: one[name] for name in trained} for one in found["trainings"]],
        "failed": found["failed"],
    }


def _gain(row: Json, whole: Json) -> Json | None:
    """How many times smaller than that of the fit to all events: observed, and median and 68 % of what is expected."""
    if row["kind"] == "inclusive" or row["observed"] is None or whole["observed"] is None:
        return None
    observed = whole["observed"] / row["observed"]
    error = observed * hypot(row["error"] / row["observed"], whole["error"] / whole["observed"])
    each, of_whole = (array(row[name]) for name in ("pseudo", "pseudo_inclusive"))
    ratios = (of_whole / each)[np.isfinite(of_whole)]  # 0 where nothing is excluded
    levels = np.quantile(ratios, [0.5, 0.16, 0.84], method="inverted_cdf") if len(ratios) else None
    expected = None if levels is None else [float(q) for q in levels]
    return {"observed": observed, "error": error, "expected": expected}


def array(values: Sequence[float | None]) -> Array:
    """Limits (n,), infinite where nothing is excluded."""
    return np.array([inf if value is None else value for value in values])


def _signal(procedure: Procedure, store: Store, signal: Injected, rows: Mapping[str, list[Json]]) -> Json:
    stock, model = procedure.stock(store, signal), procedure.search.limits.signals[signal.name]
    return {
        "mass": model.mass,
        "cross_section": model.cross_section,
        **{name: stock[name] for name in ("events", "duplicates", "weight", "acceptance", "per_event")},
        "rows": rows[signal.name],
    }


def _definitions(procedure: Procedure) -> Json:
    limits = procedure.search.limits
    return {
        "events": "expected signal events in the fit range before any selection; times per_event a cross-section in fb",
        "efficiency": "part of these that a selection keeps: every event scored by models that were not trained on it",
        "observed": f"CLs at {limits.level:.3g}: max(injected, excluded) at the injection whose expected one is the "
        "smallest; a selection is trained with the injection, the fit is to the data without it",
        "expected": "at -2, -1, 0, 1, 2 sigma of background alone, by the same rule in repetitions of the analysis",
        "error": "of the observed limit: finite signal sample and finite number of trainings",
        "gain": "limit of the fit to all events over this one; expected: median, 68 % of pairs in the same pseudo-data",
    }
