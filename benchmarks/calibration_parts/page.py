"""The page: requirements and power first, then every part; made of run/calibration.json and cost.json in OUT/PART."""

import json
import os
import platform
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Mapping
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from calibration_parts.picture import draw
from lamppost.run.calibrate.judged import uniformity
from learn_parts.tables import machine, markdown
from methods_parts.sections import wrapped
from stats_parts.bars import Bar, table

__all__ = ["bars", "read", "write"]

Json = dict[str, Any]
PICTURE = "_static/calibration_hunts.png"
WANTED = {"cwola": 500, "cathode": 100}
"""Pseudo-experiments without signal."""
LEAST_KS = 0.01
HEAD = """# Calibration of the p-values

Whole hunts (decorrelation, trainings, selection, F-test, toys, windows) in pseudo-experiments of {events:,.0f} events
of the null generator, seeds 0 to n - 1: 3 folds, 5 members, otherwise the shipped defaults. [How it is
done](calibrating.md).
"""
MEANING = """A p-value is *uniform* if the 95 % interval of the share of p ≤ 0.05 holds 5 % and the Kolmogorov-Smirnov p
(KS) is above 0.01. Shares have 95 % intervals (Clopper and Pearson). The p of a single window, and a global p that is
that of one window, is 1 where nothing exceeds the background; its KS is that of p < 0.5. Z has its median and the 68 %
band of the pseudo-experiments."""
NAMES = ("global", "window", "inclusive", "random score", "sculpting")


def read(out: Path) -> dict[str, Json]:
    """The calibrations that are done, by part, each with what it `spent`: CPU seconds."""
    found = {}
    for part in WANTED:
        path = out / part / "run" / "calibration.json"
        if path.exists():
            spent = json.loads((out / part / "cost.json").read_text())["cpu_s"]
            found[part] = {**json.loads(path.read_text()), "spent": spent}
            # earlier versions tested the random score of a single window above 0.5, too
            random = found[part]["null"]["random score"]
            random |= uniformity(random["values"], atom=_single(found[part]))
    return found


def write(out: Path, target: Path | None, commit: str | None) -> None:
    """Write the page and its picture, or print the page."""
    found = read(out)
    if not found:
        raise SystemExit(f"{out}: expected PART/run/calibration.json of {' or '.join(WANTED)}, found none")
    text = "\n\n".join(sections(found, origin(found, commit))) + "\n"
    if target is None:
        print(text)
        return
    draw(found, target.parent / PICTURE)
    target.write_text(text)


def sections(found: Mapping[str, Json], made: str) -> Iterator[str]:
    """All of it."""
    yield HEAD.format(events=next(iter(found.values()))["calibrate"]["events"]).strip()
    required = bars(found)
    yield f"## Requirements\n\n{sum(bar.met for bar in required)} of {len(required)} are met."
    yield table(required)
    if rows := [[part, *cells] for part, one in found.items() for cells in of_power(one["power"])]:
        yield "## Power"
        yield markdown(["", *POWER], rows)
    yield "## p-values without signal"
    yield wrapped(MEANING)
    yield f"![Histograms of the global p-values, next to uniform ones]({PICTURE})"
    yield wrapped(
        "Grey: what 95 % of uniform p-values would do in each bin. The random score goes through the same hunts: it "
        "knows nothing."
    )
    for part, one in found.items():
        windows = ", ".join(f"[{lo:g}, {hi:g})" for lo, hi in one["windows"])
        yield f"### {part}\n\nWindows {windows} GeV."
        yield markdown(NULL, list(of_null(one["null"])))
        if one["warnings"]:
            yield "\n".join(f"- {text}" for text in one["warnings"])
    yield "## Where these figures are from"
    yield wrapped(made)
    yield "\n".join(f"- {part}: {cost(one)}" for part, one in found.items())


def bars(found: Mapping[str, Json]) -> list[Bar]:
    """What had to be shown of the global p; what was not measured is missed."""
    made = []
    for part, least in WANTED.items():
        one = found[part]["null"]["global"] if part in found else {"n": 0, "ks": None, "below": {"0.05": None}}
        n, ks, share = one["n"], one["ks"], one["below"]["0.05"]
        holds = share is not None and share[1] <= 0.05 <= share[2]
        uniform = "global p uniform, KS p" + (" of p < 0.5" if part in found and _single(found[part]) else "")
        made += [
            Bar(f"{part}: pseudo-experiments without signal", f"{n}", f"≥ {least}", n >= least),
            Bar(f"{part}: {uniform}", _shown(ks), f"> {LEAST_KS}", ks is not None and ks > LEAST_KS),
            Bar(f"{part}: share of global p ≤ 0.05", _share(share), "interval holds 0.05", holds),
        ]
    return made


