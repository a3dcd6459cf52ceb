"""The page: verdict first, then all windows in one picture and one table, each window, and where it came from."""

from collections.abc import Mapping
from functools import partial
from importlib.resources import files
from typing import Any

from lamppost.report import plots
from lamppost.report.anomalous import EventsOf, anomalous_section
from lamppost.report.blinding import opened_facts
from lamppost.report.book import Hunt, facts, false_signal, figure, span
from lamppost.report.drawing import Draw
from lamppost.report.overview import overview, references, summary
from lamppost.report.text import count, escape, known, number, plus_minus, probability, table
from lamppost.report.verdict import key_numbers, verdict, warnings
from lamppost.report.windows import window_section

__all__ = ["render"]


def render(
    result: Mapping[str, Any],
    details: Mapping[str, Any],
    config: str | None,
    draw: Draw,
    events_of: EventsOf | None = None,
) -> str:
    """The whole page as HTML: no scripts, nothing fetched, every text escaped."""
    hunt = Hunt(result, details, draw)
    name = (hunt.part("data").get("mass") or details.get("mass")) or "mass"
    best = result.get("best_window")
    sections = [window_section(hunt, index, opened=index == best) for index in range(len(hunt.windows))]
    where = ", control region" if hunt.part("data").get("control_region") else ""
    body = f"""<header><h1>Bump hunt in {escape(name)}{where}</h1>{_source(hunt)}<p class="verdict">{verdict(hunt)}</p>
{warnings(hunt)}{key_numbers(hunt)}{_contents(hunt)}</header>
<main><section id="overview"><h2>All windows</h2><div class="figures">{overview(hunt)}</div>{summary(hunt)}</section>
<section id="windows"><h2>Window by window</h2>{"".join(sections) or '<p class="note">No windows.</p>'}</section>
{anomalous_section(hunt, events_of)}{_inclusive(hunt)}{_provenance(hunt, config)}</main>
<footer>Made by lamppost {escape(result.get("lamppost"))}. This page needs no network and runs no scripts.</footer>"""
    style = (files("lamppost.report") / "page.css").read_text(encoding="utf-8")
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<title>Bump hunt in {escape(name)}{where}</title><style>{style}</style></head>
<body>
{body}
</body></html>
"""


def _source(hunt: Hunt) -> str:
    data = hunt.part("data")
    features = ", ".join(map(str, data.get("features") or ()))
    region = f"; control region: {escape(data['control_region'])}" if data.get("control_region") else ""
    text = f"{escape(data.get('path'))}, {count(data.get('events'))} events{region}"
    return f'<p class="source">{text}{f"; features {escape(features)}" if features else ""}</p>'


def _contents(hunt: Hunt) -> str:
    several = len({window.get("method") for window in hunt.windows}) > 1
    names = [f"{span(window)} {window.get('method')}" if several else span(window) for window in hunt.windows]
    windows = [(f"w{n:02d}", name) for n, name in enumerate(names, 1)]
    links = [
        ("overview", "All windows"),
        *windows,
        *([("anomalous", "Most anomalous events")] if hunt.best else []),
        ("inclusive", "Inclusive fit"),
        ("origin", "Configuration and origin"),
    ]
    items = "".join(f'<li><a href="#{anchor}">{escape(text)}</a></li>' for anchor, text in links)
    return f'<nav aria-label="Contents"><ul>{items}</ul></nav>'


def _inclusive(hunt: Hunt) -> str:
    part, inclusive = hunt.inclusive_spectrum or {}, hunt.part("inclusive")
    fit = {**inclusive, **(inclusive.get("fit") or {})}
    curves = references(hunt)
    best = hunt.best_point(inclusive, f"local Z = {number(inclusive.get('z_local'))}")
    spectrum = figure(
        hunt,
        "inclusive-spectrum",
        "Spectrum of all events",
        "No score and no cut: what the bump hunt would see without them.",
        (part, "edges counts errors background pulls"),
        partial(plots.spectrum, part, mass=hunt.mass, window=None, fit=fit),
    )
    scan = figure(
        hunt,
        "inclusive-scan",
        "p-value against mass without a score",
        "All events, and as many as the cut keeps picked by a random score. Dotted: 1 to 5σ local.",
        ({"scan": curves}, "scan"),
        partial(plots.p_values, curves, mass=hunt.mass, best=best),
    )
    body = f'{_numbers(hunt)}<div class="figures">{spectrum}{scan}</div>'
    return f'<section id="inclusive"><h2>Inclusive fit and random score</h2>{body}</section>'


def _numbers(hunt: Hunt) -> str:
    inclusive, control = hunt.part("inclusive"), hunt.part("control")
    return facts(
        [
            ("Local Z, global Z", f"{number(inclusive.get('z_local'))}, {number(inclusive.get('z_global'))}"),
            ("Local p, global p", f"{probability(inclusive.get('p_local'))}, {probability(inclusive.get('p_global'))}"),
            ("Best mass", number(inclusive.get("best_mass"), ".5g")),
            ("Fitted signal", plus_minus(inclusive.get("signal"), inclusive.get("signal_error"))),
            *false_signal(inclusive),
            ("Random score: local Z", f"{number(control.get('z_local'))} at {number(control.get('best_mass'), '.5g')}"),
            ("Random score: global p", probability(control.get("p_global"))),
        ]
    )


def _in_full(result: Mapping[str, Any]) -> list[tuple[str, str]]:
    p = result.get("p_global_bonferroni")
    return [("If every window counts in full", f"p = {probability(p)}")] if known(p) else []


def _provenance(hunt: Hunt, config: str | None) -> str:
    result, data = hunt.result, hunt.part("data")
    origin = facts(
        [
            ("Data", f"{escape(data.get('path'))}, {count(data.get('events'))} events"),
            ("SHA-256", escape(data.get("sha256"))),
            ("Seed", escape(result.get("seed"))),
            ("Global p-value", escape(result.get("p_global_method"))),
            *_in_full(result),
            *opened_facts(result),
            ("Versions", escape(", ".join(f"{n} {v}" for n, v in (result.get("versions") or {}).items()) or None)),
        ]
    )
    time = facts(
        [
            ("Wall clock", f"{number(result.get('wall_s'), '.1f')} s with {escape(result.get('workers'))} workers"),
            ("Processor time", f"{number(result.get('cpu_s'), '.1f')} s"),
            ("Largest memory", f"{count(result.get('max_rss_mb'))} MB"),
        ]
    )
    stages = result.get("timing") or ()
    rows = [
        [
            escape(stage.get("stage")),
            number(stage.get("cpu_s"), ".1f"),
            count(stage.get("tasks")),
            number(_megabytes(stage), ".2f"),
        ]
        for stage in stages
    ]
    timing = f"<p></p>{table(['Stage', 'Processor s', 'Tasks', 'Written MB'], rows)}" if rows else ""
    text = f"<pre>{escape(config)}</pre>" if config is not None else '<p class="note">There is no config.toml.</p>'
    return f"""<section id="origin"><h2>Configuration and origin</h2><div class="columns">
<div><h3>Configuration</h3>{text}</div>
<div><h3>Origin</h3>{origin}<h3>Time</h3>{time}{timing}</div></div></section>"""


def _megabytes(stage: Mapping[str, Any]) -> float | None:
    """What a stage has written; None in results of earlier versions."""
    written = stage.get("bytes")
    return written / 1e6 if isinstance(written, int | float) else None
