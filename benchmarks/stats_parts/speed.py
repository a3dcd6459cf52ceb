"""Speed of the fits, one process and one thread: each rate is the best of three."""

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from lamppost.stats import BumpHunterResult, ScanResult, Spectrum, bump_hunter, scan, signal
from lamppost.stats.fits.fit import unmasked
from lamppost.stats.scans.search import prepare
from lamppost.stats.shapes.background import Dijet
from lamppost.stats.toys import BLOCK, block_rng, draw_nested, seed_sequence
from learn_parts.tables import markdown
from stats_parts.bars import Bar, at_least, at_most
from stats_parts.cases import MASSES, SIGNAL, spectrum
from stats_parts.kept import cpu, kept
from stats_parts.works import FITS, HUNTS, MINUIT, OTHER, TOYS, WINDOWS, other_hunter, rate, works

__all__ = ["TITLE", "bars", "run", "section"]

Json = dict[str, Any]

TITLE = "Speed"
OURS_WHOLE, OTHER_WHOLE = "BumpHunter with refit", "pyBumpHunter without refit"
EXCEEDANCES = 400  # at which p is known to 5 %


def precise(data: Spectrum, seed: int) -> Json:
    """CPU seconds of a whole global p of the reference case, to 5 % of itself: 400 toys at or above the data."""
    many = 1_000_000  # never reached
    expected = prepare(data, Dijet(), signal(SIGNAL), MASSES, unmasked(data, None), 4).expected
    toys = int(EXCEEDANCES / other_hunter(data, expected, 10_000))
    found = {}
    calls: dict[str, Callable[[], tuple[float | None, int]]] = {
        "full scan": lambda: of(scan(data, signal=SIGNAL, n_parameters=4, masses=MASSES, toys=many, seed=seed)),
        OURS_WHOLE: lambda: of(bump_hunter(data, n_parameters=4, widths=WINDOWS, toys=many, seed=seed)),
        OTHER_WHOLE: lambda: (other_hunter(data, expected, toys), toys),
    }
    for name, call in calls.items():
        best = np.inf
        for _ in range(3):
            begin = cpu()
            p, n = call()
            best = min(best, cpu() - begin)
        found[name] = {"p": p, "toys": n, "seconds": best}
    return found


def of(result: ScanResult | BumpHunterResult) -> tuple[float | None, int]:
    return result.p_global, result.n_toys


def whole_toys(data: Spectrum, toys: int, seed: int) -> Json:
    """CPU seconds of so many toys of a spectrum: four parameters and 41 masses, none left out, the best of three."""
    best, values = np.inf, np.empty(0)
    for _ in range(3):
        begin = cpu()
        ready = prepare(data, Dijet(), signal(SIGNAL), MASSES, unmasked(data, None), 4)
        root = seed_sequence(seed)
        blocks = (draw_nested(block_rng(root, i), [ready.expected], BLOCK)[0] for i in range(toys // BLOCK))
        values = np.concatenate([ready.toys(counts) for counts in blocks])
        best = min(best, cpu() - begin)
    return {
        "toys": len(values),
        "seconds": best,
        "z": float(np.sqrt(ready.largest)),
        "p": float((np.sum(values >= ready.largest) + 1) / (len(values) + 1)),
        "failed": int(np.isinf(values).sum()),
    }


def measure(data: Path, seed: int, toys: int, seconds: float) -> Json:
    """All of it."""
    reference = spectrum(data, "reference_case")
    begin = cpu()
    made = works(reference, seed)
    compiling = cpu() - begin
    return {
        "compiling": compiling,
        "rates": {name: rate(work, seconds) for name, work in made.items()},
        "precise": precise(reference, seed),
        "dijet": whole_toys(spectrum(data, "cms_dijet"), toys, seed),
    }


def run(options: argparse.Namespace) -> Json:
    """All rates; `--toys` is the number of those of the CMS dijet spectrum."""
    toys, seed = options.toys or 100_000, options.seed
    seconds = 3.0 if options.toys is None else 0.1
    return kept(options.out, f"speed_{toys}_{seed}", partial(measure, options.data, seed, toys, seconds))


def bars(result: Json) -> list[Bar]:
    """What had to be shown."""
    speed = {name: row["per_cpu_s"] for name, row in result["rates"].items()}
    ours, theirs = (result["precise"][name]["seconds"] for name in (OURS_WHOLE, OTHER_WHOLE))
    same = "BumpHunter toys with refit, ratio to pyBumpHunter's without"
    toys = f"{result['dijet']['toys']:,} full toys of the CMS dijet spectrum"
    return [
        at_least("background fits per CPU s", speed[FITS], 60000.0, ",.0f"),
        at_least("full toys per CPU s", speed[TOYS], 1500.0, ",.0f"),
        at_most(f"{toys}, CPU s", result["dijet"]["seconds"], 75.0, ".1f"),
        at_least("background fits, ratio to iminuit", speed[FITS] / speed[MINUIT], 60.0, ".0f", " x"),
        at_least(same, speed[HUNTS] / speed[OTHER], 60.0, ".1f", " x"),
        at_least("BumpHunter global p to 5 %, ratio to pyBumpHunter", theirs / ours, 60.0, ".2f", " x"),
    ]


def section(result: Json) -> str:
    """Rates, whole p-values, the dijet spectrum."""
    rows = [[name, f"{row['done']:,}", f"{row['per_cpu_s']:,.0f}"] for name, row in result["rates"].items()]
    whole = [
        [name, f"{row['p']:.4f}", f"{row['toys']:,}", f"{row['seconds']:.2f}"]
        for name, row in result["precise"].items()
    ]
    dijet = result["dijet"]
    return "\n\n".join(
        [
            "The reference case: 43 bins, 4 parameters where nothing else is said, 41 masses, a Crystal Ball of 4 % "
            f"resolution. Each rate is the best of three; compilation and first calls took {result['compiling']:.1f} "
            "CPU s before. iminuit (strategy 1, tolerance 1e-3) minimises the same likelihood from the same start. "
            "pyBumpHunter compares toys with the background that they are drawn from, ours with a background fitted "
            f"to each; both try all intervals of {WINDOWS[0]} to {WINDOWS[1]} bins.",
            markdown(["what", "done", "per CPU s"], rows),
            f"A global p of the reference case to 5 % of itself, that is {EXCEEDANCES} toys at or above the data: a "
            "larger p needs fewer toys, and that of pyBumpHunter is too large because nothing is refitted.",
            markdown(["statistic", "global p", "toys", "CPU s"], whole),
            f"CMS dijet spectrum (arXiv:1911.03947), {dijet['toys']:,} full toys: {dijet['seconds']:.1f} CPU s, the "
            f"best of three; largest local Z {dijet['z']:.2f}, global p {dijet['p']:.4f}, {dijet['failed']} toys with "
            "a fit that did not converge.",
        ]
    )
