"""The folder of a cache: artefacts, who uses which, and the lock that keeps both in step."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lamppost.errors import LamppostError
from lamppost.living import mark
from lamppost.run.artefacts import Store, not_written
from lamppost.run.folder import make_folder

__all__ = ["Cache", "shared_by"]


@dataclass(frozen=True)
class Cache:
    """Artefacts in `root`/artefacts, a file per run that uses them in `root`/used.

    A run folder without a cache of its own choice is one itself, that no other run shares.
    """

    root: Path

    @property
    def artefacts(self) -> Path:
        """Where the artefacts are."""
        return self.root / "artefacts"

    @property
    def used(self) -> Path:
        """Where runs say what they use."""
        return self.root / "used"

    @property
    def store(self) -> Store:
        """The artefacts."""
        return Store(self.artefacts)

    def shared(self, out: Path) -> bool:
        """Whether others than the run in this folder may use it."""
        return self.root.resolve() != out.resolve()

    def make(self) -> None:
        """Make its folders; LamppostError if they cannot be made."""
        make_folder(self.artefacts)
        make_folder(self.used)

    @contextmanager
    def locked(self, *, alone: bool) -> Iterator[bool]:
        """Hold the lock: shared to say what is used, `alone` to remove what is not.

        So whoever removes artefacts knows of all that anybody has looked for. Yields whether the file system has locks;
        where it has none, what was used a short while ago must not be removed.

        Raises
        ------
        LamppostError
            If the lock cannot be opened.
        """
        path = self.used / ".lock"
        try:
            lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise not_written(path, error) from None
        try:
            yield _held(lock, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        finally:
            os.close(lock)


def _held(lock: int, how: int) -> bool:
    try:
        fcntl.flock(lock, how)
    except OSError:
        return False
    return True


def shared_by(out: Path, root: Path | None) -> Cache:
    """The cache that the run in the folder `out` uses: this one, or that of its last start, or the folder itself.

    The folder remembers it: `artefacts` in it becomes a link. Artefacts of its own that a run has so far are moved into
    the cache. The folder must be held alone.

    Raises
    ------
    LamppostError
        If the folders cannot be made, or the cache of the last start is gone.
    """
    link = out / "artefacts"
    if root is None or not Cache(root).shared(out):
        return _as_before(out, link)
    cache = Cache(root.resolve())
    cache.make()
    if not link.is_symlink():
        make_folder(link)
    try:
        if not link.is_symlink():
            _move(link, cache.artefacts)
        if not link.is_symlink() or os.readlink(link) != str(cache.artefacts):
            link.unlink(missing_ok=True)
            link.symlink_to(cache.artefacts)
    except OSError as error:
        raise not_written(link, error) from None
    return cache


def _as_before(out: Path, link: Path) -> Cache:
    cache = Cache(link.resolve().parent if link.is_symlink() else out)
    if link.is_symlink() and not link.is_dir():
        msg = f"{link}: its cache {cache.root} is gone; name another one, or remove this link"
        raise LamppostError(msg)
    cache.make()
    return cache


def _move(folder: Path, to: Path) -> None:
    """Move whole artefacts one by one, so that it can be gone on with; what is half-made goes."""
    for path in folder.iterdir():
        if path.is_file() and not path.name.startswith("."):
            part = to / f".{path.name}.{mark()}.part"
            try:
                shutil.move(path, part)  # copies to another file system
                part.replace(to / path.name)
            finally:
                part.unlink(missing_ok=True)
    shutil.rmtree(folder)
