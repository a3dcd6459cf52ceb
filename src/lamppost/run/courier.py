"""What happens inside a Dask worker: it hands tasks on to processes like those of a local pool, one for each thread.

So results do not depend on what the worker's own process has loaded, and a task that takes its process with it
leaves the worker alone.
"""

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree
from threading import Lock
from typing import Any, NamedTuple

from distributed import Worker, WorkerPlugin, get_worker

from lamppost.errors import LamppostError
from lamppost.run.artefacts import provenance, write_file
from lamppost.run.child import Child
from lamppost.run.elastic import WorkerLost, appears
from lamppost.run.folder import make_folder
from lamppost.run.worker import Report

__all__ = ["Ended", "Lacks", "Terms", "Watch", "accept", "carry", "leave", "receive"]

_TRIM = "MALLOC_TRIM_THRESHOLD_"
"""A nanny sets it, for workers that hold data; with it numpy gets memory from the system anew each time."""
_lock = Lock()
_free: list[Child] = []
_busy: dict[str, Child] = {}
_accepted: set[str] = set()


@dataclass(frozen=True)
class Terms:
    """What a worker must have: these versions, and this file; but for that it sees none if the run is `apart`."""

    versions: Mapping[str, str]
    token: Path
    apart: bool


class Ended(NamedTuple):
    """How a task ended, and the artefact it made, if that is to be sent."""

    report: Report
    artefact: bytes | None


class Lacks(NamedTuple):
    """A task was not begun since the worker at this address does not have these artefacts."""

    address: str
    keys: tuple[str, ...]


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
    if not terms.apart and not appears(terms.token, 5.0):
        msg = f"{who} does not see {terms.token.parent}: expected a file system that it shares with this machine"
        raise LamppostError(msg)


def carry(name: str, payload: bytes, needs: tuple[str, ...], terms: Terms) -> Ended | Lacks:
    """Have a task executed in a process of its own, and say how it ended.

    Raises
    ------
    LamppostError
        If this worker cannot be used.
    WorkerLost
        If that process died.
    """
    if terms.token.name not in _accepted:
        accept(terms)
        _accepted.add(terms.token.name)
    folder = _scratch(terms, get_worker()) if terms.apart else terms.token.parent
    if terms.apart:
        missing = tuple(key for key in needs if not (folder / key).exists())
        if missing:
            return Lacks(get_worker().address, missing)
    with _lock:
        child = _busy[name] = _free.pop() if _free else Child()
    alive = True
    try:
        report = child.run(folder, payload)
    except WorkerLost:
        alive = False
        raise
    finally:
        with _lock:
            if _busy.pop(name, None) and alive:  # else it was stopped meanwhile
                _free.append(child)
    made = folder / report.key
    return Ended(report, made.read_bytes() if terms.apart and made.exists() else None)


def receive(files: Mapping[str, bytes], terms: Terms, dask_worker: Worker) -> None:
    """Keep artefacts that were sent to this worker."""
    folder = _scratch(terms, dask_worker)
    for key, content in files.items():
        write_file(folder / key, content)


def leave(terms: Terms, dask_worker: Worker) -> None:
    """Remove what was kept for a run that ends, and idle processes; another run starts its own."""
    if terms.apart:
        rmtree(_scratch(terms, dask_worker), ignore_errors=True)
    with _lock:
        children = [*_free]
        _free.clear()
    for child in children:
        child.stop()


def _scratch(terms: Terms, worker: Worker) -> Path:
    """Where a worker keeps the artefacts of a run; gone with either."""
    folder = Path(worker.local_directory) / terms.token.name
    make_folder(folder)
    return folder


class Watch(WorkerPlugin):
    """Ends the process of a task that nobody waits for any more, and all of them with the worker."""

    idempotent = True
    name = "lamppost"

    def setup(self, worker: Worker) -> None:
        """Called when the worker starts, or begins to be watched."""
        os.environ.pop(_TRIM, None)

    def transition(self, key: Any, start: str, finish: str, **kwargs: Any) -> None:
        """Called of every task whose state changes."""
        if finish in ("cancelled", "released", "forgotten"):
            with _lock:
                child = _busy.pop(str(key), None)
            if child is not None:
                child.stop()

    def teardown(self, worker: Worker) -> None:
        """Called when the worker ends."""
        with _lock:
            children = [*_free, *_busy.values()]
            _free.clear()
            _busy.clear()
        for child in children:
            child.stop()
