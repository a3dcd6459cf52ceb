"""Who looked, when, and at what: `looks.jsonl`, to which lines are added and of which none is changed unnoticed."""

import errno
import fcntl
import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from hashlib import sha256
from io import FileIO
from pathlib import Path
from typing import Any, Final, Literal

from lamppost.errors import DataError
from lamppost.run.artefacts import not_written, write_file

__all__ = ["BLIND", "HEAD", "LOOKS", "OPENED", "Look", "Shown", "add_look", "read_looks", "summary"]

LOOKS = "looks.jsonl"
HEAD = "last_look.json"
"""How many looks there are and the hash of the last: without it nothing tells a log that was cut from a whole one."""
Shown = Literal["blind", "unblind", "report", "control region"]
BLIND: Final = "blind"
OPENED: Final = "unblind"
Look = dict[str, Any]
"""look: its number from 1; time: UTC; shown; hash: of what was frozen; reason; before: the hash of the line before it,
empty for the first; line: the hash of this one; of a blind look frozen: what was frozen, passed: whether all tests
were."""


def read_looks(folder: Path) -> list[Look]:
    """All looks, the first one first; none if there were none.

    Raises
    ------
    DataError
        If a line was edited, removed or damaged, or the last ones, or the whole log, are gone.
    """
    heads = _heads(folder)  # before the log, to which another process may add a line meanwhile
    path = folder / LOOKS
    try:
        content = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        content = b""
    except OSError as error:
        msg = f"{path}: cannot be read: {error.strerror}"
        raise DataError(msg) from None
    return _checked(path, content, heads)


def _heads(folder: Path) -> dict[str, Look]:
    """What the log, blind results and opened ones say that the last look was when they were written."""
    found = {}
    for name in (HEAD, "blind.json", "result.json"):
        try:
            told = json.loads((folder / name).read_bytes())
            head = told if name == HEAD else told["blinding"]
            found[name] = {"looks": int(head["looks"]), "last": str(head["last"])}
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            msg = f"{folder / name}: cannot be read: {error.strerror}"
            raise DataError(msg) from None
        except (ValueError, KeyError, TypeError):
            if name == HEAD:  # of results, those of hunts without looks say nothing
                msg = f"{folder / HEAD}: expected the number and hash of the last look: it was edited or is damaged"
                raise DataError(msg) from None
    return found


def add_look(folder: Path, shown: Shown, hashed: str, reason: str = "", **about: Any) -> list[Look]:
    """Write down a look before anything is shown; all looks, this one last.

    Raises
    ------
    DataError
        If the log is damaged, or a part of it gone.
    LamppostError
        If it cannot be written.
    """
    path, heads = folder / LOOKS, _heads(folder)
    try:
        with path.open("a+b", buffering=0) as file:
            with suppress(OSError):  # a file system without locks
                fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            looks = _checked(path, file.read(), heads)
            look: Look = {
                "look": len(looks) + 1,
                "time": datetime.now(UTC).isoformat(timespec="seconds"),
                "shown": shown,
                "hash": hashed,
                "reason": reason,
                "before": looks[-1]["line"] if looks else "",
                **about,
            }
            look["line"] = _line_hash(look)
            _append(file, (json.dumps(look) + "\n").encode())
            # the line first: a log that is longer than it should be is one whose writer was killed here
            write_file(folder / HEAD, json.dumps({"looks": look["look"], "last": look["line"]}).encode() + b"\n")
    except OSError as error:
        raise not_written(path, error) from None
    return [*looks, look]


def summary(looks: Sequence[Look]) -> dict[str, Any]:
    """How often and with how many configurations somebody looked, before windows were first opened and at all."""
    first = next((i for i, look in enumerate(looks) if look["shown"] == OPENED), len(looks))
    blind = [look for look in looks[:first] if look["shown"] == BLIND]
    return {
        "looks": len(looks),
        "blind_looks": len(blind),
        "configurations": len({look["hash"] for look in blind}),
        "opened": sum(look["shown"] == OPENED for look in looks),
        "opened_configurations": len({look["hash"] for look in looks if look["shown"] == OPENED}),
        "last": looks[-1]["line"] if looks else "",
    }


def _checked(path: Path, content: bytes, heads: Mapping[str, Look]) -> list[Look]:
    looks: list[Look] = []
    for number, line in enumerate(content.splitlines(), 1):
        try:
            look = json.loads(line)
            good = look["line"] == _line_hash(look) and look["before"] == (looks[-1]["line"] if looks else "")
            good = good and look["look"] == number and {"shown", "hash", "reason", "time"} <= look.keys()
        except (ValueError, KeyError, TypeError, AttributeError):
            good = False
        if not good:
            msg = f"{path}: line {number} is not the one that was written: the log of looks was edited or is damaged"
            raise DataError(msg)
        looks.append(look)
    if content and not content.endswith(b"\n"):
        msg = f"{path}: line {len(looks)} does not end: the log of looks was edited or is damaged"
        raise DataError(msg)
    for name, head in heads.items():
        if head["last"] not in [look["line"] for look in looks]:
            msg = f"{path}: there is no look {head['looks']} as {name} names it, only {len(looks)}: the log of looks "
            msg += "was edited or is damaged"
            raise DataError(msg)
    return looks


def _line_hash(look: Mapping[str, Any]) -> str:
    told = {name: value for name, value in look.items() if name != "line"}
    return sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def _append(file: FileIO, line: bytes) -> None:
    """All of it or nothing, on the disk and not in some cache."""
    before = file.seek(0, os.SEEK_END)
    if file.write(line) < len(line):
        file.truncate(before)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    os.fsync(file.fileno())
