"""What the verbs share."""

import argparse
import sys
from collections.abc import Callable
from typing import Any

__all__ = ["Run", "add_verb", "invert_option", "json_option", "say", "significance", "work_options"]

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


def work_options(verb: argparse.ArgumentParser) -> None:
    """The options of verbs that work for minutes."""
    verb.add_argument("--workers", type=int, metavar="N", help="processes, default one per core; results do not change")
    verb.add_argument(
        "--dask",
        metavar="WHERE",
        help="a Dask cluster: tcp://HOST:PORT of its scheduler, local, or the TOML file of a batch system",
    )
    verb.add_argument("--quiet", action="store_true", help="show no progress on stderr")


def significance(p: float, z: float) -> str:
    """Z and p in words."""
    return f"Z = {z:.2f}, p = {p:.3g}"


def say(line: str) -> None:
    """A line on stdout."""
    sys.stdout.write(line + "\n")
