"""simulate, features, display."""

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lamppost.cli.common import add_verb, json_option, say, table_options, work_of
from lamppost.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from lamppost.run.table import Made

__all__ = ["add_verbs"]


def add_verbs(verbs: Any) -> None:
    """The verbs between nothing and a table of features."""
    _simulate_options(add_verb(verbs, "simulate", "generate collisions and emulate a detector", _simulate))
    _features_options(add_verb(verbs, "features", "make a table of features of jets, leptons and particles", _features))
    display = add_verb(verbs, "display", "draw an event, its particles and jets, as SVG", _display)
    display.add_argument("source", type=Path, metavar="FILE", help="collisions, or the TOML file of a features run")
    display.add_argument("--row", type=int, required=True, metavar="N", help="which event, counted from 0")
    display.add_argument("--out", type=Path, required=True, metavar="FILE.svg", help="what to write")
    display.add_argument("--preset", default="lhco4", metavar="NAME", help="whose jets to draw; default lhco4")


def _simulate_options(simulate: argparse.ArgumentParser) -> None:
    simulate.add_argument(
        "source",
        nargs="*",
        metavar="CONFIG.toml | PROCESS=EVENTS",
        help="what to generate: qcd=100000 wprime=500",
    )
    simulate.add_argument("--out", type=Path, metavar="FILE.parquet", help="what to write; an earlier run goes on")
    simulate.add_argument("--seed", type=int, metavar="S", help="seed; default 0, or that of the TOML file")
    simulate.add_argument("--features", metavar="PRESET", help="write these features instead of particles")
    simulate.add_argument(
        "--compare", nargs=2, type=Path, metavar=("TABLE", "REFERENCE"), help="compare two tables of features instead"
    )
    simulate.add_argument("--columns", nargs="+", metavar="NAME", help="the columns to compare; default: all in common")
    table_options(simulate)
    json_option(simulate)


def _features_options(features: argparse.ArgumentParser) -> None:
    features.add_argument("source", nargs="*", metavar="CONFIG.toml | FILE", help="what to do, or data for a preset")
    features.add_argument("--out", type=Path, metavar="FILE.parquet", help="what to write; an earlier run goes on")
    features.add_argument("--preset", metavar="NAME", help="lhco4, lhco10, lhco12, lhco or wide")
    features.add_argument("--hunt", type=Path, metavar="FILE.toml", help="write the configuration of a hunt as well")
    features.add_argument("--list", action="store_true", help="list all features with their formulas, do nothing else")
    table_options(features)
    json_option(features)


def _simulate(options: argparse.Namespace) -> None:
    from lamppost.api import agreement, simulate

    if options.compare and (options.source or options.out):
        msg = "simulate: --compare generates nothing, expected neither processes nor --out beside it"
        raise ConfigError(msg)
    if options.columns and not options.compare:
        msg = "--columns: expected together with --compare"
        raise ConfigError(msg)
    if options.compare:
        found = agreement(*options.compare, columns=options.columns)
        say(json.dumps(found.as_dict()) if options.json else found.text())
        return
    made = simulate(
        _processes(options.source),
        _out(options.out),
        seed=options.seed,
        features=options.features,
        **work_of(options),
    )
    _tell(made, options.json, _generated)


def _processes(texts: list[str]) -> Any:
    if len(texts) == 1 and texts[0].endswith(".toml"):
        return texts[0]
    found: dict[str, int] = {}
    for text in texts:
        name, _, events = text.partition("=")
        if not events.isdecimal() or name in found:
            msg = f"simulate: expected a TOML file, or PROCESS=EVENTS once per process, found {text!r}"
            raise ConfigError(msg)
        found[name] = int(events)
    if not found:
        msg = "simulate: expected a TOML file or PROCESS=EVENTS, as in qcd=100000"
        raise ConfigError(msg)
    return found


def _features(options: argparse.Namespace) -> None:
    if options.list:
        from lamppost.features import listing

        say(listing())
        return
    from lamppost.api import features

    if not options.source:
        msg = "features: expected a TOML file, or data files with --preset"
        raise ConfigError(msg)
    made = features(
        options.source,
        _out(options.out),
        preset=options.preset,
        hunt=options.hunt,
        **work_of(options),
    )
    _tell(made, options.json, _read)


def _display(options: argparse.Namespace) -> None:
    from lamppost.api import display

    say(f"wrote {display(options.source, options.row, options.out, preset=options.preset)}")


def _out(path: Path | None) -> Path:
    if path is None:
        msg = "--out: expected the file to write"
        raise ConfigError(msg)
    return path


def _tell(made: "Made", as_json: bool, counted: "Callable[[Mapping[str, Any]], Iterator[str]]") -> None:
    if as_json:
        say(json.dumps({**asdict(made), "path": str(made.path)}))
        return
    for line in counted(made.counts):
        say(line)
    say(f"{'took':<17}{made.wall_s:.0f} s, {made.cpu_s:.0f} CPU s, {made.max_rss_mb} MB")
    say(f"{'wrote':<17}{made.path}, {made.rows} events")


def _read(counts: "Mapping[str, Any]") -> "Iterator[str]":
    for name, events in counts.items():
        yield f"{name.replace('_', ' '):<17}{events} events"


def _generated(counts: "Mapping[str, Any]") -> "Iterator[str]":
    from lamppost.simulate import cross_section

    for name, found in counts.items():
        passed = f"{found['selected']} of {found['seen']} events passed"
        yield f"{name:<17}{passed}, {found['tried']} tried, {cross_section(found):.3g} fb"