def _single(found: Json) -> bool:
    return len(found["windows"]) == 1


def _shown(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.2g}"


def _share(value: list[float] | None) -> str:
    return "not measured" if value is None else "{:.3f} [{:.3f}, {:.3f}]".format(*value)


NULL = ("p-value", "n", "failed", "p ≤ 0.05", "p ≤ 0.01", "KS", "KS, small p too frequent", "smallest", "uniform")


def of_null(found: Mapping[str, Any]) -> Iterator[list[Any]]:
    """The rows of p-values without signal."""
    for name in NAMES:
        one = found[name]
        shares = (_share(one["below"][level]) for level in ("0.05", "0.01"))
        tests = (f"{one[key]:.2g}" for key in ("ks", "ks_small", "smallest"))
        yield [name, one["n"], one["failed"], *shares, *tests, "yes" if one["uniform"] else "**no**"]


POWER = ("signal events", "n", "global Z", "inclusive", "Z ≥ 3", "Z ≥ 5", "yield within 1, 2 errors", "pull")


def of_power(found: list[Json]) -> Iterator[list[Any]]:
    """The rows of hunts with injected signal."""
    for one in found:
        z, inclusive = ("{:.2f} [{:.2f}, {:.2f}]".format(*one[name]["z"]) for name in ("global", "inclusive"))
        seen = ("{:.2f} [{:.2f}, {:.2f}]".format(*one["global"]["seen"][level]) for level in ("3", "5"))
        within = ", ".join(f"{one['coverage']['within'][k][0]:.2f}" for k in ("1", "2"))
        pull = "{:.2f} ± {:.2f}".format(*one["coverage"]["pull"])
        yield [one["events"], one["global"]["n"], z, inclusive, *seen, within, pull]


def cost(found: Json) -> str:
    """Pseudo-experiments and CPU time, of all starts."""
    made = found["null"]["global"]["n"] + sum(one["global"]["n"] for one in found["power"])
    spent = found["spent"]
    return f"{made} pseudo-experiments in {spent / 3600:.1f} CPU hours, {spent / made:.0f} CPU seconds each"


def origin(found: Mapping[str, Json], commit: str | None) -> str:
    """The command, the machine and the versions; of the commit only what its source proves."""
    first = next(iter(found.values()))
    made = first["versions"]
    if any(one["versions"] != made for one in found.values()):
        raise SystemExit(f"{', '.join(found)}: made by different versions, expected one")
    known = commit or "HEAD"
    digest = source_of(known)
    if digest != made["lamppost"] and commit is not None:
        raise SystemExit(f"--commit {commit}: its source is {digest}, the results are of {made['lamppost']}")
    version = f"lamppost {first['lamppost']}, source {made['lamppost']}"
    if digest == made["lamppost"]:
        version += f", commit {git('rev-parse', '--short=10', known).decode().strip()}"
    names = ("numpy", "scipy", "numba", "lightgbm")
    used = ", ".join([f"Python {platform.python_version()}", *(f"{name} {made[name]}" for name in names)])
    return (
        f"`python benchmarks/calibration.py {' '.join(found)} --out OUT --tables FOLDER`, then `page`, on {machine()}, "
        f"{os.cpu_count()} cores. {version}; {used}. Null generator of {first['data']['events']:,} events in the fit "
        f"range, SHA-256 {first['data']['sha256'][:16]}. CPU time is that of all starts, without the main process:"
    )


def source_of(commit: str) -> str | None:
    """The digest of the package's source as it was in a commit; None where that is not known."""
    try:
        packed = git("archive", commit, "src/lamppost")
    except (OSError, subprocess.CalledProcessError):
        return None
    code = "from lamppost.run.artefacts import provenance; print(provenance()['lamppost'])"
    with TemporaryDirectory() as folder:
        with tarfile.open(fileobj=BytesIO(packed)) as archive:
            archive.extractall(folder, filter="data")
        told = {**os.environ, "PYTHONPATH": str(Path(folder) / "src")}
        found = subprocess.run([sys.executable, "-c", code], env=told, capture_output=True, text=True, check=True)
    return found.stdout.strip()


def git(*arguments: str) -> bytes:
    where = Path(__file__).parents[2]
    return subprocess.run(["git", "-C", str(where), *arguments], capture_output=True, check=True).stdout
