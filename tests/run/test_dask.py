"""Tasks on a Dask cluster: the bits of a local pool, and clear words where it cannot be used."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from socket import socket
from typing import Any

import psutil
import pytest

pytest.importorskip("distributed", reason="the extra `dask` is not installed")
if find_spec("dask_jobqueue") is None:  # not imported here: it takes Ctrl-C for itself
    pytest.skip("the extra `dask` is not installed", allow_module_level=True)

from lamppost.config import load
from lamppost.config.cluster import load_cluster
from lamppost.errors import ConfigError, LamppostError, optional
from lamppost.living import owner_lives
from lamppost.run import cluster as client_side
from lamppost.run.artefacts import Store, provenance
from lamppost.run.cluster import DaskExecutor, executors
from lamppost.run.connections import Address, local
from lamppost.run.elastic import WorkerLost
from lamppost.run.graph import Task, TaskCrash, run_graph
from lamppost.run.hunt import run_hunt
from lamppost.run.worker import InlineExecutor, Report, execute
from small_campaign import bad_column, begun, campaign, content, deadly, draw
from small_cluster import SmallCluster, free_port, small_cluster
from small_hunt import entries, finish, result_in, start, timeless, until


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallCluster]:
    """A scheduler and a worker with two threads, in an environment that would have every library use two."""
    libraries = ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "NUMBA")
    with small_cluster(
        tmp_path_factory.mktemp("cluster"), **{f"{one}_NUM_THREADS": "2" for one in libraries}
    ) as running:
        yield running


def run_in(out: Path, tasks: list[Task], make_executor: Callable[[], Executor]) -> list[str]:
    """The tasks that were done, in the order in which they ended."""
    done: list[str] = []
    store = Store(out / "artefacts")
    store.folder.mkdir(parents=True, exist_ok=True)

    def finished(task: Task, report: Report | None) -> None:
        done.append(task.key)

    run_graph(tasks, store, make_executor, in_flight=3, finished=finished)
    return done


def on(cluster: SmallCluster, out: Path, **more: Any) -> Callable[[], Executor]:
    return lambda: DaskExecutor(cluster.address, Address(cluster.address), out / "artefacts", **more)


def test_a_hunt_has_the_bits_of_a_local_pool(
    cluster: SmallCluster, tmp_path: Path, config: Path, finished: Path
) -> None:
    out = tmp_path / "run"
    result = finish(start("hunt", config, "--out", out, "--dask", cluster.address, "--quiet", "--json"))
    assert timeless(result) == timeless(result_in(finished))
    for name in ("scores.parquet", "details.json"):
        assert (out / name).read_bytes() == (finished / name).read_bytes()
    assert {one["pid"] for one in entries(out, "done")}.isdisjoint({cluster.worker.pid, os.getpid()})
    assert not list((out / "artefacts").glob(".*"))


def test_workers_that_share_no_files_are_sent_them_once(cluster: SmallCluster, tmp_path: Path) -> None:
    run_in(tmp_path / "here", campaign(), InlineExecutor)
    tasks = campaign()
    Store(tmp_path / "there" / "artefacts").folder.mkdir(parents=True)
    for key in (tasks[0].key, tasks[1].key):  # done before: all that comes of them is to be sent
        (tmp_path / "there" / "artefacts" / key).write_bytes((tmp_path / "here" / "artefacts" / key).read_bytes())
    run_in(tmp_path / "there", tasks, on(cluster, tmp_path / "there", apart=True))
    assert content(tmp_path / "there") == content(tmp_path / "here")
    assert not begun(tmp_path / "there")
    assert cluster.log().count("Run out-of-band function 'receive'") == 2
    assert not list(cluster.folder.rglob("*.parquet"))  # the worker keeps nothing of a run that ended
    (tmp_path / "there" / "artefacts" / tasks[0].key).unlink()
    (tmp_path / "there" / "artefacts" / "claim-0.json").unlink()  # may read it, through what is done
    run_in(tmp_path / "there", tasks, on(cluster, tmp_path / "there", apart=True))
    assert content(tmp_path / "there") == content(tmp_path / "here")


def test_what_cannot_be_sent_is_not_tried_for_ever(
    cluster: SmallCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one ends the run, the other counts as a worker that was lost."""
    store = Store(tmp_path / "artefacts")
    store.folder.mkdir()
    executor = on(cluster, tmp_path, apart=True)()
    assert isinstance(executor, DaskExecutor)
    try:
        train = campaign()[1]
        with pytest.raises(
            LamppostError, match=r"draw\.parquet: is to be sent to a worker and cannot be read: No such"
        ):
            executor.submit(execute, store.folder, train).result(timeout=30)
        draw(store, "draw.parquet", seed=1)

        def fail(*arguments: object, **more: object) -> None:
            raise OSError("it is gone")

        with monkeypatch.context() as patched:
            patched.setattr(executor._client, "run", fail)
            with pytest.raises(WorkerLost):
                executor.submit(execute, store.folder, train).result(timeout=30)
        assert executor.submit(execute, store.folder, train).result(timeout=30).error is None
    finally:
        executor.stop()


