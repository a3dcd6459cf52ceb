"""From the artefacts of a comparison to its result: medians and bands over draws, paired ratios, agreement."""

from collections.abc import Iterator, Mapping, Sequence
from math import inf
from typing import Any

import numpy as np

from lamppost import __version__
from lamppost.config import Comparison
from lamppost.errors import FitError
from lamppost.run.artefacts import Store, provenance
from lamppost.run.compare.agreement import rank_correlations, shared
from lamppost.run.compare.bands import band, ratio_band, ratios
from lamppost.run.compare.draws import classes
from lamppost.run.compare.figures import EPS_B, EPS_S, FIGURES, FLOOR
from lamppost.run.compare.plan import Plan
from lamppost.run.compare.tasks import KEPT
from lamppost.run.samples import Stored, load

__all__ = ["header", "result_of", "strength_key"]

Json = dict[str, Any]
SHARED = 0.01
"""Part of the test background whose overlap between methods is quoted."""
FOLLOWS = 0.01
"""A method follows m if the median p-value of a flat kept fraction is smaller than this."""


def result_of(comparison: Comparison, plan: Plan, store: Store) -> Json:
    """The content of `compare.json`, times of the run apart; FitError if no method could be trained at all."""
    against = reference_method(comparison)
    found = {key: store.read_arrays(name)[1] for key, name in plan.scored.items()}
    closed = {key: store.read_json(name) for key, name in plan.closed.items()}
    if all("failed" in about for about in found.values()):
        msg = f"every training failed; the first: {next(iter(found.values()))['failed']}"
        raise FitError(msg)
    counts = store.read_json(plan.checked)
    settings = comparison.compare
    return {
        **header(comparison, load(store, plan.samples.data), plan.sha256),
        "compare": {**settings.model_dump(mode="json"), "shifted": list(comparison.shifted)},
        "definitions": _definitions(settings.strengths[0]),
        "reference_method": against,
        "methods": {name: _method(comparison, found, closed, name, against) for name in comparison.methods},
        "agreement": {strength_key(s): _agreement(comparison, plan, store, s) for s in settings.strengths},
        "draws": counts,
        "warnings": [*_failures(comparison, found, closed), *_warnings(counts)],
    }


def header(comparison: Comparison, stored: Stored, sha256: str) -> Json:
    """What every result of labelled events begins with: where it comes from."""
    paths, window = comparison.data.path, comparison.window
    _, label = classes(stored)
    return {
        "schema": 1,
        "lamppost": __version__,
        "versions": provenance(),
        "seed": comparison.seed,
        "data": {
            "path": paths if isinstance(paths, str) else ", ".join(paths),
            "background": int((label == 0).sum()),
            "signal": int((label == 1).sum()),
            "rows": stored.about["n_rows"],
            "dropped": stored.about["n_dropped"],
            "sha256": sha256,
            "mass": comparison.data.mass,
            "features": list(stored.events.names),
            "shift": comparison.compare.shift,
            "shifted": list(comparison.shifted),
        },
        "window": {"lo": window.lo, "hi": window.hi, "reach": window.reach},
    }


def reference_method(comparison: Comparison) -> str:
    """What paired ratios refer to: the first method of kind `idealised`, or else the first."""
    names = [name for name, method in comparison.methods.items() if method.kind == "idealised"]
    return next(iter([*names, *comparison.methods]))


def strength_key(strength: float) -> str:
    """How a strength is called in JSON."""
    return f"{strength:.12g}"


def _definitions(weakest: float) -> Json:
    kept = ", ".join(f"{100 * part:g} %" for part in KEPT)
    return {
        "s_over_b": "signal over background events in the region of the data, on average over draws of the mass",
        "band": "[median, 16 % quantile, 84 % quantile] over draws. Draws of the same labelled events share some, and "
        "vary less than independent data would",
        "sic": "eps_S / sqrt(eps_B) of test events in the region",
        "sic_max": f"the largest SIC of all cuts that keep at least {FLOOR} background test events: 20 % error",
        "sic_at_eps_s_0.2": "a lower bound where not one background test event is kept",
        "ratio": "over the same figure of reference_method in the same draw; where only that is 0 the ratio counts as "
        "larger than all others, and is null where it is quoted; 0 over 0 is left out",
        "flatness": f"p-value and chi2 of a kept fraction that does not depend on m, and kept fraction in the region "
        f"over that beside it: test background of region and sidebands, {kept} kept",
        "follows_m": f"whether the median p-value of flatness is below {FOLLOWS:g}: the cut sculpts the spectrum of m",
        "closure_auc": "median AUC of boosted trees, expected against true background of the region, at S/B = "
        f"{strength_key(weakest)}",
        "cpu_s": "median processor time of one fit",
        "shared": f"common part of the {100 * SHARED:g} % of test background in the region with the highest scores",
        "floor": FLOOR,
        "follows_p": FOLLOWS,
        "shared_part": SHARED,
    }


