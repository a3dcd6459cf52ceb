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
from stats_parts.picture import draw

__all__ = ["ORDER", "module", "read", "section", "store", "write"]

Json = dict[str, Any]

ORDER = ("speed", "agreement", "calibration", "pulls", "spectra", "injected")
PACKAGES = ("lamppost", "numpy", "scipy", "numba", "iminuit", "pyBumpHunter")
PICTURE = "_static/calibration_p_values.png"
HEAD = """# Benchmarks of the statistics

Made by `python benchmarks/stats.py`, shipped defaults where nothing else is said, seeds 0 to n - 1, fixed beforehand;
one process, one thread, CPU seconds. What is measured is `lamppost.stats` alone: spectra go in, fits, p-values and
limits come out (see [A histogram and nothing else](spectra.md)).

- The **reference case** is a dijet spectrum of 43 bins and 65,581 events, 160 of them a peak injected at 3 TeV.
- A **full toy** is a pseudo-experiment with a background fit and the fits of 41 signals, 1.8 to 5.8 TeV.
- **Local p** is the probability of a larger excess at one mass, **global p** that of one anywhere in the scan, found by
  repeating on toys whatever was done to the data. **Order** is the number of parameters of the background.
- A **pull** is the fitted less the injected signal in units of its error: of mean 0 and width 1 if both are right.
- The **spurious signal** is what the fit finds in the smooth expectation of another family; as a nuisance parameter it
  is a false yield of unknown sign and of that standard deviation.
"""


def store(name: str, result: Json, options: Namespace) -> None:
    """Keep the figures with the command and the machine they are from."""
    names = {str(options.out): "OUT", str(options.data): "DATA"}
    used = [names.get(argument, argument) for argument in sys.argv[1:]]
    threads = os.environ.get("OMP_NUM_THREADS")
    prefix = [] if threads is None else [f"OMP_NUM_THREADS={threads}"]
    command = " ".join([*prefix, "python benchmarks/stats.py", *used])
    stored = {"command": command, "machine": machine(), "versions": versions(PACKAGES), **result}
    write_json(options.out / f"{name}.json", stored)


def read(name: str, out: Path) -> Json:
    """What `store` kept."""
    stored: Json = json.loads((out / f"{name}.json").read_text())
    return stored


def module(name: str) -> Any:
    """What runs and writes a section."""
    return import_module(f"stats_parts.{name}")


def section(name: str, stored: Json) -> str:
    """One section with its title and where its figures are from."""
    made = module(name)
    used = ", ".join(f"{package} {number}" for package, number in stored["versions"].items() if number != "absent")
    text = [part if part.startswith("|") else wrapped(part) for part in made.section(stored).split("\n\n")]
    parts = [f"## {made.TITLE}", *text]
    if name == "calibration":
        parts.append(f"![Histograms of the p-values, next to uniform ones]({PICTURE})")
    parts.append(wrapped(f"`{stored['command']}`"))
    parts.append(wrapped(f"{stored['cpu_s']:.0f} CPU s; {stored['machine']}; {used}."))
    return "\n\n".join(parts) + "\n"


def write(out: Path, page: Path) -> None:
    """All sections there are, as one page."""
    stored = {name: read(name, out) for name in ORDER if (out / f"{name}.json").exists()}
    found = {module(name).TITLE: module(name).bars(result) for name, result in stored.items()}
    parts = [HEAD, f"## Bars set beforehand\n\n{wrapped(verdict(found))}\n"]
    parts += [f"### {title}: bars\n\n{table(bars)}\n" for title, bars in found.items() if bars]
    parts += [section(name, result) for name, result in stored.items()]
    if "calibration" in stored:
        draw(stored["calibration"], page.parent / PICTURE)
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text("\n".join(parts))
