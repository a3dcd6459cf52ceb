"""One section of the page for every window: its numbers, figures and most anomalous events."""

from collections.abc import Sequence
from functools import partial

import numpy as np

from lamppost.report import plots
from lamppost.report.book import Hunt, Part, chosen, facts, false_signal, figure, span
from lamppost.report.canvas import array, unit_area
from lamppost.report.text import count, escape, known, number, percent, plus_minus, probability, table

__all__ = ["window_section"]

MOST_FEATURES = 12
_HISTOGRAMS = ("name", "edges", "selected", "sidebands")


def window_section(hunt: Hunt, index: int, *, opened: bool) -> str:
    """The section of one window, open or folded."""
    window, detail = hunt.windows[index], hunt.details_of(index)
    entry = chosen(window, detail)
    others = [other for other in detail.get("efficiencies") or () if other is not entry]
    key = f"w{index + 1:02d}"
    drawn = [
        _spectrum(hunt, f"{key}-spectrum", window, entry, fit={**window, **(window.get("fit") or {})}),
        _scan(hunt, f"{key}-scan", window, [entry, *others]),
        _scores(hunt, f"{key}-scores", detail),
        _sculpting(hunt, f"{key}-sculpting", window, entry),
        *(_spectrum(hunt, f"{key}-spectrum-{n}", window, other, fit=None) for n, other in enumerate(others, 2)),
        _features(hunt, f"{key}-features", detail),
    ]
    claim = "" if window.get("claim", True) else '<span class="badge">validation</span>'
    head = f"{span(window)} <span>{escape(window.get('method'))}: {_headline(window)}</span>{claim}"
    body = f'{_numbers(hunt, window)}<div class="figures">{"".join(drawn)}</div>{_events(hunt, detail)}'
    return (
        f"<details{' open' if opened else ''}><summary>{head}</summary>"
        f'<section id="{key}" aria-label="Window {escape(span(window))}">{body}</section></details>'
    )


def _headline(window: Part) -> str:
    return f"local Z = {number(window.get('z_local'))}, in the window Z = {number(window.get('z_window'))}"


def _numbers(hunt: Hunt, window: Part) -> str:
    fit = window.get("fit") or {}
    expected = plus_minus(window.get("n_expected"), window.get("n_expected_error"))
    quality = f"{number(fit.get('chi2'), '.1f')} / {number(fit.get('ndf'), 'g')}, p = {probability(fit.get('p_value'))}"
    return facts(
        [
            ("Events inside", count(window.get("n_sr"))),
            ("Kept, expected", f"{count(window.get('n_selected'))}, {expected}"),
            ("Fitted signal", plus_minus(window.get("signal"), window.get("signal_error"))),
            *false_signal(window),
            ("p local, in the window", f"{probability(window.get('p_local'))}, {probability(window.get('p_window'))}"),
            ("Background fit", f"{escape(fit.get('function'))}: χ² / ndf = {quality}{_tried(fit)}"),
            (
                "Sculpting",
                f"p = {probability(window.get('sculpting_p'))} if the cut kept one fraction everywhere",
            ),
            ("Mass from features", f"R² = {number(window.get('mass_r2'), '.3f')}, out of fold"),
        ]
    )


def _tried(fit: Part) -> str:
    """The families among which this one was chosen, if there was a choice."""
    told = [f"{escape(one.get('function'))} {number(one.get('aic'), '.1f')}" for one in fit.get("tried") or ()]
    return f"; deviance with penalty of those tried: {', '.join(told)}" if told else ""


def _spectrum(hunt: Hunt, key: str, window: Part, entry: Part, *, fit: Part | None) -> str:
    part = entry.get("spectrum") or {}
    before = hunt.inclusive_spectrum
    title = "Spectrum after the cut" if before is None else "Spectrum before and after the cut"
    kept = percent(entry.get("efficiency"))
    caption = f"{kept} of the background kept. The fit shown masks the window (shaded); pulls are its residuals."
    make = partial(plots.spectrum, part, mass=hunt.mass, window=window, before=before, fit=fit)
    return figure(hunt, key, title, caption, (part, "edges counts errors background pulls"), make)


