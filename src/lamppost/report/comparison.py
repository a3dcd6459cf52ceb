"""From the folder of a comparison to `comparison.html`: a pure function of the files in it."""

from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lamppost.errors import DataError, LamppostError
from lamppost.report.folder import read_json, replace_file
from lamppost.report.text import count, escape, known, number, plus_minus, probability, table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from lamppost.report.drawing import Draw

__all__ = ["render_comparison", "write_comparison"]

Part = Mapping[str, Any]
_FIGURES = (
    ("sic_max", "Maximum SIC"),
    ("sic_at_eps_b_1e-3", "SIC at ε_B = 10⁻³"),
    ("sic_at_eps_s_0.2", "SIC at ε_S = 0.2"),
)


def write_comparison(folder: Path, *, pdf: bool = False) -> Path:
    """Write `folder/comparison.html` from `compare.json` and `config.toml`; return its path.

    With `pdf` every figure is written to `folder/figures` as well.

    Raises
    ------
    LamppostError
        If matplotlib or mplhep (the extra `report`) is not installed.
    DataError
        If `compare.json` is missing, or does not hold the JSON it should.
    """
    folder = Path(folder)
    result = read_json(folder / "compare.json")
    if result is None:
        msg = f"{folder / 'compare.json'}: no such file, expected the folder of a comparison"
        raise DataError(msg)
    config = folder / "config.toml"
    text = config.read_text(encoding="utf-8", errors="replace") if config.exists() else None
    try:
        from lamppost.report.drawing import studio
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] not in ("matplotlib", "mplhep"):
            raise
        msg = f'a report needs {error.name}: pip install "lamppost[report]"'
        raise LamppostError(msg) from None
    with studio(folder / "figures" if pdf else None) as draw:
        page = render_comparison(result, text, draw)
    return replace_file(folder / "comparison.html", page)


