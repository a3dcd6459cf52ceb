"""The page: requirements first, then every section, made of OUT/NAME.json alone."""

import json
import os
import sys
from argparse import Namespace
from importlib import import_module
from pathlib import Path
from typing import Any

from learn_parts.tables import machine, versions
from methods_parts.sections import wrapped
from stats_parts.bars import table, verdict
from stats_parts.kept import write as write_json

__all__ = ["ORDER", "module", "read", "section", "store", "write"]

Json = dict[str, Any]

ORDER = ("wprime", "coverage")
PACKAGES = ("lamppost", "numpy", "scipy", "numba", "lightgbm")
HEAD = """# Benchmarks of limits

Made by `python benchmarks/limits.py`, shipped defaults where nothing else is said, seeds 0 to n - 1, fixed beforehand.
How limits are set stands in [](limits.md).
"""


def store(name: str, result: Json, options: Namespace) -> None:
    """Keep the figures with the command and the machine they are from."""
    names = {str(options.out): "OUT", str(options.data): "TABLES"}
    used = [names.get(argument, argument) for argument in sys.argv[1:]]
    threads = os.environ.get("OMP_NUM_THREADS")
    prefix = [] if threads is None else [f"OMP_NUM_THREADS={threads}"]
    command = " ".join([*prefix, "python benchmarks/limits.py", *used])
    stored = {"command": command, "machine": machine(), "versions": versions(PACKAGES), **result}
    write_json(options.out / f"{name}.json", stored)


def read(name: str, out: Path) -> Json:
    """What `store` kept."""
    stored: Json = json.loads((out / f"{name}.json").read_text())
    return stored


def module(name: str) -> Any:
    """What runs and writes a section."""
    return import_module(f"limits_parts.{name}")


def section(name: str, stored: Json) -> str:
    """One section with its title and where its figures are from."""
    made = module(name)
    used = ", ".join(f"{package} {number}" for package, number in stored["versions"].items() if number != "absent")
    text = [part if part.startswith("|") else wrapped(part) for part in made.section(stored).split("\n\n")]
    spent = f"{stored['cpu_s'] / 3600:.1f} CPU hours; " if "cpu_s" in stored else ""
    return (
        "\n\n".join(
            [
                f"## {made.TITLE}",
                *text,
                wrapped(f"`{stored['command']}`"),
                wrapped(f"{spent}{stored['machine']}; {used}."),
            ]
        )
        + "\n"
    )


def write(out: Path, page: Path) -> None:
    """All sections there are, as one page."""
    stored = {name: read(name, out) for name in ORDER if (out / f"{name}.json").exists()}
    found = {module(name).TITLE: module(name).bars(result) for name, result in stored.items()}
    parts = [HEAD, f"## Bars set beforehand\n\n{wrapped(verdict(found))}\n"]
    parts += [f"### {title}: bars\n\n{table(bars)}\n" for title, bars in found.items() if bars]
    parts += [section(name, result) for name, result in stored.items()]
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text("\n".join(parts))
