"""Tasks on a Dask cluster: one that runs already, one on this machine, or one in jobs of a batch system."""

import sys
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future, InvalidStateError
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

from lamppost.config.cluster import load_cluster
from lamppost.errors import ConfigError, LamppostError, optional
from lamppost.run.artefacts import provenance, write_file
from lamppost.run.elastic import Elastic, SchedulerLost, WorkerLost
from lamppost.run.worker import Report, ctrl_c_held, process_pool

__all__ = ["DaskExecutor", "executors"]

_SILENT_S = 10.0
"""After so many seconds without a worker a line says so."""


def executors(dask: str | None, workers: int, folder: Path, *, quiet: bool = False) -> Callable[[], Executor]:
    """What makes executors for tasks whose artefacts go to `folder`: by default a pool of processes.

    `dask`: `local`, the address of a scheduler, or a TOML file that describes a batch system.

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
    if dask == "local":
        start = partial(connections.local, workers)
    elif dask.endswith(".toml"):
        optional("dask_jobqueue", "dask")
        start = partial(connections.batch, load_cluster(Path(dask)), folder.absolute().parent / "jobs")
    else:
        start = connections.Address(dask)
    return lambda: DaskExecutor(dask, start, folder.absolute(), quiet=quiet)


class DaskExecutor(Elastic):
    """Runs tasks on the workers of a Dask cluster, which it starts or finds, and checks before it gives them any.

    Raises
    ------
    LamppostError
        If there is no scheduler, or a worker has other versions or does not see the artefacts.
    """

    def __init__(self, where: str, start: Callable[[], Any], folder: Path, *, quiet: bool = False) -> None:
        from lamppost.run.courier import Terms, Watch, accept

        self._where, self._quiet, self._begun = where, quiet, time.monotonic()
        self._futures: set[Future[Report]] = set()
        self._asked, self._threads, self._told = 0.0, 0, False
        self._token = folder / f".shared.{uuid4().hex}"
        with ctrl_c_held():  # threads that start processes, now or later, and these
            self._connected = start()
        self._client = self._connected.client
        try:
            self._terms = Terms(provenance(), self._token)
            write_file(self._token, b"")
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
        import cloudpickle

        from lamppost.run.courier import carry

        folder, task = args
        name = f"{task.stage}-{uuid4().hex}"  # Dask learns from the first part how long such tasks take
        payload = cloudpickle.dumps((fn, folder.absolute(), task))
        outer: Future[Report] = Future()
        self._futures.add(outer)
        try:
            inner = self._pool.submit(carry, name, payload, self._terms, key=name)
        except Exception as error:  # the client is closed, or on its way there
            self._pass_on(outer, SchedulerLost(f"{self._where}: {error}"))
        else:
            inner.add_done_callback(partial(self._ended, outer))
        return outer

    def room(self) -> int:
        """As many tasks as there are threads, and more where that makes a cluster grow."""
        if self._client.status != "running":
            for future in list(self._futures):
                self._pass_on(future, SchedulerLost(f"{self._where}: the Dask scheduler is gone"))
        elif time.monotonic() > self._asked + 1.0:
            with suppress(OSError):
                self._threads = self._client.scheduler_info(n_workers=0)["total_threads"]
            self._asked = time.monotonic()
            if not self._threads and not self._told and self._asked > self._begun + _SILENT_S:
                self._tell(f"{self._where}: no Dask worker yet, waiting for the first")
        return 2 * self._threads + 2 if self._connected.grows else max(1, self._threads)

    def stop(self) -> None:
        """Give up what is running, and close what was opened; processes and jobs that were started end."""
        self._connected.close()
        with suppress(OSError):
            self._token.unlink(missing_ok=True)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """The same: whoever calls it waits for nothing any more."""
        self.stop()

    def _ended(self, outer: "Future[Report]", inner: "Future[Report]") -> None:
        from distributed import CancelledError, KilledWorker
        from distributed.comm.core import CommClosedError

        error = SchedulerLost("cancelled") if inner.cancelled() else inner.exception()
        if error is None:
            self._pass_on(outer, inner.result())
        elif isinstance(error, KilledWorker):
            self._pass_on(outer, WorkerLost(error.allowed_failures + 1))
        elif isinstance(error, SchedulerLost | CancelledError | CommClosedError):
            self._pass_on(outer, SchedulerLost(f"{self._where}: the Dask scheduler is gone"))
        elif isinstance(error, LamppostError | WorkerLost):
            self._pass_on(outer, error)
        else:
            self._pass_on(outer, self._unfit(error))

    def _pass_on(self, outer: "Future[Report]", outcome: "Report | BaseException") -> None:
        self._futures.discard(outer)
        with suppress(InvalidStateError):  # it was given up before
            outer.set_exception(outcome) if isinstance(outcome, BaseException) else outer.set_result(outcome)

    def _unfit(self, error: BaseException) -> LamppostError:
        why = str(error).strip().splitlines()
        return LamppostError(
            f"{self._where}: the Dask workers cannot be used: {type(error).__name__}: {(why or [''])[0]}"
        )

    def _tell(self, line: str) -> None:
        self._told = True
        if not self._quiet:
            sys.stderr.write(f"{line}\n")
            sys.stderr.flush()
