"""Executors whose workers come, go and die one by one, where those of a local pool die together."""

import time
from abc import abstractmethod
from concurrent.futures import BrokenExecutor, Executor
from pathlib import Path

__all__ = ["Elastic", "SchedulerLost", "WorkerLost", "appears", "stop"]


class WorkerLost(Exception):
    """The outcome of a task whose worker died under it `times` times; no other task is concerned."""

    def __init__(self, times: int = 1) -> None:
        super().__init__(times)
        self.times = times


class SchedulerLost(BrokenExecutor):
    """The outcome of all tasks when what hands them out is gone: none of them is to blame."""


class Elastic(Executor):
    """An executor on a cluster. Futures raise `WorkerLost`, `SchedulerLost`, or what ends the run."""

    apart: bool
    """Whether workers see no artefacts: tasks name all that is to be sent, what their needs were made of included."""

    @abstractmethod
    def room(self) -> int:
        """How many tasks it takes at a time, at least one; asked again and again, for it changes."""

    @abstractmethod
    def stop(self) -> None:
        """Give up what is running and end what was started, within seconds; more than once is no harm."""


def appears(path: Path, seconds: float = 60.0) -> bool:
    """Whether a file is there, or comes within so many seconds: a network file system may show it late."""
    end = time.monotonic() + seconds
    while not path.exists():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
        list(path.parent.iterdir())  # has the client ask the server anew
    return True


def stop(executor: Executor) -> None:
    """Drop what is queued and end the workers at once; artefacts are written whole or not at all."""
    if isinstance(executor, Elastic):
        executor.stop()
        return
    processes = list((getattr(executor, "_processes", None) or {}).values())
    for process in processes:
        process.terminate()
    # a pool whose workers are gone ends by itself: left alone, it would still be at it when Python closes its pipes
    executor.shutdown(wait=bool(processes), cancel_futures=True)
