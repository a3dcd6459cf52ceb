"""Limits, pulls and coverage: `python benchmarks/stats_parts/limits.py [--toys N] [--seed S] [--out FILE.json]`.

One process, one thread, CPU seconds. The spectrum is the fit of `reference_case.csv` (43 bins, 65,000 events) or, where
that is not at hand, of a dijet of the same size; pulls and coverage are measured on it and on 2,000 events of the same
shape, with toys of the fitted family (dijet, 4 parameters) and of another one fitted to the same data (polynomial, 5).
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from lamppost.core import Array
from lamppost.stats import Spectrum, fit_background
from lamppost.stats.limits.likelihood import likelihood
from lamppost.stats.limits.limits import limit_of, upper_limit
from lamppost.stats.limits.pulls import bias_test, coverage
from lamppost.stats.limits.toy_limits import toy_cls
from lamppost.stats.limits.workspace import Workspace
from lamppost.stats.toys import seed_sequence

SIGNAL = {"kind": "crystal_ball", "resolution": 0.04}
MASS = 3000.0
DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "spectra" / "reference_case.csv"
SOURCES = (
    {"kind": "normalisation", "name": "luminosity", "up": 1.016},
    {"kind": "normalisation", "name": "efficiency", "up": 1.12, "down": 0.93},
    {"kind": "mass", "name": "scale", "size": 0.01},
    {"kind": "width", "name": "resolution", "size": 0.1},
)


def reference() -> Spectrum:
    """The spectrum of the reference case, or one like it."""
    if DATA.exists():
        low, high, counts = np.loadtxt(DATA, delimiter=",", skiprows=1).T
        return Spectrum(np.append(low, high[-1]), counts)
    edges = np.round(np.geomspace(1530.0, 8752.0, 44))
    x = np.sqrt(edges[1:] * edges[:-1]) / 13000.0
    shape = (1.0 - x) ** 8.6 * x ** (-5.6 - 0.03 * np.log(x)) * np.diff(edges)
    return Spectrum(edges, np.random.default_rng(1000).poisson(65000 * shape / shape.sum()))


def model(spectrum: Spectrum, *sources: dict[str, Any], spurious: float = 0.0) -> Workspace:
    """The workspace of the peak."""
    return Workspace(spectrum, MASS, n_parameters=4, signal=SIGNAL, systematics=sources, spurious=spurious)


def speed(spectrum: Spectrum, toys: int = 4000) -> dict[str, float]:
    """CPU milliseconds of an asymptotic limit with its bands, and toys per CPU second; compiled beforehand."""
    found = {}
    for name, sources in (("plain", ()), ("systematics", SOURCES)):
        ready = likelihood(model(spectrum, *sources, spurious=20.0 * bool(sources)))
        toy_cls(ready, np.array([200.0]), 10, seed_sequence(0))
        limit_of(ready)
        begin = time.process_time()
        for _ in range(20):
            limit_of(ready.with_data(ready.n, ready.centres))
        found[f"{name}: ms per limit"] = 1000.0 * (time.process_time() - begin) / 20
        begin = time.process_time()
        toy_cls(ready, np.array([200.0]), toys, seed_sequence(0))
        found[f"{name}: toys/s"] = 2 * toys / (time.process_time() - begin)
    return found


def calibration(workspace: Workspace, truth: Array, toys: int, seed: int) -> list[dict[str, float]]:
    """Pulls at 0, 2 and 5 sigma, coverage at five strengths, the median limit of background alone."""
    rows: list[dict[str, float]] = []
    for test in bias_test(workspace, truth=truth, toys=toys, seed=seed):
        row = {"sigma": test.strength, "mean pull": test.mean, "its error": test.mean_error}
        rows.append(row | {"width": test.width, "failed": float(test.n_failed)})
    rows.extend(
        {"sigma": test.strength, "coverage": test.covered, "its error": test.error, "failed": float(test.n_failed)}
        for test in coverage(workspace, truth=truth, toys=toys, seed=seed)
    )
    (test,) = coverage(workspace, [0.0], truth=truth, toys=max(toys // 5, 1), limits=True, seed=seed)
    return [*rows, {"median limit / Asimov": test.median / test.asimov}]


def measure(toys: int, seed: int) -> dict[str, Any]:
    """Everything, by name."""
    spectrum = reference()
    limit = upper_limit(model(spectrum))
    found: dict[str, Any] = {"limit": limit.observed, "expected": limit.expected.tolist(), **speed(spectrum)}
    fits = {"dijet4": fit_background(spectrum, "dijet", 4), "polynomial5": fit_background(spectrum, "polynomial", 5)}
    for name, fit in fits.items():
        for events in (float(spectrum.counts.sum()), 2000.0):
            truth = fit.expected * events / fit.expected.sum()
            data = Spectrum(spectrum.edges, np.random.default_rng(seed).poisson(truth))
            found[f"{events:.0f} events from {name}"] = calibration(model(data), truth, toys, seed)
    return found


def main() -> None:
    """Measure, print, write."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--toys", type=int, default=10000)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--out", type=Path, default=Path("benchmark-limits.json"))
    chosen = options.parse_args()
    found = measure(chosen.toys, chosen.seed)
    for name, value in found.items():
        rows = value if isinstance(value, list) and isinstance(value[0], dict) else [value]
        for row in rows:
            text = ", ".join(f"{k} {v:.4g}" for k, v in row.items()) if isinstance(row, dict) else row
            print(f"{name:32} {text}")
    chosen.out.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
