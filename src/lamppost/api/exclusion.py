"""From a configuration to limits on injected signals."""

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Unpack

from lamppost.api.folders import Options, Source, how_of, setup_of, show
from lamppost.config import Search, load, parse
from lamppost.run.limits.limits import run_limits
from lamppost.run.limits.tables import write_submission

__all__ = ["limits"]


def limits(
    config: Search | Source,
    out: "str | os.PathLike[str]",
    *,
    pdf: bool = False,
    **options: Unpack[Options],
) -> dict[str, Any]:
    """Set limits on signals: inject them into the data, train everything again, fit the data without them.

    The efficiency of an anomaly search for a signal depends on how much of it is in the data. So it is measured with
    the signal injected, and the limit is quoted where an injection is as large as what its own selection is expected to
    exclude (arXiv:2412.03747). The table `[limits]` names the signals; the fit to all events and fixed cuts are set
    beside the methods. In a script call it below `if __name__ == "__main__":`, since worker processes import the
    script.

    Parameters
    ----------
    config
        A TOML file, the table it would hold, or a `Search`.
    out
        The run folder. If it holds an earlier, perhaps interrupted run, only what is missing is done.
    pdf, options
        As in `hunt`.

    Returns
    -------
    The content of `limits.json`. Beside it stand `limits.csv`, `limits.html` and, with the extra `stats`, `hepdata/`.
    With `dry_run` what as many injections as there may be would cost.

    Raises
    ------
    LamppostError
        One line that names the file, column, window or parameter at fault.
    """
    folder = Path(out)
    search = setup_of(config, Search, load, parse)
    result = run_limits(search, folder, **how_of(options))
    if find_spec("hepdata_lib") and "estimate" not in result:
        write_submission(result, folder)
    show(folder, result, pdf=pdf)
    return result
