"""Real data with bumps injected: what the whole chain makes of them."""

import argparse
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from lamppost.io.spectrum import Table, read_spectrum
from lamppost.stats import Spectrum, Workspace, bin_edges, scan, signal, significance, upper_limit
from learn_parts.tables import markdown
from stats_parts.bars import Bar
from stats_parts.kept import kept

__all__ = ["TITLE", "bars", "run", "section"]

Json = dict[str, Any]

TITLE = "Bumps injected into real data"
FILE = Path("cms_dijet_spectra") / "pf_2016_36p4fb_1GeV.csv.gz"
RANGE = (1250.0, 7550.0)  # above the trigger's turn-on, to the last event
RESOLUTION = 0.03
SIGNAL = {"kind": "gaussian", "resolution": RESOLUTION}
MASSES = (2000.0, 3000.0, 4500.0)
STRENGTHS = (3.0, 5.0)
"""Injected, in errors that the data give a yield at that mass; 0 is the data as they are."""
BACKGROUNDS: dict[str, Any] = {"dijet": "dijet", "of three families": ["dijet", "diphoton", "ua2"]}
DRAWS = 3


def merged(data: Path) -> Spectrum:
    """The counts in bins of half a resolution, whose edges are whole GeV as those of the file are."""
    table = read_spectrum(data / FILE)
    if not isinstance(table, Table):
        raise SystemExit(f"{FILE} holds no histogram")
    edges = np.unique(np.round(bin_edges(*RANGE, RESOLUTION)))
    counts, _ = np.histogram(table.edges[:-1], bins=edges, weights=table.counts)
    return Spectrum(edges, counts)


def errors(data: Path) -> Json:
    """Errors of the yield at the masses in the data as they are."""
    models = [Workspace(merged(data), mass, signal=SIGNAL) for mass in MASSES]
    return {"errors": [significance(model, toys=0).signal_error for model in models]}


def drawn(spectrum: Spectrum, mass: float, injected: float, seed: int) -> Spectrum:
    """The data and a Poisson draw of a peak."""
    rng = np.random.default_rng([seed, int(mass)])
    more = rng.poisson(injected * signal(SIGNAL).fractions(spectrum.edges, mass))
    return Spectrum(spectrum.edges, spectrum.counts + more)


def chain(data: Path, mass: float | None, injected: float, background: Any, toys: int, seed: int) -> Json:
    """Scan and global p; yield, its significance and limit at the injected masses."""
    spectrum = merged(data) if mass is None else drawn(merged(data), mass, injected, seed)
    found = scan(spectrum, background=background, signal=SIGNAL, toys=toys, seed=seed)
    first, *others = [background] if isinstance(background, str) else background
    at = []
    for here in MASSES if mass is None else (mass,):
        model = Workspace(spectrum, here, first, signal=SIGNAL, alternatives=tuple(others))
        peak, limit = significance(model, seed=seed), upper_limit(model, seed=seed)
        one = {"mass": here, "yield": peak.signal, "error": peak.signal_error, "z": peak.z}
        at.append({**one, "limit": limit.observed, "expected": float(limit.expected[2])})
    return {**found.summary(), "at": at, "masses": len(found.masses), "tried": [t.function for t in found.tried]}


def run(options: argparse.Namespace) -> Json:
    """The data as they are, then every mass and strength, several draws of each, both ways to choose a background."""
    data, out, toys = options.data, options.out, options.toys or 10_000
    before = kept(out, "injected_errors", partial(errors, data))
    spectrum = merged(data)
    rows = []
    for name, background in BACKGROUNDS.items():
        label = name.replace(" ", "_")
        work = partial(chain, data, None, 0.0, background, toys, options.seed)
        found = kept(out, f"injected_{label}_0_{toys}_{options.seed}", work)
        rows.append({"background": name, "strength": 0.0, **found})
        for mass, error, own in zip(MASSES, before["errors"], found["at"], strict=True):
            for strength in STRENGTHS:
                for seed in range(options.seed, options.seed + (options.draws or DRAWS)):
                    work = partial(chain, data, mass, strength * error, background, toys, seed)
                    found = kept(out, f"injected_{label}_{mass:.0f}_{strength:g}_{toys}_{seed}", work)
                    about = {
                        "background": name,
                        "strength": strength,
                        "injected": strength * error,
                        "own": own["yield"],
                    }
                    rows.append({**about, **found})
    cpu_s = before["cpu_s"] + sum(row["cpu_s"] for row in rows)
    about = {"events": float(spectrum.counts.sum()), "bins": len(spectrum.counts), "toys": toys}
    return {**about, "rows": rows, "cpu_s": cpu_s}


