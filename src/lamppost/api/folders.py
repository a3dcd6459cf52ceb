"""What hunts and comparisons share: where a configuration comes from, how many processes, the page of a run folder."""

import os
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

from lamppost.config import Search, Setup, control_region
from lamppost.errors import ConfigError, LamppostError
from lamppost.run import available_cores
from lamppost.run.blind.stage import look_again

__all__ = ["Source", "cores", "region_of", "report", "setup_of", "show", "where"]

Source = str | os.PathLike[str] | dict[str, Any]
"""A TOML file, or the table it would hold."""
S = TypeVar("S", bound=Setup)


def setup_of(
    config: Setup | Source, kind: type[S], load: Callable[[Path], S], parse: Callable[[dict[str, Any]], S]
) -> S:
    """What a file or a table describes, or what it is already."""
    if isinstance(config, kind):
        return config
    if isinstance(config, Setup):
        msg = f"configuration: expected a {kind.__name__}, found a {type(config).__name__}"
        raise ConfigError(msg)
    return parse(config) if isinstance(config, dict) else load(Path(config))


def region_of(search: Search, *, invert: bool) -> Search:
    """The search, or the same in its control region."""
    return control_region(search) if invert else search


def cores(workers: int | None) -> int:
    """How many processes work: all cores unless told otherwise."""
    if workers is not None and workers < 1:
        msg = f"workers: expected at least 1, found {workers}"
        raise ConfigError(msg)
    return workers or available_cores()


def where(dask: str | os.PathLike[str] | None) -> str | None:
    """Where tasks run, if not in processes of their own on this machine."""
    return None if dask is None else os.fspath(dask)


def show(folder: Path, *, pdf: bool) -> None:
    """Write the page of a run folder, if what draws figures is installed."""
    if find_spec("matplotlib") and find_spec("mplhep"):
        _write(folder, pdf=pdf)


def report(folder: str | os.PathLike[str], *, pdf: bool = False) -> Path:
    """Write (again) the HTML page of a finished run folder, of a hunt or a comparison, and its figures as PDF.

    Where windows are, or were, blind, that is a look, and logged as one.
    """
    look_again(Path(folder))
    return _write(Path(folder), pdf=pdf)


def _write(folder: Path, *, pdf: bool) -> Path:
    from lamppost.report import write

    try:
        return write(folder, pdf=pdf)
    except OSError as error:
        msg = f"{error.filename or folder}: the report cannot be written: {error.strerror or error}"
        raise LamppostError(msg) from None
