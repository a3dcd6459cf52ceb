"""The page: requirements first, then every section, made of OUT/NAME.json alone."""

import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from learn_parts.tables import machine, markdown, versions
from methods_parts import origin
from methods_parts.comparisons import PLANS
from methods_parts.picture import draw
from methods_parts.requirements import bars as comparison_bars
from methods_parts.sections import Bar, band, bars_table, wrapped

Json = dict[str, Any]

MODULES = dict.fromkeys(PLANS, "comparisons") | {
    "anode": "anode",
    "ranode": "ranode",
    "null": "null",
    "reach": "reaching",
    "hunt": "hunting",
}
ORDER = ("main", "curve", "correlated", "anode", "ranode", "null", "features", "prongs", "reach", "hunt")
HEAD = """# Benchmarks of the methods

Made by `python benchmarks/methods.py`, shipped defaults, seeds 0 to n - 1, fixed beforehand. Simulated dijets as in the
LHC Olympics R&D set, W'(3.5 TeV) → X(500 GeV) Y(100 GeV) injected; S/B is that in the region from 3.3 to 3.7 TeV. SIC
is eps_S / √eps_B of events held out; its maximum is over cuts that keep at least 25 background test events. Brackets
hold the 68 % interval over draws, CPU s is one fit. [Comparing methods](comparing.md) says how draws are made.
"""
PICTURE = "_static/sensitivity.svg"
PUBLISHED = {
    "main": {"supervised": 17.65, "idealised": 15.08, "cathode": 13.99, "cwola": 10.75, "anode": 6.46},
    "correlated": {"idealised": 10.54, "cathode": 10.18, "cwola": 1.04, "anode": 5.29},
}
"""Maxima of SIC at S/B = 0.6 % (arXiv:2109.00546)."""
COMPARABLE = 1e-3
"""A maximum at a smaller eps_B depends on the size of the test sample."""
BESIDE = """## Published figures

No published figure has quite this definition: events are simulated anew, with another detector, and a maximum of SIC
depends on its floor and on the size of the test sample. The nearest are maxima at S/B = 0.6 % with four features, with
340k test events and down to where background is known to 40 % (arXiv:2109.00546). Ours stop at 25 events of a smaller
sample, so that only maxima at eps_B ≥ 1e-3, far from either floor, are compared. Idealised boosted trees, background
known to 20 %, reach 16, 19.5 and 24 with 4, 10 and 12 features (arXiv:2309.13111).
"""


def store(name: str, result: Json, out: Path) -> None:
    """Keep the figures with the command and the machine they are from."""
    split = [argument.rpartition("=") for argument in sys.argv[1:]]
    arguments = [f"{option}{equals}{'OUT' if Path(value) == out else value}" for option, equals, value in split]
    command = " ".join(["python benchmarks/methods.py", *arguments])
    stored = {"command": command, "machine": machine(), "versions": versions(), **result}
    part = out / f".{name}.part"
    part.write_text(json.dumps(stored, indent=1) + "\n")
    part.replace(out / f"{name}.json")


def read(name: str, out: Path) -> Json:
    """What `store` kept."""
    stored: Json = json.loads((out / f"{name}.json").read_text())
    return stored


def module(name: str) -> Any:
    """What runs and writes a section."""
    return import_module(f"methods_parts.{MODULES[name]}")


def section(name: str, stored: Json) -> str:
    """One section with its title and where its figures are from."""
    used = ", ".join(f"{package} {number}" for package, number in stored["versions"].items() if number != "absent")
    title = PLANS[name].title if name in PLANS else module(name).TITLE
    parts = [f"## {title}", module(name).section(name, stored), wrapped(f"`{stored['command']}`")]
    parts += [wrapped(f"{stored['machine']}; {used}.")]
    return "\n\n".join(parts) + "\n"


def bars(name: str, stored: Json) -> list[Bar]:
    """What the run had to show."""
    found: list[Bar] = comparison_bars(name, stored) if name in PLANS else module(name).bars(name, stored)
    return found


def write(out: Path, table: Path) -> None:
    """All sections there are, as one page."""
    stored = {name: read(name, out) for name in ORDER if (out / f"{name}.json").exists()}
    requirements = [bar for name, found in stored.items() for bar in bars(name, found)]
    parts = [HEAD]
    if requirements:
        parts += [f"## Bars set beforehand\n\n{verdict(requirements)}\n\n{bars_table(requirements)}\n"]
    sections = [section(name, found) for name, found in stored.items()]
    if "curve" in stored:
        draw(stored["curve"], table.parent / PICTURE)
        parts.append(f"![SIC of each method against the strength of the signal]({PICTURE})\n")
    about = out / "tables" / "about.json"
    made = [origin.section(json.loads(about.read_text()))] if about.exists() else []
    table.write_text("\n".join([*parts, *sections, *made, BESIDE, *published(stored)]))


def published(stored: dict[str, Json]) -> list[str]:
    """Maxima of SIC next to those that were published, and which is higher where that can be said."""
    rows = []
    for name, known in PUBLISHED.items():
        methods = stored[name]["by_set"]["4"]["methods"] if name in stored else {}
        for method, value in known.items():
            found = methods.get(method, {}).get("s_over_b", {}).get("0.0064")
            if found and found["sic_max"]:
                here = found["sic_max"]
                verdict = "higher" if here[0] > value else "lower"
                eps_b = float(np.median([one for one in found["draws"]["eps_b_at_max"] if one is not None]))
                apart = f"not comparable: eps_B at the maximum is {eps_b:.1g}"
                row = [PLANS[name].title, method, band(here), value, verdict if eps_b >= COMPARABLE else apart]
                rows.append(row)
    return [markdown(["set", "method", "max SIC here", "published", "here"], rows) + "\n"] if rows else []


def verdict(requirements: list[Bar]) -> str:
    """How many were met, and which were not."""
    met = sum(bar.met is True for bar in requirements)
    missed = [bar.what for bar in requirements if bar.met is False]
    tail = f" Missed: {'; '.join(missed)}." if missed else ""
    return wrapped(f"{met} of {len(requirements)} requirements are met.{tail}")
