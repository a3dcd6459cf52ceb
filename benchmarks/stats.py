"""Speed of the fits: `python benchmarks/stats.py [--out FILE.json] [--seconds S] [--spectrum FILE]`: a table and JSON.

One process, one thread, CPU seconds; each rate is the best of three. The spectrum is a dijet of 43 bins and 65,000
events, four parameters, 41 mass hypotheses with a Crystal Ball of 4 % resolution; compilation is timed apart and is
close to zero once cached. iminuit fits the same likelihood, pyBumpHunter (if installed) scans toys of the same spectrum
without refitting their background. `--spectrum` times 100,000 whole toys of a spectrum of your own beside it.
"""

import argparse
import contextlib
import io
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from iminuit import Minuit
from numpy.typing import NDArray

from lamppost.stats import Dijet, Spectrum, signal
from lamppost.stats.fits.fit import unmasked
from lamppost.stats.scans.bumphunter import bump_hunter
from lamppost.stats.scans.choices import plan
from lamppost.stats.scans.procedure import procedure
from lamppost.stats.scans.search import Search, prepare
from lamppost.stats.toys import BLOCK, block_rng, draw_nested, seed_sequence

MASSES = np.arange(1800.0, 5801.0, 100.0)
EDGES = np.round(np.geomspace(1530.0, 8752.0, 44))
PARAMETERS = np.array([-3.1, 8.6, 5.6, 0.03])
SHAPE = signal({"kind": "crystal_ball", "resolution": 0.04})


def spectrum(rng: np.random.Generator) -> Spectrum:
    """A smooth dijet spectrum of about 65,000 events."""
    middle = np.sqrt(EDGES[1:] * EDGES[:-1])
    shape = np.exp(Dijet().design(middle, EDGES[0], EDGES[-1])[:, :4] @ PARAMETERS) * np.diff(EDGES)
    return Spectrum(EDGES, rng.poisson(65000 * shape / shape.sum()).astype(float))


def rate(work: Callable[[], int], seconds: float) -> dict[str, float]:
    """Items, CPU seconds and items per CPU second of repeating `work` for so long, the best of three."""
    return max((once(work, seconds) for _ in range(3)), key=lambda found: found["per_cpu_s"])


def once(work: Callable[[], int], seconds: float) -> dict[str, float]:
    """Repeat `work` for so many CPU seconds, those of child processes included."""
    done, begin = 0, cpu()
    while cpu() - begin < seconds:
        done += work()
    spent = cpu() - begin
    return {"done": done, "cpu_s": spent, "per_cpu_s": done / spent}


