"""Tasks on a Dask cluster: one that runs already, one on this machine, or one in jobs of a batch system."""

import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future, InvalidStateError, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from multiprocessing import resource_tracker
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from lamppost.config.cluster import load_cluster
from lamppost.errors import ConfigError, LamppostError, optional
from lamppost.living import mark
from lamppost.run.artefacts import provenance, write_file
from lamppost.run.child import Reader
from lamppost.run.elastic import Elastic, SchedulerLost, WorkerLost
from lamppost.run.worker import Report, Task, process_pool

if TYPE_CHECKING:
    from lamppost.run.courier import Ended, Lacks

__all__ = ["DaskExecutor", "executors"]

_READING = ("read", "features")
"""Stages that read files of the user."""
_SILENT_S = 30.0
"""After so many seconds without a worker a line says so."""
_LEAVE_S = 5.0
"""So long workers may take to end what they started for a run that is over."""


def executors(
    dask: str | None, workers: int, folder: Path, out: Path, *, quiet: bool = False
) -> Callable[[], Executor]:
    """What makes executors for tasks whose artefacts go to `folder`: by default a pool of processes.

    dask: `local`, the address of a scheduler, or a TOML file that describes a batch system; the output of its jobs goes
    to `jobs/` in the run folder `out`.

    Raises
    ------
    LamppostError
        If it is none of these, the file is wrong, or Dask is not installed.
    """
    if dask is None:
        return partial(process_pool, workers)
    if dask != "local" and "://" not in dask and not dask.endswith(".toml"):
        msg = f"--dask: expected local, the address of a scheduler (tcp://HOST:PORT), or a TOML file, found {dask!r}"
        raise ConfigError(msg)
    optional("distributed", "dask")
    from lamppost.run import connections

    start: connections.Start
    apart = False
    if dask == "local":
        start = partial(connections.local, workers)
    elif dask.endswith(".toml"):
        optional("dask_jobqueue", "dask")
        table = load_cluster(Path(dask))
        start, apart = partial(connections.batch, table, out.absolute() / "jobs"), not table.shared
    else:
        start = connections.Address(dask)
    return lambda: DaskExecutor(dask, start, folder, apart=apart, quiet=quiet)


