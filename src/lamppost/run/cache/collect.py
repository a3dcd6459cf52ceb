"""Removing what nobody needs from a cache, while others may be using it."""

import os
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from lamppost.run.cache.cache import Cache
from lamppost.run.cache.contents import Item, items
from lamppost.run.cache.users import users

__all__ = ["Collected", "collect"]

_GRACE = 3600.0
"""Where a file system has no locks, what was used so many seconds ago or less stays."""


@dataclass(frozen=True)
class Collected:
    """What was removed, or would be; bytes that are left, and those of them that runs going on need."""

    removed: tuple[Item, ...]
    left: int
    needed: int

    @property
    def bytes(self) -> int:
        """Bytes that were removed."""
        return sum(item.size for item in self.removed)


def collect(
    cache: Cache,
    *,
    unlisted: bool = False,
    older_than: float | None = None,
    max_size: int | None = None,
    dry_run: bool = False,
) -> Collected:
    """Remove artefacts, never one that a run which goes on has said it needs.

    Parameters
    ----------
    unlisted
        Remove what no run that is still there has listed, and what killed processes left half-made.
    older_than
        Remove what was not used for so many seconds.
    max_size
        Then remove what was used longest ago, first of what no run lists, until at most so many bytes are left.
    dry_run
        Remove nothing.

    Raises
    ------
    LamppostError
        If the cache cannot be locked.
    """
    with cache.locked(alone=True) as sure:
        known, found, now = users(cache), items(cache), time.time()
        needed = frozenset[str]().union(*(user.keys for user in known if user.running))
        listed = needed.union(*(user.keys for user in known if user.there))
        free = [item for item in found if item.key not in needed and (sure or now - item.used > _GRACE)]
        doomed = {
            item.key: item
            for item in free
            if (unlisted and item.key not in listed) or (older_than is not None and now - item.used > older_than)
        }
        left = sum(item.size for item in found) - sum(item.size for item in doomed.values())
        for item in sorted(free, key=lambda item: item.key in listed):  # a stable sort: longest ago first
            if max_size is None or left <= max_size:
                break
            if item.key not in doomed:
                doomed[item.key] = item
                left -= item.size
        if not dry_run:
            for key in [key for key, item in doomed.items() if not _removed(cache.store.path(key), item)]:
                left += doomed.pop(key).size
            if unlisted:
                cache.store.remove_parts()
                for user in known:
                    if not (user.running or user.there):
                        user.path.unlink(missing_ok=True)
    return Collected(tuple(doomed.values()), left, sum(item.size for item in found if item.key in needed))


def _removed(path: Path, item: Item) -> bool:
    """Remove an artefact, unless it was used since it was looked at: a lock may be no matter to other machines.

    An open file is asked, since a network file system remembers for a while what it knew of a name.
    """
    with suppress(OSError), path.open("rb") as file:
        if os.fstat(file.fileno()).st_mtime > item.used:
            return False
    path.unlink(missing_ok=True)
    return True
