"""What lies in a cache."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lamppost.run.artefacts import left_overs
from lamppost.run.cache.cache import Cache
from lamppost.run.cache.users import User, users

__all__ = ["Item", "contents", "items", "stage_of", "unfinished"]


@dataclass(frozen=True)
class Item:
    """An artefact: bytes, and when it was last used [s since 1970]."""

    key: str
    size: int
    used: float


def items(cache: Cache) -> list[Item]:
    """All artefacts, those used longest ago first."""
    found = []
    with os.scandir(cache.artefacts) as entries:
        for entry in entries:
            if entry.name.startswith(".") or entry.name.endswith(".work"):
                continue
            try:
                about = entry.stat()
            except FileNotFoundError:  # removed meanwhile
                continue
            found.append(Item(entry.name, about.st_size, about.st_mtime))
    return sorted(found, key=lambda item: (item.used, item.key))


def unfinished(cache: Cache) -> int:
    """Bytes of files and scratch folders that are being made, or were when a process was killed."""
    parts = [*cache.artefacts.glob(".*.part"), *cache.artefacts.glob("*.work")]
    return sum(_bytes(part) for part in parts)


def _bytes(path: Path) -> int:
    try:
        if not path.is_dir():
            return path.stat().st_size
        return sum(_bytes(inner) for inner in path.iterdir() if not inner.is_symlink())
    except OSError:  # finished, and gone
        return 0


def stage_of(key: str) -> str:
    """The stage of the run that an artefact was made in."""
    return key.split("-", 1)[0] if "-" in key else "other"


def contents(cache: Cache) -> dict[str, Any]:
    """What lies in a cache, and who uses it: numbers and bytes by stage and by run."""
    found, known = items(cache), users(cache)
    listed = frozenset[str]().union(*(user.keys for user in known if user.there or user.running))
    stages = {stage: [item for item in found if stage_of(item.key) == stage] for stage in _stages(found)}
    return {
        "cache": str(cache.root),
        **_sum(found),
        "stages": {stage: _sum(some) for stage, some in stages.items()},
        "users": [_about(user, found) for user in known],
        "unlisted": _sum(item for item in found if item.key not in listed),
        "unfinished": unfinished(cache),
        "left_over": sum(_bytes(path) for path in left_overs(cache.artefacts)),
    }


def _stages(found: Iterable[Item]) -> list[str]:
    return sorted({stage_of(item.key) for item in found})


def _sum(some: Iterable[Item]) -> dict[str, Any]:
    sizes = [item.size for item in some]
    return {"artefacts": len(sizes), "bytes": sum(sizes)}


def _about(user: User, found: Iterable[Item]) -> dict[str, Any]:
    about = {"folder": str(user.folder), "result": user.name, "state": user.state, "host": user.host}
    needs = {"started": user.started, "needs": len(user.keys)}
    return {**about, **needs, **_sum(item for item in found if item.key in user.keys)}
