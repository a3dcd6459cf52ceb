"""What the comparisons have to show: fractions of the idealised detector, and who beats whom."""

from collections.abc import Mapping
from typing import Any

from methods_parts.sections import FIGURES, Bar, paired, spread

Json = dict[str, Any]


def bars(name: str, result: Json) -> list[Bar]:
    """What the run has to show."""
    found = result["by_set"].get("4")
    if found is None or name not in ("main", "correlated"):
        return []
    return main_bars(found["methods"]) if name == "main" else correlated_bars(found["methods"])


LEAST = {"cathode": 0.9, "lacathode": 0.8, "curtains": 0.8, "cwola": 0.6, "anode": 0.4}


def main_bars(methods: Mapping[str, Json]) -> list[Bar]:
    strengths = next(iter(methods.values()))["s_over_b"]
    strong, weak = (s if s in strengths else None for s in ("0.0064", "0.003"))
    made: list[Bar] = []
    for figure, title in FIGURES.items():
        if strong:
            made += [
                Bar(f"{name} / idealised, {title}, S/B {strong}", paired(methods, strong, name, "idealised", figure), w)
                for name, w in LEAST.items()
            ]
            made.append(above_all(methods, strong, figure, title))
            made += [
                Bar(f"{one} / {other}, {title}, S/B {strong}", paired(methods, strong, one, other, figure), 1.0)
                for one, other in (("salad", "simulation"), ("feta", "simulation"), ("tnt", "tagger"))
            ]
        if weak:
            ratio = paired(methods, weak, "ranode", "idealised", figure)
            made += [Bar(f"ranode / idealised, {title}, S/B {weak}", ratio, 1.0)]
            made += best_combination(methods, weak, figure, title)
    return [*made, *(closer(methods, name) for name in ("salad", "feta"))]


def above_all(methods: Mapping[str, Json], strength: str, figure: str, title: str) -> Bar:
    """Supervised over the best of the others, each by its median."""
    others = [name for name in methods if name != "supervised"]
    best = max(others, key=lambda name: median(methods, name, strength, figure))
    ratio = paired(methods, strength, "supervised", best, figure)
    return Bar(f"supervised / best other ({best}), {title}, S/B {strength}", ratio, 1.0)


def best_combination(methods: Mapping[str, Json], strength: str, figure: str, title: str) -> list[Bar]:
    """The best combination over the best single method that sees no truth, each by its median."""
    blind = [name for name, method in methods.items() if not method["needs_truth"]]
    together = [name for name in blind if methods[name]["kind"] == "combination"]
    single = [name for name in blind if name not in together]
    if not together or not single:
        return []
    one, other = (max(names, key=lambda name: median(methods, name, strength, figure)) for names in (together, single))
    ratio = paired(methods, strength, one, other, figure)
    return [Bar(f"best combination ({one}) / best single ({other}), {title}, S/B {strength}", ratio, 1.0)]


def median(methods: Mapping[str, Json], name: str, strength: str, figure: str) -> float:
    found = methods[name]["s_over_b"][strength][figure]
    return float(found[0]) if found else 0.0


def closer(methods: Mapping[str, Json], name: str) -> Bar:
    """How much farther from 0.5 the closure AUC of the raw simulation is than that of a method that corrects it."""
    what = f"|closure AUC - 0.5|, {name} less raw simulation"
    if not {name, "simulation"} <= set(methods):
        return Bar(what, None, 0.0, at_least=False)
    each = [[abs(one["auc"] - 0.5) for one in methods[which]["closure"]] for which in (name, "simulation")]
    return Bar(what, spread([a - b for a, b in zip(*each, strict=True)]), 0.0, at_least=False)


def correlated_bars(methods: Mapping[str, Json]) -> list[Bar]:
    s = next(iter(next(iter(methods.values()))["s_over_b"]))
    made = []
    for figure, title in FIGURES.items():
        if "cwola" in methods:
            made.append(Bar(f"cwola, {title}, shifted set", methods["cwola"]["s_over_b"][s][figure], 2.0, False))
        made += [
            Bar(f"{name} / idealised, {title}, shifted set", paired(methods, s, name, "idealised", figure), 0.85)
            for name in ("cathode", "anode", "curtains", "lacathode")
        ]
        if "sa_cwola" in methods:
            made.append(Bar(f"sa_cwola, {title}, shifted set", methods["sa_cwola"]["s_over_b"][s][figure], 1.0))
    return [*made, *flatter(methods, s)]


def flatter(methods: Mapping[str, Json], strength: str) -> list[Bar]:
    """Flatness in m over region and sidebands: lacathode where cathode is not flat."""
    if not {"cathode", "lacathode"} <= set(methods):
        return []
    flat = {name: methods[name]["s_over_b"][strength]["flatness"]["0.01"] for name in ("cathode", "lacathode")}
    reduced = {name: [c / n for c, n in zip(one["chi2"], one["ndf"], strict=True)] for name, one in flat.items()}
    return [
        Bar("cathode sculpts: chi2/ndf of a flat kept fraction of 1 %, shifted set", reduced["cathode"], 2.0),
        Bar("lacathode does not: p of a flat kept fraction of 1 %, shifted set", flat["lacathode"]["p"], 0.05),
    ]
