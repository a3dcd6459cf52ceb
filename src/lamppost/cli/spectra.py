"""fit."""

import argparse
import json
from pathlib import Path
from typing import Any

from lamppost.cli.common import add_verb, json_option, say, significance

__all__ = ["add_verbs"]


def add_verbs(verbs: Any) -> None:
    """The verb that needs a spectrum only."""
    _fit_options(add_verb(verbs, "fit", "bump hunt on a plain spectrum or a list of masses", _fit))


def _fit_options(fit: argparse.ArgumentParser) -> None:
    fit.add_argument("spectrum", type=Path, metavar="SPECTRUM", help="csv or csv.gz: low, high, count; or masses")
    fit.add_argument("--column", metavar="NAME", help="the column of masses, if the file has several columns")
    fit.add_argument("--range", type=float, nargs=2, metavar=("LO", "HI"), help="fit range in the units of m")
    fit.add_argument(
        "--bins", type=int, metavar="N", help="equal bins for a list of masses; default: half a resolution"
    )
    fit.add_argument("--function", default="dijet", metavar="KIND", help="dijet (default) or polynomial")
    fit.add_argument("--parameters", type=int, metavar="P", help="parameters of the background; default: by F-test")
    fit.add_argument("--sqrt-s", type=float, metavar="E", help="scale of the dijet family; default 13000")
    fit.add_argument("--signal", default="crystal_ball", metavar="KIND", help="crystal_ball (default) or gaussian")
    fit.add_argument("--resolution", type=float, default=0.03, metavar="R", help="sigma / m of a peak; default 0.03")
    fit.add_argument("--width", type=float, metavar="S", help="sigma in the units of m, instead of the resolution")
    fit.add_argument("--masses", type=float, nargs="+", metavar="M", help="mass hypotheses; default: a fine grid")
    fit.add_argument("--window", type=float, nargs=2, metavar=("LO", "HI"), help="look only here")
    fit.add_argument("--toys", type=int, default=10000, metavar="N", help="toys for the global p; default 10000")
    fit.add_argument("--seed", type=int, default=1, metavar="S", help="seed of the toys; default 1")
    json_option(fit)


def _fit(options: argparse.Namespace) -> None:
    from lamppost.api import fit

    found = fit(
        options.spectrum,
        column=options.column,
        range=tuple(options.range) if options.range else None,
        bins=options.bins,
        function=options.function,
        n_parameters=options.parameters,
        sqrt_s=options.sqrt_s,
        signal=options.signal,
        resolution=options.resolution,
        width=options.width,
        masses=options.masses,
        window=tuple(options.window) if options.window else None,
        toys=options.toys,
        seed=options.seed,
    ).summary()
    if options.json:
        say(json.dumps(found))
        return
    say(f"background       {found['function']}, chi2 = {found['chi2']:.1f}/{found['ndf']}, p = {found['p_value']:.3g}")
    say(f"largest excess   at {found['best_mass']:.6g}: {found['signal']:.4g} +- {found['signal_error']:.2g} events")
    say(f"local            {significance(found['p_local'], found['z_local'])}")
    if found["p_global"] is not None:
        say(f"global           {significance(found['p_global'], found['z_global'])} ({found['p_global_method']})")