def render_comparison(result: Part, config: str | None, draw: "Draw") -> str:
    """The whole page as HTML: no scripts, nothing fetched, every text escaped."""
    strengths = list(next(iter(result["methods"].values()))["s_over_b"])
    sections = [_strength(result, strength, index, draw) for index, strength in enumerate(strengths)]
    mass, window = escape(result["data"]["mass"]), result["window"]
    title = f"Comparison of methods in {mass}"
    span = f"[{number(window['lo'], 'g')}, {number(window['hi'], 'g')})"
    style = (files("lamppost.report") / "page.css").read_text(encoding="utf-8")
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{title}</title><style>{style}</style></head>
<body>
<header><h1>{title}</h1>{_source(result)}
<p class="verdict">{len(result["methods"])} methods, signal region {span}, {escape(result["compare"]["draws"])} draws
for each injected strength; figures are medians over draws with their 68% band.</p>{_warnings(result)}
{_contents(strengths)}</header>
<main>{_overview(result, strengths, draw)}{"".join(sections)}{_provenance(result, config)}</main>
<footer>Made by lamppost {escape(result["lamppost"])}. This page needs no network and runs no scripts.</footer>
</body></html>
"""


def _source(result: Part) -> str:
    data, shift = result["data"], result["compare"]["shift"]
    names = ", ".join(data["features"])
    moved = f"; {', '.join(result['compare']['shifted'])} shifted by {shift:g} times the mass" if shift else ""
    text = (
        f"{data['path']}, {data['background']} background and {data['signal']} signal events; features {names}{moved}"
    )
    return f'<p class="source">{escape(text)}</p>'


def _warnings(result: Part) -> str:
    items = "".join(f"<li>{escape(text)}</li>" for text in result["warnings"])
    return f'<aside class="warning" aria-label="Warnings"><h2>Read this first</h2><ul>{items}</ul></aside>' * bool(
        items
    )


def _contents(strengths: Sequence[str]) -> str:
    links = [("overview", "All strengths"), *((f"s{i:02d}", f"S/B = {s}") for i, s in enumerate(strengths))]
    items = "".join(f'<li><a href="#{to}">{escape(text)}</a></li>' for to, text in [*links, ("origin", "Origin")])
    return f'<nav aria-label="Contents"><ul>{items}</ul></nav>'


def _figure(draw: "Draw", key: str, title: str, caption: str, figure: "Figure") -> str:
    svg = draw(key, title, figure)
    return f"<figure>{svg}<figcaption><strong>{escape(title)}</strong>{escape(caption)}</figcaption></figure>"


def _overview(result: Part, strengths: Sequence[str], draw: "Draw") -> str:
    from lamppost.report.comparison_plots import against_strength

    methods = result["methods"]
    figures = ""
    if sum(float(strength) > 0 for strength in strengths) > 1:
        figures = "".join(
            _figure(
                draw,
                f"strength-{i}",
                f"{title} against strength",
                "Bands: 68% of draws.",
                against_strength(methods, key, title),
            )
            for i, (key, title) in enumerate(_FIGURES)
        )
    caption = "What does not depend on the strength: medians over draws. 0.5 is the AUC of a background that closes."
    rows = [
        [
            escape(name),
            escape(method["kind"]),
            "yes" if method["needs_truth"] else "no",
            "yes" if method["decorrelated"] else "no",
            plus_minus(method["closure_auc"], method["closure_auc_error"]),
            number(method["cpu_s"], ".1f"),
        ]
        for name, method in methods.items()
    ]
    head = ("Method", "Kind", "Sees the truth", "Decorrelated", "Closure AUC", "CPU s per fit")
    body = f'<div class="figures">{figures}</div>{table(head, rows, caption=caption)}'
    return f'<section id="overview"><h2>All strengths</h2>{body}</section>'


def _strength(result: Part, strength: str, index: int, draw: "Draw") -> str:
    from lamppost.report import comparison_plots as plots

    methods = result["methods"]
    figures = ""
    if float(strength) > 0:
        floor = result["definitions"]["floor"]
        caption = f"Test events; no point with less than {floor} background events. Bands: 68% of draws."
        figures = _figure(
            draw, f"sic-{index}", f"SIC at S/B = {strength}", caption, plots.sic(methods, strength)
        ) + _figure(
            draw, f"roc-{index}", f"ROC at S/B = {strength}", "Medians over draws.", plots.roc(methods, strength)
        )
    body = f'<div class="figures">{figures}</div>{_table(result, strength)}{_agreement(result, strength)}'
    return f'<section id="s{index:02d}"><h2>S/B = {escape(strength)}</h2>{body}</section>'


def _table(result: Part, strength: str) -> str:
    against = escape(result["reference_method"])
    head = ["Method", *(title for _, title in _FIGURES), f"Maximum SIC / {against}", f"SIC at 10⁻³ / {against}", "AUC"]
    head += ["Flat at 1%: p", "region / beside", "Flat at 0.1%: p", "region / beside"]
    rows = []
    for name, method in result["methods"].items():
        one = method["s_over_b"][strength]
        cells = [_band(one[key]) for key, _ in _FIGURES]
        cells += [_band(one["ratio"][key]) for key in ("sic_max", "sic_at_eps_b_1e-3")]
        cells.append(_band(one["auc"], ".3f"))
        for part in one["flatness"].values():
            cells += [_p_value(part["p"]), _band(part["region_over_sidebands"])]
        rows.append([escape(name), *cells])
    caption = "Median [68% band] over draws. Ratios are paired: of figures of the same draw."
    return table(head, rows, caption=caption)


def _p_value(band: Sequence[float] | None) -> str:
    """The median p-value of a flat kept fraction, marked if the method sculpts."""
    if band is None:
        return probability(None)
    return f'<span class="alert">{probability(band[0])} !</span>' if band[0] < 0.01 else probability(band[0])


def _band(values: Sequence[float] | None, form: str = ".2f") -> str:
    if values is None:
        return number(None)
    median, low, high = (number(value, form) for value in values)
    return f"{median}\N{NO-BREAK SPACE}[{low}, {high}]"


def _agreement(result: Part, strength: str) -> str:
    found, names = result["agreement"][strength], list(result["methods"])
    titles = (
        ("background", "Rank correlation of scores, test background of the region"),
        ("signal", "Rank correlation of scores, test signal of the region"),
        ("shared", "Common part of the 1% of background with the highest scores; 0.01 is chance"),
    )
    parts = [_matrix(names, found[key], title) for key, title in titles]
    return f"<details><summary>Do the methods agree?</summary><section>{''.join(parts)}</section></details>"


def _matrix(names: Sequence[str], values: Iterable[Sequence[float]], caption: str) -> str:
    rows = [[escape(name), *(number(v) for v in row)] for name, row in zip(names, values, strict=True)]
    return f"<p></p>{table(['', *map(escape, names)], rows, caption=caption)}"


def _provenance(result: Part, config: str | None) -> str:
    settings, versions = result["compare"], result["versions"]
    drawn = result["draws"][0]
    facts = {
        "SHA-256 of the data": result["data"]["sha256"],
        "Seed": result["seed"],
        "Held out, kept as truth": f"{settings['test']:g}, {settings['reference']:g} of the labelled events",
        "In the region, first draw": f"{count(drawn['test'])} background and {count(drawn['test_signal'])} signal test "
        f"events, {count(drawn['reference'])} of true background",
        "Versions": ", ".join(f"{name} {version}" for name, version in versions.items()),
        "Processor time": f"{number(result.get('cpu_s'), '.1f')} s" if known(result.get("cpu_s")) else None,
    }
    items = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in facts.items())
    meanings = "".join(
        f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in result["definitions"].items()
    )
    text = f"<pre>{escape(config)}</pre>" if config is not None else '<p class="note">There is no config.toml.</p>'
    return f"""<section id="origin"><h2>Origin</h2><div class="columns"><div><h3>Configuration</h3>{text}</div>
<div><h3>Data and draws</h3><dl class="list">{items}</dl><h3>Definitions</h3><dl class="list">{meanings}</dl></div>
</div></section>"""
