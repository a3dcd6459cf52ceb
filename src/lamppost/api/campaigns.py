"""What a run is doing, and what its cache holds."""

import os
import time
from pathlib import Path
from typing import Any

from lamppost.errors import ConfigError, DataError
from lamppost.run.cache import Cache, collect, contents
from lamppost.run.folder import is_held
from lamppost.run.progress.campaign import replay
from lamppost.run.quantities import in_bytes, in_seconds

__all__ = ["cache", "progress"]


def progress(folder: "str | os.PathLike[str]") -> dict[str, Any]:
    """What the log of a run says of it: stages, costs, when it will be done.

    It is read from the folder alone, while the run goes on or later, here or on another machine. Where no process holds
    the folder any more, the state of a run that did not end is "stopped"; it is "unknown" where that cannot be told.

    Raises
    ------
    DataError
        If there is no log of a run.
    """
    path = Path(folder)
    campaign = replay(path / "log.jsonl")
    if campaign is None or not campaign.begun:
        msg = f"{path / 'log.jsonl'}: expected the log of a run"
        raise DataError(msg)
    found = campaign.as_dict(time.time())
    if found["state"] == "running":
        held = is_held(path)
        found["state"] = {True: "running", False: "stopped", None: "unknown"}[held]
        if not held:
            since = time.time() - campaign.updated
            found |= {"eta_s": None, "why": f"no process holds it, the last word is {since:.0f} s old"}
    return {"folder": str(path), **found}


def cache(
    folder: "str | os.PathLike[str]",
    *,
    collect_unlisted: bool = False,
    max_size: int | str | None = None,
    older_than: float | str | None = None,
    dry_run: bool = False,
) -> dict[str, Any]:
    """What a cache, or a run folder, holds and who uses it; remove what is not needed.

    An artefact that a run which goes on has said it needs is never removed, whatever is asked for.

    Parameters
    ----------
    collect_unlisted
        Remove what the configuration of no run that is still there needs.
    max_size
        Then remove what was used longest ago until so many bytes are left, first of what no run needs.
    older_than
        Remove what was not used for so many seconds, or as in "30d".
    dry_run
        Only say what would be removed.

    Returns
    -------
    What is there afterwards, and under `removed` how many artefacts and bytes went.

    Raises
    ------
    LamppostError
        If there is no cache, or an option makes no sense.
    """
    path = Path(folder)
    if not (path / "artefacts").is_dir():
        msg = f"{path}: expected a cache or a run folder, found no `artefacts` in it"
        raise DataError(msg)
    found = Cache((path / "artefacts").resolve().parent)
    if not found.used.is_dir():
        msg = f"{found.root}: was made by an earlier version, which did not say what is used: run it again first"
        raise ConfigError(msg)
    about: dict[str, Any] = {"artefacts": 0, "bytes": 0}
    if collect_unlisted or max_size is not None or older_than is not None:
        made = collect(
            found,
            unlisted=collect_unlisted,
            max_size=None if max_size is None else in_bytes(max_size, "max_size"),
            older_than=None if older_than is None else in_seconds(older_than, "older_than"),
            dry_run=dry_run,
        )
        about = {"artefacts": len(made.removed), "bytes": made.bytes}
        about |= {"left": made.left, "needed_by_running": made.needed}
    return {**contents(found), "removed": about, "dry_run": dry_run}