def test_a_reader_that_dies_takes_nothing_with_it(cluster: SmallCluster, tmp_path: Path) -> None:
    made: list[Executor] = []

    def make() -> Executor:
        made.append(on(cluster, tmp_path, apart=True)())
        return made[-1]

    tasks = [Task("dead.json", "read", "dying", deadly, {}), Task("draw.parquet", "read", "drawing", draw, {"seed": 1})]
    with pytest.raises(TaskCrash, match=r"^dying: its worker process died 3 times"):
        run_in(tmp_path, [*tasks, campaign()[1]], make)
    assert begun(tmp_path)["dead.json"] == 3
    assert content(tmp_path).keys() == {"draw.parquet", campaign()[1].key}
    assert len(made) == 1


def test_nothing_of_a_run_that_ended_stays_on_a_cluster(cluster: SmallCluster, tmp_path: Path) -> None:
    assert cluster.worker is not None
    run_in(tmp_path, campaign()[:5], on(cluster, tmp_path))
    until(lambda: not any(map(computes, psutil.Process(cluster.worker.pid).children())))


def test_a_worker_that_does_not_answer_holds_up_no_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is suspended, as batch systems do for jobs that go first."""
    monkeypatch.setattr(client_side, "_LEAVE_S", 0.2)
    with small_cluster(tmp_path / "cluster") as suspended:
        assert suspended.worker is not None
        (tmp_path / "artefacts").mkdir()
        executor = on(suspended, tmp_path)()
        os.kill(suspended.worker.pid, signal.SIGSTOP)
        try:
            ending = threading.Thread(target=executor.shutdown, daemon=True)
            ending.start()
            ending.join(30)
            assert not ending.is_alive()
        finally:
            os.kill(suspended.worker.pid, signal.SIGCONT)


def computes(process: psutil.Process) -> bool:
    try:
        return "spawn_main" in " ".join(process.cmdline())
    except psutil.Error:  # it has just ended
        return False


def test_a_cluster_here_only_hands_tasks_on(tmp_path: Path) -> None:
    """Its processes load nothing that computes, are busy with nothing of their own, and leave memory as it is."""
    (tmp_path / "artefacts").mkdir()
    before = dict(os.environ)
    executor = DaskExecutor("local", partial(local, 1), tmp_path / "artefacts")
    try:
        look = Task("own.json", "look", "looking", environment, {})
        executor.submit(execute, tmp_path / "artefacts", look).result(timeout=60)
        of_worker: Any = lambda dask_worker: (set(sys.modules), dask_worker._tick_interval)  # noqa: E731
        ((loaded, tick_s),) = executor._client.run(of_worker).values()
    finally:
        executor.stop()
    changed = {name for name in {**before, **os.environ} if before.get(name) != os.environ.get(name)}
    assert changed <= {"PYTHONHASHSEED", "__DASK_PARENT_PID"}  # none that a later pool computes by
    assert not {"scipy", "pyarrow", "numba", "lightgbm", "jax", "lamppost.config", "lamppost.stats"} & loaded
    assert tick_s == 1.0
    found = Store(tmp_path / "artefacts").read_json("own.json")
    assert found == {"OMP_NUM_THREADS": "1", "MALLOC_TRIM_THRESHOLD_": None}  # the second as no nanny has it


def environment(store: Store, key: str) -> None:
    """Of the process of a task."""
    store.write_json(key, {name: os.environ.get(name) for name in ("OMP_NUM_THREADS", "MALLOC_TRIM_THRESHOLD_")})


def test_the_sign_of_a_run_says_whose_it_is(cluster: SmallCluster, tmp_path: Path) -> None:
    """Others that share the folder remove what dead processes left, and nothing else."""
    (tmp_path / "artefacts").mkdir()
    executor = on(cluster, tmp_path)()
    (sign,) = (tmp_path / "artefacts").iterdir()
    assert owner_lives(sign.name)
    executor.shutdown()
    assert not sign.exists()


def test_what_always_fails_ends_its_branch(cluster: SmallCluster, tmp_path: Path) -> None:
    """A process that dies takes neither its worker nor what runs beside it."""
    tasks = [one for one in campaign() if one.stage in ("draw", "train")][:9]
    events = tasks[0].key
    tasks[1] = Task(tasks[1].key, "train", "dying", deadly, {}, (events,))
    tasks[3] = Task(tasks[3].key, "train", "looking", bad_column, {}, (events,))
    after = Task("claim.json", "claim", "claim", bad_column, {}, (tasks[1].key, tasks[2].key))
    expected = (
        r"(?s)^dying: its worker process died 3 times.*\(2 of 10 tasks failed, 1 were not started because of that\)$"
    )
    with pytest.raises(TaskCrash, match=expected):
        run_in(tmp_path, [*tasks, after], on(cluster, tmp_path))
    assert begun(tmp_path)[tasks[1].key] == 3
    assert content(tmp_path).keys() == {one.key for one in tasks} - {tasks[1].key, tasks[3].key}
    assert cluster.worker.poll() is None


def test_a_worker_with_other_versions_is_refused(
    cluster: SmallCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_side, "provenance", lambda: {**provenance(), "numpy": "0.9"})
    with pytest.raises(
        LamppostError, match=rf"^the Dask worker on \S+ has numpy {provenance()['numpy']}, expected 0\.9 "
    ):
        run_in(tmp_path, campaign(), on(cluster, tmp_path))
    assert not content(tmp_path)


def test_a_worker_without_our_files_is_refused(
    cluster: SmallCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_side, "write_file", lambda path, content: None)
    with pytest.raises(LamppostError, match=r"does not see .*/artefacts: expected a file system that it shares"):
        run_in(tmp_path, campaign(), on(cluster, tmp_path))
    assert not content(tmp_path)


def test_no_scheduler(tmp_path: Path, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT", "1s")
    address = f"tcp://127.0.0.1:{free_port()}"
    process = start("hunt", config, "--out", tmp_path / "run", "--dask", address)
    stdout, stderr = process.communicate(timeout=60)
    assert (process.returncode, stdout, stderr.count("\n")) == (2, "", 1)
    assert stderr.startswith(f"lamppost: {address}: no Dask scheduler answers within 1 s: ")


@pytest.mark.parametrize("wrong", ["nowhere", "127.0.0.1:8786", ""])
def test_neither_address_nor_file(tmp_path: Path, wrong: str) -> None:
    with pytest.raises(ConfigError, match=rf"^--dask: expected local, .*, found '{wrong}'$"):
        executors(wrong, 2, tmp_path, tmp_path)


def test_without_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(LamppostError, match=r"^this needs distributed: pip install 'lamppost\[dask\]'$"):
        executors("local", 2, tmp_path, tmp_path)


WRONG = {
    'memory = "2GB"': "cluster: expected a table with a kind",
    'kind = "slurm"': "cluster 'slurm': memory: Field required",
    'kind = "sge"\nmemory = "2GB"': "cluster: unknown kind 'sge', known are htcondor, lsf, pbs, slurm",
    'kind = "slurm"\nmemory = "much"': "memory: String should match pattern",
    'kind = "slurm"\nmemory = "2GB"\njobs = 0': r"jobs: expected at least one, or \[least, most\], found 0",
    'kind = "slurm"\nmemory = "2GB"\njobs = [5, 2]': "expected at least one, or",
    'kind = "htcondor"\nmemory = "2GB"\nqueue = "short"': "unknown key 'queue'",
    'kind = "slurm': "cannot be read as TOML",
}


@pytest.mark.parametrize("text", WRONG)
def test_a_wrong_table(tmp_path: Path, text: str) -> None:
    path = tmp_path / "slurm.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=rf"^{path}: .*{WRONG[text]}"):
        executors(str(path), 2, tmp_path, tmp_path)


SLURM = """
kind = "slurm"
queue = "short"
account = "atlas"
walltime = "04:00:00"
directives = "--constraint=haswell"
"""
COMMON = 'memory = "4GB"\ncores = 4\njobs = [0, 20]\nprologue = "source setup.sh"\npython = "python3"\n'
SCRIPTS = {
    SLURM: (
        *("#SBATCH -J lamppost", "#SBATCH -p short", "#SBATCH -A atlas", "#SBATCH -n 1", "#SBATCH --cpus-per-task=4"),
        *("#SBATCH --mem=4G", "#SBATCH -t 04:00:00", "#SBATCH --constraint=haswell", "source setup.sh"),
        *("python3 -m distributed.cli.dask_worker tcp://", "--nthreads 4 "),
    ),
    'kind = "pbs"\nqueue = "short"\naccount = "atlas"\nwalltime = "04:00:00"\n': (
        *(
            "#PBS -N lamppost",
            "#PBS -q short",
            "#PBS -A atlas",
            "#PBS -l select=1:ncpus=4:mem=",
            "#PBS -l walltime=04:00",
        ),
        *("source setup.sh", "--nthreads 4 "),
    ),
    'kind = "lsf"\nqueue = "short"\naccount = "atlas"\nwalltime = "04:00"\n': (
        *("#BSUB -J lamppost", "#BSUB -q short", '#BSUB -P "atlas"', "#BSUB -n 4", "#BSUB -W 04:00", "source setup.sh"),
    ),
    'kind = "htcondor"\ndisk = "1GB"\ndirectives = {"+JobFlavour" = \'"workday"\'}\n': (
        *("MY.DaskWorkerCores = 4", "MY.DaskWorkerMemory = 4000000000", "MY.DaskWorkerDisk = 1000000000"),
        *('+JobFlavour = "workday"', "source setup.sh; python3 -m distributed.cli.dask_worker tcp://", "Queue"),
    ),
}


@pytest.mark.parametrize("text", SCRIPTS)
def test_job_scripts(tmp_path: Path, text: str) -> None:
    """What is submitted; where there is such a batch system, `make test-cluster` submits it."""
    path = tmp_path / "jobs.toml"
    path.write_text(text + COMMON)
    table = load_cluster(path)
    arguments = table.arguments(tmp_path / "logs")
    arguments.pop("scheduler_options")
    dask_jobqueue = optional("dask_jobqueue", "dask")
    name = table.dask_class.partition(":")[2]
    job = getattr(dask_jobqueue, name).job_cls("tcp://127.0.0.1:8786", "worker", **arguments)
    script = job.job_script()
    for line in SCRIPTS[text]:
        assert line in script
    assert f"{tmp_path / 'logs'}" in script


def test_the_output_of_jobs_goes_to_the_run_folder(
    tmp_path: Path, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And not to a cache that runs share."""
    from lamppost.run import connections

    def batch(table: object, logs: Path) -> None:
        raise LamppostError(str(logs))

    monkeypatch.setattr(connections, "batch", batch)
    (tmp_path / "slurm.toml").write_text('kind = "slurm"\nmemory = "2GB"\n')
    how: Any = {"workers": 1, "quiet": True, "cache": tmp_path / "cache", "dask": str(tmp_path / "slurm.toml")}
    with pytest.raises(LamppostError, match=rf"^{tmp_path}/run/jobs$"):
        run_hunt(load(config), tmp_path / "run", **how)


