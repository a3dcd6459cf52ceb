"""What hunts and comparisons share: where a configuration comes from, how many processes, the page of a run folder."""

import os
from collections.abc import Callable
from importlib.util import find_spec
from math import isfinite
from pathlib import Path
from typing import Any, TypedDict, TypeVar, cast

from lamppost.config import Search, Setup, control_region, with_roots
from lamppost.errors import ConfigError, LamppostError
from lamppost.run import available_cores
from lamppost.run.blind.stage import look_again
from lamppost.run.quantities import in_bytes
from lamppost.run.work import How

__all__ = ["CACHE", "Options", "Source", "TableOptions", "cores", "how_of", "region_of", "report", "setup_of", "show"]

Source = str | os.PathLike[str] | dict[str, Any]
"""A TOML file, or the table it would hold."""
S = TypeVar("S", bound=Setup)
CACHE = "LAMPPOST_CACHE"
"""The environment variable that names the cache."""


class TableOptions(TypedDict, total=False):
    """How a run works; its result does not depend on it.

    workers: processes, by default one per core
    dask: where tasks run instead: the address of a Dask scheduler (`tcp://HOST:PORT`), `local`, or a TOML file that
    says how a batch system starts workers
    quiet: no progress on stderr
    cache: the folder of artefacts that several runs share; by default that of `LAMPPOST_CACHE`, that of the last start
    in the same run folder, or the run folder's own
    max_cache: the most that it may hold, in bytes or as in "20GB"; what was used longest ago goes first
    """

    workers: int | None
    dask: str | os.PathLike[str] | None
    quiet: bool
    cache: str | os.PathLike[str] | None
    max_cache: int | str | None


class Options(TableOptions, total=False):
    """The same of runs that can say beforehand what they cost.

    dry_run: run nothing but samples, for so many seconds at most, and return what the run would cost
    """

    dry_run: float | None


def how_of(options: TableOptions | Options) -> How:
    """How tasks are run.

    Raises
    ------
    ConfigError
        Naming the option that makes no sense.
    """
    most, seconds, dask = options.get("max_cache"), cast(Options, options).get("dry_run"), options.get("dask")
    cache = options.get("cache") or os.environ.get(CACHE)
    if seconds is not None and not (isfinite(seconds) and seconds >= 0):
        msg = f"dry_run: expected seconds, 0 or more, found {seconds}"
        raise ConfigError(msg)
    return {
        "workers": cores(options.get("workers")),
        "dask": None if dask is None else os.fspath(dask),
        "quiet": options.get("quiet", False),
        "cache": Path(cache) if cache else None,
        "max_cache": None if most is None else in_bytes(most, "max_cache"),
        "dry_run": seconds,
    }


def setup_of(
    config: Setup | Source, kind: type[S], load: Callable[[Path], S], parse: Callable[[dict[str, Any]], S]
) -> S:
    """What a file or a table describes, or what it is already.

    Relative paths in a table are relative to the working directory, whatever that of a worker is.
    """
    if isinstance(config, kind):
        return config
    if isinstance(config, Setup):
        msg = f"configuration: expected a {kind.__name__}, found a {type(config).__name__}"
        raise ConfigError(msg)
    return parse(with_roots(config, Path.cwd())) if isinstance(config, dict) else load(Path(config))


def region_of(search: Search, *, invert: bool) -> Search:
    """The search, or the same in its control region."""
    return control_region(search) if invert else search


def cores(workers: int | None) -> int:
    """How many processes work: all cores unless told otherwise."""
    if workers is not None and workers < 1:
        msg = f"workers: expected at least 1, found {workers}"
        raise ConfigError(msg)
    return workers or available_cores()


def show(folder: Path, result: dict[str, Any], *, pdf: bool) -> None:
    """Write the pages of a run folder, if there is a result, and what draws figures is installed."""
    if "estimate" not in result and find_spec("matplotlib") and find_spec("mplhep"):
        _write(folder, pdf=pdf)


def report(folder: str | os.PathLike[str], *, pdf: bool = False) -> tuple[Path, ...]:
    """Write (again) the HTML page of every result in a run folder, and with `pdf` their figures; return their paths.

    Where windows are, or were, blind, that is a look, and logged as one.
    """
    look_again(Path(folder))
    return _write(Path(folder), pdf=pdf)


def _write(folder: Path, *, pdf: bool) -> tuple[Path, ...]:
    from lamppost.report import write

    try:
        return write(folder, pdf=pdf)
    except OSError as error:
        msg = f"{error.filename or folder}: the report cannot be written: {error.strerror or error}"
        raise LamppostError(msg) from None
