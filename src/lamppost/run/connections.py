"""The ways to a Dask cluster: one on this machine, one at an address, one in jobs of a batch system."""

import logging
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import dask
from distributed import Client, LocalCluster

from lamppost.config.cluster import Cluster
from lamppost.errors import LamppostError
from lamppost.run.folder import make_folder
from lamppost.run.worker import one_thread_each

__all__ = ["Address", "Connected", "Start", "batch", "local"]

_CLOSING_S = 15
_PATIENCE = 10
"""A scheduler that was lost is waited for this many times Dask's own timeout, `distributed.comm.timeouts.connect`."""
_OURS = {
    "distributed.scheduler.allowed-failures": 2,  # three attempts
    "distributed.worker.profile.enabled": False,
    "distributed.worker.memory.terminate": False,
    "distributed.worker.memory.pause": False,
}
"""Settings of the clusters that are started here; their workers only hand tasks on."""


class Connected:
    """A client, the cluster that was started for it, if any, and whether that grows with the work.

    Dask's own messages are held back: what happens to a worker or a scheduler is told as what happens to a task.
    """

    def __init__(self, client: Client, cluster: Any = None, *, grows: bool = False) -> None:
        self.client, self.grows = client, grows
        self._cluster = cluster
        names = [name for name in logging.root.manager.loggerDict if name.partition(".")[0] == "distributed"]
        self._levels = {name: logging.getLogger(name).level for name in names}
        for name in names:
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)

    def close(self) -> None:
        """Close both, within seconds, whatever state they are in."""
        for one in (self.client, self._cluster):
            with suppress(Exception):  # None has nothing to close, and what is half gone may complain
                one.close(timeout=_CLOSING_S)
        for name, level in self._levels.items():
            logging.getLogger(name).setLevel(level)


Start = Callable[[], Connected]


def local(workers: int) -> Connected:
    """A scheduler in this process and workers of one thread, which are started again when they die."""
    with dask.config.set(_OURS), one_thread_each():
        make: Any = LocalCluster  # has no types
        cluster = make(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            memory_limit=0,
            dashboard_address=None,
            silence_logs=logging.CRITICAL,
        )
        return _joined(cluster)


def batch(table: Cluster, logs: Path) -> Connected:
    """A scheduler in this process, and jobs that start workers; a job that ends before the work does is replaced."""
    module, name = table.dask_class.split(":")
    make_folder(Path(table.log_directory or logs))
    try:
        with dask.config.set(_OURS):
            cluster = getattr(import_module(module), name)(**table.arguments(logs), silence_logs=logging.CRITICAL)
            least, most = table.range
            cluster.adapt(minimum_jobs=least, maximum_jobs=most)
            return _joined(cluster, grows=least < most)
    except (OSError, ValueError, RuntimeError) as error:
        msg = f"{name}: the Dask cluster cannot be started: {' '.join(str(error).split())}"
        raise LamppostError(msg) from None


def _joined(cluster: Any, *, grows: bool = False) -> Connected:
    try:
        return Connected(_client(cluster), cluster, grows=grows)
    except BaseException:
        cluster.close(timeout=_CLOSING_S)
        raise


def _client(where: Any, **more: Any) -> Client:
    connect: Any = Client  # has no types
    client: Client = connect(where, set_as_default=False, name="lamppost", **more)
    return client


class Address:
    """A scheduler that runs already. One that was there before is waited for longer."""

    def __init__(self, address: str) -> None:
        self._address, self._known = address, False

    def __call__(self) -> Connected:
        once = dask.utils.parse_timedelta(dask.config.get("distributed.comm.timeouts.connect"))
        seconds = once * _PATIENCE if self._known else once
        try:
            client = _client(self._address, timeout=seconds)
        except (OSError, ValueError) as error:
            why = " ".join(str(error).split()) or type(error).__name__
            msg = f"{self._address}: no Dask scheduler answers within {seconds:g} s: {why}"
            raise LamppostError(f"{msg}; start again to go on" if self._known else msg) from None
        self._known = True
        return Connected(client)
