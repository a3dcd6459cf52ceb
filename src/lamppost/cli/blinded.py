"""What the command line says of a hunt that is, or was, blind."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from shlex import quote
from typing import Any

__all__ = ["blind_lines", "opened_lines"]

Part = Mapping[str, Any]


def blind_lines(result: Part, config: Path, out: Path) -> Iterator[str]:
    """The blind stage in words; the last line opens the windows."""
    tests, blinding, page = result["tests"], result["blinding"], out / "blind.html"
    closed = ", ".join(f"[{lo:g}, {hi:g})" for lo, hi in result["closed"])
    yield f"closed           {closed}; {result['data']['events']} events outside"
    for row in result["validation"]:
        closure = row["closure"]
        told = "" if closure is None else f", closure AUC {closure['auc']:.3f} +- {closure['error']:.3f}"
        yield (
            f"validation       [{row['lo']:g}, {row['hi']:g}) {row['method']}: p = {row['p_window']:.3g}, flat "
            f"p = {row['sculpting_p']:.3g}, fit p = {row['fit']['p_value']:.3g}{told}"
        )
    fit = result["inclusive"]["fit"]
    yield f"all events       fit outside: chi2 = {fit['chi2']:.1f}/{fit['ndf']}, p = {fit['p_value']:.3g}"
    if rows := result["selections"]:
        flat = [row["sculpting_p"] for row in rows if row["sculpting_p"] is not None]
        yield (
            f"selections       {len(rows)} outside: smallest fit p = {min(row['fit']['p_value'] for row in rows):.3g}"
            + (f", smallest flat p = {min(flat):.3g} of {len(flat)}" if flat else ", none of their sidebands is open")
        )
    failed = len(tests["failed"])
    yield f"tests            {failed} of {tests['n']} below p = {tests['least_p']:.2g}" + (
        f", the features determine m in {len(result['determined'])}" if result["determined"] else ""
    )
    if blinding["certificate"]:
        yield f"certificate      {blinding['certificate']}"
    yield f"looks            {blinding['blind_looks']} at {blinding['configurations']} configurations in this folder"
    yield f"took             {result['wall_s']:.0f} s, {result['cpu_s']:.0f} CPU s, {result['max_rss_mb']} MB"
    yield f"page             {page if page.exists() else 'none: needs the extra `report` (matplotlib, mplhep)'}"
    reason = "" if result["passed"] else ' --despite "REASON"'
    command = f"lamppost hunt {quote(str(config))} --out {quote(str(out))} --unblind {blinding['hash']}{reason}"
    yield f"to open them     {command}"


def opened_lines(result: Part) -> Iterator[str]:
    """How often somebody looked before, if windows were closed, and whether a reason to open them was needed."""
    if blinding := result.get("blinding"):
        yield (
            f"blind looks      {blinding['blind_looks']} at {blinding['configurations']} configurations before "
            f"the first of {blinding['opened']} openings"
        )
        if blinding["despite"] and not blinding["overridden"]:
            yield "despite          all blind tests passed, nothing had to be overridden"