def test_a_job_that_is_refused_later_holds_up_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cluster starts and closes jobs one after the other: a start that waits would be waited for."""
    from distributed.deploy.spec import ProcessInterface

    from lamppost.run import submissions

    answers: list[Exception | None] = []

    class Job(ProcessInterface):  # type: ignore[misc]
        async def start(self) -> None:
            if (answer := answers.pop(0)) is not None:
                raise answer
            await super().start()

    async def course() -> None:
        refused = RuntimeError("Command exited\nstderr:\nsbatch: error: too many jobs\n")
        told = submissions.Submissions()
        kind = told.told_by(Job)
        answers[:] = [refused]
        first = await asyncio.wait_for(kind(), 20)
        assert told.refused == "sbatch: error: too many jobs"
        await asyncio.wait_for(first.close(), 20)
        answers[:] = [None, refused]
        await kind()
        assert not told.refused
        second = await asyncio.wait_for(kind(), 20)
        assert not told.refused
        await asyncio.wait_for(second.close(), 20)
        monkeypatch.setattr(submissions, "_AGAIN_S", 0.01)
        answers[:] = [refused, refused, None]
        third = await asyncio.wait_for(kind(), 20)
        while answers:  # it asks again
            await asyncio.sleep(0.01)
        await asyncio.wait_for(third.close(), 20)
        silent = submissions.Submissions()
        answers[:] = [RuntimeError("Command exited\nstdout:\nno such queue\nstderr:\n")]
        fourth = await asyncio.wait_for(silent.told_by(Job)(), 20)
        assert silent.refused.endswith("no such queue stderr:")
        await asyncio.wait_for(fourth.close(), 20)

    asyncio.run(course())


def test_ctrl_c_while_a_lost_scheduler_is_waited_for(tmp_path: Path) -> None:
    """One that takes a call and never answers, as for 300 s after it was lost."""
    code = (
        "import sys; from pathlib import Path; from lamppost.run.cluster import DaskExecutor\n"
        "from lamppost.run.connections import Address\n"
        "address = Address(sys.argv[1]); address._known = True\n"
        "print('waiting', flush=True)\n"
        "try:\n    DaskExecutor('', address, Path(sys.argv[2]))\n"
        "except KeyboardInterrupt:\n    print('interrupted', flush=True)"
    )
    with socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        address = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
        process = subprocess.Popen([sys.executable, "-c", code, address, str(tmp_path)], stdout=subprocess.PIPE)
        try:
            call, _ = silent.accept()
            process.send_signal(signal.SIGINT)
            stdout, _ = process.communicate(timeout=25)
            call.close()
        finally:
            process.kill()
    assert (process.returncode, stdout) == (0, b"waiting\ninterrupted\n")


def test_ctrl_c_stays_ours() -> None:
    """In a process of its own: here somebody may have imported it before."""
    code = (
        "import signal; from lamppost.errors import optional; optional('dask_jobqueue', 'dask'); "
        "assert signal.getsignal(signal.SIGINT) is signal.default_int_handler"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
