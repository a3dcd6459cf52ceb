"""fit."""

import argparse
import json
import tomllib
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lamppost.cli.common import add_verb, json_option, say, significance
from lamppost.errors import ConfigError

if TYPE_CHECKING:
    from lamppost.api import SpectrumFit
    from lamppost.stats import Spectrum

__all__ = ["add_verbs"]


def add_verbs(verbs: Any) -> None:
    """The verb that needs a spectrum only."""
    fit = add_verb(verbs, "fit", "bump hunt on a plain spectrum or a list of masses", _fit)
    fit.add_argument(
        "spectrum", metavar="SPECTRUM", help='csv: low, high, count; or masses; or a histogram, "file.root:name"'
    )
    fit.add_argument("--column", metavar="NAME", help="the column of masses, if the file has several columns")
    fit.add_argument("--range", type=float, nargs=2, metavar=("LO", "HI"), help="fit range in the units of m")
    fit.add_argument(
        "--bins", type=int, metavar="N", help="equal bins for a list of masses; default: half a resolution"
    )
    fit.add_argument("--weighted", action="store_true", help="the counts are sums of weights")
    _model_options(fit)
    _look_options(fit)
    _limit_options(fit)
    json_option(fit)


def _model_options(fit: argparse.ArgumentParser) -> None:
    group = fit.add_argument_group("what is fitted")
    group.add_argument(
        "--function",
        nargs="+",
        metavar="KIND",
        help="dijet (default), diphoton, ua2, polynomial; several: smallest AIC",
    )
    group.add_argument(
        "--parameters", type=_order, metavar="P", help="a number, aic or f_test (the default of the scan)"
    )
    group.add_argument(
        "--criterion",
        choices=("aic", "p_value", "envelope"),
        help="how a family is chosen; envelope: all orders are profiled, the default of --at and --limits",
    )
    group.add_argument("--sqrt-s", type=float, metavar="E", help="scale of the families that have one; default 13000")
    group.add_argument(
        "--lower-edges", type=float, nargs="+", metavar="LO", help="the range begins at the lowest that fits"
    )
    group.add_argument(
        "--spurious", nargs="+", metavar="KIND", help="families that the background may mistake for a signal"
    )
    group.add_argument("--signal", metavar="KIND", help="crystal_ball (default) or gaussian; others by --model")
    group.add_argument("--resolution", type=float, metavar="R", help="sigma / m of a peak; default 0.03")
    group.add_argument("--width", type=float, metavar="S", help="sigma in the units of m, instead of the resolution")
    group.add_argument(
        "--model", type=Path, metavar="FILE.toml", help="background, signal, systematics, spurious as tables"
    )


def _look_options(fit: argparse.ArgumentParser) -> None:
    group = fit.add_argument_group("where to look")
    group.add_argument("--masses", type=float, nargs="+", metavar="M", help="mass hypotheses; default: a fine grid")
    group.add_argument(
        "--window", type=float, nargs=2, metavar=("LO", "HI"), help="look only here, the BumpHunter excepted"
    )
    group.add_argument("--toys", type=int, default=10000, metavar="N", help="toys for the global p; default 10000")
    group.add_argument("--seed", type=int, default=1, metavar="S", help="seed of the toys; default 1")
    group.add_argument("--bump-hunter", action="store_true", help="look for an excess of any width as well")
    group.add_argument(
        "--up-crossings", action="store_true", help="global p by up-crossings as well, however small it is"
    )
    group.add_argument(
        "--at", type=float, nargs="+", metavar="M", help="p at masses fixed beforehand, by toys where needed"
    )


def _limit_options(fit: argparse.ArgumentParser) -> None:
    group = fit.add_argument_group("what to hand on")
    group.add_argument(
        "--limits", type=float, nargs="+", metavar="M", help="CLs limits on the signal yield at these masses"
    )
    group.add_argument("--level", type=float, default=0.95, metavar="CL", help="of the limits; default 0.95")
    group.add_argument(
        "--limit-toys", type=int, metavar="N", help="toys per hypothesis; default: where asymptotics fail"
    )
    group.add_argument(
        "--impacts", action="store_true", help="what every uncertainty does to yield and limit at these masses"
    )
    group.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="write figures, CSV, HEPData, HS3, pyhf and Combine (extras stats, report)",
    )


def _order(value: str) -> Any:
    if value not in ("aic", "f_test") and not value.lstrip("-").isdigit():
        msg = f"expected a number, aic or f_test, found {value!r}"
        raise argparse.ArgumentTypeError(msg)
    return value if value in ("aic", "f_test") else int(value)


def _fit(options: argparse.Namespace) -> None:
    from lamppost.api import described, ready_to_write, spectrum, write_statements
    from lamppost.stats import goodness_of_fit

    if options.impacts and not options.limits:
        msg = "--impacts: expected masses, as --limits 2000 3000"
        raise ConfigError(msg)
    what = described(_table(options), str(options.model or "fit"))
    observed = spectrum(
        options.spectrum,
        column=options.column,
        range=tuple(options.range) if options.range else None,
        bins=options.bins,
        weighted=options.weighted,
        resolution=what.signal.resolution,
        width=what.signal.width,
    )
    _check(options, what, observed)
    if options.out is not None:
        ready_to_write(options.out)
    window = tuple(options.window) if options.window else None
    found = what.scan(observed, masses=options.masses, window=window, toys=options.toys, seed=options.seed)
    result, family, toys = found.summary(), found.background.family, min(options.toys, 1000)
    order = found.background.n_parameters if what.criterion == "envelope" else what.n_parameters
    tests = goodness_of_fit(found.spectrum, family, order, window, toys=toys, seed=options.seed)
    tried = [{"function": one.function, "aic": one.aic if one.converged else None} for one in found.tried]
    result |= {"criterion": what.criterion or "aic", "tried": tried}
    result |= {"goodness": asdict(tests), **_looks(options, what, observed)}
    limits = what.limits(found, options.limits or (), level=options.level, toys=options.limit_toys, seed=options.seed)
    if options.limits:
        result["limits"] = [limit.summary() for limit in limits]
    if options.impacts:
        result["impacts"] = [what.impacts(found, mass, level=options.level).summary() for mass in options.limits]
    if options.out is not None:
        made = write_statements(found, what, options.out, limits, result.get("bump_hunter"))
        result["files"] = [str(path) for path in made]
    for line in [json.dumps(result)] if options.json else _lines(result):
        say(line)


