"""Which run uses which artefacts, and whether it is going on."""

import fcntl
import json
import os
import socket
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from lamppost.errors import LamppostError
from lamppost.living import alive, machine
from lamppost.run.artefacts import not_written
from lamppost.run.cache.cache import Cache
from lamppost.spec import digest

__all__ = ["BEAT", "Use", "User", "forget", "users", "using"]

BEAT = 60.0
"""Seconds between two signs of life of a run; ten of them without one, and on another machine, and it is dead."""
_MISSED = 10 * BEAT
_END = "end"
_GONE = 30 * 86_400.0
"""Seconds after which a run of another machine, in a folder that cannot be seen here, no longer counts."""


def _record(cache: Cache, folder: Path, name: str) -> Path:
    return cache.used / f"{digest('use', _host(cache, folder), _name(cache, folder), name)[:24]}.keys"


def _name(cache: Cache, folder: Path) -> str:
    """A run folder as its cache calls it; one that is its own cache may be moved."""
    return str(folder.resolve()) if cache.shared(folder) else "."


def _host(cache: Cache, folder: Path) -> str:
    """Of a cache that hosts share: folders of the same name on their own disks are not the same."""
    return socket.gethostname() if cache.shared(folder) else ""


@dataclass
class Use:
    """What a run that goes on uses: a file of keys that only it writes, locked as long as it lives."""

    cache: Cache
    path: Path
    shared: bool
    _file: IO[bytes]
    _known: set[str] = field(default_factory=set)

    def add(self, keys: Iterable[str]) -> None:
        """Say that these artefacts are needed, before looking for them.

        Raises
        ------
        LamppostError
            If it cannot be written.
        """
        new = [key for key in dict.fromkeys(keys) if key not in self._known]
        if not new:
            return
        with self.cache.locked(alone=False):
            try:
                _write(self._file, "".join(f"{key}\n" for key in new))
            except OSError as error:
                raise not_written(self.path, error) from None
        self._known.update(new)

    def beat(self) -> None:
        """Give a sign of life."""
        with suppress(OSError):
            os.utime(self.path)


@contextmanager
def using(cache: Cache, folder: Path, name: str) -> Iterator[Use]:
    """Use artefacts for the result `name` of a run folder, and none of those that its last start used.

    Raises
    ------
    LamppostError
        If it cannot be written.
    """
    path, shared = _record(cache, folder, name), cache.shared(folder)
    about = {
        "folder": _name(cache, folder),
        "name": name,
        "host": socket.gethostname(),
        "machine": machine(),
        "pid": os.getpid(),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    file: IO[bytes] | None = None
    try:
        with cache.locked(alone=False):
            file = path.open("ab", buffering=0)
            _lock(file, path)
            file.truncate(0)
            _write(file, json.dumps(about) + "\n")
    except OSError as error:
        if file is not None:
            file.close()
        raise not_written(path, error) from None
    try:
        yield Use(cache, path, shared, file)
    finally:
        with suppress(OSError):
            _write(file, f"{_END}\n")
        file.close()


def _write(file: IO[bytes], text: str) -> None:
    """Append all of it, for other machines to see: a network file system may keep it here for a while."""
    left = memoryview(text.encode())
    while left:
        left = left[file.write(left) :]
    os.fsync(file.fileno())


def _lock(file: IO[bytes], path: Path) -> None:
    """Lock it; somebody who only looks whether it is locked holds it for a moment."""
    for _ in range(200):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.05)
        except OSError:  # a file system without locks: signs of life must do
            return
        else:
            return
    file.close()
    msg = f"{path}: another run in the same folder, for the same result, is going on"
    raise LamppostError(msg)


def forget(cache: Cache, folder: Path, names: Iterable[str]) -> None:
    """Results of a run folder that are no longer there need nothing."""
    for name in names:
        _record(cache, folder, name).unlink(missing_ok=True)


@dataclass(frozen=True)
class User:
    """A run that uses the cache: its folder, the result it is for, whether it goes on, and if it is still there."""

    path: Path
    folder: Path
    name: str
    host: str
    started: str
    running: bool
    there: bool
    keys: frozenset[str]

    @property
    def state(self) -> str:
        """In one word."""
        if self.running:
            return "running"
        if not self.there:
            return "gone"
        return "done" if (self.folder / self.name).exists() else "unfinished"


def users(cache: Cache) -> list[User]:
    """All runs that have said what they use, in the order they were started."""
    found = [user for path in cache.used.glob("*.keys") if (user := _user(cache, path)) is not None]
    return sorted(found, key=lambda user: (user.started, user.path))


def _user(cache: Cache, path: Path) -> User | None:
    try:
        with path.open("rb") as file:
            locked = _is_locked(file)
            first, *keys, _ = file.read().decode(errors="replace").split("\n")  # after the last break: never finished
        age = time.time() - path.stat().st_mtime
        about: dict[str, Any] = json.loads(first)
        folder = cache.root if about["folder"] == "." else Path(about["folder"])
        dead = about["machine"] == machine() and (locked is False or not alive(about["pid"]))
        running = locked or not (dead or keys[-1:] == [_END] or age > _MISSED)
        there = _uses(folder, cache) or (about["host"] != socket.gethostname() and age < _GONE)
        names = {name: str(about[name]) for name in ("name", "host", "started")}
    except (OSError, ValueError, KeyError, TypeError):  # just begun, or cut short by a full disk: it uses nothing
        return None
    return User(path=path, folder=folder, running=running, there=there, keys=frozenset(keys) - {_END}, **names)


def _uses(folder: Path, cache: Cache) -> bool:
    """Whether a run folder is there and has its artefacts in this cache; what is unfinished of a table counts."""
    if folder.name.endswith(".work"):
        return folder.is_dir()
    return (folder / "artefacts").resolve() == cache.artefacts.resolve()


def _is_locked(file: IO[bytes]) -> bool | None:
    """Whether somebody holds it; None on a file system without locks."""
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return None
    return False
