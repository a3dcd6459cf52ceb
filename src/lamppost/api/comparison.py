"""From labelled events to a comparison of methods."""

import os
from importlib.util import find_spec
from math import isfinite
from pathlib import Path
from typing import Any

from lamppost.config.comparison import Comparison, load_comparison, parse_comparison
from lamppost.errors import ConfigError, LamppostError
from lamppost.run import available_cores
from lamppost.run.compare.comparison import run_comparison

__all__ = ["compare"]


def compare(
    config: "Comparison | str | os.PathLike[str] | dict[str, Any]",
    out: "str | os.PathLike[str]",
    *,
    shift: float | None = None,
    workers: int | None = None,
    quiet: bool = False,
    pdf: bool = False,
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
    workers
        Processes; default: one per core. The result does not depend on it.
    quiet
        Show no progress on stderr.
    pdf
        Write the figures of the page as PDF as well.

    Returns
    -------
    The content of `compare.json`.

    Raises
    ------
    LamppostError
        One line that names the file, column, window or parameter at fault.
    """
    comparison = _comparison(config)
    if shift is not None:
        if not isfinite(shift):
            msg = f"shift: expected a finite number, found {shift}"
            raise ConfigError(msg)
        changed = comparison.compare.model_copy(update={"shift": shift})
        comparison = comparison.model_copy(update={"compare": changed})
    if workers is not None and workers < 1:
        msg = f"workers: expected at least 1, found {workers}"
        raise ConfigError(msg)
    folder = Path(out)
    result = run_comparison(comparison, folder, workers=workers or available_cores(), quiet=quiet)
    if find_spec("matplotlib") and find_spec("mplhep"):
        _page(folder, pdf=pdf)
    return result


def _comparison(config: "Comparison | str | os.PathLike[str] | dict[str, Any]") -> Comparison:
    if isinstance(config, Comparison):
        return config
    return parse_comparison(config) if isinstance(config, dict) else load_comparison(Path(config))


def _page(folder: Path, *, pdf: bool) -> None:
    from lamppost.report.comparison import write_comparison

    try:
        write_comparison(folder, pdf=pdf)
    except OSError as error:
        msg = f"{error.filename or folder}: the page cannot be written: {error.strerror or error}"
        raise LamppostError(msg) from None
