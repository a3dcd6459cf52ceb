"""From merged scores to the numbers and curves of a window: selection, sculpting test, bump hunt."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamppost.config import Fit
from lamppost.core import Events, Window
from lamppost.run.artefacts import Store
from lamppost.run.details import curves, features, flatness, score_distribution, top_events
from lamppost.run.samples import load
from lamppost.run.spectra import Region, fit_row, needed_orders, scan_spectra
from lamppost.run.tasks import merged_scores
from lamppost.search import Flatness, kept_fraction_flatness, seed_of
from lamppost.stats import Spectrum

__all__ = ["measure_inclusive", "measure_window", "sculpting", "validate_window"]

_FLATNESS_BINS = 12


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
    hidden: tuple[Region, ...] = (),
) -> None:
    """Cut, test for sculpting, fit the kept spectrum and calibrate the largest excess in the window by toys.

    With `hidden` intervals of the mass, which no fit sees, the window is one that no claim is made for: whether the
    kept fraction is flat is then asked of the region as well.
    """
    stored = load(store, events)
    everything = stored.events
    scores = merged_scores(store, parts, everything.id)
    kept = [scores >= -np.log10(efficiency) for efficiency in efficiencies]
    edges = fit.edges
    spectra = [Spectrum.from_masses(everything.m[k], edges, everything.w[k], hidden) for k in kept]
    region = (window.lo, window.hi)
    whole = Spectrum.from_masses(everything.m, edges, everything.w, hidden)
    stream = seed_of(seed, "toys", name, window.lo, window.hi, window.reach)
    at_least = needed_orders(whole, fit)
    joint, spurious = scan_spectra(spectra, whole, fit, region, stream, at_least=at_least, masked=region)
    flat = [sculpting(everything, k, window, across=bool(hidden)) for k in kept]
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
        **fit_row(best, spurious[joint.best]),
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
    searched = {"background": best.background.family.model_dump(mode="json"), "p_window_error": joint.p_global_error}
    rows = [tested_row(window, name, e, f) for e, f in zip(efficiencies, flat, strict=True)]
    found = {"row": {**row, "efficiencies": scanned}, "details": details, "searched": searched}
    store.write_json(key, {**found, "rows": rows} if hidden else found)


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
    # nothing is masked where the order is chosen: without all windows at once no order could be told from another
    stream = seed_of(seed, "toys", "inclusive", *region)
    joint, spurious = scan_spectra([spectrum], spectrum, fit, region, stream)
    best = joint.results[0]
    row = {
        "lo": region[0],
        "hi": region[1],
        **fit_row(best, spurious[0]),
        "p_global": joint.p_global,
        "z_global": max(joint.z_global or 0.0, 0.0),
        "p_global_method": joint.p_global_method,
    }
    store.write_json(key, {"row": row, "details": curves(best, fit.edges, fit.signal)})


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
        rows.append(tested_row(window, name, efficiency, found))
    store.write_json(key, {"rows": rows})


def tested_row(window: Window, name: str, efficiency: float, found: Flatness) -> dict[str, Any]:
    """What a result says of a window without a claim."""
    row = {"lo": window.lo, "hi": window.hi, "method": name, "efficiency": efficiency}
    return {**row, "sculpting_chi2": found.chi2, "sculpting_ndf": found.ndf, "sculpting_p": found.p_value}


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
