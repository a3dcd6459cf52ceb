"""limits."""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lamppost.cli.common import add_verb, estimated, json_option, say, took, work_of, work_options

__all__ = ["add_verbs"]


def add_verbs(verbs: Any) -> None:
    """The verb that injects signals and says what is excluded."""
    verb = add_verb(verbs, "limits", "inject signals, train anew, say what is excluded", _limits)
    verb.add_argument("config", type=Path, metavar="CONFIG.toml", help="configuration of the hunt, and [limits]")
    verb.add_argument("--out", type=Path, required=True, metavar="DIR", help="run folder; an earlier run goes on")
    verb.add_argument("--pdf", action="store_true", help="write every figure as PDF as well")
    work_options(verb)
    json_option(verb)


def _limits(options: argparse.Namespace) -> None:
    from lamppost.api import limits

    result = limits(
        options.config,
        options.out,
        pdf=options.pdf,
        **work_of(options),
    )
    if estimated(result, options):
        if not options.json:
            say("as many injections as there may be: most searches end before limits.injections of them are made")
        return
    for warning in result["warnings"]:
        sys.stderr.write(f"WARNING: {warning}\n")
    for line in [json.dumps(result)] if options.json else _lines(result, options.out):
        say(line)


def _lines(result: Mapping[str, Any], out: Path) -> Iterator[str]:
    """The table in words."""
    unit = "fb" if result["unit"] == "fb" else "signal events in the fit range"
    yield f"upper limits at {result['limits']['level']:.3g} CLs, {unit}"
    head = f"{'selection':34}{'observed':>10}{'expected [-1, +1 sigma]':>28}{'efficiency':>12}"
    for name, signal in result["signals"].items():
        yield f"\n{name}, mass {signal['mass']:g}"
        yield f"{head}{'gain observed':>15}{'expected':>10}"
        for row in signal["rows"]:
            yield _row(row, signal["per_event"] or 1.0)
    page = out / "limits.html"
    yield ""
    yield f"took             {took(result)}"
    yield f"table            {out / 'limits.csv'}"
    yield f"page             {page if page.exists() else 'none: needs the extra `report` (matplotlib, mplhep)'}"


def _row(row: Mapping[str, Any], unit: float) -> str:
    low, middle, high = (None if row["expected"][k] is None else unit * row["expected"][k] for k in (1, 2, 3))
    expected = f"{_short(middle)} [{_short(low)}, {_short(high)}]"
    if row["observed"] is None:
        return f"{row['label']:34}{'-':>10}{expected:>28}  (nothing is excluded)"
    from lamppost.run.limits.points import quoted

    best = quoted(row)
    gain = row["gain"]
    gained = "" if gain is None else f"{gain['observed']:15.2f}"
    gained += f"{gain['expected'][0]:10.2f}" if gain and gain["expected"] else ""
    mark = "" if row["bound"] is None else "  (not crossed)"
    return (
        f"{row['label']:34}{_short(unit * row['observed']):>10}{expected:>28}{best['efficiency']:12.3f}{gained}{mark}"
    )


def _short(value: float | None) -> str:
    return "-" if value is None else f"{float(f'{value:.3g}'):g}"  # 1020, not 1.02e+03
