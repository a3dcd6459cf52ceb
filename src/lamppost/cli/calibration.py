"""calibrate."""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lamppost.cli.common import add_verb, estimated, invert_option, json_option, say, took, work_of, work_options

__all__ = ["add_verbs"]


def add_verbs(verbs: Any) -> None:
    """The verb that repeats a hunt in pseudo-data."""
    verb = add_verb(verbs, "calibrate", "repeat a hunt in pseudo-data: are its p-values right?", _calibrate)
    verb.add_argument("config", type=Path, metavar="CONFIG.toml", help="configuration of the hunt, and [calibrate]")
    verb.add_argument("--out", type=Path, required=True, metavar="DIR", help="run folder; an earlier run goes on")
    verb.add_argument("--experiments", type=int, metavar="N", help="pseudo-experiments without signal")
    verb.add_argument("--pdf", action="store_true", help="write every figure as PDF as well")
    invert_option(verb)
    work_options(verb)
    json_option(verb)


def _calibrate(options: argparse.Namespace) -> None:
    from lamppost.api import calibrate

    result = calibrate(
        options.config,
        options.out,
        experiments=options.experiments,
        pdf=options.pdf,
        invert=options.invert,
        **work_of(options),
    )
    if estimated(result, options):
        return
    for warning in result["warnings"]:
        sys.stderr.write(f"WARNING: {warning}\n")
    for line in [json.dumps(result)] if options.json else _lines(result, options.out):
        say(line)


def _lines(result: Mapping[str, Any], out: Path) -> Iterator[str]:
    """The calibration in words."""
    if region := result["data"].get("control_region"):
        yield f"control region   {region}"
    yield f"{result['null']['global']['n']} pseudo-experiments of {result['events']:.0f} events without signal"
    yield f"{'':16}{'p <= 0.05 [95 %]':>26}{'KS uniform':>12}{'KS small':>10}"
    for name in ("global", "window", "inclusive", "random score", "sculpting"):
        found = result["null"][name]
        share, low, high = found["below"]["0.05"]
        level = f"{share:.3f} [{low:.3f}, {high:.3f}]"
        yield f"{name:16}{level:>26}{found['ks']:>12.2g}{found['ks_small']:>10.2g}"
    for one in result["power"]:
        median, low, high = one["global"]["z"]
        covered = one["coverage"]["within"]["1"]
        within = "" if covered is None else f", yield within one error in {covered[0]:.0%}"
        yield (
            f"{one['events']} signal events: Z = {median:.2f} [{low:.2f}, {high:.2f}], inclusive "
            f"{one['inclusive']['z'][0]:.2f}{within}"
        )
    made = result["certificate"]
    yield f"certificate      {out / 'certificate.json'}: {'valid' if made['valid'] else 'NOT valid'}"
    page = out / "calibration.html"
    yield f"took             {took(result)}"
    yield f"page             {page if page.exists() else 'none: needs the extra `report` (matplotlib, mplhep)'}"
