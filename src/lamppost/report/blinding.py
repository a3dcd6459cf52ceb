"""From the folder of a blind hunt to `blind.html`, and what the page of an opened one says of it."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from lamppost.report.folder import Part, read_json, write_page
from lamppost.report.shell import origin, shell, warnings
from lamppost.report.text import count, escape, number, percent, plus_minus, probability, table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from lamppost.report.book import Hunt
    from lamppost.report.drawing import Draw

__all__ = ["opened_facts", "write_blind"]


def write_blind(folder: Path, *, pdf: bool = False) -> Path:
    """Write `folder/blind.html` from `blind.json`, `blind_details.json` and `config.toml`; see `write_page`."""

    def render_blind(result: Part, config: str | None, draw: "Draw") -> str:
        def named(key: str, label: str, drawn: "Figure") -> str:
            return draw(f"blind-{key}", label, drawn)  # the opened hunt draws figures of the same names

        return render(result, read_json(folder / "blind_details.json") or {}, config, named)

    return write_page(folder, "blind.json", "a blind hunt", "blind.html", render_blind, pdf=pdf)


def opened_facts(result: Part) -> list[tuple[str, str]]:
    """What was looked at before the windows were opened, as facts."""
    blinding = result.get("blinding")
    if not blinding:
        return []
    told = (
        f"{count(blinding.get('blind_looks'))} blind looks at {count(blinding.get('configurations'))} configurations, "
        f"opened {count(blinding.get('opened'))} times with {count(blinding.get('opened_configurations'))}"
    )
    found = [("Looks in this folder", told), ("Frozen as", escape(blinding.get("hash")))]
    if despite := blinding.get("despite"):
        needed = "" if blinding.get("overridden", True) else "all blind tests passed, nothing had to be overridden: "
        found.append(("Opened despite", escape(needed + despite)))
    if certificate := blinding.get("certificate"):
        text = f"{certificate.get('configuration')}, {certificate.get('experiments')} pseudo-experiments"
        found.append(("Certificate", escape(text)))
    return found


def render(result: Part, details: Part, config: str | None, draw: "Draw") -> str:
    """The whole page as HTML."""
    from lamppost.report.book import Hunt
    from lamppost.report.windows import window_section

    data = result["data"]
    hunt = Hunt({"windows": [*result["validation"], *result["control"]], "data": data}, details, draw)
    source = f"{data['path']}, {data['events']} events outside; features {', '.join(data['features'])}"
    head = (
        f'<p class="source">{escape(source)}</p><p class="verdict">{_verdict(result)}</p>{warnings(result["warnings"])}'
    )
    whole = "".join(window_section(hunt, index, opened=index == 0) for index in range(len(hunt.windows)))
    sections = [
        _tests(result),
        f'<section id="validation"><h2>Windows without a claim</h2>{_validation(result)}{whole}</section>',
        _selections(hunt, result, details),
        _outside(hunt, result),
        _origin(result, config),
        _open(result),
    ]
    links = [("tests", "Tests"), ("validation", "Windows without a claim"), ("selections", "Selections")]
    links += [("outside", "All events outside"), ("origin", "What is frozen"), ("open", "Opening")]
    title = f"Blind: bump hunt in {data['mass']}"
    return shell(title, head, links, "".join(sections), result["lamppost"])


def _verdict(result: Part) -> str:
    closed = ", ".join(_span(*region) for region in result["closed"])
    answer = "All blind tests passed." if result["passed"] else "Blind tests failed."
    smallest = result["tests"]["smallest"]
    return (
        f"<strong>{answer}</strong> {closed} closed. The smallest of {count(result['tests']['n'])} p-values is "
        f"{probability(smallest['p'])} ({escape(smallest['what'])}: {escape(smallest['test'])}); below "
        f"{probability(result['tests']['least_p'])} one counts as failed."
    )


def _span(lo: float, hi: float) -> str:
    return f"[{number(lo, 'g')}, {number(hi, 'g')})"


def _tests(result: Part) -> str:
    rows = [
        [escape(test["what"]), escape(test["test"]), f'<span class="alert">{probability(test["p"])} !</span>']
        for test in result["tests"]["failed"]
    ]
    rows += [[escape(name), "the features determine m", "refused"] for name in result["determined"]]
    shown = table(["Where", "Test", "p"], rows) if rows else "<p>None failed.</p>"
    return f'<section id="tests"><h2>Tests that failed</h2>{shown}</section>'


def _validation(result: Part) -> str:
    head = ["Window", "Method", "Kept", "Expected", "p in the window", "Flat, p", "Fit, χ² / ndf, p", "Closure AUC"]
    rows = [
        [
            _span(row["lo"], row["hi"]),
            escape(row["method"]),
            count(row["n_selected"]),
            plus_minus(row["n_expected"], row["n_expected_error"]),
            probability(row["p_window"]),
            probability(row["sculpting_p"]),
            _fit(row["fit"]),
            _closure(row.get("closure")),
        ]
        for row in (*result["validation"], *result["control"])
    ]
    note = "The whole hunt, in data without the events of the closed windows. Flat: across the window itself, too."
    return table(head, rows, caption=note)


def _fit(fit: Part) -> str:
    quality = f"{number(fit.get('chi2'), '.1f')} / {number(fit.get('ndf'), 'g')}, {probability(fit.get('p_value'))}"
    return f"{escape(fit.get('function'))}: {quality}"


def _closure(found: Part | None) -> str:
    return number(None) if found is None else plus_minus(found["auc"], found["error"])


def _selections(hunt: "Hunt", result: Part, details: Part) -> str:
    if not result["selections"]:
        text = '<p class="note">Nothing was trained in the closed windows.</p>'
        return f'<section id="selections"><h2>Selections of the closed windows</h2>{text}</section>'
    rows = [
        [
            _span(row["lo"], row["hi"]),
            escape(row["method"]),
            percent(row["efficiency"]),
            f"{count(row['n_kept'])} of {count(row['n_outside'])}",
            probability(row["sculpting_p"]),
            _fit(row["fit"]),
            number(row["mass_r2"], ".3f"),
        ]
        for row in result["selections"]
    ]
    head = ["Window", "Method", "Efficiency", "Kept outside", "Flat beside, p", "Fit outside, χ² / ndf, p", "R² of m"]
    note = "By the events outside of all closed windows. A dash: the sidebands lie in other closed windows."
    figures = "".join(_figures(hunt, index, one) for index, one in enumerate(details.get("selections") or ()))
    return (
        f'<section id="selections"><h2>Selections of the closed windows</h2>{table(head, rows, caption=note)}'
        f"<details><summary>Figures</summary>{figures}</details></section>"
    )


def _figures(hunt: "Hunt", index: int, one: Part) -> str:
    """Spectrum and kept fraction of the loosest cut."""
    from lamppost.report import plots
    from lamppost.report.book import figure

    entry = one["efficiencies"][0]
    part, flat = entry["spectrum"], entry["sculpting"] or {}
    drawn = figure(
        hunt,
        f"selection-{index}-spectrum",
        "Kept events outside",
        "The closed windows are empty here, and no fit looks into them.",
        (part, "edges counts errors background pulls"),
        partial(plots.spectrum, part, mass=hunt.mass, window=one, before=hunt.inclusive_spectrum),
    )
    if flat:
        efficiency = entry["efficiency"]
        make = partial(plots.sculpting, flat, mass=hunt.mass, window=one, efficiency=efficiency)
        caption = "In those sidebands that no closed window covers."
        title = "Kept fraction against mass"
        drawn += figure(hunt, f"selection-{index}-flat", title, caption, (flat, "edges fraction error"), make)
    head = f"{_span(one['lo'], one['hi'])} {escape(one['method'])}, {percent(entry['efficiency'])}"
    return f'<h3>{head}</h3><div class="figures">{drawn}</div>'


def _outside(hunt: "Hunt", result: Part) -> str:
    from lamppost.report import plots
    from lamppost.report.book import figure

    part, fit = hunt.inclusive_spectrum or {}, result["inclusive"]["fit"]
    caption = "The closed windows are empty here, and no fit looks into them."
    make = partial(plots.spectrum, part, mass=hunt.mass, window=None, fit=fit)
    needs = (part, "edges counts errors background pulls")
    drawn = figure(hunt, "outside-spectrum", "Spectrum of all events outside", caption, needs, make)
    return f'<section id="outside"><h2>All events outside</h2><div class="figures">{drawn}</div></section>'


def _origin(result: Part, config: str | None) -> str:
    blinding = result["blinding"]
    facts = {
        "Frozen as": blinding["hash"],
        "SHA-256 of the data": result["data"]["sha256"],
        "Seed": result["seed"],
        "Blind looks in this folder": f"{blinding['blind_looks']} at {blinding['configurations']} configurations",
        "Certificate": blinding["certificate"] or "none is asked for",
        "Versions": ", ".join(f"{name} {version}" for name, version in result["versions"].items()),
        **result["definitions"],
    }
    return origin(config, "Origin, and what words mean", facts, title="What is frozen")


def _open(result: Part) -> str:
    reason = "" if result["passed"] else ' --despite "REASON"'
    command = f"lamppost hunt CONFIG.toml --out DIR --unblind {result['blinding']['hash']}{reason}"
    note = "With the same configuration, data, seed and versions; another hash is refused, and every look is logged."
    return f'<section id="open"><h2>Opening</h2><p>{note}</p><pre>{escape(command)}</pre></section>'
