"""`main`, `curve`, `correlated`, `prongs`, `features`: comparisons of methods in one window of labelled events."""

import argparse
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from lamppost.api import compare
from methods_parts.configs import METHODS, comparison
from methods_parts.sections import FIGURES, band, markdown, matrix, methods_table, samples_text, trimmed, wrapped

Json = dict[str, Any]


class Plan(NamedTuple):
    """A run: its title, methods, strengths, draws, and what differs from the rule."""

    title: str
    about: str
    methods: Sequence[str]
    strengths: Sequence[float]
    draws: int
    sets: Sequence[int] = (4,)
    signal: str = "wprime"
    wide: bool = False
    closure: int = 3
    shift: float = 0.0
    scan: Json | None = None


SHIFTED = ("idealised", "cwola", "cathode", "anode", "curtains", "lacathode", "sa_cwola", "ranode")
PLANS: Mapping[str, Plan] = {
    "main": Plan(
        "All methods, four features",
        "Ratios are paired: medians and 68 % intervals of the ratio of two methods in the same draw.",
        tuple(METHODS),
        (0.003, 0.0064),
        10,
    ),
    "curve": Plan(
        "Sensitivity against the strength of the signal",
        "At no signal: what two methods have in common of the 1 % of background that each likes best.",
        ("supervised", "idealised", "cwola", "cathode", "ranode", "combination"),
        (0.0, 0.001, 0.002, 0.003, 0.0045, 0.0064, 0.01, 0.02),
        4,
        closure=0,
    ),
    "correlated": Plan(
        "Features that follow the mass",
        "0.1 mjj added to the lighter mass and to the mass difference; no decorrelation.",
        SHIFTED,
        (0.0064,),
        10,
        shift=0.1,
        scan={"decorrelate": "none"},
    ),
    "prongs": Plan(
        "Three prongs",
        "A Z' of 3.5 TeV to two top quarks.",
        ("idealised", "cathode", "ranode", "combination"),
        (0.0064,),
        5,
        (4, 12),
        "zprime_tt",
        wide=True,
        closure=0,
    ),
    "features": Plan(
        "More features",
        "The W' with feature sets of 4, 10 and 12.",
        ("idealised", "cathode", "ranode", "combination"),
        (0.0064,),
        5,
        (4, 10, 12),
        wide=True,
        closure=1,
    ),
}


def run(name: str, options: argparse.Namespace) -> Json:
    """One comparison per feature set."""
    plan = PLANS[name]
    draws = options.draws or plan.draws
    settings = {
        "strengths": list(options.strengths or plan.strengths),
        "draws": draws,
        "closure": min(plan.closure, draws),
        "shift": plan.shift,
    }
    found = {}
    for size in vars(options).get("sets") or plan.sets:
        config = comparison(
            options.out,
            options.methods or plan.methods,
            settings,
            seed=options.seed,
            signal=plan.signal,
            size=size,
            wide=plan.wide,
            scan=plan.scan,
        )
        out = options.out / (name if len(plan.sets) == 1 else f"{name}_{size}")
        found[f"{size}"] = trimmed(compare(config, out, workers=options.workers, quiet=options.quiet))
    return {"by_set": found}


def section(name: str, result: Json) -> str:
    """The text below the title."""
    parts = [PLANS[name].about]
    for size, found in result["by_set"].items():
        head = f"{size} features: " if len(result["by_set"]) > 1 else ""
        parts += [wrapped(head + samples_text(found)), *(f"WARNING: {warning}" for warning in found["warnings"])]
        parts += curve(found) if name == "curve" else at_each_strength(found)
    return "\n\n".join([*parts, *(agreement(result) if name == "main" else ())])


def at_each_strength(found: Json) -> list[str]:
    methods = found["methods"]
    return [f"S/B = {s}:\n\n{methods_table(methods, s)}" for s in next(iter(methods.values()))["s_over_b"]]


def curve(found: Json) -> list[str]:
    methods = found["methods"]
    strengths = [s for s in next(iter(methods.values()))["s_over_b"] if float(s) > 0]
    parts = []
    for figure, title in FIGURES.items():
        rows = [[name, *(band(method["s_over_b"][s][figure]) for s in strengths)] for name, method in methods.items()]
        parts.append(f"{title} against S/B:\n\n{markdown(['method', *strengths], rows)}")
    if found["agreement"].get("0", {}).get("shared"):
        shared = matrix(list(methods), found["agreement"]["0"]["shared"])
        parts.append(f"Shared part of the 1 % of background without signal in the data; chance gives 0.01:\n\n{shared}")
    return parts


def agreement(result: Json) -> list[str]:
    """How alike the methods rank the same events, at the largest strength."""
    found = result["by_set"]["4"]
    strength = list(found["agreement"])[-1]
    names, matrices = list(found["methods"]), found["agreement"][strength]
    return [
        f"Rank correlation of the scores on {which} test events, S/B = {strength}:\n\n{matrix(names, matrices[which])}"
        for which in ("background", "signal")
        if matrices[which]  # null unless there is a draw in which all could be trained
    ]