def _method(
    comparison: Comparison, found: Mapping[Any, Json], closed: Mapping[Any, Json], name: str, against: str
) -> Json:
    method, draws = comparison.methods[name], range(comparison.compare.draws)
    by_strength = {}
    for strength in comparison.compare.strengths:
        mine, reference = ([found[which, strength, draw] for draw in draws] for which in (name, against))
        by_strength[strength_key(strength)] = _strength(mine, reference)
    closures = [one for (which, _), one in closed.items() if which == name and "failed" not in one]
    times = [about["cpu_s"] for (which, _, _), about in found.items() if which == name and "failed" not in about]
    median = band([closure["auc"] for closure in closures])
    return {
        "kind": method.kind,
        "needs_truth": method.needs_truth,
        "decorrelated": comparison.decorrelated(method),
        "s_over_b": by_strength,
        "closure_auc": median[0] if median else None,
        "closure_auc_error": float(np.mean([closure["error"] for closure in closures])) if closures else None,
        "closure": closures,
        "cpu_s": float(np.median(times)) if times else None,
    }


def _strength(mine: Sequence[Json], reference: Sequence[Json]) -> Json:
    values = {name: _each(mine, name) for name in (*FIGURES, "eps_b_at_max")}
    paired = {name: ratios(values[name], _each(reference, name)) for name in FIGURES if name != "auc"}
    trained = [about for about in mine if "failed" not in about]
    flatness = {f"{part:g}": _flatness([about["flatness"][f"{part:g}"] for about in trained]) for part in KEPT}
    return {
        **{name: band(values[name]) for name in FIGURES},
        "ratio": {name: ratio_band(each) for name, each in paired.items()},
        "flatness": flatness,
        "follows_m": any(found["p"][0] < FOLLOWS for found in flatness.values() if found["p"]),
        "draws": {
            **values,
            "ratio": {name: [None if one == inf else one for one in each] for name, each in paired.items()},
            "cpu_s": [about.get("cpu_s") for about in mine],
        },
        "curves": _curves(mine),
    }


def _flatness(found: Sequence[Json]) -> Json:
    return {name: band([one[name] for one in found]) for name in ("p", "chi2", "ndf", "region_over_sidebands")}


def _each(abouts: Sequence[Json], name: str) -> list[float | None]:
    return [about["figures"][name] if "figures" in about else None for about in abouts]


def _curves(mine: Sequence[Json]) -> Json | None:
    """Bands of the ROC and the SIC curve at the points where all draws have one."""
    drawn = [about["curves"] for about in mine if "curves" in about]
    if not drawn:
        return None
    found: Json = {}
    for name, axis, grid in (("eps_s", "eps_b", EPS_B), ("sic", "eps_s", EPS_S)):
        columns = list(zip(*(curve[name] for curve in drawn), strict=True))
        kept = [i for i, column in enumerate(columns) if None not in column]
        bands = [band(columns[i]) or [] for i in kept]
        points = {"median": 0, "low": 1, "high": 2}
        found["roc" if name == "eps_s" else "sic"] = {
            axis: [float(grid[i]) for i in kept],
            **{which: [one[i] for one in bands] for which, i in points.items()},
        }
    return found


def _agreement(comparison: Comparison, plan: Plan, store: Store, strength: float) -> Json:
    """How alike the methods rank the same test events, on average over draws in which all could be trained."""
    found: dict[str, list[Any]] = {"background": [], "signal": [], "shared": []}
    for number in range(comparison.compare.draws):
        stored = [store.read_arrays(plan.scored[name, strength, number]) for name in comparison.methods]
        if any("failed" in about for _, about in stored):
            continue
        n = stored[0][1]["n_background"]
        background, signal = ([arrays["score"][rows] for arrays, _ in stored] for rows in (slice(n), slice(n, None)))
        found["background"].append(rank_correlations(background))
        found["signal"].append(rank_correlations(signal))
        found["shared"].append(shared(background, SHARED))
    return {name: np.mean(matrices, axis=0).tolist() if matrices else None for name, matrices in found.items()}


def _failures(comparison: Comparison, found: Mapping[Any, Json], closed: Mapping[Any, Json]) -> Iterator[str]:
    """In how many draws a method could not be fitted, and why."""
    for name in comparison.methods:
        for what, abouts in (("training", found), ("closure", closed)):
            mine = {key: about for key, about in abouts.items() if key[0] == name}
            failed = {key: about["failed"] for key, about in mine.items() if "failed" in about}
            if failed:
                draws, of = ({key[-1] for key in keys} for keys in (failed, mine))
                first = next(iter(failed.values()))
                yield f"{name}: a {what} failed in {len(draws)} of {len(of)} draws and is left out; the first: {first}"


def _warnings(counts: Sequence[Json]) -> list[str]:
    """What a reader must know before believing a figure, one line each."""
    fewest = min(one["test"] for one in counts)
    if 1e-3 * fewest >= FLOOR:
        return []
    kept = f"{1e-3 * fewest:.1f} of {fewest}"
    return [f"eps_B = 1e-3 keeps {kept} background test events, less than {FLOOR}: SIC is not known to 20 % there"]
