"""What every subcommand writes: OUT/NAME.json with all figures, OUT/NAME.md for the documentation, and stdout."""

import json
import platform
from collections.abc import Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from textwrap import fill
from typing import Any

PACKAGES = ("lamppost", "numpy", "lightgbm", "xgboost", "scikit-learn", "jax", "optax", "equinox", "torch", "zuko")
PACKAGES += ("fastjet", "pythia8mc", "awkward", "numba", "h5py", "pyarrow")
HEAD = """# Benchmarks of the learning engines

Made by `python benchmarks/learn.py`, shipped defaults, seeds fixed beforehand. Every engine runs in a process of its
own with one thread. CPU s are seconds of processor time in the steady state; what the first call in a process costs
more, compilation and imports, stands apart as "first call". GPU rows give wall seconds. Values are the median and the
68 % band over draws.
"""


def markdown(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A table in Markdown whose columns line up."""
    cells = [[str(cell) for cell in row] for row in (columns, *rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(columns))]
    head, *body = [f"| {' | '.join(c.ljust(w) for c, w in zip(row, widths, strict=True))} |" for row in cells]
    rule = f"|{'|'.join('-' * (width + 2) for width in widths)}|"
    return "\n".join([head, rule, *body])


@cache
def versions(packages: tuple[str, ...] = PACKAGES) -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "absent"
    return found


def machine() -> str:
    """The processor by name, where the system tells it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.processor()}, {platform.machine()}"


def write(name: str, title: str, text: str, table: str, result: dict[str, Any], out: Path) -> None:
    """Print the section and store it with its figures."""
    out.mkdir(parents=True, exist_ok=True)
    stored = {**result, "versions": versions(), "machine": machine()}
    (out / f"{name}.json").write_text(json.dumps(stored, indent=1) + "\n")
    used = ", ".join(f"{package} {number}" for package, number in versions().items() if number != "absent")
    section = (
        "\n\n".join(
            [
                f"## {title}",
                fill(text, 118, break_on_hyphens=False),
                table,
                fill(f"{machine()}; {used}.", 118, break_on_hyphens=False),
            ]
        )
        + "\n"
    )
    (out / f"{name}.md").write_text(section)
    print(section)


def page(names: Sequence[str], out: Path, table: Path, head: str = HEAD) -> None:
    """All sections there are, as one page."""
    sections = [(out / f"{name}.md").read_text() for name in names if (out / f"{name}.md").exists()]
    table.write_text("\n".join([head, *sections]))
