"""What happens inside a Dask worker: it hands tasks on to processes like those of a local pool, one for each thread.

So results do not depend on what the worker's own process has loaded, and a task that takes its process with it
leaves the worker alone.
"""

import multiprocessing
import pickle
import socket
from collections.abc import Mapping
from concurrent.futures import Executor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

from distributed import WorkerPlugin

from lamppost.errors import LamppostError
from lamppost.run.artefacts import provenance
from lamppost.run.elastic import WorkerLost, appears, stop
from lamppost.run.worker import Report, ctrl_c_held, one_thread_each, process_pool

__all__ = ["Terms", "Watch", "accept", "carry"]

_lock = Lock()
_free: list[Executor] = []
_busy: dict[str, Executor] = {}


@dataclass(frozen=True)
class Terms:
    """What a worker must have: these versions, and this file, if it is to share the file system."""

    versions: Mapping[str, str]
    token: Path | None


def accept(terms: Terms) -> None:
    """Refuse to work on other terms.

    Raises
    ------
    LamppostError
        One line that says what this worker lacks.
    """
    who, found = f"the Dask worker on {socket.gethostname()}", provenance()
    for name, version in terms.versions.items():
        if found[name] != version:
            msg = f"{who} has {name} {found[name]}, expected {version} as where the run was started"
            raise LamppostError(msg)
    if terms.token is not None and not appears(terms.token, 10.0):
        msg = f"{who} does not see {terms.token.parent}: expected a file system that it shares with this machine"
        raise LamppostError(msg)


def carry(name: str, payload: bytes, terms: Terms) -> Report:
    """Have a task executed in a process of its own, and say how it ended.

    Raises
    ------
    LamppostError
        If this worker cannot be used.
    WorkerLost
        If that process died.
    """
    accept(terms)
    with _lock:
        pool = _free.pop() if _free else _pool()
        _busy[name] = pool
    broken = True
    try:
        with _lock, ctrl_c_held(), one_thread_each():
            future = pool.submit(_execute, payload)
        report: Report = future.result()
        broken = False
    except BrokenProcessPool:
        raise WorkerLost from None
    finally:
        with _lock:
            del _busy[name]
            if not broken:
                _free.append(pool)
    return report


def _pool() -> Executor:
    process = multiprocessing.current_process()
    if process.daemon:  # as those that a nanny starts: they could have no children
        process.daemon = False
    return process_pool(1)


def _execute(payload: bytes) -> Report:
    function, folder, task = pickle.loads(payload)
    for key in task.needs:
        appears(folder / key)
    report: Report = function(folder, task)
    return report


class Watch(WorkerPlugin):
    """Ends the process of a task that nobody waits for any more, and all of them with the worker."""

    idempotent = True
    name = "lamppost"

    def transition(self, key: Any, start: str, finish: str, **_: Any) -> None:
        """Called of every task whose state changes."""
        if finish in ("cancelled", "released", "forgotten"):
            with _lock:
                pool = _busy.get(str(key))
            if pool is not None:
                stop(pool)

    def teardown(self, worker: Any) -> None:
        """Called when the worker ends."""
        with _lock:
            pools = [*_free, *_busy.values()]
            _free.clear()
        for pool in pools:
            stop(pool)
