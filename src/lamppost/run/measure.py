"""From merged scores to the numbers and curves of a window: selection, sculpting test, bump hunt."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamppost.config import Fit
from lamppost.core import Array, Events, Window
from lamppost.errors import FitError
from lamppost.run.artefacts import Store
from lamppost.run.samples import load
from lamppost.run.tasks import merged_scores, plain
from lamppost.run.worker import TaskFunction
from lamppost.search import Flatness, kept_fraction_flatness, seed_of
from lamppost.stats import ScanResult, Signal, Spectrum, fit_background, joint_scan, mass_grid

__all__ = ["attempt", "measure_inclusive", "measure_window", "validate_window"]

_TOP = 20
_FLATNESS_BINS = 12


def attempt(store: Store, key: str, *, function: TaskFunction, **arguments: Any) -> None:
    """Do it; where a fit fails, store why instead: {"failed": ...}. One hunt of hundreds must not end them all."""
    try:
        function(store, key, **arguments)
    except FitError as error:
        store.write_json(key, {"failed": str(error)})


def measure_window(
    store: Store,
    key: str,
    *,
    events: str,
    parts: tuple[str, ...],
    window: Window,
    efficiencies: tuple[float, ...],
    fit: Fit,
    seed: int,
    name: str,
) -> None:
    """Cut, test for sculpting, fit the kept spectrum and calibrate the largest excess in the window by toys."""
    stored = load(store, events)
    everything = stored.events
    scores = merged_scores(store, parts, everything.id)
    kept = [scores >= -np.log10(efficiency) for efficiency in efficiencies]
    edges = fit.edges
    spectra = [Spectrum.from_masses(everything.m[k], edges, everything.w[k]) for k in kept]
    region = (window.lo, window.hi)
    joint = joint_scan(
        spectra,
        background=fit.function,
        signal=fit.signal,
        n_parameters=fit.n_parameters,
        at_least=inclusive_order(everything, fit) if fit.n_parameters is None else None,
        window=region,
        toys=fit.toys,
        seed=seed_of(seed, "toys", name, window.lo, window.hi, window.reach),
    )
    flat = [sculpting(everything, k, window, across=False) for k in kept]
    best, efficiency = joint.results[joint.best], efficiencies[joint.best]
    expected, error = best.background.expected_in(*region)
    inside = window.inside(everything.m)
    row = {
        "lo": window.lo,
        "hi": window.hi,
        "method": name,
        "n_sr": number(everything.w[inside].sum()),
        "efficiency": efficiency,
        "n_selected": number(everything.w[inside & kept[joint.best]].sum()),
        "n_expected": expected,
        "n_expected_error": error,
        "sculpting_p": flat[joint.best].p_value,
        **fit_row(best),
        "p_window": joint.p_global,
        "z_window": max(joint.z_global or 0.0, 0.0),
        "p_window_method": joint.p_global_method,
        "n_toys": joint.n_toys,
        "n_failed": joint.n_failed,
    }
    scanned = [
        {
            "efficiency": e,
            "n_selected": number(everything.w[inside & k].sum()),
            "z_local": r.z_local,
            "p_local": r.p_local,
            "best_mass": r.best_mass,
            "sculpting_p": f.p_value,
        }
        for e, k, r, f in zip(efficiencies, kept, joint.results, flat, strict=True)
    ]
    details = {
        "lo": window.lo,
        "hi": window.hi,
        "reach": window.reach,
        "method": name,
        "scores": score_distribution(scores, everything, window, efficiencies),
        "efficiencies": [
            {"efficiency": e, **curves(r, edges, fit.signal), "sculpting": flatness(f)}
            for e, r, f in zip(efficiencies, joint.results, flat, strict=True)
        ],
        "features": features(everything, window, kept[joint.best]),
        "top_events": top_events(everything, stored.index, scores, window),
    }
    store.write_json(key, {"row": {**row, "efficiencies": scanned}, "details": details})


def measure_inclusive(
    store: Store,
    key: str,
    *,
    events: str,
    region: tuple[float, float],
    fit: Fit,
    seed: int,
) -> None:
    """The same fit to all events, nothing selected: what a search without a score would see over all windows."""
    everything = load(store, events).events
    spectrum = Spectrum.from_masses(everything.m, fit.edges, everything.w)
    joint = joint_scan(
        [spectrum],
        background=fit.function,
        signal=fit.signal,
        n_parameters=fit.n_parameters,
        # nothing is masked where the order is chosen: without all windows at once no order could be told from another
        masses=mass_grid(spectrum, fit.signal, region),
        toys=fit.toys,
        seed=seed_of(seed, "toys", "inclusive", *region),
    )
    best = joint.results[0]
    row = {
        "lo": region[0],
        "hi": region[1],
        **fit_row(best),
        "p_global": joint.p_global,
        "z_global": joint.z_global,
        "p_global_method": joint.p_global_method,
    }
    store.write_json(key, {"row": row, "details": curves(best, fit.edges, fit.signal)})


def inclusive_order(events: Events, fit: Fit) -> int:
    """The number of parameters that the spectrum of all events needs, by F-test.

    The kept events have the same shape, but a hundred times fewer of them cannot tell: an F-test on them alone picks
    too stiff a function, and what it cannot follow looks like a signal.
    """
    return fit_background(Spectrum.from_masses(events.m, fit.edges, events.w), fit.function).n_parameters


def validate_window(
    store: Store,
    key: str,
    *,
    events: str,
    parts: tuple[str, ...],
    window: Window,
    efficiencies: tuple[float, ...],
    name: str,
) -> None:
    """A window without a claim: is the kept fraction flat across the region itself, too?"""
    everything = load(store, events).events
    scores = merged_scores(store, parts, everything.id)
    rows = []
    for efficiency in efficiencies:
        found = sculpting(everything, scores >= -np.log10(efficiency), window, across=True)
        row = {"lo": window.lo, "hi": window.hi, "method": name, "efficiency": efficiency}
        rows.append({**row, "sculpting_chi2": found.chi2, "sculpting_ndf": found.ndf, "sculpting_p": found.p_value})
    store.write_json(key, {"rows": rows})


def sculpting(events: Events, kept: NDArray[np.bool_], window: Window, *, across: bool) -> Flatness:
    """The flatness test over the sidebands, or `across` the region as well."""
    lo, hi = max(window.lo - window.reach, events.m.min()), window.hi + window.reach
    rows = (events.m >= lo) & (events.m < hi)
    if across:
        edges = np.linspace(lo, hi, _FLATNESS_BINS + 1)
        return kept_fraction_flatness(events.m[rows], events.w[rows], kept[rows], edges)
    rows &= ~window.inside(events.m)
    sides = [np.linspace(lo, window.lo, _FLATNESS_BINS // 2 + 1), np.linspace(window.hi, hi, _FLATNESS_BINS // 2 + 1)]
    return kept_fraction_flatness(events.m[rows], events.w[rows], kept[rows], np.unique(np.concatenate(sides)))


def number(total: Any) -> float | int:
    """A sum of weights; a whole number where it is one."""
    value = float(total)
    return int(value) if value.is_integer() else value


def fit_row(found: ScanResult) -> dict[str, Any]:
    """The numbers of a scan that every row of the result holds."""
    fit = found.background
    return {
        "p_local": found.p_local,
        "z_local": found.z_local,
        "best_mass": found.best_mass,
        "signal": found.signal,
        "signal_error": found.signal_error,
        "fit": {
            "function": fit.function,
            "n_parameters": fit.n_parameters,
            "chi2": fit.chi2,
            "ndf": fit.ndf,
            "p_value": fit.p_value,
            "converged": bool(fit.converged),
        },
    }


def curves(found: ScanResult, edges: Array, signal: Signal) -> dict[str, Any]:
    """Spectrum, fit, pulls and scan as plain lists for the figures."""
    spectrum = found.spectrum
    return {
        "spectrum": plain(
            {
                "edges": edges,
                "counts": spectrum.counts,
                "errors": np.sqrt(spectrum.variances),
                "background": found.background.expected,
                "pulls": found.pulls,
                "signal": max(found.signal, 0.0) * signal.fractions(edges, found.best_mass),
            }
        ),
        "scan": plain({"mass": found.masses, "z": found.z, "p": found.p}),
    }


def flatness(found: Flatness) -> dict[str, Any]:
    """The sculpting test as plain lists."""
    names = ("edges", "kept", "total", "fraction", "error", "chi2", "ndf")
    return {**plain({name: getattr(found, name) for name in names}), "p": found.p_value}


def score_distribution(scores: Array, events: Events, window: Window, efficiencies: Sequence[float]) -> dict[str, Any]:
    """Histograms of the aligned score in region and sidebands."""
    edges = np.linspace(0.0, max(5.0, float(np.ceil(scores.max(initial=0.0)))), 61)
    regions = {"sr": window.inside(events.m), "sb": window.beside(events.m)}
    clipped = np.clip(scores, edges[0], edges[-1])
    counted = {name: np.histogram(clipped[r], edges, weights=events.w[r])[0] for name, r in regions.items()}
    return plain({"edges": edges, **counted, "thresholds": [-float(np.log10(e)) for e in efficiencies]})


def features(events: Events, window: Window, kept: NDArray[np.bool_]) -> list[dict[str, Any]]:
    """Histograms of every feature for the kept events of the region and for the sidebands."""
    selected, beside = kept & window.inside(events.m), window.beside(events.m)
    found = []
    for name, values in zip(events.names, events.x.T.astype(np.float64), strict=True):
        lo, hi = np.quantile(values[beside | selected], [0.001, 0.999])
        edges = np.linspace(lo, hi if hi > lo else lo + 1.0, 41)
        counted = {
            what: np.histogram(np.clip(values[rows], edges[0], edges[-1]), edges, weights=events.w[rows])[0]
            for what, rows in (("selected", selected), ("sidebands", beside))
        }
        found.append({"name": name, **plain({"edges": edges, **counted})})
    return found


def top_events(events: Events, index: NDArray[np.int64], scores: Array, window: Window) -> list[dict[str, Any]]:
    """The most anomalous events of the region: row in the input, mass, score, features."""
    inside = np.flatnonzero(window.inside(events.m))
    best = inside[np.argsort(-scores[inside], kind="stable")[:_TOP]]
    return [
        {
            "index": int(index[i]),
            "m": float(events.m[i]),
            "score": float(scores[i]),
            "features": dict(zip(events.names, events.x[i].astype(float).tolist(), strict=True)),
        }
        for i in best
    ]
