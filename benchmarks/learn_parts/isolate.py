"""Measurements in processes of their own, one thread each, stored as they finish and reused when asked for again."""

import contextlib
import hashlib
import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any, TypeVar

import lamppost.learn
from lamppost.run import process_pool
from lamppost.run.worker import max_rss_mb, one_thread_each
from learn_parts.tables import versions

T = TypeVar("T")
_CPU = {
    "JAX_PLATFORMS": "cpu",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
    "NPROC": "1",
}
_DEVICES = {"CPU": _CPU, "GPU": {"JAX_PLATFORMS": "cuda,cpu", "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}}
_met: set[str] = set()


@dataclass(frozen=True)
class Task:
    """One measurement: `function(**settings)`, in a process that runs tasks of this group and device only."""

    group: str
    name: str
    function: Callable[..., dict[str, Any]]
    settings: dict[str, Any]
    device: str = "CPU"
    ours: bool = True
    """Whether the learning code of lamppost takes part: figures of another version of it are not reused."""

    @property
    def file(self) -> str:
        return f"{self.group}-{self.device.lower()}-{self.name}.json".replace(" ", "_").replace("/", "_")


def measure(tasks: list[Task], out: Path) -> list[dict[str, Any]]:
    """The results of all tasks, in order; each is `{"group", "name", "device", **result}` or holds an `error`."""
    out.mkdir(parents=True, exist_ok=True)
    found: list[dict[str, Any]] = []
    missing = sum(_stored(out / task.file, task) is None for task in tasks)
    progress = Progress(missing)
    for (group, device), members in groupby(tasks, key=lambda task: (task.group, task.device)):
        with _environment(device), process_pool(1) as pool:
            for task in members:
                result = _stored(out / task.file, task)
                if result is None:
                    try:
                        result = pool.submit(task.function, **task.settings).result()
                        _store(out / task.file, task, result)
                    except Exception as error:  # an engine that fails is a row of the table, not its end
                        traceback.print_exc()
                        result = {"error": f"{type(error).__name__}: {error}"}
                    progress.step(f"{group} {task.name} ({device})")
                found.append({"group": group, "name": task.name, "device": device, **result})
    return found


class Progress:
    """What is done and how long the rest will take, on stderr."""

    def __init__(self, total: int) -> None:
        self.total, self.done, self.begin = total, 0, time.monotonic()

    def step(self, what: str) -> None:
        self.done += 1
        left = (time.monotonic() - self.begin) / self.done * (self.total - self.done)
        print(f"{what}: {self.done} of {self.total}, about {left / 60:.1f} min left", file=sys.stderr, flush=True)


@cache
def code() -> str:
    """A hash of the learning code as it was at the start."""
    (folder,) = lamppost.learn.__path__
    text = b"".join(path.read_bytes() for path in sorted(Path(folder).rglob("*.py")))
    return hashlib.sha256(text).hexdigest()[:16]


def _settings(task: Task) -> Any:
    own = {"code": code()} if task.ours else {}
    return json.loads(json.dumps({**task.settings, **own, "versions": versions()}))


def _stored(path: Path, task: Task) -> dict[str, Any] | None:
    if not path.exists():
        return None
    table = json.loads(path.read_text())
    return table["result"] if table["settings"] == _settings(task) else None


def _store(path: Path, task: Task, result: dict[str, Any]) -> None:
    part = path.with_suffix(".part")
    part.write_text(json.dumps({"settings": _settings(task), "result": result}, indent=1) + "\n")
    part.replace(path)


@contextlib.contextmanager
def _environment(device: str) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(_DEVICES[device])
    try:
        with one_thread_each():
            yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def devices() -> list[str]:
    """CPU, and GPU where JAX has one."""
    with _environment("GPU"), process_pool(1) as pool:
        return ["CPU", "GPU"] if pool.submit(_has_gpu).result() else ["CPU"]


def _has_gpu() -> bool:
    try:
        import jax

        return any(device.platform == "gpu" for device in jax.devices())
    except Exception:  # no JAX, or no driver: JAX raises its own errors and the driver's
        return False


def timed(what: str, work: Callable[[], T]) -> tuple[T, dict[str, float]]:
    """What `work` returns, the CPU seconds of all its threads, and wall seconds."""
    cpu, wall = time.process_time(), time.perf_counter()
    value = work()
    return value, {"cpu_s": time.process_time() - cpu, "wall_s": time.perf_counter() - wall}


def steady(what: str, work: Callable[[], T]) -> tuple[T, dict[str, float]]:
    """As `timed`; the first time in a process `work` is done twice, and what the first took longer is `first_cpu_s`:
    compilation and imports.
    """
    if what in _met:
        return timed(what, work)
    _met.add(what)
    first = timed(what, work)[1]
    value, cost = timed(what, work)
    return value, {**cost, "first_cpu_s": max(first["cpu_s"] - cost["cpu_s"], 0.0)}


def forget_peak() -> float:
    """Let the peak memory start anew, where the system can, and return what is in use now, in MB."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    return _memory("VmRSS")


def peak_mb() -> float:
    """Peak memory of this process. `ru_maxrss` would include what the starting process used before the exec."""
    return _memory("VmHWM")


def _memory(name: str) -> float:
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return max_rss_mb()
    return next(float(line.split()[1]) / 1024 for line in lines if line.startswith(name))
