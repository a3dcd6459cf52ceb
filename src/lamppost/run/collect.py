"""From the artefacts of a hunt to its result: the claim, its checks, its scores."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lamppost import __version__
from lamppost.config import Search
from lamppost.run.artefacts import Store, not_written, provenance
from lamppost.run.combined import rank
from lamppost.run.plan import Looked, Plan
from lamppost.run.samples import Stored, load
from lamppost.run.tasks import merged_scores
from lamppost.search import Predictability
from lamppost.stats import z_from_p

__all__ = ["SCULPTED", "claim_of", "origin", "result_of", "row_of", "tied_warnings", "write_scores"]

SCULPTED = 0.001
"""A window whose kept fraction is flat in m with a smaller p than this, divided by the number of windows, is named."""


def result_of(search: Search, plan: Plan, store: Store) -> tuple[dict[str, Any], dict[str, Any]]:
    """The content of `result.json` (times apart) and of `details.json`."""
    stored = load(store, plan.events)
    about = stored.about
    rows = [row_of(looked, store) for looked in plan.claims]
    controls = [store.read_json(looked.measured) for looked in plan.controls]
    inclusive = store.read_json(plan.inclusive)
    validation = [row for looked in plan.validations for row in store.read_json(looked.measured)["rows"]]
    combined, control = (None if key is None else store.read_json(key) for key in plan.combined)
    result: dict[str, Any] = {
        "schema": 1,
        "lamppost": __version__,
        "seed": search.seed,
        "data": origin(search, stored, plan.sha256),
        "windows": rows,
        "validation": validation,
        "inclusive": inclusive["row"],
        "control": _global([found["row"] for found in controls], search.fit.combine, control),
        **claim_of(rows, search.fit.combine, combined),
        "warnings": [
            *warnings(rows, validation, about["n_dropped"], inclusive["row"]),
            *_cut_sidebands(search, plan),
            *tied_warnings(search, about["tied"]),
            *_refused({"the windows": combined, "the windows of the random score": control}),
        ],
        "versions": provenance(),
    }
    details = {
        "mass": search.data.mass,
        "fit_range": list(search.fit.range),
        "windows": [store.read_json(looked.measured)["details"] for looked in plan.claims],
        "inclusive": inclusive["details"],
        "control": _joined_scan([found["details"] for found in controls]),
    }
    if combined is not None and "refused" not in combined:
        details["combined"] = {name: combined[name] for name in ("correlation", "errors")}
    return result, details


def origin(search: Search, stored: Stored, sha256: str, *, counted: bool = True) -> dict[str, Any]:
    """Where a result comes from; if all events may not be `counted`, nothing of how many there are but of `stored`."""
    paths = search.data.path
    return {
        "path": paths if isinstance(paths, str) else ", ".join(paths),
        "events": len(stored.events),
        **({"rows": stored.about["n_rows"], "dropped": stored.about["n_dropped"]} if counted else {}),
        "sha256": sha256,
        "mass": search.data.mass,
        "features": list(search.data.names),
        **({"control_region": search.data.region} if search.data.invert else {}),
    }


def row_of(looked: Looked, store: Store) -> dict[str, Any]:
    """The numbers of a window as a method saw it, and whether a claim can be made there."""
    row: dict[str, Any] = store.read_json(looked.measured)["row"]
    if looked.mass is None:
        return {**row, "mass_r2": 0.0, "mass_r2_raw": 0.0, "mass_warned": False, "claim": True}
    found = Predictability(**store.read_json(looked.mass))
    about = {"mass_r2": found.seen, "mass_r2_raw": found.raw, "mass_warned": found.warned}
    return {**row, **about, "claim": not found.refused}


def _global(rows: list[dict[str, Any]], how: str, combined: dict[str, Any] | None = None) -> dict[str, Any]:
    """The global p-value of n windows from the smallest window p.

    p_global = 1 - (1 - p)^n: uniform without a signal if the windows share nothing, and too large if they rise and
    fall together (Sidak, 1967). With `bonferroni` it is min(1, n p), whatever the windows share: the same to p^2. If
    they were `combined`, p_global is what that says, and n p stands beside it.
    """
    best = min(range(len(rows)), key=lambda i: rank(rows[i]))
    smallest, product = rows[best]["p_window"], min(1.0, len(rows) * rows[best]["p_window"])
    p, method = product, "windows x smallest window p"
    if len(rows) == 1:
        method = "the only window p"
    elif how == "independent":
        p = -float(np.expm1(len(rows) * np.log1p(-smallest))) if smallest < 1.0 else 1.0
        method = "1 - (1 - smallest window p)^windows"
    found = {
        "p_global": p,
        "z_global": max(z_from_p(p), 0.0),
        "p_global_method": method,
        "best_window": best,
        **{name: rows[best][name] for name in ("p_window", "p_local", "z_local", "best_mass")},
    }
    if combined is None:
        return found
    found |= {"p_global_error": None, "p_global_bonferroni": product, "effective_windows": None}
    if "refused" in combined:
        return found
    worth = f"what {len(rows)} windows that share events are worth, by a bootstrap of their correlations"
    return found | {
        "p_global": combined["p_global"],
        "z_global": max(z_from_p(combined["p_global"]), 0.0),
        "p_global_error": combined["p_global_error"],
        "p_global_method": f"{combined['effective']:.3g} x smallest window p: {worth}",
        "effective_windows": combined["effective"],
    }


_CLAIM = ("p_global", "z_global", "p_global_error", "p_global_bonferroni", "effective_windows", "p_global_method")


def claim_of(rows: list[dict[str, Any]], how: str, combined: dict[str, Any] | None = None) -> dict[str, Any]:
    """The global p-value over these windows; none if the features determine m in one of them."""
    found = _global(rows, how, combined)
    claim = {name: found[name] for name in (*_CLAIM, "best_window") if name in found}
    if not all(row["claim"] for row in rows):
        reason = "refused: the features determine m, a selection on them is a selection on m"
        claim |= {name: None for name in _CLAIM if name in found} | {"p_global_method": reason}
    return claim


def warnings(
    rows: list[dict[str, Any]], validation: list[dict[str, Any]], dropped: int, inclusive: dict[str, Any]
) -> list[str]:
    """What a reader must know before believing the result, one line each."""
    found = []
    if any(row["mass_warned"] for row in rows):
        worst = max(rows, key=lambda row: (row["mass_r2"], row["mass_r2_raw"]))
        raw = max(row["mass_r2_raw"] for row in rows)
        found.append(
            f"the features determine m: out of fold they explain up to {raw:.0%} of its variance, "
            f"and {worst['mass_r2']:.1%} as the method sees them in {_name(worst)}"
            + ("" if all(row["claim"] for row in rows) else "; no global p-value is quoted")
        )
    tested = [*rows, *validation]
    found += [
        f"the kept fraction is not flat in m around {_name(row)}: p = {row['sculpting_p']:.1g}"
        for row in tested
        if row["sculpting_p"] < SCULPTED / len(tested)
    ]
    fitted = [(row["fit"], _name(row)) for row in rows] + [(inclusive["fit"], "the inclusive spectrum")]
    found += [
        f"the background fit of {name} is bad: chi2 = {fit['chi2']:.1f}/{fit['ndf']}"
        for fit, name in fitted
        if not fit["converged"] or fit["p_value"] < SCULPTED / len(fitted)
    ]
    failed = sum(row["n_failed"] for row in rows)
    if failed:
        found.append(f"{failed} toy fits did not converge and count as excesses at least as large as the observed one")
    if dropped:
        found.append(f"{dropped} rows with missing values were dropped")
    return found


def _cut_sidebands(search: Search, plan: Plan) -> list[str]:
    lo, hi = search.fit.range
    cut = {str(w): w for w in (one.window for one in plan.claims) if w.lo - w.reach < lo or w.hi + w.reach > hi}
    return [f"the sidebands of {name} are cut short by the fit range [{lo:g}, {hi:g})" for name in cut]


def tied_warnings(search: Search, tied: list[str]) -> list[str]:
    """What there is to say of features that take few values."""
    if not tied or not any(search.decorrelated(method) for method in search.methods.values()):
        return []
    return [f"features that take few values are decorrelated from m approximately only: {', '.join(tied)}"]


def _refused(combined: Mapping[str, dict[str, Any] | None]) -> list[str]:
    return [
        f"the correlations of {what} are not known, every window counts in full: {found['refused']}"
        for what, found in combined.items()
        if found is not None and "refused" in found
    ]


def _name(row: dict[str, Any]) -> str:
    return f"[{row['lo']:g}, {row['hi']:g}) ({row['method']})"


def _joined_scan(windows: list[dict[str, Any]]) -> dict[str, Any]:
    """Local p-values of the control, each mass as the window with the nearest centre sees it; the best of all cuts."""
    points: dict[float, tuple[float, float]] = {}
    for window in windows:
        centre = 0.5 * (window["lo"] + window["hi"])
        for scan in (efficiency["scan"] for efficiency in window["efficiencies"]):
            for m, z, p in zip(scan["mass"], scan["z"], scan["p"], strict=True):
                if all(abs(m - centre) <= abs(m - 0.5 * (other["lo"] + other["hi"])) for other in windows):
                    points[m] = min(points.get(m, (1.0, 0.0)), (p, z))
    masses = sorted(points)
    return {"scan": {"mass": masses, "z": [points[m][1] for m in masses], "p": [points[m][0] for m in masses]}}


def write_scores(path: Path, plan: Plan, store: Store) -> None:
    """Write `scores.parquet`: row of the input, window (its number in the result), out-of-fold score.

    One row group per window, so that memory holds one window at a time.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    stored = load(store, plan.events)
    index = stored.index
    order = np.argsort(index, kind="stable")  # as in the input
    schema = pa.schema([("event", pa.int64()), ("window", pa.int32()), ("score", pa.float64())])
    part = path.with_name(f".{path.name}.part")
    try:
        with pq.ParquetWriter(part, schema, compression="zstd", use_dictionary=["window"]) as writer:
            for number, looked in enumerate(plan.claims):
                score = merged_scores(store, looked.parts, stored.events.id)[order]
                columns = [pa.array(index[order]), pa.array(np.full(len(index), number, np.int32)), pa.array(score)]
                writer.write_table(pa.Table.from_arrays(columns, schema=schema))
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise not_written(path, error) from None
