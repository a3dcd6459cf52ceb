"""What the figures and tables of a window show, as plain lists: spectra, fits, scans, scores, features, events."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamppost.core import Array, Events, Window
from lamppost.run.tasks import plain
from lamppost.search import Flatness
from lamppost.stats import BackgroundFit, ScanResult, Signal, Spectrum

__all__ = ["curves", "features", "fitted_spectrum", "flatness", "score_distribution", "top_events"]

_TOP = 20


def curves(found: ScanResult, edges: Array, signal: Signal) -> dict[str, Any]:
    """Spectrum, fit, pulls and scan as plain lists for the figures."""
    peak = max(found.signal, 0.0) * signal.fractions(edges, found.best_mass)
    return {
        "spectrum": {**fitted_spectrum(found.spectrum, found.background), "signal": peak.tolist()},
        "scan": plain({"mass": found.masses, "z": found.z, "p": found.p}),
    }


def fitted_spectrum(spectrum: Spectrum, fit: BackgroundFit) -> dict[str, Any]:
    """Spectrum, fit and pulls as plain lists; nothing is expected of hidden bins."""
    shown = spectrum.open_bins()
    arrays = {"edges": spectrum.edges, "counts": spectrum.counts, "errors": np.sqrt(spectrum.variances)}
    background = [value if is_shown else None for value, is_shown in zip(fit.expected.tolist(), shown, strict=True)]
    return {**plain(arrays), "background": background, "pulls": np.where(shown, fit.pulls, 0.0).tolist()}


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
