"""From the artefacts of a blind hunt to what it may show, and to whether its windows may be opened."""

from collections.abc import Iterator, Mapping

from lamppost import __version__
from lamppost.config import Search
from lamppost.run.artefacts import Store, provenance
from lamppost.run.blind.plan import BlindPlan
from lamppost.run.collect import origin, row_of, tied_warnings
from lamppost.run.samples import load
from lamppost.run.work import Json
from lamppost.search import Predictability

__all__ = ["blind_result"]


def blind_result(search: Search, plan: BlindPlan, store: Store) -> tuple[Json, Json]:
    """The content of `blind.json` (hash, looks and times apart) and of `blind_details.json`."""
    stored, inclusive = load(store, plan.outside), store.read_json(plan.inclusive)
    validation = [
        {**row_of(looked, store), "closure": None if closure is None else store.read_json(closure)}
        for looked, closure in zip(plan.validations, plan.closures, strict=True)
    ]
    control = [row_of(looked, store) for looked in plan.controls]
    measured = [store.read_json(looked.measured) for looked in plan.selections]
    selections = [
        {**row, **_mass(store.read_json(str(looked.mass)))}
        for looked, found in zip(plan.selections, measured, strict=True)
        for row in found["rows"]
    ]
    tests = list(_tests(validation, control, selections, inclusive["row"]))
    assert search.blind is not None
    least = search.blind.least_p / len(tests)
    failed = [test for test in tests if test["p"] < least]
    refused = [_name(row) for row in (*validation, *selections) if not row["claim"]]
    result: Json = {
        "schema": 1,
        "lamppost": __version__,
        "seed": search.seed,
        "data": origin(search, stored, plan.sha256, counted=False),
        "closed": [[lo, hi] for lo, hi in search.hidden],
        "validation": validation,
        "control": control,
        "inclusive": inclusive["row"],
        "selections": selections,
        "tests": {"n": len(tests), "least_p": least, "smallest": min(tests, key=_p), "failed": failed},
        "determined": refused,
        "passed": not failed and not refused,
        "warnings": [
            *_warnings(failed, refused),
            *_untested([*validation, *selections, {**inclusive["row"], "method": None}]),
            *tied_warnings(search, stored.about["tied"]),
        ],
        "definitions": DEFINITIONS,
        "versions": provenance(),
    }
    details = {
        "mass": search.data.mass,
        "fit_range": list(search.fit.range),
        "windows": [store.read_json(looked.measured)["details"] for looked in (*plan.validations, *plan.controls)],
        "inclusive": inclusive["details"],
        "selections": [found["details"] for found in measured],
    }
    return result, details


DEFINITIONS = {
    "closed": "the windows of the hunt; nothing in these files is made of their events, but that those trained the "
    "selections",
    "data.events": "events outside of the closed windows",
    "validation": "the whole hunt in windows without a claim, in data without the events of the closed windows",
    "closure": "AUC of trees that tell the background a method expects in a validation window from the events there",
    "selections": "selections trained in closed windows, judged by the events outside: flatness in those of their "
    "sidebands that no window covers, fit of the kept spectrum",
    "passed": "no test has a smaller p than least_p over the number of tests, and the features do not determine m",
}


def _mass(found: Mapping[str, float] | None) -> Json:
    if found is None:
        return {"mass_r2": None, "mass_r2_raw": None, "mass_warned": None, "claim": True}
    told = Predictability(**found)  # type: ignore[arg-type]
    return {"mass_r2": told.seen, "mass_r2_raw": told.raw, "mass_warned": told.warned, "claim": not told.refused}


def _tests(validation: list[Json], control: list[Json], selections: list[Json], inclusive: Json) -> Iterator[Json]:
    """Every p-value that must not be small."""
    for row in (*validation, *control):
        name = f"validation {_name(row)}"
        yield {"what": name, "test": "excess", "p": row["p_window"]}
        yield from _fit_test(name, "background fit", row["fit"])
        for one in row["efficiencies"]:
            yield {"what": name, "test": f"flat, {one['efficiency']:g} kept", "p": one["sculpting_p"]}
    for row in selections:
        name = f"outside, selection of {_name(row)}"
        yield from _fit_test(name, f"background fit, {row['efficiency']:g} kept", row["fit"])
        if row["sculpting_p"] is not None:
            yield {"what": name, "test": f"flat, {row['efficiency']:g} kept", "p": row["sculpting_p"]}
    yield from _fit_test("all events outside", "background fit", inclusive["fit"])


def _fit_test(what: str, test: str, fit: Json) -> Iterator[Json]:
    """The fit, if there is anything in it that could go wrong."""
    if not fit["converged"]:
        yield {"what": what, "test": test, "p": 0.0}
    elif fit["ndf"] > 0:
        yield {"what": what, "test": test, "p": fit["p_value"]}


def _p(test: Json) -> float:
    return float(test["p"])


def _warnings(failed: list[Json], refused: list[str]) -> list[str]:
    found = [f"{test['what']}: {test['test']}: p = {test['p']:.1g}" for test in failed]
    if refused:
        found.append(f"the features determine m in {', '.join(dict.fromkeys(refused))}")
    return found


def _untested(rows: list[Json]) -> list[str]:
    """Fits that say nothing, for as many bins as parameters are left."""
    names = [_name(row) if row["method"] else "all events" for row in rows if row["fit"]["ndf"] < 1]
    told = ", ".join(dict.fromkeys(names))
    return [f"outside of the closed windows too few bins are left to test the fit of {told}"] if names else []


def _name(row: Json) -> str:
    return f"[{row['lo']:g}, {row['hi']:g}) ({row['method']})"
