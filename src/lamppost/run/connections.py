"""The ways to a Dask cluster: one on this machine, one at an address, one in jobs of a batch system."""

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import Future, InvalidStateError
from contextlib import ExitStack, contextmanager, suppress
from importlib import import_module
from pathlib import Path
from threading import Thread
from typing import Any

import dask
from distributed import Client, LocalCluster

from lamppost.config.cluster import Cluster
from lamppost.errors import LamppostError
from lamppost.run.folder import make_folder
from lamppost.run.submissions import Submissions
from lamppost.run.worker import ctrl_c_held, one_thread_each

__all__ = ["Address", "Connected", "Start", "batch", "local"]

_CLOSING_S = 15
_PATIENCE = 10
"""A scheduler that was lost is waited for this many times Dask's own timeout, `distributed.comm.timeouts.connect`."""
_OURS = {
    "distributed.scheduler.allowed-failures": 2,  # three attempts
    "distributed.worker.profile.enabled": False,
    "distributed.worker.memory.terminate": False,
    "distributed.worker.memory.pause": False,
    # every process looks fifty times a second whether it is late, and writes down its load, also when it is idle
    "distributed.admin.tick.interval": "1s",
    "distributed.admin.system-monitor.interval": "10s",
}
"""Settings while there is a cluster that was started here; its workers only hand tasks on."""


class Connected:
    """A client, the cluster that was started for it, if any, and whether that grows with the work."""

    def __init__(
        self, client: Client, opened: ExitStack, *, grows: bool = False, submissions: Submissions | None = None
    ) -> None:
        self.client, self.grows = client, grows
        self._opened, self._submissions = opened, submissions

    @property
    def refused(self) -> str:
        """What a batch system said that takes no job; nothing if all is well."""
        return "" if self._submissions is None else self._submissions.refused

    def close(self) -> None:
        """Close both, within seconds, whatever state they are in."""
        self._opened.close()


Start = Callable[[], Connected]


def local(workers: int) -> Connected:
    """A scheduler in this process and workers of one thread, which their nannies start again when they die."""
    try:
        with _opening() as opened:
            # nannies are of this process, and what they would set for workers they set here, for good
            settings = {"distributed.deploy.lost-worker-timeout": "1h", "distributed.nanny.pre-spawn-environ": {}}
            opened.enter_context(dask.config.set({**_OURS, **settings}))
            make: Any = LocalCluster  # has no types
            quiet = {"dashboard_address": ":0", "silence_logs": logging.CRITICAL}
            with ctrl_c_held(), one_thread_each():  # threads that start processes, now or later, and these
                cluster = make(n_workers=workers, threads_per_worker=1, processes=True, memory_limit=0, **quiet)
                opened.callback(_close, cluster)
                client = _client(opened, cluster)
            return Connected(client, opened.pop_all())
    except (OSError, RuntimeError) as error:
        why = 'or a script without `if __name__ == "__main__":`?'
        msg = f"local: the Dask cluster cannot be started: {error} (out of memory, {why})"
        raise LamppostError(msg) from None


def batch(table: Cluster, logs: Path) -> Connected:
    """A scheduler in this process, and jobs that start workers; a job that ends before the work does is replaced."""
    module, name = table.dask_class.split(":")
    make_folder(Path(table.log_directory or logs))
    least, most = table.range
    try:
        with _opening() as opened:
            opened.enter_context(dask.config.set({**_OURS, "distributed.deploy.lost-worker-timeout": "1s"}))
            kind, submissions = getattr(import_module(module), name), Submissions()
            told = {"job_cls": submissions.told_by(kind.job_cls), "silence_logs": logging.CRITICAL}
            with ctrl_c_held():
                cluster = kind(**table.arguments(logs), **told)
                opened.callback(_close, cluster)
                cluster.adapt(minimum_jobs=least, maximum_jobs=most)
                client = _client(opened, cluster)
            return Connected(client, opened.pop_all(), grows=least < most, submissions=submissions)
    except (OSError, ValueError, RuntimeError) as error:
        msg = f"{name}: the Dask cluster cannot be started: {' '.join(str(error).split())}"
        raise LamppostError(msg) from None


class Address:
    """A scheduler that runs already. One that was there before is waited for longer."""

    def __init__(self, address: str) -> None:
        self._address, self._known = address, False

    def __call__(self) -> Connected:
        once = dask.utils.parse_timedelta(dask.config.get("distributed.comm.timeouts.connect"))
        seconds = once * _PATIENCE if self._known else once
        outcome: Future[Connected] = Future()
        # in a thread that nobody waits for: so Ctrl-C ends this at once, where a client would wait to be closed
        Thread(target=self._connect, args=(seconds, outcome), daemon=True).start()
        try:
            connected = outcome.result()
        except (OSError, ValueError) as error:
            why = " ".join(str(error).split()) or type(error).__name__
            msg = f"{self._address}: no Dask scheduler answers within {seconds:g} s: {why}"
            raise LamppostError(f"{msg}; start again to go on" if self._known else msg) from None
        finally:
            outcome.cancel()
        self._known = True
        return connected

    def _connect(self, seconds: float, outcome: "Future[Connected]") -> None:
        try:
            with _opening() as opened:
                connected = Connected(_client(opened, self._address, timeout=seconds), opened.pop_all())
        except Exception as error:
            with suppress(InvalidStateError):
                outcome.set_exception(error)
            return
        try:
            outcome.set_result(connected)
        except InvalidStateError:  # it came too late
            connected.close()


def _client(opened: ExitStack, where: Any, **more: Any) -> Client:
    connect: Any = Client  # has no types
    client: Client = connect(where, set_as_default=False, name="lamppost", **more)
    opened.callback(_close, client)
    return client


def _close(one: Any) -> None:
    with suppress(Exception):  # what is half gone may complain
        one.close(timeout=_CLOSING_S)


@contextmanager
def _opening() -> Iterator[ExitStack]:
    """What is opened is closed again if something goes wrong. Meanwhile Dask is silent: run_graph says what happens."""
    with ExitStack() as opened:
        opened.enter_context(_silent())
        yield opened


@contextmanager
def _silent() -> Iterator[None]:
    names = [name for name in logging.root.manager.loggerDict if name.partition(".")[0] in ("distributed", "tornado")]
    levels = {name: logging.getLogger(name).level for name in names}
    for name in names:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
