"""hunt, init, check, report."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from lamppost.cli.blinded import blind_lines, opened_lines
from lamppost.cli.common import (
    add_verb,
    estimated,
    invert_option,
    json_option,
    say,
    significance,
    took,
    work_of,
    work_options,
)

__all__ = ["add_verbs"]


def add_verbs(verbs: Any) -> None:
    """The verbs of a hunt and of its run folder."""
    _hunt_options(add_verb(verbs, "hunt", "run a blind search described by a TOML file", _hunt))
    init = add_verb(
        verbs, "init", "write a commented TOML of a worked example, and the embedded sample if it needs it", _init
    )
    init.add_argument("file", type=Path, metavar="FILE.toml", help="what to write; an existing file is not touched")
    what = "hunt: in the embedded sample (default); case: a search like CMS CASE, in dijets of yours"
    init.add_argument("--example", choices=("hunt", "case"), default="hunt", help=what)
    check = add_verb(verbs, "check", "read configuration and data, say what a hunt would do, run nothing", _check)
    check.add_argument("config", type=Path, metavar="CONFIG.toml", help="configuration of the hunt")
    invert_option(check)
    json_option(check)
    report = add_verb(verbs, "report", "write the HTML pages of a finished run again", _report)
    report.add_argument(
        "folder",
        type=Path,
        metavar="DIR",
        help="run folder: a hunt, blind or not, a comparison, limits, a calibration, or several of them",
    )
    report.add_argument("--pdf", action="store_true", help="write every figure as PDF as well")


def _hunt_options(hunt: argparse.ArgumentParser) -> None:
    hunt.add_argument("config", type=Path, metavar="CONFIG.toml", help="configuration of the hunt")
    hunt.add_argument("--out", type=Path, required=True, metavar="DIR", help="run folder; an earlier run in it goes on")
    hunt.add_argument("--pdf", action="store_true", help="write every figure as PDF as well")
    hunt.add_argument("--unblind", metavar="HASH", help="with [blind]: open the windows of the hunt frozen as HASH")
    hunt.add_argument("--despite", metavar="REASON", help="open them although blind tests failed; logged")
    invert_option(hunt)
    work_options(hunt)
    json_option(hunt)


def _hunt(options: argparse.Namespace) -> None:
    from lamppost.api import hunt

    result = hunt(
        options.config,
        options.out,
        pdf=options.pdf,
        unblind=options.unblind,
        despite=options.despite,
        invert=options.invert,
        **work_of(options),
    )
    if estimated(result, options):
        return
    for warning in result["warnings"]:
        sys.stderr.write(f"WARNING: {warning}\n")
    page = options.out / "report.html"
    if options.json:
        say(json.dumps(result))
        return
    if region := result["data"].get("control_region"):
        say(f"control region   {region}")
    if "closed" in result:
        for line in blind_lines(result, options.config, options.out):
            say(line)
        return
    best, control = result["windows"][result["best_window"]], result["control"]
    claim = "no global p-value" if result["p_global"] is None else significance(result["p_global"], result["z_global"])
    say(f"largest excess   [{best['lo']:g}, {best['hi']:g}) at {best['best_mass']:.4g}, {best['method']}")
    say(f"kept events      {best['n_selected']:g}, expected {best['n_expected']:.1f} +- {best['n_expected_error']:.1f}")
    say(f"local            {significance(best['p_local'], best['z_local'])}")
    say(f"global           {claim} ({result['p_global_method']})")
    say(f"inclusive fit    local {significance(result['inclusive']['p_local'], result['inclusive']['z_local'])}")
    say(f"random score     global {significance(control['p_global'], control['z_global'])}")
    for line in opened_lines(result):
        say(line)
    say(f"took             {took(result)}")
    say(f"report           {page if page.exists() else 'none: needs the extra `report` (matplotlib, mplhep)'}")


def _init(options: argparse.Namespace) -> None:
    from lamppost.api import init

    for path in init(options.file, options.example):
        say(f"wrote {path}")


def _check(options: argparse.Namespace) -> None:
    from lamppost.api import check

    found = check(options.config, invert=options.invert)
    if options.json:
        say(json.dumps(found))
        return
    if found["control_region"]:
        say(f"control region   {found['control_region']}")
    if found["closed"]:
        say(f"{found['events']} events in the fit range, outside of the closed windows")
    else:
        say(f"{found['events']} events in the fit range of {found['rows']} rows, {found['dropped']} dropped")
    for window in found["windows"]:
        if window["n_sr"] is None:
            say(f"window [{window['lo']:g}, {window['hi']:g}): closed")
            continue
        say(f"window [{window['lo']:g}, {window['hi']:g}): {window['n_sr']:g} in the region, {window['n_sb']:g} beside")
    for name, windows in found["limits"].items():
        say(f"limits on {name} in {', '.join(f'[{lo:g}, {hi:g})' for lo, hi in windows)}")
    say(f"{found['bins']} bins, {found['trainings']} trainings; all is well")


def _report(options: argparse.Namespace) -> None:
    from lamppost.api import report

    for page in report(options.folder, pdf=options.pdf):
        say(str(page))