def _check(options: argparse.Namespace, what: "SpectrumFit", observed: "Spectrum") -> None:
    """Refuse before the work what would be refused after it."""
    if what.criterion == "envelope" and options.bump_hunter:
        msg = "--bump-hunter holds one background: expected a criterion other than 'envelope'"
        raise ConfigError(msg)
    for name, masses in (("--at", options.at), ("--limits", options.limits)):
        for mass in masses or ():
            if not observed.lo <= mass <= observed.hi:
                msg = f"{name}: expected a mass inside the fit range [{observed.lo:g}, {observed.hi:g}], found {mass:g}"
                raise ConfigError(msg)


def _looks(options: argparse.Namespace, what: "SpectrumFit", observed: "Spectrum") -> dict[str, Any]:
    """The other ways to look at the spectrum that were asked for."""
    found: dict[str, Any] = {}
    if options.up_crossings:
        window = tuple(options.window) if options.window else None
        tail = what.upcrossings(observed, masses=options.masses, window=window, seed=options.seed).tail()
        found["up_crossings"] = {f"{name}_global": getattr(tail, name) for name in ("p", "z", "error", "method")}
    if options.bump_hunter:
        found["bump_hunter"] = what.bump_hunter(observed, toys=options.toys, seed=options.seed).summary()
    if options.at:
        found["at"] = [asdict(what.local(observed, mass, seed=options.seed)) for mass in options.at]
    return found


def _table(options: argparse.Namespace) -> dict[str, Any]:
    """What is fitted, from the file of --model and the options, which win."""
    table: dict[str, Any] = {}
    if options.model is not None:
        try:
            table = tomllib.loads(options.model.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            msg = f"{options.model}: {getattr(error, 'strerror', None) or error}"
            raise ConfigError(msg) from None
    named = table.get("signal", "crystal_ball")
    shape = {"kind": named} if isinstance(named, str) else named
    asked = {"kind": options.signal, "resolution": options.resolution, "width": options.width}
    asked = {name: value for name, value in asked.items() if value is not None}
    if isinstance(shape, dict) and asked:
        other = options.signal is not None and options.signal != shape.get("kind")  # has parameters of its own
        shape = asked if other else shape | asked
    table["signal"] = shape
    given = {
        "background": options.function,
        "sqrt_s": options.sqrt_s,
        "spurious": options.spurious,
        "n_parameters": options.parameters,
        "criterion": options.criterion,
        "lower_edges": options.lower_edges,
    }
    return table | {name: value for name, value in given.items() if value is not None}


def _lines(found: dict[str, Any]) -> Iterator[str]:
    """The result in words."""
    yield f"background       {found['function']}, chi2 = {found['chi2']:.1f}/{found['ndf']}, p = {found['p_value']:.3g}"
    if found["criterion"] == "envelope":
        yield f"                 the best of {len(found['tried'])} backgrounds, all of them profiled"
    tests = ((name, found["goodness"][name]["p_value"]) for name in ("pearson", "saturated", "kolmogorov"))
    yield "goodness of fit  " + ", ".join(f"{name} p = {p:.2g}" for name, p in tests if p is not None)
    yield f"largest excess   at {found['best_mass']:.6g}: {found['signal']:.4g} +- {found['signal_error']:.2g} events"
    yield f"local            {significance(found['p_local'], found['z_local'])}"
    if found["p_global"] is not None:
        yield f"global           {significance(found['p_global'], found['z_global'])} ({found['p_global_method']})"
    if crossed := found.get("up_crossings"):
        yield f"                 {significance(crossed['p_global'], crossed['z_global'])} ({crossed['method_global']})"
    for one in found.get("at", ()):
        yield f"at {one['mass']:<14.6g}{significance(one['p'], one['z'])} ({one['method']}: {one['reason']})"
    if hunted := found.get("bump_hunter"):
        where = f"BumpHunter       [{hunted['lo']:.6g}, {hunted['hi']:.6g}]: {hunted['observed']:g} events"
        local = significance(hunted["p_local"], hunted["z_local"])
        yield f"{where}, {hunted['background']:.4g} expected; local {local}"
        if hunted["p_global"] is not None:
            yield f"                 global {significance(hunted['p_global'], hunted['z_global'])}"
    for limit in found.get("limits", ()):
        low, middle, high = limit["expected"][1:4]
        expected = f"expected {middle:.4g} [{low:.4g}, {high:.4g}]"
        yield f"limit at {limit['mass']:<8.6g}{limit['observed']:.4g} events, {expected} ({limit['method']})"
    for table in found.get("impacts", ()):
        yield f"impacts at {table['mass']:<6.6g}{table['signal']:.4g} +- {table['statistical']:.2g} (statistical)"
        for row in table["rows"]:
            moved = f"{row['signal_up']:+.3g} {row['signal_down']:+.3g} events"
            yield f"                 {row['name']}: {moved}, limit {row['limit_up']:+.3g} {row['limit_down']:+.3g}"
    for path in found.get("files", ()):
        yield f"wrote            {path}"
