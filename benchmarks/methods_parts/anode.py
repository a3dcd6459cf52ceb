"""`anode`: does the background that ANODE integrates from its density agree with the true one above a cut?"""

import argparse
import time
from typing import Any

import numpy as np

from lamppost.core import Method
from methods_parts.draws import drawn
from methods_parts.measured import looks
from methods_parts.sections import Bar, band, markdown, spread, wrapped

Json = dict[str, Any]

TITLE = "ANODE's estimate of the background"
EPS_B = (0.1, 0.03, 0.01, 0.003, 0.001)
DRAWS, STRENGTHS = 5, (0.0, 0.0064)


def run(name: str, options: argparse.Namespace) -> Json:
    """Every draw with and without signal."""
    strengths = options.strengths or STRENGTHS
    return {"looks": looks(name, look, options, DRAWS, [{"strength": strength} for strength in strengths])}


def look(folder: str, number: int, seed: int, strength: float) -> Json:
    """One fit: estimated and true background above cuts that keep `EPS_B` of the test background."""
    found, view = drawn(folder, number, strength, seed)
    rng = np.random.default_rng([seed, number])
    begun = time.process_time()
    score: Any = Method.parse("anode").fit(view, rng)
    cpu_s = time.process_time() - begun
    test = found.test[view.window.inside(found.test.m)]
    cuts = np.quantile(score(test), 1 - np.array(EPS_B))
    estimate, error = score.background_above(cuts, rng)
    n = len(view.sr) - found.injected[0]
    true = n * np.array(EPS_B)
    # the cut is known as well as the test background above it is
    beside = true / np.sqrt(np.array(EPS_B) * len(test))
    values = {"estimate": estimate, "stated": error, "true": true, "true_error": beside}
    return {"strength": strength, "cpu_s": cpu_s, **{key: value.tolist() for key, value in values.items()}}


def section(name: str, result: Json) -> str:
    """The text below the title."""
    text = (
        "Background above a cut from the interpolated density alone, against the known background; cuts keep eps_B of "
        "the test background. Pull: difference in units of the stated error and that of the test sample together."
    )
    parts = [wrapped(text)]
    head = ["eps_B", "estimated / true", "stated error / estimate", "pull", "largest pull"]
    for strength, found in by_strength(result).items():
        rows = []
        for i, eps in enumerate(EPS_B):
            ratio, relative = (
                [one[a][i] / one[b][i] for one in found] for a, b in (("estimate", "true"), ("stated", "estimate"))
            )
            each = [pull(one, i) for one in found]
            largest = max(each, key=abs)
            row = [band(spread(ratio)), band(spread(relative)), band(spread(each)), f"{largest:.1f}"]
            rows.append([f"{eps:g}", *row])
        parts.append(f"S/B = {strength:g}, {len(found)} draws:\n\n{markdown(head, rows)}")
    return "\n\n".join(parts)


def by_strength(result: Json) -> dict[float, list[Json]]:
    found: dict[float, list[Json]] = {}
    for one in result["looks"]:
        found.setdefault(one["strength"], []).append(one)
    return found


def pull(one: Json, i: int) -> float:
    return float((one["estimate"][i] - one["true"][i]) / np.hypot(one["stated"][i], one["true_error"][i]))


def bars(name: str, result: Json) -> list[Bar]:
    """Within one stated error in the median, at every cut."""
    made = []
    for strength, found in by_strength(result).items():
        for i, eps in enumerate(EPS_B):
            pulls = spread([abs(pull(one, i)) for one in found])
            made.append(Bar(f"anode, S/B {strength:g}, eps_B {eps:g}: size of the pull", pulls, 1.0, at_least=False))
    return made