def _scan(hunt: Hunt, key: str, window: Part, entries: Sequence[Part]) -> str:
    labels = [f"keep {percent(entry.get('efficiency'))}" if len(entries) > 1 else "" for entry in entries]
    curves = [
        plots.Curve(label, scan["mass"], scan["p"], colour)
        for entry, label, colour in zip(entries, labels, plots.colours(), strict=False)
        if (scan := entry.get("scan") or {}).get("mass") and scan.get("p")
    ]
    trials = hunt.trials(window)
    lines = plots.Lines(trials, "global") if trials else None
    caption = "Signal plus background against background alone, for signals at each mass of the window. " + (
        f"Dashed: 1 to 5σ global, for {trials:.3g} independent looks." if trials else "Dotted: 1 to 5σ local."
    )
    text = _headline(window)
    make = partial(plots.p_values, curves, mass=hunt.mass, lines=lines, best=hunt.best_point(window, text))
    scan = (entries[0].get("scan") or {}) if entries else {}
    return figure(hunt, key, "p-value against mass", caption, (scan, "mass p"), make)


def _scores(hunt: Hunt, key: str, detail: Part) -> str:
    part = detail.get("scores") or {}
    efficiencies = [entry.get("efficiency") for entry in detail.get("efficiencies") or ()]
    caption = "Both scaled to unit area. No event is scored by a model that has seen it."
    make = partial(plots.scores, part, efficiencies)
    return figure(hunt, key, "Score distribution", caption, (part, "edges sr sb"), make)


def _sculpting(hunt: Hunt, key: str, window: Part, entry: Part) -> str:
    part = entry.get("sculpting") or {}
    caption = "A fraction that changes with the mass would shape the spectrum by itself."
    make = partial(plots.sculpting, part, mass=hunt.mass, window=window, efficiency=entry.get("efficiency"))
    return figure(hunt, key, "Kept fraction against mass", caption, (part, "edges fraction error"), make)


def _features(hunt: Hunt, key: str, detail: Part) -> str:
    drawable = [part for part in detail.get("features") or () if all(part.get(name) for name in _HISTOGRAMS)]
    telling = sorted(drawable, key=_distance, reverse=True)[:MOST_FEATURES]
    parts = [part for part in drawable if any(part is other for other in telling)]  # in the order of the configuration
    caption = "Selected events of the signal region against all events of the sidebands, both scaled to unit area"
    left_out = len(drawable) - len(parts)
    caption += f"; the {len(parts)} that differ most, {left_out} more are left out." if left_out else "."
    title = "Features of the selected events"
    return figure(
        hunt, key, title, caption, ({"features": parts}, "features"), partial(plots.features, parts), wide=True
    )


def _distance(part: Part) -> float:
    """Total variation distance between the selected events and the sidebands, 0 (the same) to 1."""
    widths = np.diff(array(part["edges"]))
    selected, beside = (unit_area(part[name], array(part["edges"])) for name in ("selected", "sidebands"))
    return round(0.5 * float(np.sum(np.abs(selected - beside) * widths)), 12)


def _events(hunt: Hunt, detail: Part) -> str:
    events = detail.get("top_events") or ()
    if not events:
        return '<p class="note">No table of events: details.json has no top_events for this window.</p>'
    names = list(dict.fromkeys(name for event in events for name in event.get("features") or {}))
    head = ["Event", escape(hunt.mass), "Score", *(escape(name) for name in names)]
    rows = [
        [
            escape(event.get("index")),
            number(event.get("m"), ".5g"),
            number(event.get("score"), ".3f"),
            *(_cell((event.get("features") or {}).get(name)) for name in names),
        ]
        for event in events
    ]
    return f"<h3>Most anomalous events</h3>{table(head, rows)}"


def _cell(value: object) -> str:
    return number(value, ".4g") if known(value) or value is None else escape(value)
