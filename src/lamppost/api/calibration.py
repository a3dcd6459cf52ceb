"""From a configuration to the calibration of its p-values."""

import os
from pathlib import Path
from typing import Any, Unpack

from lamppost.api.folders import Options, Source, how_of, region_of, setup_of, show
from lamppost.config import Search, load, parse
from lamppost.errors import ConfigError
from lamppost.run.calibrate.calibration import run_calibration

__all__ = ["calibrate"]


def calibrate(
    config: Search | Source,
    out: "str | os.PathLike[str]",
    *,
    experiments: int | None = None,
    pdf: bool = False,
    invert: bool = False,
    **options: Unpack[Options],
) -> dict[str, Any]:
    """Run the whole hunt again and again in pseudo-data without signal: are its p-values right?

    The table `[calibrate]` says how often, and how much signal is injected for power and coverage. In a script call it
    below `if __name__ == "__main__":`, since worker processes import the script.

    Parameters
    ----------
    config
        A TOML file, the table it would hold, or a `Search`.
    out
        The run folder. If it holds an earlier, perhaps interrupted calibration, only what is missing is done.
    experiments
        Pseudo-experiments without signal; default: what the configuration says.
    pdf, options
        As in `hunt`.
    invert
        Draw pseudo-data from the control region, the events that `select` rejects.

    Returns
    -------
    The content of `calibration.json`; its `certificate` stands in `certificate.json` as well.

    Raises
    ------
    LamppostError
        One line that names the file, column, window or parameter at fault.
    """
    search = region_of(setup_of(config, Search, load, parse), invert=invert)
    if experiments is not None:
        if experiments < 1:
            msg = f"experiments: expected at least 1, found {experiments}"
            raise ConfigError(msg)
        settings = search.calibrate.model_copy(update={"experiments": experiments})
        search = search.model_copy(update={"calibrate": settings})
    result = run_calibration(search, Path(out), **how_of(options))
    show(Path(out), result, pdf=pdf)
    return result
