"""The section of the most anomalous events: those with the highest scores, and what they look like."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from lamppost.report.book import Hunt, Part, span
from lamppost.report.display import described, event_figure
from lamppost.report.event import Display
from lamppost.report.text import count, escape, known, number, table

__all__ = ["EventsOf", "anomalous_section"]

EventsOf = Callable[[Sequence[Part]], Sequence[Display] | str]
"""Entries of `top_events` -> what to draw of each, or in one line why nothing can be drawn."""

SHOWN = 6


def anomalous_section(hunt: Hunt, events_of: EventsOf | None = None) -> str:
    """The highest out-of-fold scores among the kept events of the best window; nothing without a window.

    Truth labels are neither read nor shown.
    """
    best = hunt.best
    if best is None:
        return ""
    events = _kept(best, hunt.details_of(hunt.result["best_window"]).get("top_events") or ())
    return (
        '<section id="anomalous"><h2>The most anomalous events</h2>'
        f"{_table(hunt, best, events) if events else _none()}{_displays(hunt, events, events_of)}</section>"
    )


def _kept(window: Part, events: Sequence[Part]) -> Sequence[Part]:
    """The first of the events whose score is above the threshold: aligned scores are -log10 of the kept fraction."""
    efficiency = window.get("efficiency")
    threshold = -math.log10(efficiency) if known(efficiency) and efficiency > 0.0 else -math.inf
    return [event for event in events if known(event.get("score")) and event["score"] >= threshold][:SHOWN]


def _none() -> str:
    return '<p class="note">No event of the best window is above the threshold, or details.json has no top_events.</p>'


def _table(hunt: Hunt, window: Part, events: Sequence[Part]) -> str:
    names = list(dict.fromkeys(name for event in events for name in event.get("features") or {}))
    head = ["Rank", "Row in the input", escape(hunt.mass), "Score", *(escape(name) for name in names)]
    rows = [
        [
            str(rank),
            escape(event.get("index")),
            number(event.get("m"), ".5g"),
            number(event.get("score"), ".2f"),
            *(number((event.get("features") or {}).get(name), ".4g") for name in names),
        ]
        for rank, event in enumerate(events, 1)
    ]
    caption = (
        f"The highest of {count(window.get('n_selected'))} kept in {span(window)}, {escape(window.get('method'))}. "
        "Score s: about one background event in 10<sup>s</sup> has a higher one, out of fold."
    )
    return table(head, rows, caption=caption)


def _displays(hunt: Hunt, events: Sequence[Part], events_of: EventsOf | None) -> str:
    if not events or events_of is None:
        return ""
    found = events_of(events)
    if isinstance(found, str):
        return f'<p class="note">No event is drawn: {escape(found)}.</p>'
    return "".join(_display(hunt, rank, *one) for rank, one in enumerate(zip(events, found, strict=True), 1))


def _display(hunt: Hunt, rank: int, event: Part, display: Display) -> str:
    mass = f"{hunt.mass_name} = {number(event.get('m'), '.5g')}{f' {hunt.unit}' if hunt.unit else ''}"
    facts = (f"rank {rank}", mass, f"score {number(event.get('score'), '.2f')}")
    drawn = replace(display, facts=facts)
    svg = hunt.draw(f"event-{rank}", described(drawn), event_figure(drawn))
    caption = (
        "Particles in none of these jets are grey. The arrow has the direction of the missing transverse momentum."
    )
    head = f"<summary>Rank {rank} <span>{escape(mass)}</span></summary>"
    return (
        f'<details class="event"{" open" if rank == 1 else ""}>{head}'
        f'<section><figure class="wide">{svg}<figcaption>{caption}</figcaption></figure></section></details>'
    )
