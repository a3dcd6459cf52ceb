"""The folder in which a run keeps what is finished: made if need be, held by one run at a time."""

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lamppost.errors import LamppostError
from lamppost.run.artefacts import not_written

__all__ = ["alone", "is_held", "make_folder"]

_TRIES = 5


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold the folder; a second run in it would take this one's unfinished files for a dead one's.

    Raises
    ------
    LamppostError
        If another run holds it, or the file that is held cannot be made.
    """
    try:
        lock = (folder / ".lock").open("w")
    except OSError as error:
        raise not_written(folder / ".lock", error) from None
    with lock:
        for left in reversed(range(_TRIES)):
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if not left:
                    msg = f"{folder}: another run is going on in this folder"
                    raise LamppostError(msg) from None
                time.sleep(0.05)  # perhaps somebody who only looks whether it is held
            except OSError:  # a file system without locks: nothing to hold
                break
            else:
                break
        yield


def is_held(folder: Path) -> bool | None:
    """Whether a run goes on in the folder; None on a file system without locks, or if there is no lock."""
    try:
        with (folder / ".lock").open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return None
    return False


def make_folder(folder: Path) -> None:
    """Make the folder and those above it.

    Raises
    ------
    LamppostError
        If it is a file, or cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        msg = f"{folder}: expected a folder, found a file"
        raise LamppostError(msg) from None
    except OSError as error:
        msg = f"{folder}: the folder cannot be made: {error.strerror}"
        raise LamppostError(msg) from None
