"""`ranode`: is the fitted density of the signal where the signal is, and its part w right?"""

import argparse
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamppost.core import Events, Method
from methods_parts.draws import drawn
from methods_parts.measured import looks
from methods_parts.sections import Bar, band, markdown, spread, wrapped

Json = dict[str, Any]

TITLE = "R-ANODE's density of the signal"
DRAWS, STRENGTHS, SAMPLED = 5, (0.003, 0.0064), 20_000
BINS = {"mj1": 20.0, "dm": 40.0, "tau21_j1": 0.05, "tau21_j2": 0.05}
"""Widths of the bins whose fullest is called the peak."""


def run(name: str, options: argparse.Namespace) -> Json:
    """The shipped default, w learned together with the density, and w scanned."""
    each = [(strength, w) for strength in options.strengths or STRENGTHS for w in ("learn", "scan")]
    return {"looks": looks(name, look, options, DRAWS, [{"strength": s, "fraction": w} for s, w in each])}


def look(folder: str, number: int, seed: int, strength: float, fraction: str) -> Json:
    """One fit: w, and where the sampled signal, the true one and the background peak."""
    found, view = drawn(folder, number, strength, seed)
    rng = np.random.default_rng([seed, number])
    begun = time.process_time()
    score: Any = Method.parse({"kind": "ranode", "fraction": fraction}).fit(view, rng)
    cpu_s = time.process_time() - begun
    inside = view.window.inside
    samples = {
        "fitted": score.sample(SAMPLED, rng),
        "true": found.truth[inside(found.truth.m)],
        "background": found.test[inside(found.test.m)],
    }
    return {
        "strength": strength,
        "fraction": fraction,
        "cpu_s": cpu_s,
        "w": float(score.fraction),
        "w_true": found.injected[0] / len(view.sr),
        "peaks": {name: peaks(events) for name, events in samples.items()},
    }


def peaks(events: Events) -> dict[str, float]:
    """Middle of the fullest bin of every feature."""
    return {name: peak(events.x[:, i].astype(np.float64), BINS[name]) for i, name in enumerate(events.names)}


def peak(values: NDArray[np.float64], width: float) -> float:
    number, counts = np.unique(np.floor(values / width), return_counts=True)
    return float((number[np.argmax(counts)] + 0.5) * width)


def bins_between(start: Json, stop: Json, feature: str) -> int:
    """How many bins the peak `stop` is above the peak `start`."""
    return round((stop[feature] - start[feature]) / BINS[feature])


def grouped(result: Json) -> dict[tuple[float, str], list[Json]]:
    found: dict[tuple[float, str], list[Json]] = {}
    for one in result["looks"]:
        found.setdefault((one["strength"], one["fraction"]), []).append(one)
    return found


def section(name: str, result: Json) -> str:
    """The text below the title."""
    widths = ", ".join(f"{feature} {width:g}" for feature, width in BINS.items())
    text = (
        f"Where the fullest bin (widths: {widths}) of events sampled from the fitted signal is, of true signal, and of "
        "background; w is the signal's part of the region's events. Medians and 68 % intervals over draws."
    )
    rows = []
    for (strength, fraction), found in grouped(result).items():
        for which in ("fitted", "true", "background"):
            values = [band(spread([one["peaks"][which][name] for one in found]), 2) for name in BINS]
            fitted = which == "fitted"
            w = band(spread([one["w" if fitted else "w_true"] for one in found]), 4) if which != "background" else "–"
            cpu = f"{np.median([one['cpu_s'] for one in found]):.0f}" if fitted else ""
            rows.append([f"{strength:g}", fraction, which, *values, w, cpu])
    return f"{wrapped(text)}\n\n{markdown(['S/B', 'w is', 'sample', *BINS, 'w', 'CPU s'], rows)}"


def bars(name: str, result: Json) -> list[Bar]:
    """Masses within a bin of the true peak, tau21 a bin or more below that of background, w within half of it."""
    made = []
    for (strength, fraction), found in grouped(result).items():
        where = f"ranode, S/B {strength:g}, w by {fraction}"
        for feature in ("mj1", "dm"):
            off = [abs(one["peaks"]["fitted"][feature] - one["peaks"]["true"][feature]) for one in found]
            made.append(Bar(f"{where}: peak of {feature} off the true one, GeV", spread(off), BINS[feature], False))
        for feature in ("tau21_j1", "tau21_j2"):
            low = [bins_between(one["peaks"]["background"], one["peaks"]["fitted"], feature) for one in found]
            made.append(Bar(f"{where}: peak of {feature} less that of background, bins", spread(low), -1.0, False))
        wrong = [abs(one["w"] / one["w_true"] - 1) for one in found]
        made.append(Bar(f"{where}: w off the true one, relative", spread(wrong), 0.5, False))
    return made
