"""The sections of a comparison: all strengths together, then one after the other."""

from collections.abc import Iterable, Mapping, Sequence
from math import inf
from typing import TYPE_CHECKING, Any

from lamppost.report.text import captioned, escape, number, percent, plus_minus, probability, table

if TYPE_CHECKING:
    from lamppost.report.drawing import Draw

__all__ = ["overview", "strength_section"]

Part = Mapping[str, Any]
_FIGURES = (
    ("sic_max", "Maximum SIC"),
    ("sic_at_eps_b_1e-3", "SIC at ε_B = 10⁻³"),
    ("sic_at_eps_s_0.2", "SIC at ε_S = 0.2"),
)


def overview(result: Part, strengths: Sequence[str], draw: "Draw") -> str:
    """Figures of merit against strength, and what does not depend on it."""
    from lamppost.report.comparison_plots import against_strength

    methods = result["methods"]
    figures = ""
    if sum(float(strength) > 0 for strength in strengths) > 1:
        for i, (key, name) in enumerate(_FIGURES):
            title = f"{name} against strength"
            svg = draw(f"strength-{i}", title, against_strength(methods, key, name))
            figures += captioned(svg, title, "Bands: 68% of draws.")
    caption = (
        "What does not depend on the strength: medians over draws. 0.5 is the AUC of a background that closes, looked "
        f"at with S/B = {escape(strengths[0])}."
    )
    rows = [
        [
            escape(name),
            escape(method["kind"]),
            "yes" if method["needs_truth"] else "no",
            "yes" if method["decorrelated"] else "no",
            plus_minus(method["closure_auc"], method["closure_auc_error"]),
            number(method["cpu_s"], ".1f"),
            ", ".join(f"S/B = {s}" for s in strengths if method["s_over_b"][s]["follows_m"]) or "no",
        ]
        for name, method in methods.items()
    ]
    head = ("Method", "Kind", "Sees the truth", "Decorrelated", "Closure AUC", "CPU s per fit", "Follows m")
    body = f'<div class="figures">{figures}</div>{table(head, rows, caption=caption)}'
    return f'<section id="overview"><h2>All strengths</h2>{body}</section>'


def strength_section(result: Part, strength: str, index: int, draw: "Draw") -> str:
    """Curves, figures of merit and agreement of the methods at one strength."""
    from lamppost.report import comparison_plots as plots

    methods, figures = result["methods"], ""
    if float(strength) > 0:
        floor = result["definitions"]["floor"]
        note = f"Test events; no point with less than {floor} background events. Bands: 68% of draws."
        for name, curves, caption in (("SIC", plots.sic, note), ("ROC", plots.roc, "Medians over draws.")):
            title = f"{name} at S/B = {strength}"
            figures += captioned(draw(f"{name.lower()}-{index}", title, curves(methods, strength)), title, caption)
    tables = _merits(result, strength) + _flatness(result, strength) + _agreement(result, strength)
    body = f'<div class="figures">{figures}</div>{tables}'
    return f'<section id="s{index:02d}"><h2>S/B = {escape(strength)}</h2>{body}</section>'


def _merits(result: Part, strength: str) -> str:
    against = escape(result["reference_method"])
    head = ["Method", *(title for _, title in _FIGURES), f"Maximum SIC / {against}", f"SIC at 10⁻³ / {against}", "AUC"]
    rows = []
    for name, method in result["methods"].items():
        one = method["s_over_b"][strength]
        cells = [_band(one[key]) for key, _ in _FIGURES]
        cells += [_ratio(one["ratio"][key]) for key in ("sic_max", "sic_at_eps_b_1e-3")]
        rows.append([_named(name, one), *cells, _band(one["auc"], ".3f")])
    caption = "Median [68% band] over draws. Ratios are paired: of figures of the same draw."
    return table(head, rows, caption=caption)


def _flatness(result: Part, strength: str) -> str:
    """Which methods sculpt: their cuts keep more background at some m than at another."""
    rows, least = [], result["definitions"]["follows_p"]
    for name, method in result["methods"].items():
        one = method["s_over_b"][strength]
        head, cells = ["Method"], []
        for part, found in one["flatness"].items():
            head += [f"{percent(float(part))} kept: p of a flat fraction", "in the region / beside it"]
            cells += [_p_value(found["p"], least), _band(found["region_over_sidebands"])]
        rows.append([_named(name, one), *cells])
    caption = (
        "Does the cut follow m? Kept fraction of test background against m, median over draws [68% band]. A method "
        f"follows m, it sculpts, if a median p-value is below {number(least, 'g')}."
    )
    return f"<p></p>{table(head, rows, caption=caption)}"


def _named(name: str, one: Part) -> str:
    return escape(name) + (' <span class="badge alert">follows m</span>' if one["follows_m"] else "")


def _p_value(band: Sequence[float] | None, least: float) -> str:
    """The median p-value of a flat kept fraction, marked if the method sculpts."""
    if band is None:
        return probability(None)
    return f'<span class="alert">{probability(band[0])} !</span>' if band[0] < least else probability(band[0])


def _band(values: Sequence[float] | None, form: str = ".2f") -> str:
    if values is None:
        return number(None)
    median, low, high = (number(value, form) for value in values)
    return f"{median}\N{NO-BREAK SPACE}[{low}, {high}]"


def _ratio(values: Sequence[float | None] | None) -> str:
    """A band of ratios, which JSON has as null where they are infinite."""
    return _band(None if values is None else [inf if value is None else value for value in values])


def _agreement(result: Part, strength: str) -> str:
    found, names = result["agreement"][strength], list(result["methods"])
    part = result["definitions"]["shared_part"]
    titles = (
        ("background", "Rank correlation of scores, test background of the region"),
        ("signal", "Rank correlation of scores, test signal of the region"),
        (
            "shared",
            f"Common part of the {percent(part)} of background with the highest scores; {number(part, 'g')} is chance",
        ),
    )
    nothing = '<p class="note">There is no draw in which all methods could be trained.</p>'
    parts = [_matrix(names, found[key], title) if found[key] else nothing for key, title in titles]
    return f"<details><summary>Do the methods agree?</summary><section>{''.join(parts)}</section></details>"


def _matrix(names: Sequence[str], values: Iterable[Sequence[float]], caption: str) -> str:
    rows = [[escape(name), *(number(v) for v in row)] for name, row in zip(names, values, strict=True)]
    return f"<p></p>{table(['', *map(escape, names)], rows, caption=caption)}"
