"""From labelled events to a comparison of methods, and to the smallest signal that they see."""

import os
from math import isfinite
from pathlib import Path
from typing import Any, Unpack

from lamppost.api.folders import Options, Source, how_of, setup_of, show
from lamppost.config import Comparison, load_comparison, parse_comparison
from lamppost.errors import ConfigError
from lamppost.run.compare.comparison import run_comparison
from lamppost.run.compare.reach import run_reach

__all__ = ["compare", "reach"]


def compare(
    config: Comparison | Source,
    out: str | os.PathLike[str],
    *,
    shift: float | None = None,
    pdf: bool = False,
    **options: Unpack[Options],
) -> dict[str, Any]:
    """Compare methods on labelled events: inject signal, train each method on the same draws, judge it by the truth.

    In a script call it below `if __name__ == "__main__":`, since worker processes import the script.

    Parameters
    ----------
    config
        A TOML file, the table it would hold, or a `Comparison`.
    out
        The run folder. If it holds an earlier, perhaps interrupted run, only what is missing or changed is done.
    shift
        c of the correlated set, x + c m for the features `compare.shifted`; default: what the configuration says.
    pdf
        The figures of the page as PDF as well.
    options
        Workers, cache and the like, see `Options`: the result does not depend on them.

    Returns
    -------
    The content of `compare.json`; with `dry_run` what it would cost.

    Raises
    ------
    LamppostError
        One line that names the file, column, window or parameter at fault.
    """
    result = run_comparison(_comparison(config, shift), Path(out), **how_of(options))
    show(Path(out), result, pdf=pdf)
    return result


def reach(
    config: Comparison | Source,
    out: str | os.PathLike[str],
    *,
    shift: float | None = None,
    pdf: bool = False,
    **options: Unpack[Options],
) -> dict[str, Any]:
    """Run whole blind hunts in data with ever fewer injected events: how much signal does each method need?

    The table `[reach]` says how many events and how many draws; all else is as in `compare`. Methods that see the truth
    are left out, the fit to all events takes part. Returns the content of `reach.json`, which may stand beside
    `compare.json` of the same configuration.
    """
    result = run_reach(_comparison(config, shift), Path(out), **how_of(options))
    show(Path(out), result, pdf=pdf)
    return result


def _comparison(config: Comparison | Source, shift: float | None) -> Comparison:
    comparison = setup_of(config, Comparison, load_comparison, parse_comparison)
    if shift is None:
        return comparison
    if not isfinite(shift):
        msg = f"shift: expected a finite number, found {shift}"
        raise ConfigError(msg)
    return comparison.model_copy(update={"compare": comparison.compare.model_copy(update={"shift": shift})})
