"""What benchmarks of several sections share: a command for each, OUT/NAME.json with its figures, a page made of these.

A section is a module of BENCHMARK_parts with TITLE, `run(options)`, `section(stored)` and `bars(stored)`, the
requirements that were set beforehand; with `draw(stored, folder)` if a picture belongs to it.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from learn_parts.tables import machine, versions
from methods_parts.sections import wrapped
from stats_parts.bars import table, verdict
from stats_parts.kept import write as write_json

__all__ = ["Paged"]

Json = dict[str, Any]
Commands = Mapping[str, argparse.ArgumentParser]


@dataclass(frozen=True)
class Paged:
    """A benchmark `name`: its sections in their order, what the page begins with, what its data are called."""

    name: str
    order: tuple[str, ...]
    packages: tuple[str, ...]
    head: str
    data: str

    def main(self, text: str | None, options: Callable[[Commands], None]) -> None:
        """Run one subcommand; `options` adds those of each section, or writes the page."""
        whole = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
        commands = whole.add_subparsers(dest="command", required=True)
        made = {name: commands.add_parser(name) for name in (*self.order, "page")}
        for name, command in made.items():
            command.add_argument("--out", type=Path, required=True)
            if name != "page":
                command.add_argument("data", type=Path, help="folder of the data")
                command.add_argument("--seed", type=int, default=0, help="the first; development uses 1000 and more")
        made["page"].add_argument("--table", type=Path, required=True)
        options(made)
        given = whole.parse_args()
        given.out.mkdir(parents=True, exist_ok=True)
        if given.command == "page":
            self.write(given.out, given.table)
        else:
            self.store(given.command, self.module(given.command).run(given), given)
            print(self.section(given.command, self.read(given.command, given.out)))

    def module(self, name: str) -> Any:
        """What runs and writes a section."""
        return import_module(f"{self.name}_parts.{name}")

    def store(self, name: str, result: Json, options: argparse.Namespace) -> None:
        """Keep the figures with the command and the machine they are from."""
        names = {str(options.out): "OUT", str(options.data): self.data}
        used = [names.get(argument, argument) for argument in sys.argv[1:]]
        threads = os.environ.get("OMP_NUM_THREADS")
        prefix = [] if threads is None else [f"OMP_NUM_THREADS={threads}"]
        command = " ".join([*prefix, f"python benchmarks/{self.name}.py", *used])
        stored = {"command": command, "machine": machine(), "versions": versions(self.packages), **result}
        write_json(options.out / f"{name}.json", stored)

    def read(self, name: str, out: Path) -> Json:
        """What `store` kept."""
        stored: Json = json.loads((out / f"{name}.json").read_text())
        return stored

    def section(self, name: str, stored: Json) -> str:
        """One section with its title and where its figures are from."""
        made = self.module(name)
        used = ", ".join(f"{package} {number}" for package, number in stored["versions"].items() if number != "absent")
        text = [part if part.startswith("|") else wrapped(part) for part in made.section(stored).split("\n\n")]
        spent = f"{stored['cpu_s']:.0f} CPU s; " if "cpu_s" in stored else ""
        origin = [wrapped(f"`{stored['command']}`"), wrapped(f"{spent}{stored['machine']}; {used}.")]
        return "\n\n".join([f"## {made.TITLE}", *text, *origin]) + "\n"

    def write(self, out: Path, page: Path) -> None:
        """All sections there are, as one page: requirements first."""
        stored = {name: self.read(name, out) for name in self.order if (out / f"{name}.json").exists()}
        found = {self.module(name).TITLE: self.module(name).bars(result) for name, result in stored.items()}
        parts = [self.head, f"## Bars set beforehand\n\n{wrapped(verdict(found))}\n"]
        parts += [f"### {title}: bars\n\n{table(bars)}\n" for title, bars in found.items() if bars]
        parts += [self.section(name, result) for name, result in stored.items()]
        for name, result in stored.items():
            if draw := getattr(self.module(name), "draw", None):
                draw(result, page.parent)
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text("\n".join(parts))
