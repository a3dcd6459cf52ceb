"""What the verbs share."""

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from typing import Any

__all__ = [
    "Run",
    "add_verb",
    "estimated",
    "invert_option",
    "json_option",
    "say",
    "significance",
    "table_options",
    "took",
    "work_of",
    "work_options",
]

Run = Callable[[argparse.Namespace], None]


def add_verb(verbs: Any, name: str, text: str, run: Run) -> argparse.ArgumentParser:
    """A verb and what runs it."""
    verb: argparse.ArgumentParser = verbs.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
    verb.set_defaults(run=run)
    return verb


def json_option(verb: argparse.ArgumentParser) -> None:
    """The option `--json`."""
    verb.add_argument("--json", action="store_true", help="print the result as JSON on stdout, and nothing else there")


def invert_option(verb: argparse.ArgumentParser) -> None:
    """The option `--invert`."""
    verb.add_argument("--invert", action="store_true", help="the control region: events that [data] select rejects")


def table_options(verb: argparse.ArgumentParser) -> None:
    """The options of verbs that work for minutes."""
    verb.add_argument("--workers", type=int, metavar="N", help="processes, default one per core; results do not change")
    verb.add_argument(
        "--dask",
        metavar="WHERE",
        help="a Dask cluster: tcp://HOST:PORT of its scheduler, local, or the TOML file of a batch system",
    )
    verb.add_argument("--quiet", action="store_true", help="show no progress on stderr")
    verb.add_argument(
        "--cache", metavar="DIR", help="artefacts that several runs share; default: LAMPPOST_CACHE, or the run's own"
    )
    verb.add_argument("--max-cache", metavar="SIZE", help="the most they may take, as in 20GB: the least used go")


def work_options(verb: argparse.ArgumentParser) -> None:
    """The same of verbs that can say beforehand what they cost."""
    table_options(verb)
    verb.add_argument(
        "--dry-run",
        type=float,
        nargs="?",
        const=600.0,
        metavar="SECONDS",
        help="run nothing but a few tasks, for SECONDS at most (default 600), and say what all of them would cost",
    )


def work_of(options: argparse.Namespace) -> dict[str, Any]:
    """What these options ask for, as functions of the API take it."""
    names = ("workers", "dask", "quiet", "cache", "max_cache", "dry_run")
    return {name: getattr(options, name) for name in names if hasattr(options, name)}


def took(result: Mapping[str, Any]) -> str:
    """What a run took, in words."""
    from lamppost.run.quantities import size

    written = size(sum(stage["bytes"] for stage in result["timing"]))
    return f"{result['wall_s']:.0f} s, {result['cpu_s']:.0f} CPU s, {result['max_rss_mb']} MB, {written} written"


def estimated(result: Mapping[str, Any], options: argparse.Namespace) -> bool:
    """Say what a run would cost, if that is all that was asked for."""
    if "estimate" not in result:
        return False
    from lamppost.run.estimate import lines

    for line in [json.dumps(result)] if options.json else lines(result):
        say(line)
    return True


def significance(p: float, z: float) -> str:
    """Z and p in words."""
    return f"Z = {z:.2f}, p = {p:.3g}"


def say(line: str) -> None:
    """A line on stdout."""
    sys.stdout.write(line + "\n")
