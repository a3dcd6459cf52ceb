"""The section about reach: what hunts see of falling numbers of injected events."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lamppost.report.text import captioned, count, escape, known, number, table

if TYPE_CHECKING:
    from lamppost.report.drawing import Draw

__all__ = ["reach_section"]

Part = Mapping[str, Any]


def reach_section(result: Part, draw: "Draw") -> str:
    """Global Z against the number of injected events, and the least number that each method sees."""
    from lamppost.report.comparison_plots import against_events

    settings, drawn = result["reach"], result["draw"]
    z = number(settings["z"], "g")
    caption = (
        "Medians over draws, bands: 68% of draws. A method is not asked for fewer events once its median was too small "
        "for two numbers in a row."
    )
    title = "Global Z of blind hunts"
    svg = draw("reach", title, against_events(result["methods"], settings["z"]))
    shown = captioned(svg, title, caption, wide=True)
    windows = ", ".join(f"[{number(w['lo'], 'g')}, {number(w['hi'], 'g')})" for w in result["windows"])
    size = (
        f"A draw holds {count(drawn['background'])} background events, {count(round(drawn['background_region']))} of "
        f"them in the signal region on average, where {number(100 * drawn['signal_in_region'], '.0f')}% of the signal "
        f"is. Hunts in {windows}, {escape(settings['draws'])} draws."
    )
    head = ["Method", f"Events for global Z = {z}", "68% interval", "S/B", "S/√B", "CPU s per hunt", "Median global Z"]
    rows = [_row(name, method) for name, method in result["methods"].items()]
    note = (
        "The least number of injected events whose median global Z is as large; a dash lies outside of what was tried."
    )
    return (
        f'<section id="reach"><h2>Reach</h2><p>{size}</p><div class="figures">{shown}</div>'
        f"{table(head, rows, caption=note)}{_hunts(result)}</section>"
    )


def _row(name: str, method: Part) -> list[str]:
    share = number(100 * method["s_over_b"], ".3g") + "%" if known(method["s_over_b"]) else number(None)
    least = escape(method["bound"]) if method["bound"] else count(round(method["reach"]))
    ends = method["interval"]
    span = f"[{', '.join(number(end, '.0f') for end in ends)}]" if any(ends or ()) else number(None)
    medians = ", ".join(f"{count(one['events'])}: {number(one['median'], '.1f')}" for one in method["points"])
    return [escape(name), least, span, share, number(method["sigma"]), number(method["cpu_s"], ".1f"), medians]


def _hunts(result: Part) -> str:
    """Every hunt on its own."""
    draws = [f"Draw {number}" for number in range(result["reach"]["draws"])]
    rows = [
        [
            escape(name),
            count(one["events"]),
            *(number(z) for z in one["z_global"]),
            *(number(z) for z in one["z_local"]),
        ]
        for name, method in result["methods"].items()
        for one in method["points"]
    ]
    head = ["Method", "Events", *(f"Global Z, {draw}" for draw in draws), *(f"local Z, {draw}" for draw in draws)]
    return f"<details><summary>Every hunt</summary><section>{table(head, rows)}</section></details>"
