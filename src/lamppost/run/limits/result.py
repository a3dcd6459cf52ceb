"""From injections and expected limits to the content of `limits.json` and `limits.csv`."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import hypot, inf
from typing import Any

import numpy as np

from lamppost import __version__
from lamppost.core import Array, Window
from lamppost.errors import FitError
from lamppost.run.artefacts import Store, provenance
from lamppost.run.collect import SCULPTED, origin
from lamppost.run.limits.bands import Point, band
from lamppost.run.limits.procedure import Injected, Procedure
from lamppost.run.limits.rule import bound
from lamppost.run.samples import Stored
from lamppost.search import Predictability

__all__ = ["Bands", "csv_of", "result_of"]

Json = dict[str, Any]


@dataclass(frozen=True)
class Bands:
    """The artefacts of what is expected: pseudo-spectra by (signal, selection), pseudo-experiments of everything."""

    toys: dict[tuple[str, str], str]
    experiments: tuple[str, ...]


def result_of(procedure: Procedure, store: Store, stored: Stored, sha256: str, bands: Bands) -> Json:
    """The content of `limits.json`, times apart; FitError if no selection excludes anything."""
    search = procedure.search
    made = [store.read_json(key) for key in bands.experiments]
    rows = _rows(procedure, store, bands, [one["limits"] for one in made if "failed" not in one])
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
        "warnings": [*_warnings(signals), *_lost(made)],
        "versions": provenance(),
    }


def _rows(procedure: Procedure, store: Store, bands: Bands, experiments: Sequence[Json]) -> dict[str, list[Json]]:
    """Every selection of every signal: the fit to all events first, fixed cuts, methods."""
    rows: dict[str, list[Json]] = {}
    for fixed in procedure.fixed:
        kind = "inclusive" if fixed.cut is None else "cut"
        about: Json = {"selection": fixed.name, "kind": kind, "cut": fixed.cut, "window": None, "efficiency": None}
        about["claim"] = True
        rows.setdefault(fixed.signal.name, []).append(
            _row(procedure, store, fixed.signal, about, fixed.label, (fixed.point,), bands, experiments)
        )
    for family in procedure.families:
        for number in family.points:
            about = {"selection": family.name, "kind": family.method.kind, "cut": None}
            about |= {"window": _edges(family.window), "efficiency": family.efficiencies[number]}
            about["claim"] = family.mass is None or not Predictability(**store.read_json(family.mass)).refused
            points = family.row(number)
            rows[family.signal.name].append(
                _row(procedure, store, family.signal, about, family.label(number), points, bands, experiments)
            )
    for each in rows.values():
        for row in each:
            row["gain"] = _gain(row, each[0])
    return rows


def _edges(window: Window) -> list[float]:
    return [window.lo, window.hi]


def _row(
    procedure: Procedure,
    store: Store,
    signal: Injected,
    about: Json,
    label: str,
    points: tuple[Point, ...],
    bands: Bands,
    experiments: Sequence[Json],
) -> Json:
    found = [store.read_json(point.excluded) for point in points]
    strengths = [point.strength for point in points]
    limit, best, crossed = bound(strengths, [inf if one["excluded"] is None else one["excluded"] for one in found])
    toys = store.read_json(bands.toys[signal.name, label])
    repeated = [one[signal.name][label] for one in experiments]
    repeated_whole = [one[signal.name]["inclusive"] for one in experiments]
    if bands.experiments:
        values, whole = ([inf if one is None else one for one in each] for each in (repeated, repeated_whole))
        method = f"{len(values)} pseudo-experiments with all trainings"
    else:
        values, whole = toys.get("limits", []), toys.get("inclusive", [])
        method = f"{len(values)} pseudo-spectra, trained selections held"
    fixed = about["kind"] in ("inclusive", "cut")
    return {
        **about,
        "label": label,
        "observed": limit if limit < inf else None,
        "error": limit * _relative(found[best]) if limit < inf else None,
        "at": None if fixed else strengths[best],
        "bound": None if fixed or crossed else _bound(strengths, limit),
        "expected": band(values),
        "expected_method": method,
        "pseudo": [value if value < inf else None for value in values],
        "pseudo_inclusive": [value if value < inf else None for value in whole],
        "failed": toys.get("failed", 0),
        "points": [_point(point, one) for point, one in zip(points, found, strict=True)],
    }


def _relative(found: Json) -> float:
    """Relative error of what is excluded: of the efficiency, and the spread of trainings over their number's root."""
    spread = found["spread"] or 0.0
    return hypot(found["statistical"] or 0.0, spread / max(len(found["trainings"]), 1) ** 0.5)


