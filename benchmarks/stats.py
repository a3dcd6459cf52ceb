"""Speed of the fits: `python benchmarks/stats.py [--out FILE.json] [--seconds S]` prints a table and writes JSON.

One process, one thread, CPU seconds. The spectrum is a dijet of 43 bins and 65,000 events, four parameters, 41 mass
hypotheses with a Crystal Ball of 4 % resolution; compilation is timed apart and is close to zero once cached.
"""

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from iminuit import Minuit
from numpy.typing import NDArray

from lamppost.stats import Dijet, Spectrum, signal
from lamppost.stats.fit import unmasked
from lamppost.stats.search import Search, prepare

MASSES = np.arange(1800.0, 5801.0, 100.0)
EDGES = np.round(np.geomspace(1530.0, 8752.0, 44))
PARAMETERS = np.array([-3.1, 8.6, 5.6, 0.03])


def spectrum(rng: np.random.Generator) -> Spectrum:
    """A smooth dijet spectrum of about 65,000 events."""
    middle = np.sqrt(EDGES[1:] * EDGES[:-1])
    shape = np.exp(Dijet().design(middle, EDGES[0], EDGES[-1])[:, :4] @ PARAMETERS) * np.diff(EDGES)
    return Spectrum(EDGES, rng.poisson(65000 * shape / shape.sum()).astype(float))


def rate(work: Callable[[], int], seconds: float) -> tuple[int, float]:
    """Items done and CPU seconds spent in repeating `work` for so long."""
    done, begin = 0, time.process_time()
    while time.process_time() - begin < seconds:
        done += work()
    return done, time.process_time() - begin


def minuit(search: Search, counts: NDArray[np.float64]) -> int:
    """One background fit by iminuit, strategy 1 and tolerance 1e-3, of the same likelihood."""
    model = search.model
    basis, weight = model.basis[:, :4], model.weight

    def nll(theta: NDArray[np.float64]) -> float:
        mu = np.sum(weight * np.exp(np.einsum("qpi,p->qi", basis, theta)), axis=0)
        return float(np.sum(mu - counts * np.log(mu)))

    fit = Minuit(nll, search.starts[4, :4])
    fit.errordef, fit.strategy, fit.tol = Minuit.LIKELIHOOD, 1, 1e-3
    fit.migrad()
    return 1


def main() -> None:
    """Measure, print, write."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--out", type=Path, default=Path("benchmark-stats.json"))
    options.add_argument("--seconds", type=float, default=5.0)
    arguments = options.parse_args()
    rng = np.random.default_rng(1)
    data = spectrum(rng)
    shape, bins = signal({"kind": "crystal_ball", "resolution": 0.04}), unmasked(data, None)

    begin = time.process_time()
    search = prepare(data, Dijet(), shape, MASSES, bins, 4)
    alone = replace(search, fractions=search.fractions[:0])
    ordered = prepare(data, Dijet(), shape, MASSES, bins, None)
    counts = rng.poisson(search.expected, size=(250, len(EDGES) - 1)).astype(float)
    many = np.tile(counts, (40, 1))
    for ready in (search, alone, ordered):
        ready.toys(counts)
    compiling = time.process_time() - begin

    rows = {
        "background fits": rate(lambda: len(alone.toys(many)), arguments.seconds),
        "toys (background + 41 signal fits)": rate(lambda: len(search.toys(counts)), arguments.seconds),
        "toys with F-test": rate(lambda: len(ordered.toys(counts)), arguments.seconds),
        "iminuit background fits": rate(lambda: minuit(search, counts[0]), arguments.seconds),
    }
    print(f"{'what':<36}{'done':>10}{'CPU s':>8}{'per CPU s':>12}")
    for name, (done, cpu) in rows.items():
        print(f"{name:<36}{done:>10}{cpu:>8.2f}{done / cpu:>12.0f}")
    print(f"compilation and first fits: {compiling:.2f} CPU s; {len(search.model.weight)} quadrature points per bin")
    result = {name: {"done": done, "cpu_s": cpu, "per_cpu_s": done / cpu} for name, (done, cpu) in rows.items()}
    arguments.out.write_text(json.dumps({"compile_cpu_s": compiling, "rates": result}, indent=2) + "\n")


if __name__ == "__main__":
    main()
