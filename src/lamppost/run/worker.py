"""What happens inside a worker process. The ONE place where thread counts are set."""

import os
import resource
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from lamppost.errors import LamppostError
from lamppost.living import machine
from lamppost.run.artefacts import Store, bytes_written

__all__ = [
    "InlineExecutor",
    "Report",
    "Task",
    "TaskFunction",
    "available_cores",
    "ctrl_c_held",
    "execute",
    "max_rss_mb",
    "one_thread_each",
    "process_pool",
    "set_up",
]

TaskFunction = Callable[..., None]
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS", "NUMBA_NUM_THREADS")
_ENVIRONMENT = threading.RLock()
_XLA = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"


@dataclass(frozen=True)
class Task:
    """What to do, in which stage of the run, after which other tasks. `key` names the artefact it makes."""

    key: str
    stage: str
    label: str
    function: TaskFunction
    arguments: Mapping[str, Any]
    needs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Report:
    """How a task ended. `error` is the user's to mend, `crash` a traceback; both None when it is done.

    `found`: another run, or a worker that was given up, had made it when this one came to it. `written`: bytes,
    intermediate ones included. `machine`: where `pid` means something.
    """

    key: str
    pid: int
    cpu_s: float
    rss_mb: float
    error: LamppostError | None = None
    crash: str | None = None
    found: bool = False
    written: int = 0
    machine: str = ""


def execute(folder: Path, task: Task) -> Report:
    """Run one task: `function(store, key, **arguments)` stores the artefact `key`."""
    start, before = time.process_time(), bytes_written()
    error, crash, store = None, None, Store(folder)
    found = store.intact(task.key)  # made meanwhile: by a worker that was given up, by another run
    try:
        if not found:
            task.function(store, task.key, **task.arguments)
    except LamppostError as caught:
        error = caught
    except Exception:  # a task answers with an error value: one failure must not take the pool with it
        crash = traceback.format_exc()
    cpu_s, written = time.process_time() - start, bytes_written() - before
    return Report(task.key, os.getpid(), cpu_s, max_rss_mb(), error, crash, found, written, machine())


def max_rss_mb() -> float:
    """Peak memory of this process in MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1024**2 if sys.platform == "darwin" else peak / 1024


def available_cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class InlineExecutor(Executor):
    """Runs every task at once in this process: for pseudo-experiments that are themselves spread over processes."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        """Call `fn` and return its outcome as a finished future."""
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


def process_pool(workers: int) -> Executor:
    """Spawned workers of one thread each: results do not depend on their number, and forks inherit no locks."""
    return ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=set_up, initargs=(os.getpid(),))


@contextmanager
def ctrl_c_held() -> Iterator[None]:
    """Hold SIGINT back; processes started meanwhile never see it, for Ctrl-C is the main process's to handle.

    A worker that ignored it in its initialiser only would die of it, with a traceback, while it still imports. The
    mask is what they inherit. In this process another thread may take the signal, so its handler waits as well.
    """
    held: list[int] = []
    handler = signal.getsignal(signal.SIGINT)
    ours = threading.current_thread() is threading.main_thread() and handler is not None
    if ours:
        signal.signal(signal.SIGINT, lambda number, _: held.append(number))
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)  # first: once the handler is back, anything may raise
        if ours:
            signal.signal(signal.SIGINT, handler)
        if held:
            signal.raise_signal(signal.SIGINT)


@contextmanager
def one_thread_each() -> Iterator[None]:
    """Processes started meanwhile use one thread: a BLAS reads its number of threads when it is loaded, once."""
    with _ENVIRONMENT:  # threads that start processes at once would leave each other's
        before = {name: os.environ.get(name) for name in (*_THREADS, "XLA_FLAGS")}
        os.environ.update(_one_thread())
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value


def _one_thread() -> dict[str, str]:
    flags = os.environ.get("XLA_FLAGS", "")
    return {**dict.fromkeys(_THREADS, "1"), "XLA_FLAGS": flags if _XLA in flags else f"{flags} {_XLA}".strip()}


def set_up(parent: int) -> None:
    """Make this process a worker of one thread, which ends when the process `parent` that started it is gone."""
    os.environ.update(_one_thread())  # for what a pool used on its own loads later
    threading.Thread(target=_leave_with, args=(parent,), daemon=True).start()
    import pyarrow as pa

    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)


def _leave_with(parent: int) -> None:
    """End this process when the one that started it is gone, killed or not."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)