class DaskExecutor(Elastic):
    """Runs tasks on the workers of a Dask cluster, which it starts or finds, and checks before it gives them any.

    `apart`: workers do not see `folder`. They are sent, once each, what a task needs, and send back what it makes;
    what reads files of the user runs here.

    Raises
    ------
    LamppostError
        If there is no scheduler, or a worker has other versions or does not see the artefacts.
    """

    def __init__(
        self, where: str, start: Callable[[], Any], folder: Path, *, apart: bool = False, quiet: bool = False
    ) -> None:
        from lamppost.run.courier import Terms, Watch, accept

        self.apart, self._where, self._folder, self._quiet = apart, where, folder.absolute(), quiet
        self._futures: set[Future[Report]] = set()
        self._sent: dict[str, set[str]] = {}
        self._begun, self._asked, self._threads, self._told = time.monotonic(), 0.0, 0, False
        self._terms = Terms(provenance(), self._folder / f".{mark()}.part", apart)
        self._reader, self._sender = Reader(self._folder) if apart else None, ThreadPoolExecutor(1)
        resource_tracker.ensure_running()  # whichever thread starts it lets Ctrl-C through again
        self._connected = start()
        self._client = self._connected.client
        try:
            write_file(self._terms.token, b"")
            self._client.register_plugin(Watch())
            self._client.run(accept, self._terms)
            self._pool = self._client.get_executor(pure=False, retries=0)
        except BaseException as error:
            self.stop()
            if isinstance(error, LamppostError) or not isinstance(error, Exception):
                raise
            raise self._unfit(error) from None

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        """Have a worker call `fn(folder, task)`, which is `execute`."""
        _, task = args
        if self._reader is not None and task.stage in _READING:
            return self._reader.submit(fn, task)
        outer: Future[Report] = Future()
        self._futures.add(outer)
        self._hand(outer, fn, task)
        return outer

    def _hand(self, outer: "Future[Report]", fn: Callable[..., Any], task: Task, **more: Any) -> None:
        import cloudpickle

        from lamppost.run.courier import carry

        name = f"{task.stage}-{uuid4().hex}"  # Dask learns from the first part how long such tasks take
        payload = cloudpickle.dumps((fn, task))
        try:
            inner = self._pool.submit(carry, name, payload, task.needs, self._terms, key=name, **more)
        except Exception as error:  # the client is closed, or on its way there
            self._pass_on(outer, SchedulerLost(f"{self._where}: {error}"))
        else:
            inner.add_done_callback(partial(self._ended, outer, fn, task))

    def _ended(
        self, outer: "Future[Report]", fn: Callable[..., Any], task: Task, inner: "Future[Ended | Lacks]"
    ) -> None:
        """Called in the thread of the client, of a task that ended one way or another."""
        from distributed import CancelledError, KilledWorker
        from distributed.comm.core import CommClosedError

        from lamppost.run.courier import Lacks

        error = CancelledError() if inner.cancelled() else inner.exception()
        if error is None:
            found = inner.result()
            if isinstance(found, Lacks):
                self._sender.submit(self._send, outer, fn, task, found)
            else:
                self._pass_on(outer, self._kept(task, found))
        elif isinstance(error, KilledWorker):
            self._pass_on(outer, WorkerLost(error.allowed_failures + 1))
        elif isinstance(error, LamppostError | WorkerLost):
            self._pass_on(outer, error)
        elif self._client.status != "running" or isinstance(error, CancelledError | CommClosedError):
            self._pass_on(outer, SchedulerLost(f"{self._where}: the Dask scheduler is gone"))
        elif isinstance(error, OSError):  # it could not start a process
            self._pass_on(outer, WorkerLost())
        else:
            self._pass_on(outer, self._unfit(error))

    def _kept(self, task: Task, ended: "Ended") -> "Report | LamppostError":
        """Keep the artefact that came back."""
        try:
            if ended.artefact is not None:
                write_file(self._folder / task.key, ended.artefact)
        except LamppostError as error:
            return error
        return ended.report

    def _send(self, outer: "Future[Report]", fn: Callable[..., Any], task: Task, lacks: "Lacks") -> None:
        """Send a worker what it does not have, and the task once more."""
        from lamppost.run.courier import receive

        try:
            sent = self._sent.setdefault(lacks.address, set())
            if new := set(lacks.keys) - sent:
                files = {key: self._artefact(key) for key in sorted(new)}
                self._client.run(receive, files, self._terms, workers=[lacks.address])
                sent |= new
            else:  # sent for another task meanwhile; if it is still lacking, the worker has been started again
                sent -= set(lacks.keys)
        except LamppostError as error:
            self._pass_on(outer, error)
        except Exception:  # the worker is gone meanwhile, or cannot take them
            self._pass_on(outer, WorkerLost())
        else:
            self._hand(outer, fn, task, workers=[lacks.address], allow_other_workers=True)

    def _artefact(self, key: str) -> bytes:
        """One that is there, for a task waits for all that it may read."""
        path = self._folder / key
        try:
            return path.read_bytes()
        except OSError as error:
            msg = f"{path}: is to be sent to a worker and cannot be read: {error.strerror}; start again to make it anew"
            raise LamppostError(msg) from None

    def room(self) -> int:
        """As many tasks as there are threads, and more where that makes a cluster grow."""
        if self._connected.refused:
            msg = f"{self._where}: no job could be submitted: {self._connected.refused}"
            raise LamppostError(msg)
        if self._client.status != "running":
            for future in list(self._futures):
                self._pass_on(future, SchedulerLost(f"{self._where}: the Dask scheduler is gone"))
        elif time.monotonic() > self._asked + 1.0:
            self._look()
        return 2 * self._threads + 2 if self._connected.grows else max(1, self._threads)

    def workers_alive(self) -> int:
        """How many tasks may run at a time."""
        return self._threads

    def _look(self) -> None:
        """See how many threads there are, and that workers to come will find what shows that they share our files."""
        with suppress(OSError):
            self._threads = self._client.scheduler_info(n_workers=0)["total_threads"]
        self._asked = time.monotonic()
        if not self._terms.token.exists():  # another run of the same artefacts has cleaned up
            write_file(self._terms.token, b"")
        if not (self._threads or self._told or self._quiet) and self._asked > self._begun + _SILENT_S:
            self._told = True
            sys.stderr.write(f"{self._where}: no Dask worker yet, waiting for the first\n")
            sys.stderr.flush()

    def stop(self) -> None:
        """Give up what is running, and close what was opened; processes and jobs that were started end."""
        if self._client.status == "running":
            leaving = threading.Thread(target=self._leave, daemon=True)  # one worker that is held up answers never
            leaving.start()
            leaving.join(_LEAVE_S)
        self._connected.close()
        self._sender.shutdown(wait=False, cancel_futures=True)
        if self._reader is not None:
            self._reader.stop()
        with suppress(OSError):
            self._terms.token.unlink(missing_ok=True)

    def _leave(self) -> None:
        """Have the workers end what they started for this run."""
        from lamppost.run.courier import leave

        with suppress(Exception):  # workers that go meanwhile take theirs with them
            self._client.run(leave, self._terms, on_error="ignore")

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """The same: whoever calls it waits for nothing any more."""
        self.stop()

    def _pass_on(self, outer: "Future[Report]", outcome: "Report | BaseException") -> None:
        self._futures.discard(outer)
        with suppress(InvalidStateError):  # it was given up before
            if isinstance(outcome, BaseException):
                outer.set_exception(outcome)
            else:
                outer.set_result(outcome)

    def _unfit(self, error: BaseException) -> LamppostError:
        why = next(iter(str(error).strip().splitlines()), "")
        return LamppostError(f"{self._where}: the Dask workers cannot be used: {type(error).__name__}: {why}")