def _bound(strengths: Sequence[float], limit: float) -> str:
    return (
        f"no injection up to {max(strengths):.4g} events excludes less than itself: {limit:.4g} is a bound, more "
        "signal in the data might have trained a better selection"
    )


def _point(point: Point, found: Json) -> Json:
    names = ("efficiency", "statistical", "retraining", "n_excluded", "excluded", "expected", "p_injected")
    fitted = ("observed", "signal", "signal_error", "z_injected", "sculpting_p", "method")
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
        "observed": f"CLs at {limits.level:.3g}: the smallest over injections of max(injected, excluded); a selection "
        "is trained with the injection, the fit is to the data without it",
        "expected": "at -2, -1, 0, 1, 2 sigma of background alone, by the same rule",
        "error": "of the observed limit: finite signal sample and finite number of trainings",
        "gain": "limit of the fit to all events over this one; expected: median, 68 % of pairs in the same pseudo-data",
    }


def _warnings(signals: Mapping[str, Json]) -> list[str]:
    lines = []
    for name, signal in signals.items():
        if signal["duplicates"]:
            lines.append(f"{name}: {signal['duplicates']} events of the sample are in the data, and were left out")
        for row in signal["rows"]:
            where = f"{name}, {row['label']}"
            if row["observed"] is None:
                lines.append(f"{where}: nothing is excluded, no training keeps the signal and can be fitted")
            elif row["bound"]:
                lines.append(f"{where}: {row['bound']}")
            if not row["claim"]:
                lines.append(f"{where}: the features determine m, a selection on them is a selection on m")
            lines += _sculpted(where, row)
            failed = [text for point in row["points"] for text in point["failed"]]
            if failed:
                lines.append(f"{where}: {len(failed)} trainings could not be fitted, the first: {failed[0]}")
            if row["failed"]:
                lines.append(f"{where}: {row['failed']} pseudo-spectra could not be fitted and were left out")
            if any(": only " in one["method"] for point in row["points"] for one in point["trainings"]):
                lines.append(f"{where}: few events under the peak, limits are asymptotic all the same")
    return lines


def _sculpted(where: str, row: Json) -> list[str]:
    found = [one["sculpting_p"] for point in row["points"] for one in point["trainings"]]
    tested = [p for p in found if p is not None]
    bent = sum(p < SCULPTED / len(tested) for p in tested)
    return [f"{where}: the kept fraction is not flat in m in {bent} of {len(tested)} trainings"] if bent else []


def _lost(made: Sequence[Json]) -> list[str]:
    failed = [one["failed"] for one in made if "failed" in one]
    return [f"{len(failed)} of {len(made)} pseudo-experiments failed, the first: {failed[0]}"] if failed else []


def csv_of(result: Mapping[str, Any]) -> str:
    """The table as CSV, a row per signal and selection; in fb if the luminosity is known, else in events."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = [f"expected_{name}" for name in ("minus2", "minus1", "median", "plus1", "plus2")]
    head = ["signal", "mass", "selection", "window_low", "window_high", "background_efficiency", "unit", "observed"]
    writer.writerow([*head, *names, "signal_efficiency", "gain_observed", "gain_expected", "crossed"])
    for name, signal in result["signals"].items():
        unit = signal["per_event"] or 1.0
        for row in signal["rows"]:
            best = min(row["points"], key=lambda point: inf if point["limit"] is None else point["limit"])
            gain = row["gain"] or {"observed": None, "expected": None}
            limits = [None if v is None else f"{unit * v:.6g}" for v in (row["observed"], *row["expected"])]
            cells = [name, signal["mass"], row["selection"], *(row["window"] or (None, None)), row["efficiency"]]
            more = [f"{best['efficiency']:.6g}", gain["observed"], gain["expected"] and gain["expected"][0]]
            writer.writerow(
                [*cells, result["unit"], *limits, *more, row["bound"] is None and row["observed"] is not None]
            )
    return text.getvalue()
