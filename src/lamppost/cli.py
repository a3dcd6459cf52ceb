"""The command line. Nothing heavy is imported before a verb runs: `lamppost --help` takes no time."""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from lamppost import __version__
from lamppost.errors import LamppostError

__all__ = ["main", "parser"]

Run = Callable[[argparse.Namespace], None]


def parser() -> argparse.ArgumentParser:
    """All verbs and their options."""
    top = argparse.ArgumentParser(
        prog="lamppost",
        description="Model-agnostic searches for new physics: from events to a global p-value.",
        epilog="Start with: lamppost init hunt.toml; lamppost hunt hunt.toml --out run",
    )
    top.add_argument("--version", action="version", version=f"lamppost {__version__}")
    verbs = top.add_subparsers(title="verbs", metavar="VERB", required=True)
    _hunt_options(_verb(verbs, "hunt", "run a blind search described by a TOML file", _hunt))
    _fit_options(_verb(verbs, "fit", "bump hunt on a plain spectrum or a list of masses", _fit))
    init = _verb(verbs, "init", "write a commented TOML for the embedded sample, and the sample beside it", _init)
    init.add_argument("file", type=Path, metavar="FILE.toml", help="what to write; an existing file is not touched")
    check = _verb(verbs, "check", "read configuration and data, say what a hunt would do, run nothing", _check)
    check.add_argument("config", type=Path, metavar="CONFIG.toml", help="configuration of the hunt")
    _json_option(check)
    report = _verb(verbs, "report", "write the HTML report of a finished run again", _report)
    report.add_argument("folder", type=Path, metavar="DIR", help="run folder of a finished hunt")
    report.add_argument("--pdf", action="store_true", help="write every figure as PDF as well")
    return top


def _verb(verbs: Any, name: str, text: str, run: Run) -> argparse.ArgumentParser:
    verb: argparse.ArgumentParser = verbs.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
    verb.set_defaults(run=run)
    return verb


def _json_option(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--json", action="store_true", help="print the result as JSON on stdout, and nothing else there")


def _hunt_options(hunt: argparse.ArgumentParser) -> None:
    hunt.add_argument("config", type=Path, metavar="CONFIG.toml", help="configuration of the hunt")
    hunt.add_argument("--out", type=Path, required=True, metavar="DIR", help="run folder; an earlier run in it goes on")
    hunt.add_argument("--workers", type=int, metavar="N", help="processes, default one per core; results do not change")
    hunt.add_argument("--pdf", action="store_true", help="write every figure as PDF as well")
    hunt.add_argument("--quiet", action="store_true", help="show no progress on stderr")
    _json_option(hunt)


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
    _json_option(fit)


def _hunt(options: argparse.Namespace) -> None:
    from lamppost.api import hunt

    result = hunt(options.config, options.out, workers=options.workers, quiet=options.quiet, pdf=options.pdf)
    for warning in result["warnings"]:
        sys.stderr.write(f"WARNING: {warning}\n")
    page = options.out / "report.html"
    if options.json:
        _print(json.dumps(result))
        return
    best, control = result["windows"][result["best_window"]], result["control"]
    claim = "no global p-value" if result["p_global"] is None else _significance(result["p_global"], result["z_global"])
    _print(f"largest excess   [{best['lo']:g}, {best['hi']:g}) at {best['best_mass']:.4g}, {best['method']}")
    _print(
        f"kept events      {best['n_selected']:g}, expected {best['n_expected']:.1f} +- {best['n_expected_error']:.1f}"
    )
    _print(f"local            {_significance(best['p_local'], best['z_local'])}")
    _print(f"global           {claim} ({result['p_global_method']})")
    _print(f"inclusive fit    local {_significance(result['inclusive']['p_local'], result['inclusive']['z_local'])}")
    _print(f"random score     global {_significance(control['p_global'], control['z_global'])}")
    _print(f"took             {result['wall_s']:.0f} s, {result['cpu_s']:.0f} CPU s, {result['max_rss_mb']} MB")
    _print(f"report           {page if page.exists() else 'none: needs the extra `report` (matplotlib, mplhep)'}")


def _significance(p: float, z: float) -> str:
    return f"Z = {z:.2f}, p = {p:.3g}"


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
        _print(json.dumps(found))
        return
    _print(
        f"background       {found['function']}, chi2 = {found['chi2']:.1f}/{found['ndf']}, p = {found['p_value']:.3g}"
    )
    _print(f"largest excess   at {found['best_mass']:.6g}: {found['signal']:.4g} +- {found['signal_error']:.2g} events")
    _print(f"local            {_significance(found['p_local'], found['z_local'])}")
    if found["p_global"] is not None:
        _print(f"global           {_significance(found['p_global'], found['z_global'])} ({found['p_global_method']})")


def _init(options: argparse.Namespace) -> None:
    from lamppost.api import init

    for path in init(options.file):
        _print(f"wrote {path}")


def _check(options: argparse.Namespace) -> None:
    from lamppost.api import check

    found = check(options.config)
    if options.json:
        _print(json.dumps(found))
        return
    _print(f"{found['events']} events in the fit range of {found['rows']} rows, {found['dropped']} dropped")
    for window in found["windows"]:
        _print(
            f"window [{window['lo']:g}, {window['hi']:g}): {window['n_sr']:g} in the region, {window['n_sb']:g} beside"
        )
    _print(f"{found['bins']} bins, {found['trainings']} trainings; all is well")


def _report(options: argparse.Namespace) -> None:
    from lamppost.api import report

    _print(str(report(options.folder, pdf=options.pdf)))


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a verb. Returns 0 done, 2 bad input or configuration, 1 anything else."""
    options = parser().parse_args(arguments)
    try:
        options.run(options)
        sys.stdout.flush()
    except LamppostError as error:
        sys.stderr.write(f"lamppost: {_one_line(error)}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("lamppost: interrupted; start the same command again to go on where it stopped\n")
        return 1
    except BrokenPipeError:  # the reader of our output went away
        return 1
    except Exception as error:
        import traceback

        traceback.print_exc()
        sys.stderr.write(f"lamppost: unexpected {type(error).__name__}: {_one_line(error)[:500]}\n")
        return 1
    return 0
