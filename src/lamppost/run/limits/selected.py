"""What a selection keeps: of the data, with and without injected events, and of the signal, out of fold."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamppost.config import Fit
from lamppost.core import Array, Events, Window
from lamppost.errors import FitError
from lamppost.expressions import parse
from lamppost.run.artefacts import Store
from lamppost.run.measure import sculpting
from lamppost.run.samples import load
from lamppost.run.spectra import false_signal
from lamppost.run.tasks import merged_scores, plain
from lamppost.search import fold_of
from lamppost.stats import Signal, Spectrum, Template, choose

__all__ = ["Sample", "select_by_cut", "select_by_score"]

Json = dict[str, Any]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Sample:
    """A signal, and what it is injected into: artefacts of both, of the rows that may be used, of the injection.

    mass: of the signal; shape: the peak to fit, None for the masses of what is selected
    injected: the data with the injection, None if there is none
    """

    data: str
    signal: str
    stock: str
    injected: str | None
    mass: float
    shape: Signal | None
    fit: Fit

    @property
    def needs(self) -> tuple[str, ...]:
        """All these artefacts."""
        return (self.data, self.signal, self.stock, *(() if self.injected is None else (self.injected,)))


def select_by_score(
    store: Store,
    key: str,
    *,
    sample: Sample,
    parts: tuple[str, ...],
    signal_parts: tuple[str, ...],
    efficiencies: tuple[float, ...],
    window: Window,
) -> None:
    """Cut on the scores of the folds, of data and signal; every event by a model that did not see it."""
    signal = load(store, sample.signal).events
    data = load(store, sample.injected or sample.data).events
    kept, of_signal = (
        _above(store, which, events, efficiencies) for which, events in ((parts, data), (signal_parts, signal))
    )
    _store(store, key, sample, kept, of_signal, len(parts), window)


def _above(store: Store, parts: Sequence[str], events: Events, kept: Sequence[float]) -> list[Mask]:
    """Which events pass, for every fraction of the background that is kept."""
    scores = merged_scores(store, parts, events.id)
    return [np.asarray(scores >= -np.log10(fraction)) for fraction in kept]


def select_by_cut(store: Store, key: str, *, sample: Sample, cut: str | None, mass: str) -> None:
    """Keep the events that fulfil a condition on features and `mass`, the name of m; all of them if there is none."""

    def kept(events: Events) -> Mask:
        if cut is None:
            return np.ones(len(events), bool)
        columns = dict(zip(events.names, events.x.T, strict=True))
        return parse(cut).passes({**columns, mass: events.m})

    data, signal = load(store, sample.injected or sample.data).events, load(store, sample.signal).events
    _store(store, key, sample, [kept(data)], [kept(signal)], 0, None)


def _store(
    store: Store,
    key: str,
    sample: Sample,
    kept: Sequence[Mask],
    of_signal: Sequence[Mask],
    folds: int,
    window: Window | None,
) -> None:
    """Spectra, efficiencies and peaks of nested selections, and which events of the data each of them keeps."""
    stored, edges = load(store, sample.injected or sample.data), sample.fit.edges
    # a label of the data themselves is none of our business: they may be pseudo-data that hold a signal
    own = np.ones(len(stored.events), bool) if sample.injected is None else stored.label == 0
    rows, data = store.read_arrays(sample.stock)[0]["rows"], stored.events[own]
    signal = load(store, sample.signal).events[rows]
    whole, peak = _spectrum(data, edges), _peak(signal, sample, None)
    found = []
    for events, passed in zip(kept, (mask[rows] for mask in of_signal), strict=True):
        spectrum = _spectrum(stored.events[own & events], edges)
        shape = _peak(signal[passed], sample, peak)
        found.append(
            {
                **_efficiency(signal, passed, folds),
                "n": int(np.sum(own & events)),
                "sculpting_p": None if window is None else _flat(data, events[own], window),
                "spectrum": _plain(spectrum),
                "injected": _plain(_spectrum(stored.events[events], edges)),
                "shape": shape.model_dump(mode="json"),
                "spurious": _spurious(spectrum, whole, sample, shape),
            }
        )
    about = {"whole": _plain(_spectrum(stored.events, edges)), "peak": peak.model_dump(mode="json")}
    masks = {f"kept {i}": events[own] for i, events in enumerate(kept)}
    store.write_arrays(key, masks, {**about, "selections": found})


def _efficiency(signal: Events, passed: Mask, folds: int) -> Json:
    """Kept weight over weight, its error sqrt(sum w^2 (kept - eps)^2) / sum w, and that of every fold."""

    def of(rows: Mask) -> float:
        total = float(signal.w[rows].sum())
        return float(signal.w[rows & passed].sum()) / total if total > 0.0 else 0.0

    everything, fold = np.ones(len(signal), bool), fold_of(signal.id, max(folds, 1))
    efficiency = of(everything)
    error = sqrt(float(np.sum((signal.w * (passed - efficiency)) ** 2))) / float(signal.w.sum())
    each = [of(fold == k) for k in range(folds)]
    return {"efficiency": max(efficiency, 0.0), "efficiency_error": error, "folds": each}


def _flat(data: Events, kept: Mask, window: Window) -> float:
    """Whether the kept fraction is the same at every m of the sidebands."""
    return float(sculpting(data, kept, window, across=False).p_value)


def _peak(signal: Events, sample: Sample, instead: Signal | None) -> Signal:
    """The shape that is fitted; `instead` where there are too few events for one of their own."""
    if sample.shape is not None:
        return sample.shape
    try:
        return Template.from_events(signal.m, signal.w, sample.mass)
    except FitError:
        if instead is None:
            raise
        return instead


def _spurious(spectrum: Spectrum, whole: Spectrum, sample: Sample, shape: Signal) -> float:
    """Events that the background may mistake for the signal, if `[fit]` asks what they are."""
    fit = sample.fit
    if not fit.spurious or not spectrum.counts.any():
        return 0.0
    chosen = choose(spectrum, fit.function, n_parameters=fit.n_parameters, criterion=fit.criterion).background
    peaked = fit.model_copy(update={"signal": shape})
    return float(np.max(false_signal(spectrum, chosen, whole, peaked, np.array([sample.mass]))))


def _spectrum(events: Events, edges: Array) -> Spectrum:
    return Spectrum.from_masses(events.m, edges, events.w)


def _plain(spectrum: Spectrum) -> Json:
    return plain({"counts": spectrum.counts, "variances": spectrum.variances})