def cpu() -> float:
    """CPU seconds of this process and its children."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


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


def bump_hunter_toys(data: Spectrum, expected: NDArray[np.float64], toys: int) -> Callable[[], int] | None:
    """Toys of pyBumpHunter in windows of 2 to 10 bins, against a fixed background; None if it is not installed."""
    try:
        from pyBumpHunter import BumpHunter1D
    except ImportError:
        return None

    def work() -> int:
        with contextlib.redirect_stdout(io.StringIO()):
            hunter = BumpHunter1D(width_min=2, width_max=10, npe=toys, bins=data.edges, nworker=1, seed=1)
            hunter.bump_scan(data.counts, expected, is_hist=True)
        return toys

    return work


def whole_toys(file: Path, toys: int) -> dict[str, float]:
    """CPU seconds of so many toys of a spectrum in a file: four parameters and 41 masses, nothing left out."""
    from lamppost.io.spectrum import Table, read_spectrum

    table = read_spectrum(file)
    if not isinstance(table, Table):
        raise SystemExit(f"{file} holds no histogram")
    data = Spectrum(*table)
    ready = prepare(data, Dijet(), SHAPE, MASSES, unmasked(data, None), 4)
    root, begin = seed_sequence(0), cpu()
    values = np.concatenate(
        [ready.toys(draw_nested(block_rng(root, i), [ready.expected], BLOCK)[0]) for i in range(toys // BLOCK)]
    )
    return {
        "toys": len(values),
        "cpu_s": cpu() - begin,
        "z_local": float(np.sqrt(ready.largest)),
        "p_global": float((np.sum(values >= ready.largest) + 1) / (len(values) + 1)),
        "failed": int(np.isinf(values).sum()),
    }


def measure(data: Spectrum, rng: np.random.Generator, seconds: float) -> tuple[dict[str, dict[str, float]], float]:
    """All rates, and CPU seconds of compiling."""
    bins, begin = unmasked(data, None), cpu()
    search = prepare(data, Dijet(), SHAPE, MASSES, bins, 4)
    alone = replace(search, fractions=search.fractions[:0], masses=MASSES[:0], spurious=MASSES[:0])
    ordered, akaike = (prepare(data, Dijet(), SHAPE, MASSES, bins, order) for order in (None, "aic"))
    spurious = prepare(data, Dijet(), SHAPE, MASSES, bins, 4, None, 0.3 * search.found[:, 2])
    families = procedure(data, plan(["dijet", "diphoton", "ua2"], None, None, "aic", ()), SHAPE, MASSES, None)
    counts = rng.poisson(search.expected, size=(250, len(EDGES) - 1)).astype(float)
    many = np.tile(counts, (40, 1))
    measured = spurious.measured(rng.standard_normal(counts.shape))
    work: dict[str, Callable[[], int]] = {
        "background fits": lambda: len(alone.toys(many)),
        "toys (background + 41 signal fits)": lambda: len(search.toys(counts)),
        "toys with F-test": lambda: len(ordered.toys(counts)),
        "toys with AIC": lambda: len(akaike.toys(counts)),
        "toys with a spurious signal": lambda: len(spurious.repeat(counts, measured).q0),
        "toys with a choice of 3 families": lambda: len(families.repeat(counts, rng)[0]),
        "toys of the BumpHunter with refit": lambda: (
            bump_hunter(data, n_parameters=4, widths=(2, 10), toys=1000, seed=1).n_toys
        ),
    }
    for once_each in work.values():
        once_each()
    compiling = cpu() - begin
    work["iminuit background fits"] = lambda: minuit(search, counts[0])
    other = bump_hunter_toys(data, search.expected, 200)
    if other is not None:
        work["pyBumpHunter toys without refit"] = other
    return {name: rate(each, seconds) for name, each in work.items()}, compiling


def main() -> None:
    """Measure, print, write."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--out", type=Path, default=Path("benchmark-stats.json"))
    options.add_argument("--seconds", type=float, default=5.0)
    options.add_argument("--spectrum", type=Path)
    arguments = options.parse_args()
    rng = np.random.default_rng(1)
    rates, compiling = measure(spectrum(rng), rng, arguments.seconds)
    print(f"{'what':<36}{'done':>10}{'CPU s':>8}{'per CPU s':>12}")
    for name, row in rates.items():
        print(f"{name:<36}{row['done']:>10}{row['cpu_s']:>8.2f}{row['per_cpu_s']:>12.0f}")
    speed = {name: row["per_cpu_s"] for name, row in rates.items()}
    ratios = {"background fits, to iminuit": speed["background fits"] / speed["iminuit background fits"]}
    if "pyBumpHunter toys without refit" in speed:
        other = speed["pyBumpHunter toys without refit"]
        ratios["scan toys, to pyBumpHunter"] = speed["toys (background + 41 signal fits)"] / other
        ratios["BumpHunter toys, to pyBumpHunter"] = speed["toys of the BumpHunter with refit"] / other
    for name, ratio in ratios.items():
        print(f"{name:<36}{ratio:>30.0f} x")
    print(f"compilation and first fits: {compiling:.2f} CPU s")
    result: dict[str, object] = {"compile_cpu_s": compiling, "rates": rates, "ratios": ratios}
    if arguments.spectrum is not None:
        result["spectrum"] = found = whole_toys(arguments.spectrum, 100_000)
        print(", ".join(f"{name} {value:.6g}" for name, value in found.items()))
    arguments.out.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
