"""A Dask scheduler and workers as processes of their own, to be killed when it matters."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from socket import socket

import psutil

from small_hunt import until

HERE = Path(__file__).parent


def free_port() -> int:
    with socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
    return port


class SmallCluster:
    """A scheduler at a fixed port and one worker of two threads, each of which can be killed and started again."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.address = folder, f"tcp://127.0.0.1:{free_port()}"
        self.scheduler: subprocess.Popen[bytes] | None = None
        self.worker: subprocess.Popen[bytes] | None = None

    def start_scheduler(self) -> None:
        self.scheduler = self._start("scheduler", "--port", self.address.rpartition(":")[2], "--host", "127.0.0.1")

    def start_worker(self, **environment: str) -> None:
        arguments = (self.address, "--nthreads", "2", "--no-nanny", "--memory-limit", "0")
        self.worker = self._start("worker", *arguments, "--local-directory", str(self.folder), **environment)

    def stop(self) -> None:
        for one in (self.worker, self.scheduler):
            if one is not None:
                family = psutil.Process(one.pid).children(recursive=True) if one.poll() is None else []
                one.kill()
                one.wait()
                psutil.wait_procs(family, timeout=10)

    def log(self) -> str:
        return "".join(path.read_text() for path in sorted(self.folder.glob("*.log")))

    def _start(self, what: str, *arguments: str, **environment: str) -> "subprocess.Popen[bytes]":
        number = len(list(self.folder.glob("*.log")))
        command = [sys.executable, "-m", f"distributed.cli.dask_{what}", *arguments, "--no-dashboard"]
        path = os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")])
        with (self.folder / f"{number:02d}-{what}.log").open("wb") as log:
            whole = {**os.environ, "PYTHONPATH": path, **environment}
            return subprocess.Popen(command, stdout=log, stderr=log, env=whole, start_new_session=True)


@contextmanager
def small_cluster(folder: Path, **environment: str) -> Iterator[SmallCluster]:
    """Both are there, the worker with this in its environment; and gone at the end."""
    folder.mkdir(exist_ok=True, parents=True)
    cluster = SmallCluster(folder)
    try:
        cluster.start_scheduler()
        cluster.start_worker(**environment)
        until(lambda: "Starting established connection" in cluster.log())
        yield cluster
    finally:
        cluster.stop()
