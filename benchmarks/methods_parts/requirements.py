"""What the comparisons have to show: fractions of the idealised detector, and who beats whom."""

from collections.abc import Mapping
from typing import Any

from methods_parts.sections import AT, FIGURES, Bar, differences, paired, ratio, spread

Json = dict[str, Any]


def bars(name: str, result: Json) -> list[Bar]:
    """What the run has to show."""
    found = result["by_set"].get("4")
    if found is None or name not in ("main", "correlated"):
        return []
    return main_bars(found["methods"]) if name == "main" else correlated_bars(found["methods"])


LEAST = {"cathode": 0.9, "lacathode": 0.8, "curtains": 0.8, "cwola": 0.6, "anode": 0.4}
BEATS = (("salad", "simulation"), ("feta", "simulation"), ("tnt", "tagger"))
"""Differences, not ratios: what these start from may find nothing at all."""


def main_bars(methods: Mapping[str, Json]) -> list[Bar]:
    strengths = next(iter(methods.values()))["s_over_b"]
    strong, weak = (s if s in strengths else None for s in ("0.0064", "0.003"))
    made: list[Bar] = []
    for figure, title in FIGURES.items():
        if strong:
            made += [
                Bar(f"{name} / idealised, {title}, S/B {strong}", ratio(methods, strong, name, figure), w)
                for name, w in LEAST.items()
            ]
            made.append(above_all(methods, strong, figure, title))
            for one, other in BEATS:
                found = differences(methods, strong, one, other, figure)
                made.append(Bar(f"{one} - {other}, {title}, S/B {strong}", found, 0.0, strict=True))
        if weak:
            made.append(Bar(f"ranode / idealised, {title}, S/B {weak}", ratio(methods, weak, "ranode", figure), 1.0))
            made += best_combination(methods, weak, figure, title)
    return [*made, *(closer(methods, name) for name in ("salad", "feta"))]


def above_all(methods: Mapping[str, Json], strength: str, figure: str, title: str) -> Bar:
    """Supervised over the best of the others, each by its median."""
    others = [name for name in methods if name != "supervised"]
    best = max(others, key=lambda name: median(methods, name, strength, figure), default="none")
    each = paired(methods, strength, "supervised", best, figure)
    return Bar(f"supervised / best other ({best}), {title}, S/B {strength}", each, 1.0, strict=True)


def best_combination(methods: Mapping[str, Json], strength: str, figure: str, title: str) -> list[Bar]:
    """The best combination over the best single method that sees no truth, each by its median."""
    blind = [name for name, method in methods.items() if not method["needs_truth"]]
    together = [name for name in blind if methods[name]["kind"] == "combination"]
    single = [name for name in blind if name not in together]
    if not together or not single:
        return []
    one, other = (max(names, key=lambda name: median(methods, name, strength, figure)) for names in (together, single))
    each = paired(methods, strength, one, other, figure)
    return [Bar(f"best combination ({one}) / best single ({other}), {title}, S/B {strength}", each, 1.0)]


def median(methods: Mapping[str, Json], name: str, strength: str, figure: str) -> float:
    found = methods[name]["s_over_b"][strength][figure]
    return float(found[0]) if found else 0.0


def closer(methods: Mapping[str, Json], name: str) -> Bar:
    """How much farther from 0.5 the closure AUC of a corrected simulation is than that of the raw one."""
    each = [
        [abs(one["auc"] - 0.5) for one in methods[which]["closure"]]
        for which in (name, "simulation")
        if which in methods
    ]
    complete = len(each) == 2 and len(each[0]) == len(each[1])  # else a closure failed, and which is not known
    found = spread([a - b for a, b in zip(*each, strict=True)]) if complete else None
    return Bar(
        f"distance of the closure AUC from 0.5, {name} less raw simulation", found, 0.0, at_least=False, strict=True
    )


def correlated_bars(methods: Mapping[str, Json]) -> list[Bar]:
    s = next(iter(next(iter(methods.values()))["s_over_b"]))
    made = []
    for figure, title in FIGURES.items():
        if "cwola" in methods:
            found = methods["cwola"]["s_over_b"][s][figure]
            made.append(Bar(f"cwola, {title}, shifted set", found, 2.0, at_least=False, strict=True))
        made += [
            Bar(f"{name} / idealised, {title}, shifted set", ratio(methods, s, name, figure), 0.85)
            for name in ("cathode", "anode", "curtains", "lacathode")
        ]
    if "sa_cwola" in methods:  # a maximum is never below 1: the loosest cut keeps everything
        found = methods["sa_cwola"]["s_over_b"][s][AT]
        made.append(Bar(f"sa_cwola, {FIGURES[AT]}, shifted set", found, 1.0, strict=True))
    return [*made, *flatter(methods, s)]


def flatter(methods: Mapping[str, Json], strength: str) -> list[Bar]:
    """Flatness in m over region and sidebands: lacathode where cathode is not flat."""
    known = {name: methods[name]["s_over_b"][strength]["flatness"]["0.01"] for name in methods}
    cathode, lacathode = (known.get(name, {}) for name in ("cathode", "lacathode"))
    chi2, ndf = cathode.get("chi2"), cathode.get("ndf")
    reduced = [c / n for c, n in zip(chi2, ndf, strict=True)] if chi2 and ndf else None
    return [
        Bar("cathode sculpts: chi2/ndf of a flat kept fraction of 1 %, shifted set", reduced, 2.0),
        Bar("lacathode does not: p of a flat kept fraction of 1 %, shifted set", lacathode.get("p"), 0.05),
    ]
