"""compare."""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lamppost.cli.common import add_verb, estimated, json_option, say, took, work_of, work_options

__all__ = ["add_verbs", "reach_table", "table"]


def add_verbs(verbs: Any) -> None:
    """The verb that compares methods on labelled events."""
    compare = add_verb(verbs, "compare", "compare methods on labelled events with injected signal", _compare)
    compare.add_argument("config", type=Path, metavar="CONFIG.toml", help="a hunt's tables, and [compare]")
    compare.add_argument("--out", type=Path, required=True, metavar="DIR", help="run folder; an earlier run goes on")
    compare.add_argument(
        "--reach", action="store_true", help="run whole blind hunts instead, and say how much signal they need"
    )
    compare.add_argument("--shift", type=float, metavar="C", help="add C times the mass to the shifted features")
    compare.add_argument("--pdf", action="store_true", help="write every figure as PDF as well")
    work_options(compare)
    json_option(compare)


def _compare(options: argparse.Namespace) -> None:
    from lamppost.api import compare, reach

    result = (reach if options.reach else compare)(
        options.config,
        options.out,
        shift=options.shift,
        pdf=options.pdf,
        **work_of(options),
    )
    if estimated(result, options):
        return
    for warning in result["warnings"]:
        sys.stderr.write(f"WARNING: {warning}\n")
    if options.json:
        say(json.dumps(result))
        return
    for line in (reach_table if options.reach else table)(result):
        say(line)
    page = options.out / "comparison.html"
    say(f"took {took(result)}")
    say(f"page {page if page.exists() else 'none: needs the extra `report` (matplotlib, mplhep)'}")


_HEAD = ("max SIC", "SIC(eps_B=1e-3)", "SIC(eps_S=0.2)", "max SIC ratio", "flat p 1%", "closure AUC", "CPU s")


def table(result: Mapping[str, Any]) -> Iterator[str]:
    """The comparison as lines of text, one block per injected strength: median [68 % band] over draws."""
    wide = max(len(name) for name in result["methods"]) + 2
    for strength in next(iter(result["methods"].values()))["s_over_b"]:
        yield f"S/B = {strength}, {result['compare']['draws']} draws; ratios to {result['reference_method']}"
        yield f"{'':{wide}}" + "".join(f"{head:>22}" for head in _HEAD)
        for name, method in result["methods"].items():
            yield f"{name:{wide}}" + "".join(f"{cell:>22}" for cell in _cells(method, strength))


def _cells(method: Mapping[str, Any], strength: str) -> Iterator[str]:
    found = method["s_over_b"][strength]
    for figure in ("sic_max", "sic_at_eps_b_1e-3", "sic_at_eps_s_0.2"):
        yield _band(found[figure])
    yield _band(found["ratio"]["sic_max"])
    flat = found["flatness"]["0.01"]["p"]
    yield "-" if flat is None else f"{flat[0]:.2g}{' follows m' if found['follows_m'] else ''}"
    yield "-" if method["closure_auc"] is None else f"{method['closure_auc']:.4f}"
    yield "-" if method["cpu_s"] is None else f"{method['cpu_s']:.1f}"


def _band(values: list[float | None] | None) -> str:
    if values is None:
        return "-"
    median, low, high = ("inf" if value is None else f"{value:.2f}" for value in values)  # ratios may be infinite
    return f"{median} [{low}, {high}]"


def reach_table(result: Mapping[str, Any]) -> Iterator[str]:
    """The least signal that each method sees, and how each fared with every number of events."""
    settings = result["reach"]
    wide = max(len(name) for name in result["methods"]) + 2
    yield f"events for median global Z = {settings['z']:g} [68 % interval], {settings['draws']} draws"
    for name, method in result["methods"].items():
        low, high = ("-" if end is None else f"{end:.0f}" for end in method["interval"] or (None, None))
        least = method["bound"] or f"{method['reach']:.0f}"
        share = (
            "" if method["bound"] else f"S/B {100 * method['s_over_b']:.3g} %, {method['sigma']:.2f} sigma inclusive"
        )
        yield f"{name:{wide}}{least:>12} [{low}, {high}]  {share}"
        yield f"{'':{wide}}Z: " + ", ".join(f"{one['events']}: {one['median']:.1f}" for one in method["points"])
