"""The log of a run: a JSON object per line."""

import errno
import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lamppost.run.artefacts import not_written

__all__ = ["append", "entries", "spent"]


def append(path: Path, what: str, time: float, **facts: Any) -> None:
    """Append a line to the log, whole or not at all; `time` in seconds since 1970.

    Raises
    ------
    LamppostError
        If it cannot be written.
    """
    moment = datetime.fromtimestamp(time, UTC).isoformat(timespec="milliseconds")
    text = (json.dumps({"time": moment, "event": what, **facts}) + "\n").encode()
    try:
        with path.open("ab", buffering=0) as log:
            before = log.tell()
            if log.write(text) < len(text):
                log.truncate(before)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    except OSError as error:
        raise not_written(path, error) from None


def entries(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of a log, of all starts of its run; what is just being written is left out."""
    if not path.exists():
        return
    with path.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            try:
                found = json.loads(line)
            except ValueError:
                continue
            if isinstance(found, dict) and "event" in found:
                yield found


def spent(path: Path) -> dict[str, float]:
    """CPU seconds of every task that the log of a run knows, of all its starts, by key."""
    return {one["key"]: one["cpu_s"] for one in entries(path) if one["event"] in ("done", "sampled")}
