"""From the folder of limits to `limits.html`: a pure function of the files in it."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lamppost.report.folder import Part, write_page
from lamppost.report.shell import origin, shell, warnings
from lamppost.report.text import captioned, count, escape, number, percent, probability, table
from lamppost.run.limits.points import quoted

if TYPE_CHECKING:
    from lamppost.report.drawing import Draw

__all__ = ["write_exclusion"]


def write_exclusion(folder: Path, *, pdf: bool = False) -> Path:
    """Write `folder/limits.html` from `limits.json` and `config.toml`; see `write_page`."""
    return write_page(folder, "limits.json", "limits", "limits.html", render, pdf=pdf)


def render(result: Part, config: str | None, draw: "Draw") -> str:
    """The whole page as HTML."""
    data = result["data"]
    source = f"{data['path']}, {data['events']} events; features {', '.join(data['features'])}"
    verdicts = "".join(f'<p class="verdict">{line}</p>' for line in _verdicts(result))
    head = f'<p class="source">{escape(source)}</p>{verdicts}{warnings(result["warnings"])}'
    sections, links = [], []
    if against := _against_mass(result, draw):
        sections.append(against)
        links.append(("mass", "Against mass"))
    for index, (name, signal) in enumerate(result["signals"].items()):
        sections.append(_signal(result, name, signal, index, draw))
        links.append((f"signal-{index}", name))
    main = "".join([*sections, _origin(result, config)])
    return shell("Limits on injected signals", head, [*links, ("origin", "Origin")], main, result["lamppost"])


def _verdicts(result: Part) -> Iterator[str]:
    for name, signal in result["signals"].items():
        unit, rows = _unit(result, signal), signal["rows"]
        # by what is expected: the observed limits must not choose
        found = [row for row in rows if row["observed"] is not None]
        known = [row for row in found if row["expected"][2] is not None] or found
        if not known:
            yield f"<strong>{escape(name)}:</strong> nothing is excluded."
            continue
        best = min(known, key=lambda row: float(row["expected"][2] or row["observed"]))
        gain = best["gain"]
        text = (
            f"<strong>{escape(name)}, mass {number(signal['mass'], 'g')}:</strong> more than "
            f"{_limit(best['observed'], unit)} {_of(result)} are excluded by {escape(best['label'])}, expected "
            f"{_limit(best['expected'][2], unit)}"
        )
        if gain is not None:
            text += f"; {number(gain['observed'])} times fewer than by the fit to all events"
        yield f"{text}. It is the selection of the smallest expected limit."


def _unit(result: Part, signal: Part) -> float:
    return float(signal["per_event"] or 1.0)


def _of(result: Part) -> str:
    return "fb" if result["unit"] == "fb" else "signal events in the fit range"


def _limit(value: float | None, unit: float) -> str:
    return number(None) if value is None else number(float(f"{unit * value:.3g}"), "g")  # 1020, not 1.02e+03


def _what(result: Part) -> tuple[str, str]:
    """What the axes of limits and of injections show."""
    level = number(100 * result["limits"]["level"], "g")
    what = "cross-section [fb]" if result["unit"] == "fb" else "signal events"
    return f"upper limit at {level} % CL, {what}", f"injected {what}"


def _against_mass(result: Part, draw: "Draw") -> str:
    """Limits of every selection that all signals have, if they have masses of their own."""
    from lamppost.report.exclusion_plots import against_mass

    signals = sorted(result["signals"].values(), key=lambda one: float(one["mass"]))
    if len({signal["mass"] for signal in signals}) < max(len(signals), 2):
        return ""
    figures = ""
    for index, label in enumerate(dict.fromkeys(_name(row) for signal in signals for row in signal["rows"])):
        # of several windows the nearest comes first
        first = [(s, next((row for row in s["rows"] if _name(row) == label), None)) for s in signals]
        pairs = [(s, row) for s, row in first if row is not None and row["observed"] is not None]
        if len(pairs) < 2:
            continue
        shown, rows = [signal for signal, _ in pairs], [row for _, row in pairs]
        title = f"Limits by {label}"
        whole = [signal["rows"][0] for signal in shown]
        svg = draw(f"mass-{index}", title, against_mass(shown, label, rows, whole, _what(result)[0]))
        figures += captioned(svg, title, _caption(rows[0]))
    return f'<section id="mass"><h2>Limits against mass</h2><div class="figures">{figures}</div></section>'


def _name(row: Part) -> str:
    """A selection by a name that is the same for all signals, whatever their window."""
    return str(row["selection"] if row["efficiency"] is None else f"{row['selection']}, {row['efficiency']:g}")


def _caption(row: Part) -> str:
    return f"Expected from {row['expected_method']}."


def _signal(result: Part, name: str, signal: Part, index: int, draw: "Draw") -> str:
    """Everything about one signal."""
    from lamppost.report import exclusion_plots as plots

    rows, unit = signal["rows"], _unit(result, signal)
    limit, injected = _what(result)
    predicted = signal["cross_section"] if signal["per_event"] else None
    trained = [row for row in rows if row["at"] is not None]
    drawn = [
        ("limits", "Limits", plots.by_selection(rows, unit, limit, predicted), _caption(rows[0])),
    ]
    if trained:
        others = [row for row in rows if row["kind"] == "cut"]
        drawn += [
            (
                "efficiency",
                "Efficiency against injection",
                plots.efficiencies([*trained, *others], unit, injected),
                "Bars: finite signal sample and spread over trainings. Dotted: injections that limits are quoted by.",
            ),
            (
                "p",
                "p-value against injection",
                plots.p_values(trained, unit, injected),
                "At the mass of the signal, with the injection in the data; medians over trainings.",
            ),
        ]
    for number_of, row in enumerate(trained):
        if any(point["excluded"] is not None and point["strength"] > 0.0 for point in row["points"]):
            title = f"What an injection excludes: {row['label']}"
            text = (
                "Dotted: where both are equal; vertical: the injection whose expected limit is smallest. The larger of "
            )
            text += "this and of what it excludes is the limit."
            drawn.append((f"excluded-{number_of}", title, plots.excluded(row, unit, injected), text))
    figures = "".join(
        captioned(draw(f"s{index}-{key}", f"{title}, {name}", figure), title, caption)
        for key, title, figure, caption in drawn
    )
    body = f'<p>{_about(signal)}</p><div class="figures">{figures}</div>{_table(result, rows, unit)}'
    return f'<section id="signal-{index}"><h2>{escape(name)}</h2>{body}{_points(result, trained, unit)}</section>'


def _about(signal: Part) -> str:
    left = f", {count(signal['duplicates'])} of them left out, for they are in the data" if signal["duplicates"] else ""
    text = f"{count(signal['events'])} simulated events in the fit range{left}."
    if signal["acceptance"] is not None:
        text += f" Acceptance {percent(signal['acceptance'])}."
    if signal["per_event"] is not None:
        text += f" One event is a cross-section of {number(signal['per_event'], '.4g')} fb."
    return text


def _table(result: Part, rows: Sequence[Part], unit: float) -> str:
    head = [
        "Selection",
        "Observed",
        "Expected",
        "68%",
        "95%",
        "Injected",
        "Signal efficiency",
        "Gain, observed",
        "Gain, expected",
    ]
    note = (
        f"Limits in {_of(result)}. Injected: the injection whose expected limit is smallest, by which the limit is "
        "quoted. Gain: how many times smaller than the limit of the fit to all events; expected: median and 68% of the "
        "same pseudo-data."
    )
    return table(head, [_row(row, unit) for row in rows], caption=note)


def _row(row: Part, unit: float) -> list[str]:
    band, gain = row["expected"], row["gain"]
    mark = "" if row["bound"] is None else ' <span class="badge alert">not crossed</span>'
    gained = [number(None), number(None)]
    if gain is not None:
        spread = gain["expected"]
        gained[0] = f"{number(gain['observed'])} ± {number(gain['error'])}"
        gained[1] = number(None) if spread is None else f"{number(spread[0])} {_span(spread[1], spread[2], 1.0)}"
    return [
        escape(row["label"]) + mark,
        f"{_limit(row['observed'], unit)} ± {_limit(row['error'], unit)}",
        _limit(band[2], unit),
        _span(band[1], band[3], unit),
        _span(band[0], band[4], unit),
        number(None, "") if row["at"] is None else _limit(row["at"], unit),
        number(None if row["observed"] is None else quoted(row)["efficiency"], ".3f"),
        *gained,
    ]


def _span(low: float | None, high: float | None, unit: float) -> str:
    return f"[{_limit(low, unit)}, {_limit(high, unit)}]"


def _points(result: Part, rows: Sequence[Part], unit: float) -> str:
    """Every injection."""
    head = ["Selection", "Injected", "Efficiency", "statistical", "training", "Events kept", "Excluded, selected"]
    head += ["Excluded", "Larger of both", "p with injection", "p inclusive"]
    listed = [
        [
            escape(row["label"]),
            _limit(point["strength"], unit),
            number(point["efficiency"], ".4f"),
            percent(point["statistical"]),
            percent(point["retraining"]),
            ", ".join(count(one["events"]) for one in point["trainings"]),
            number(point["n_excluded"], ".3g"),
            _limit(point["excluded"], unit),
            _limit(point["limit"], unit),
            probability(point["p_injected"]),
            probability(point["p_inclusive"]),
        ]
        for row in rows
        for point in row["points"]
    ]
    note = "Errors of the efficiency are relative; events kept of the data, for every training."
    shown = table(head, listed, caption=note)
    return f"<details><summary>Every injection</summary><section>{shown}</section></details>" if listed else ""


def _origin(result: Part, config: str | None) -> str:
    facts = {
        "SHA-256 of the data": result["data"]["sha256"],
        "Seed": result["seed"],
        "Versions": ", ".join(f"{name} {version}" for name, version in result["versions"].items()),
        "Processor time": f"{number(result.get('cpu_s'), '.0f')} s",
        **result["definitions"],
    }
    return origin(config, "What words mean", facts)
