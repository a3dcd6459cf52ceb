"""The folder in which a run keeps what is finished: made if need be, held by one run at a time."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lamppost.errors import LamppostError

__all__ = ["alone", "make_folder"]


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold the folder; a second run in it would take this one's unfinished files for a dead one's."""
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            msg = f"{folder}: another run is going on in this folder"
            raise LamppostError(msg) from None
        except OSError:  # a file system without locks: nothing to hold
            pass
        yield


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
