"""A process set up like those of a local pool, which executes one task after the other and may die of one."""

import multiprocessing
import os
import pickle
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path

from lamppost.run.elastic import WorkerLost, appears
from lamppost.run.worker import Report, Task, ctrl_c_held, one_thread_each, set_up

__all__ = ["Child", "Reader"]


class Child:
    """The process."""

    def __init__(self) -> None:
        ours = multiprocessing.current_process()
        if ours.daemon:  # as those that a nanny starts: they could have no children
            ours.daemon = False
        context = multiprocessing.get_context("spawn")
        self._here, there = context.Pipe()
        with ctrl_c_held(), one_thread_each():
            self._process = context.Process(target=serve, args=(there, os.getpid()), daemon=True)
            self._process.start()
        there.close()  # or the end of the process would not be the end of the pipe

    def run(self, folder: Path, payload: bytes) -> Report:
        """Have the task in `payload` executed; `WorkerLost` if the process dies."""
        try:
            self._here.send((folder, payload))
            outcome = self._here.recv()
        except (EOFError, OSError):
            raise WorkerLost from None
        if isinstance(outcome, Report):
            return outcome
        raise outcome

    def stop(self) -> None:
        """End the process, whatever it does."""
        self._process.terminate()


def serve(there: Connection, parent: int) -> None:
    """What that process does."""
    set_up(parent)
    with suppress(EOFError, OSError):  # the other end is gone, and this process with it
        while True:
            folder, payload = there.recv()
            try:
                outcome: Report | Exception = _execute(folder, payload)
            except Exception as error:  # the task cannot be read here
                outcome = error
            there.send(outcome)


def _execute(folder: Path, payload: bytes) -> Report:
    function, task = pickle.loads(payload)
    assert isinstance(task, Task)
    for key in task.needs:
        appears(folder / key)
    report: Report = function(folder, task)
    return report


class Reader:
    """Executes tasks one by one beside a cluster, in a process of its own, another one when that dies."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._thread = folder, ThreadPoolExecutor(1)
        self._child: Child | None = None
        self._over = False

    def submit(self, fn: Callable[..., Report], task: Task) -> "Future[Report]":
        """Have that process call `fn(folder, task)`; `WorkerLost` if it dies."""
        return self._thread.submit(self._run, fn, task)

    def _run(self, fn: Callable[..., Report], task: Task) -> Report:
        import cloudpickle

        try:
            if self._child is None:
                self._child = Child()
            if self._over:  # since this thread was about to start it
                self._child.stop()
            return self._child.run(self._folder, cloudpickle.dumps((fn, task)))
        except (WorkerLost, OSError):
            self._child = None
            raise WorkerLost from None

    def stop(self) -> None:
        """End the process, whatever it does."""
        self._over, child = True, self._child
        if child is not None:
            child.stop()
        self._thread.shutdown(wait=False, cancel_futures=True)
