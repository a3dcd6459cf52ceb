"""What happens inside a Dask worker: it hands tasks on to processes like those of a local pool, one for each thread.

So results do not depend on what the worker's own process has loaded, and a task that takes its process with it
leaves the worker alone.
"""

import multiprocessing
import pickle
import socket
from collections.abc import Mapping
from concurrent.futures import CancelledError, Executor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree
from threading import Lock
from typing import Any, NamedTuple

from distributed import Worker, WorkerPlugin, get_worker

from lamppost.errors import LamppostError
from lamppost.run.artefacts import provenance, write_file
from lamppost.run.elastic import WorkerLost, appears, stop
from lamppost.run.folder import make_folder
from lamppost.run.worker import Report, Task, ctrl_c_held, one_thread_each, process_pool

__all__ = ["Ended", "Lacks", "Terms", "Watch", "accept", "carry", "leave", "receive"]

_lock = Lock()
_free: list[Executor] = []
_busy: dict[str, Executor] = {}


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
    if not terms.apart and not appears(terms.token, 10.0):
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
    accept(terms)
    folder = _scratch(terms, get_worker()) if terms.apart else terms.token.parent
    if terms.apart:
        missing = tuple(key for key in needs if not (folder / key).exists())
        if missing:
            return Lacks(get_worker().address, missing)
    with _lock:
        pool = _free.pop() if _free else _pool()
        _busy[name] = pool
    try:
        with _lock, ctrl_c_held(), one_thread_each():
            future = pool.submit(_execute, folder, payload)
        report: Report = future.result()
    except (BrokenProcessPool, CancelledError):
        with _lock:
            _busy.pop(name, None)
        raise WorkerLost from None
    with _lock:
        if _busy.pop(name, None):  # else it was stopped meanwhile
            _free.append(pool)
    made = folder / report.key
    return Ended(report, made.read_bytes() if terms.apart and made.exists() else None)


def receive(files: Mapping[str, bytes], terms: Terms, dask_worker: Worker) -> None:
    """Keep artefacts that were sent to this worker."""
    folder = _scratch(terms, dask_worker)
    for key, content in files.items():
        write_file(folder / key, content)


def leave(terms: Terms, dask_worker: Worker) -> None:
    """Remove what was kept for a run."""
    rmtree(_scratch(terms, dask_worker), ignore_errors=True)


def _scratch(terms: Terms, worker: Worker) -> Path:
    """Where a worker keeps the artefacts of a run; gone with either."""
    folder = Path(worker.local_directory) / terms.token.name
    make_folder(folder)
    return folder


def _pool() -> Executor:
    process = multiprocessing.current_process()
    if process.daemon:  # as those that a nanny starts: they could have no children
        process.daemon = False
    return process_pool(1)


def _execute(folder: Path, payload: bytes) -> Report:
    function, task = pickle.loads(payload)
    assert isinstance(task, Task)
    for key in task.needs:
        appears(folder / key)
    report: Report = function(folder, task)
    return report


class Watch(WorkerPlugin):
    """Ends the process of a task that nobody waits for any more, and all of them with the worker."""

    idempotent = True
    name = "lamppost"

    def transition(self, key: Any, start: str, finish: str, **kwargs: Any) -> None:
        """Called of every task whose state changes."""
        if finish in ("cancelled", "released", "forgotten"):
            with _lock:
                pool = _busy.pop(str(key), None)
            if pool is not None:
                stop(pool)

    def teardown(self, worker: Worker) -> None:
        """Called when the worker ends."""
        with _lock:
            pools = [*_free, *_busy.values()]
            _free.clear()
            _busy.clear()
        for pool in pools:
            stop(pool)
