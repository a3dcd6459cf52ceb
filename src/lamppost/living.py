"""Which process made a file, and whether that process still lives."""

import os
import re
import socket
from contextlib import suppress
from functools import cache
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

__all__ = ["alive", "machine", "mark", "owner_lives"]

_MARK = re.compile(r"\.(\d+)@([0-9a-f]+)\.[a-z]+$")


@cache
def machine() -> str:
    """Where process numbers mean what they mean here: this host since it was started, or this container of it."""
    about = [socket.gethostname()]
    with suppress(OSError):  # not a Linux
        about += [Path("/proc/sys/kernel/random/boot_id").read_text().strip(), os.readlink("/proc/self/ns/pid")]
    return sha256("\n".join(about).encode()).hexdigest()[:12]


def mark() -> str:
    """What the name of an unfinished file says of the process that writes it; no two are the same."""
    return f"{uuid4().hex[:8]}.{os.getpid()}@{machine()}"


def alive(pid: int) -> bool:
    """Whether a process of this machine lives."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        return True
    return True


def owner_lives(name: str) -> bool | None:
    """Whether the process lives that made an unfinished file of this name; None where that cannot be told."""
    found = _MARK.search(name)
    if found is None or found[2] != machine():
        return None
    return alive(int(found[1]))
