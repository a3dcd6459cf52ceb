"""hunt, init, check, report."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from lamppost.cli.common import add_verb, estimated, json_option, say, significance, took, work_of, work_options

__all__ = ["add_verbs"]


def add_verbs(verbs: Any) -> None:
    """The verbs of a hunt and of its run folder."""
    _hunt_options(add_verb(verbs, "hunt", "run a blind search described by a TOML file", _hunt))
    init = add_verb(verbs, "init", "write a commented TOML for the embedded sample, and the sample beside it", _init)
    init.add_argument("file", type=Path, metavar="FILE.toml", help="what to write; an existing file is not touched")
    check = add_verb(verbs, "check", "read configuration and data, say what a hunt would do, run nothing", _check)
    check.add_argument("config", type=Path, metavar="CONFIG.toml", help="configuration of the hunt")
    json_option(check)
    report = add_verb(verbs, "report", "write the HTML page of a finished run again", _report)
    report.add_argument("folder", type=Path, metavar="DIR", help="run folder of a finished hunt or comparison")
    report.add_argument("--pdf", action="store_true", help="write every figure as PDF as well")


def _hunt_options(hunt: argparse.ArgumentParser) -> None:
    hunt.add_argument("config", type=Path, metavar="CONFIG.toml", help="configuration of the hunt")
    hunt.add_argument("--out", type=Path, required=True, metavar="DIR", help="run folder; an earlier run in it goes on")
    hunt.add_argument("--pdf", action="store_true", help="write every figure as PDF as well")
    work_options(hunt)
    json_option(hunt)


def _hunt(options: argparse.Namespace) -> None:
    from lamppost.api import hunt

    result = hunt(options.config, options.out, pdf=options.pdf, **work_of(options))
    if estimated(result, options):
        return
    for warning in result["warnings"]:
        sys.stderr.write(f"WARNING: {warning}\n")
    page = options.out / "report.html"
    if options.json:
        say(json.dumps(result))
        return
    best, control = result["windows"][result["best_window"]], result["control"]
    claim = "no global p-value" if result["p_global"] is None else significance(result["p_global"], result["z_global"])
    say(f"largest excess   [{best['lo']:g}, {best['hi']:g}) at {best['best_mass']:.4g}, {best['method']}")
    say(f"kept events      {best['n_selected']:g}, expected {best['n_expected']:.1f} +- {best['n_expected_error']:.1f}")
    say(f"local            {significance(best['p_local'], best['z_local'])}")
    say(f"global           {claim} ({result['p_global_method']})")
    say(f"inclusive fit    local {significance(result['inclusive']['p_local'], result['inclusive']['z_local'])}")
    say(f"random score     global {significance(control['p_global'], control['z_global'])}")
    say(f"took             {took(result)}")
    say(f"report           {page if page.exists() else 'none: needs the extra `report` (matplotlib, mplhep)'}")


def _init(options: argparse.Namespace) -> None:
    from lamppost.api import init

    for path in init(options.file):
        say(f"wrote {path}")


def _check(options: argparse.Namespace) -> None:
    from lamppost.api import check

    found = check(options.config)
    if options.json:
        say(json.dumps(found))
        return
    say(f"{found['events']} events in the fit range of {found['rows']} rows, {found['dropped']} dropped")
    for window in found["windows"]:
        say(f"window [{window['lo']:g}, {window['hi']:g}): {window['n_sr']:g} in the region, {window['n_sb']:g} beside")
    say(f"{found['bins']} bins, {found['trainings']} trainings; all is well")


def _report(options: argparse.Namespace) -> None:
    from lamppost.api import report

    say(str(report(options.folder, pdf=options.pdf)))
