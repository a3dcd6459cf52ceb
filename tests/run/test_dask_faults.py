"""Whatever dies under a campaign on a Dask cluster, again and again: the same bits, and little done twice."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import psutil
import pytest

pytest.importorskip("distributed", reason="the extra `dask` is not installed")

from lamppost.run.worker import InlineExecutor
from small_campaign import TASKS, begun, content, run
from small_cluster import HERE, SmallCluster, small_cluster
from small_hunt import entries, finish, n_done, result_in, start, timeless, until


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Every artefact of the campaign, as one process makes them."""
    out = tmp_path_factory.mktemp("undisturbed")
    run(out, InlineExecutor)
    assert len(content(out)) == TASKS == 200
    return content(out)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallCluster]:
    """One for the two tests that need none of their own; the second has it dead at the end."""
    with small_cluster(tmp_path_factory.mktemp("cluster")) as running:
        yield running


def points(seed: int, kills: int) -> list[int]:
    """After how many tasks something is killed, each time."""
    return sorted(map(int, np.random.default_rng(seed).choice(np.arange(2, TASKS - 5), kills, replace=False)))


class Campaign:
    """The campaign as a process of its own, as often as it is started."""

    def __init__(self, out: Path, where: str) -> None:
        self.out, self.where, self.log = out, where, out / "log"
        out.mkdir(parents=True)
        self.start()

    def start(self) -> None:
        command = [sys.executable, str(HERE / "small_campaign.py"), str(self.out), self.where]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=subprocess.PIPE, text=True)

    def ended(self) -> int:
        """Artefacts so far."""
        return len(list((self.out / "artefacts").glob("[a-z]*")))

    def reaches(self, tasks: int) -> None:
        until(lambda: self.ended() >= tasks or self.process.poll() is not None, 300)
        assert self.process.poll() is None, self.process.communicate()[1]

    def check(self, undisturbed: dict[str, bytes], kills: int, lost: int) -> None:
        """It ended well, with the same bits; each kill had at most so many tasks done again, none of them twice."""
        _, stderr = self.process.communicate(timeout=300)
        assert (self.process.returncode, stderr) == (0, "")
        assert content(self.out) == undisturbed
        often = begun(self.out)
        assert often.keys() == undisturbed.keys()
        assert sum(often.values()) <= TASKS + kills * lost
        assert max(often.values()) <= 1 + kills


def test_workers_killed(tmp_path: Path, undisturbed: dict[str, bytes]) -> None:
    """By turns the process that computes and the Dask worker that has it."""
    running = Campaign(tmp_path / "run", "local")
    for number, point in enumerate(points(1000, 5)):
        running.reaches(point)
        until(lambda: kill(computing(running.process.pid), parent=number % 2 == 1))  # noqa: B023
    running.check(undisturbed, kills=5, lost=1)


def computing(pid: int) -> list[psutil.Process]:
    """The processes two below that one: its workers' own."""
    try:
        below = [one for child in psutil.Process(pid).children() for one in child.children()]
        return [one for one in below if "spawn_main" in " ".join(one.cmdline())]
    except psutil.Error:
        return []


def kill(processes: Sequence[psutil.Process], *, parent: bool) -> bool:
    """Kill the first, or what started it, if there is one."""
    for one in processes[:1]:
        try:
            (one.parent() if parent else one).kill()
        except psutil.Error:
            return False
    return bool(processes)


def test_scheduler_killed(tmp_path: Path, undisturbed: dict[str, bytes]) -> None:
    """Its workers leave with it; another one comes to the same address, with other workers."""
    with small_cluster(tmp_path / "cluster") as cluster:
        running = Campaign(tmp_path / "run", cluster.address)
        for point in points(1001, 3):
            running.reaches(point)
            cluster.scheduler.kill()
            cluster.stop()
            cluster.start_scheduler()
            cluster.start_worker()
        running.check(undisturbed, kills=3, lost=2)


def test_main_process_killed(cluster: SmallCluster, tmp_path: Path, undisturbed: dict[str, bytes]) -> None:
    """The cluster stays; what it computed for the dead one ends."""
    running = Campaign(tmp_path / "run", cluster.address)
    for point in points(1002, 4):
        running.reaches(point)
        running.process.kill()
        running.process.communicate()
        running.start()
    running.check(undisturbed, kills=4, lost=2)


def test_a_scheduler_that_stays_away(
    cluster: SmallCluster, tmp_path: Path, undisturbed: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT", "500ms")
    running = Campaign(tmp_path / "run", cluster.address)
    running.reaches(50)
    cluster.stop()
    _, stderr = running.process.communicate(timeout=60)
    assert running.process.returncode == 2
    assert stderr.startswith(f"{cluster.address}: no Dask scheduler answers within 5 s: ")
    assert stderr.endswith("; start again to go on\n")
    assert stderr.count("\n") == 1
    run(running.out, InlineExecutor)
    assert content(running.out) == undisturbed
    assert sum(begun(running.out).values()) <= TASKS + 2


def test_a_hunt_interrupted_and_disturbed(tmp_path: Path, config: Path, finished: Path) -> None:
    """Ctrl-C leaves no process; started again, it forgives a worker's death."""
    out = tmp_path / "run"
    process = on_a_local_cluster(config, out)
    until(lambda: n_done(out) >= 5, 300)
    family = psutil.Process(process.pid).children(recursive=True)
    os.killpg(process.pid, signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    assert (process.returncode, stdout) == (1, "")
    assert stderr == "lamppost: interrupted; start the same command again to go on where it stopped\n"
    assert not psutil.wait_procs(family, timeout=5)[1]
    before = n_done(out)
    process = on_a_local_cluster(config, out)
    until(lambda: n_done(out) > before and kill(computing(process.pid), parent=True), 300)
    result = finish(process)
    assert timeless(result) == timeless(result_in(finished))
    for name in ("scores.parquet", "details.json"):
        assert (out / name).read_bytes() == (finished / name).read_bytes()
    assert len(entries(out, "done")) == len({one["key"] for one in entries(out, "done")})


def on_a_local_cluster(config: Path, out: Path) -> "subprocess.Popen[str]":
    return start("hunt", config, "--out", out, "--workers", 2, "--dask", "local", "--quiet", "--json")
