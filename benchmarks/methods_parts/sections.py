"""How figures become Markdown: bands, tables of comparisons, and requirements that are met or missed."""

from collections.abc import Iterable, Mapping, Sequence
from math import inf
from textwrap import fill
from typing import Any, NamedTuple

from lamppost.run.compare.bands import band as spread
from lamppost.run.compare.bands import ratio_band, ratios
from learn_parts.tables import markdown

__all__ = [
    *("AT", "FIGURES", "MAX", "Band", "Bar", "band", "bars_table", "differences", "markdown", "matrix"),
    *("methods_table", "paired", "ratio", "samples_text", "spread", "trimmed", "wrapped"),
]

Json = dict[str, Any]
Band = Sequence[float]
AT, MAX = "sic_at_eps_b_1e-3", "sic_max"
FIGURES = {AT: "SIC at eps_B = 1e-3", MAX: "max SIC"}


class Bar(NamedTuple):
    """A requirement: what was found as [median, low, high] or one number, and what was wanted.

    `strict`: to be as large, or as small, as what was wanted is not enough.
    """

    what: str
    found: Band | None
    wanted: float
    at_least: bool = True
    strict: bool = False

    @property
    def met(self) -> bool | None:
        """None if it was not measured."""
        if self.found is None:
            return None
        beyond = self.found[0] - self.wanted if self.at_least else self.wanted - self.found[0]
        return beyond > 0 if self.strict else beyond >= 0

    def cells(self) -> list[str]:
        """One row: what, found, wanted, verdict."""
        signs = "><" if self.strict else "≥≤"
        wanted = f"{signs[0 if self.at_least else 1]} {self.wanted:g}"
        if self.found is None:
            return [self.what, "–", wanted, "not measured"]
        missed = f"missed by {abs(self.found[0] - self.wanted):.3g}"
        return [self.what, band(self.found), wanted, "met" if self.met else missed]


def bars_table(bars: Iterable[Bar]) -> str:
    return markdown(["requirement", "found", "wanted", ""], [bar.cells() for bar in bars])


def band(values: Band | None, digits: int = 2) -> str:
    """`median [low, high]`, one number alone, or a dash."""
    if values is None:
        return "–"
    shown = ["∞" if value == inf else f"{value:.{digits}f}" for value in values]
    return shown[0] if len(shown) == 1 else f"{shown[0]} [{shown[1]}, {shown[2]}]"


def ratio(methods: Mapping[str, Json], strength: str, name: str, figure: str) -> list[float] | None:
    """The paired ratio to `idealised`, which a comparison refers to; infinite where that found nothing."""
    if not {name, "idealised"} <= set(methods):
        return None
    return unbounded(methods[name]["s_over_b"][strength]["ratio"][figure])


def paired(methods: Mapping[str, Json], strength: str, one: str, other: str, figure: str) -> list[float] | None:
    """The ratio of any two methods, draw by draw, by the same rule."""
    return unbounded(ratio_band(ratios(*both(methods, strength, one, other, figure))))


def differences(methods: Mapping[str, Json], strength: str, one: str, other: str, figure: str) -> list[float] | None:
    """How much more one method found than another in the same draw."""
    pairs = zip(*both(methods, strength, one, other, figure), strict=True)
    return spread([a - b for a, b in pairs if a is not None and b is not None])


def both(methods: Mapping[str, Json], strength: str, one: str, other: str, figure: str) -> list[list[float | None]]:
    """What two methods found in each draw; nothing if one was not run."""
    if not {one, other} <= set(methods):
        return [[], []]
    return [methods[name]["s_over_b"][strength]["draws"][figure] for name in (one, other)]


def unbounded(found: Sequence[float | None] | None) -> list[float] | None:
    """A band of ratios, whose infinite ends are null in JSON."""
    return None if found is None else [inf if value is None else value for value in found]


def trimmed(result: Json) -> Json:
    """What the page needs of `compare.json`: no curves."""
    kept = {name: result[name] for name in ("data", "window", "compare", "agreement", "draws", "warnings", "cpu_s")}
    methods = {}
    for name, method in result["methods"].items():
        strengths = {s: {k: v for k, v in found.items() if k != "curves"} for s, found in method["s_over_b"].items()}
        methods[name] = {**method, "s_over_b": strengths}
    return {**kept, "methods": methods}


def samples_text(result: Json) -> str:
    """Sample sizes in words: all of it, and the first draw."""
    data, window, draws = result["data"], result["window"], result["draws"]
    first = draws[0]["strengths"][-1]
    return (
        f"{data['background']:,} background and {data['signal']:,} signal events in the fit range, features "
        f"{', '.join(data['features'])}; region {window['lo']:g} to {window['hi']:g} GeV, sidebands "
        f"{window['reach']:g} GeV; {len(draws)} paired draws. In the region of the first: {first['region']:,} data "
        f"events, {first['injected_region']} of them signal at the largest strength, {draws[0]['reference']:,} "
        f"events of known background, {draws[0]['test']:,} background and {draws[0]['test_signal']:,} signal events "
        "to test."
    )


def methods_table(methods: Mapping[str, Json], strength: str) -> str:
    """One row per method at one strength; ratios are paired, to `idealised`."""
    head = ["method", *FIGURES.values(), "SIC at eps_S = 0.2", *(f"{name} / idealised" for name in FIGURES.values())]
    head += ["closure AUC", "flat in m, p at 1 %", "region / sidebands at 1 %", "CPU s"]
    rows = []
    for name, method in methods.items():
        found = method["s_over_b"][strength]
        flat = found["flatness"]["0.01"]
        closure = method["closure_auc"]
        rows.append(
            [
                name,
                *(band(found[figure]) for figure in (*FIGURES, "sic_at_eps_s_0.2")),
                *(band(ratio(methods, strength, name, figure)) for figure in FIGURES),
                "–" if closure is None else f"{closure:.4f} ± {method['closure_auc_error']:.4f}",
                f"{flat['p'][0]:.2g}" if flat["p"] else "–",
                band(flat["region_over_sidebands"]),
                "–" if method["cpu_s"] is None else f"{method['cpu_s']:.1f}",
            ]
        )
    return markdown(head, rows)


def wrapped(text: str) -> str:
    """Prose in lines of the documentation's width."""
    return fill(text, 118, break_on_hyphens=False, break_long_words=False)


def matrix(names: Sequence[str], values: Sequence[Sequence[float]]) -> str:
    rows = [[name, *(f"{value:.2f}" for value in row)] for name, row in zip(names, values, strict=True)]
    return markdown(["", *names], rows)
