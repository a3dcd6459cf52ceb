"""The page of a run that goes on: one file, read again by the browser every few seconds; no server."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from html import escape
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from lamppost.run.progress.view import HEAD, facts, stage_rows
from lamppost.run.quantities import clock

__all__ = ["page_of"]

_REFRESH = 5
REPORTS = {"result": "report.html", "compare": "comparison.html", "reach": "comparison.html"}
"""The page that is made of a result, where it is not called like it."""
STYLE = """:root { color-scheme: light dark; --ink: #1c1d22; --soft: #5d6069; --paper: #f4f5f8; --card: #fff;
  --line: #dcdee5; --accent: #2f5fc7; --warn: #8a5200; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8e9ee; --soft: #a2a6b3; --paper: #15161a; --card: #1e2026;
  --line: #343741; --accent: #8fb0ff; --warn: #ffd591; } }
body { margin: 0 auto; max-width: 980px; padding: 24px; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, "Segoe UI", Helvetica, Arial, sans-serif; }
h1 { font-size: 1.5rem; margin: 0; overflow-wrap: anywhere; } h2 { font-size: 1.05rem; margin: 26px 0 8px; }
a { color: var(--accent); } .note { color: var(--soft); font-size: .9rem; } .warn { color: var(--warn); }
progress { width: 100%; height: 18px; accent-color: var(--accent); }
dl { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 12px; margin: 16px 0; }
dl div { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 8px 12px; }
dt { color: var(--soft); font-size: .85rem; } dd { margin: 0; font-weight: 600; font-variant-numeric: tabular-nums; }
.scroll { overflow-x: auto; background: var(--card); border: 1px solid var(--line); border-radius: 8px; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; font-variant-numeric: tabular-nums; }
th, td { padding: 6px 10px; text-align: right; border-bottom: 1px solid var(--line); }
th { color: var(--soft); font-weight: 600; } th:first-child, td:first-child { text-align: left; }
tr:last-child > * { border-bottom: 0; }"""
# a page that is not written any more must not claim that its run goes on: the clock of the reader tells
SCRIPT = """const a = (Date.now() / 1000 - Number(document.body.dataset.updated)) / 60;
if (a > 2) { const s = document.getElementById("state");
s.textContent = "no sign of life for " + Math.round(a) + " min: stopped, or out of reach";
s.className = "warn"; }"""


def page_of(folder: Path, state: Mapping[str, Any]) -> str:
    """The page of the run in a folder."""
    running, now = state["state"] == "running", datetime.now(UTC)
    refresh = f'<meta http-equiv="refresh" content="{_REFRESH}">' if running else ""
    policy = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
    about = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in facts(state))
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
{refresh}<meta http-equiv="Content-Security-Policy" content="{policy}">
<title>{state["fraction"]:.0%} {escape(folder.resolve().name)}</title><style>{STYLE}</style></head>
<body data-updated="{now.timestamp():.0f}">
<h1>{escape(str(folder.resolve()))}</h1>
<p>{_state(folder, state)} {state["fraction"]:.0%}</p>
<progress max="1" value="{state["fraction"]:.4f}"></progress>
<dl>{about}</dl>
{_table("", HEAD, stage_rows(state))}
{_tasks("Failed last", (("task", "why"), *((one["label"], one["why"]) for one in state["failures"])))}
{_tasks("Running", (("task", "for"), *((t["label"], clock(t["for_s"])) for t in state["running_tasks"][:10])))}
{_tasks("Done last", (("task", "CPU s"), *((one["label"], f"{one['cpu_s']:.1f}") for one in state["last"])))}
<p class="note">{_note(state, now)}</p>
{f"<script>{SCRIPT}</script>" if running else ""}
</body></html>
"""


def _state(folder: Path, state: Mapping[str, Any]) -> str:
    if state["state"] == "done":
        name = str(state["result"])
        stem = name.removesuffix(".json")
        drawn = find_spec("matplotlib") and find_spec("mplhep")
        links = [*([REPORTS.get(stem, f"{stem}.html")] if drawn else []), name]
        return "Done: " + ", ".join(f'<a href="{escape(link)}">{escape(link)}</a>' for link in links) + "."
    if state["state"] == "running":
        return '<strong id="state">running</strong>,'
    why = f": {escape(state['why'])}" if state["why"] else ""
    return f'<strong class="warn">{state["state"]}</strong>{why}. Start the same command again to go on.'


def _note(state: Mapping[str, Any], now: datetime) -> str:
    moment = now.strftime("%Y-%m-%d %H:%M:%S UTC")
    where = f"process {state['pid']} on {escape(str(state['host']))}"
    if state["state"] != "running":
        return f"Last written {moment} by {where}."
    return (
        f"Written {moment} by {where}, and again every {_REFRESH} s as long as the run goes on: if that is long ago, "
        "it was killed; start the same command again to go on."
    )


def _table(title: str, head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    heads = "".join(f"<th>{escape(name)}</th>" for name in head)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    above = f"<h2>{escape(title)}</h2>" if title else ""
    return f'{above}<div class="scroll"><table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>'


def _tasks(title: str, table: Iterable[Iterable[str]]) -> str:
    rows: Iterator[Iterable[str]] = iter(table)
    head, found = next(rows), list(rows)
    return _table(title, head, found) if found else ""
