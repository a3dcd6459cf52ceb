"""The tasks of a hunt with its windows closed: what lies outside of them, and what may be said of it."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamppost.config import Fit
from lamppost.core import Events, Method, Window
from lamppost.run.artefacts import Store
from lamppost.run.compare.closure import closure_auc, expectation_of
from lamppost.run.details import fitted_spectrum, flatness
from lamppost.run.measure import number, sculpting
from lamppost.run.samples import Samples, load, tied, view_of
from lamppost.run.spectra import Region, background_row, needed_orders
from lamppost.run.tasks import determine_mass, merged_scores
from lamppost.search import QuantileMap, seed_of
from lamppost.stats import Choice, Spectrum, choose

__all__ = ["close_window", "determine_beside", "measure_all_outside", "measure_outside", "outside", "take_outside"]

_LEAST = 200
"""Fewer events than this beside a window, outside of all, cannot say whether the features determine m."""


def take_outside(store: Store, key: str, *, events: str, hidden: tuple[Region, ...]) -> None:
    """The events outside the hidden intervals of the mass; whatever is made of these alone knows nothing of others."""
    everything = load(store, events).events
    rows = np.flatnonzero(_is_outside(everything, hidden))
    store.write_arrays(key, {"rows": rows}, {"of": events, "tied": tied(everything[rows])})


def outside(everything: Events, hidden: tuple[Region, ...]) -> Events:
    """The events outside the hidden intervals of the mass."""
    return everything[_is_outside(everything, hidden)]


def _is_outside(everything: Events, hidden: tuple[Region, ...]) -> NDArray[np.bool_]:
    inside = np.zeros(len(everything), dtype=np.bool_)
    for lo, hi in hidden:
        inside |= (everything.m >= lo) & (everything.m < hi)
    return ~inside


def measure_all_outside(store: Store, key: str, *, events: str, fit: Fit, hidden: tuple[Region, ...]) -> None:
    """The background fit to all events outside, nothing selected."""
    everything = load(store, events).events
    spectrum = Spectrum.from_masses(everything.m, fit.edges, everything.w, hidden)
    found = _background(spectrum, fit, None)
    row = {"events": number(everything.w.sum()), "fit": background_row(found)}
    store.write_json(key, {"row": row, "details": {"spectrum": _drawn(found)}})


def measure_outside(
    store: Store,
    key: str,
    *,
    events: str,
    parts: tuple[str, ...],
    window: Window,
    efficiencies: tuple[float, ...],
    fit: Fit,
    name: str,
    hidden: tuple[Region, ...],
) -> None:
    """What the selection of a closed window does outside of all: is it flat beside the window, does the fit hold?"""
    everything = load(store, events).events
    scores = merged_scores(store, parts, everything.id)
    whole = Spectrum.from_masses(everything.m, fit.edges, everything.w, hidden)
    at_least = needed_orders(whole, fit)
    rows, details = [], []
    for efficiency in efficiencies:
        kept = scores >= -np.log10(efficiency)
        spectrum = Spectrum.from_masses(everything.m[kept], fit.edges, everything.w[kept], hidden)
        found, flat = _background(spectrum, fit, at_least), _beside(everything, kept, window)
        row = {"lo": window.lo, "hi": window.hi, "method": name, "efficiency": efficiency}
        row |= {"n_kept": number(everything.w[kept].sum()), "n_outside": number(everything.w.sum())}
        rows.append({**row, "sculpting_p": None if flat is None else flat["p"], "fit": background_row(found)})
        details.append({"efficiency": efficiency, "spectrum": _drawn(found), "sculpting": flat})
    about = {"lo": window.lo, "hi": window.hi, "method": name, "efficiencies": details}
    store.write_json(key, {"rows": rows, "details": about})


def _background(spectrum: Spectrum, fit: Fit, at_least: tuple[int, ...] | None) -> Choice:
    return choose(spectrum, fit.function, n_parameters=fit.n_parameters, at_least=at_least, criterion=fit.criterion)


def _drawn(found: Choice) -> dict[str, Any]:
    return fitted_spectrum(found.spectrum, found.background)


def _beside(everything: Events, kept: NDArray[np.bool_], window: Window) -> dict[str, Any] | None:
    """The sculpting test in those sidebands that no window covers; None where these are too few to tell."""
    if not window.beside(everything.m).any():
        return None
    found = sculpting(everything, kept, window, across=False)
    return flatness(found) if found.ndf > 0 else None


def determine_beside(
    store: Store, key: str, *, events: str, window: Window, decorrelate: bool, features: tuple[str, ...] = ()
) -> None:
    """Do the features determine m beside a closed window? Null where its sidebands lie in other windows."""
    if np.count_nonzero(window.beside(load(store, events).events.m)) < _LEAST:
        store.write_json(key, None)
        return
    determine_mass(store, key, events=events, window=window, decorrelate=decorrelate, features=features)


def close_window(
    store: Store, key: str, *, samples: Samples, window: Window, method: Method, decorrelate: bool, seed: int
) -> None:
    """How well the background that a method expects in a window without a claim agrees with the events there."""
    everything = load(store, samples.data).events
    seen = QuantileMap.fit(everything, window) if decorrelate else _as_they_are
    view = view_of(store, samples, everything, window, seen)
    expectation = expectation_of(method)
    assert expectation is not None
    stream = seed_of(seed, "closure", window.lo, window.hi, window.reach, method.model_dump(mode="json"), decorrelate)
    made = expectation(view, np.random.default_rng(stream))
    auc, error = closure_auc(made, view.sr, int(stream.generate_state(1)[0]))
    store.write_json(key, {"auc": auc, "error": error, "n_expected": len(made), "n_true": len(view.sr)})


def _as_they_are(events: Events) -> Events:
    return events