def bars(result: Json) -> list[Bar]:
    """Nothing but the figures is asked for."""
    return []


def ranged(values: list[float], form: str) -> str:
    """Median, smallest and largest of the draws."""
    median, low, high = (f"{value:{form}}" for value in (np.median(values), min(values), max(values)))
    return f"{median} [{low}, {high}]"


def section(result: Json) -> str:
    """The data as they are, then what came of the bumps."""
    plain = [row for row in result["rows"] if row["strength"] == 0.0]
    head = ["background", "function", "chi2 / ndf", "best mass", "local Z", "global p"]
    head += [f"yield, limit (expected) at {mass:.0f}" for mass in MASSES]
    rows = [
        [
            *(r["background"], r["function"], f"{r['chi2']:.1f} / {r['ndf']}", f"{r['best_mass']:.0f}"),
            *(f"{r['z_local']:.2f}", f"{r['p_global']:.3f}"),
            *(f"{a['yield']:.0f} ± {a['error']:.0f}, {a['limit']:.0f} ({a['expected']:.0f})" for a in r["at"]),
        ]
        for r in plain
    ]
    head_2 = ["background", "mass", "injected", "best mass off, in resolutions", "fitted / injected"]
    head_2 += ["(fitted - own) / injected", "(fitted - injected) / error", "Z there", "largest Z", "global p"]
    head_2 += ["limit / injected"]
    return "\n\n".join(
        [
            f"CMS PF dijets, 36.4/fb at 13 TeV, {RANGE[0]:.0f} to {RANGE[1]:.0f} GeV: {result['events']:,.0f} events, "
            f"the 1 GeV bins merged to {result['bins']} of half the resolution, {100 * RESOLUTION:g} %; "
            f"{plain[0]['masses']} masses. A Gaussian of that width is injected, a Poisson draw on top of the data, "
            "at three masses fixed beforehand, with 3 or 5 times the error that the data give its yield there; 0 are "
            "the data as they are. In the scan the order is chosen by F-test, the function is dijet or the best by AIC "
            "of dijet, diphoton and ua2, both again in every toy; at the injected masses all their orders are "
            f"profiled. At most {result['toys']:,} toys.",
            markdown(head, rows),
            "Median, smallest and largest of the draws. What is fitted holds the data's own fluctuation as well, the "
            "same in every draw: that is the yield of the table above, own. The limit is at the injected mass.",
            markdown(head_2, recovered(result["rows"])),
        ]
    )


def recovered(rows: list[Json]) -> list[list[str]]:
    """One row for each background, mass and strength."""
    keys = dict.fromkeys((r["background"], r["at"][0]["mass"], r["strength"]) for r in rows if r["strength"] > 0.0)
    made = []
    for key in keys:
        background, mass, strength = key
        group = [r for r in rows if (r["background"], r["at"][0]["mass"], r["strength"]) == key]
        injected = group[0]["injected"]
        here = [r["at"][0] for r in group]
        made.append(
            [
                *(background, f"{mass:.0f}", f"{strength:g} σ = {injected:.0f}"),
                ranged([abs(r["best_mass"] - mass) / (RESOLUTION * mass) for r in group], ".2f"),
                ranged([a["yield"] / injected for a in here], ".2f"),
                ranged([(a["yield"] - group[0]["own"]) / injected for a in here], ".2f"),
                ranged([(a["yield"] - injected) / a["error"] for a in here], "+.2f"),
                ranged([a["z"] for a in here], ".2f"),
                ranged([r["z_local"] for r in group], ".2f"),
                ranged([r["p_global"] for r in group], ".2g"),
                ranged([a["limit"] / injected for a in here], ".2f"),
            ]
        )
    return made
