"""The graph of tasks on executors of every sort: order, errors, lost workers, interruption."""

import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from random import Random
from typing import Any

import psutil
import pytest

from lamppost.errors import DataError, LamppostError
from lamppost.living import machine
from lamppost.run.artefacts import Store
from lamppost.run.elastic import Elastic, SchedulerLost, WorkerLost
from lamppost.run.graph import Task, TaskCrash, run_graph
from lamppost.run.worker import InlineExecutor, Report, ctrl_c_held, execute, one_thread_each, process_pool
from small_hunt import until


class Pool(Executor):
    """Threads that stand for processes; the submissions numbered in `fatal` take the whole pool with them."""

    def __init__(self, shared: "Pools") -> None:
        self.shared, self.threads = shared, ThreadPoolExecutor(4)
        self.broken, self.stopped, self.running = False, False, 0

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        assert not self.stopped
        if self.broken:
            raise BrokenProcessPool("broken")
        self.shared.submitted += 1
        if self.shared.fatal(self.shared.submitted, args[1].key):
            self.broken = True
            lost: Future[Any] = Future()
            lost.set_exception(BrokenProcessPool("a worker died"))
            return lost
        return self.threads.submit(self.counted, fn, *args, **kwargs)

    def counted(self, fn: Callable[..., Any], *args: Any) -> Any:
        with self.shared.lock:
            self.running += 1
            self.shared.most = max(self.shared.most, self.running)
        try:
            return fn(*args)
        finally:
            with self.shared.lock:
                self.running -= 1

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self.stopped = True
        self.threads.shutdown(wait=wait, cancel_futures=cancel_futures)


class Pools:
    """Makes pools, and remembers them."""

    def __init__(self, fatal: Callable[[int, str], bool] = lambda number, key: False) -> None:
        self.fatal, self.lock = fatal, threading.Lock()
        self.made: list[Pool] = []
        self.submitted = self.most = 0

    def __call__(self) -> Executor:
        self.made.append(Pool(self))
        return self.made[-1]


def add(store: Store, key: str, *, value: int, inputs: tuple[str, ...] = (), pause: float = 0.0) -> None:
    time.sleep(pause)
    store.write_json(key, value + sum(store.read_json(name) for name in inputs))


def bad_column(store: Store, key: str) -> None:
    raise DataError("no column 'x'")


def bug(store: Store, key: str) -> None:
    raise ZeroDivisionError("a bug")


def task(key: str, *needs: str, value: int = 1, pause: float = 0.0) -> Task:
    return Task(key, "add", f"adding {key}", add, {"value": value, "inputs": needs, "pause": pause}, needs)


def diamond() -> list[Task]:
    """Later tasks first: the order of the list must not matter."""
    return [
        task("end.json", "left.json", "right.json"),
        task("left.json", "start.json", value=10),
        task("right.json", "start.json", value=20, pause=0.05),
        task("start.json", value=100),
    ]


def run(
    tasks: list[Task], folder: Path, pools: Callable[[], Executor], *, in_flight: int = 3
) -> list[tuple[str, bool]]:
    """Which tasks ended in which order, and whether they were found done."""
    folder.mkdir(exist_ok=True)
    ended: list[tuple[str, bool]] = []

    def finished(task: Task, report: Report | None) -> None:
        assert report is None or (report.key, report.error, report.crash) == (task.key, None, None)
        ended.append((task.key, report is None))

    run_graph(tasks, Store(folder), pools, in_flight=in_flight, finished=finished)
    return ended


def test_dependencies_come_first(tmp_path: Path) -> None:
    ended = run(diamond(), tmp_path, Pools())
    assert ended == [("start.json", False), ("left.json", False), ("right.json", False), ("end.json", False)]
    assert Store(tmp_path).read_json("end.json") == 231


def test_real_processes_and_no_processes_do_the_same(tmp_path: Path) -> None:
    for name, make in (("pool", lambda: process_pool(2)), ("inline", InlineExecutor)):
        (tmp_path / name).mkdir()
        run(diamond(), tmp_path / name, make)
        assert Store(tmp_path / name).read_json("end.json") == 231


def test_what_is_there_is_found(tmp_path: Path) -> None:
    run(diamond(), tmp_path, Pools())
    (tmp_path / "left.json").unlink()
    ended = run(diamond(), tmp_path, Pools())
    assert sorted(ended) == [("end.json", True), ("left.json", False), ("right.json", True), ("start.json", True)]


def test_what_is_read_through_what_is_done_is_made_again_first(tmp_path: Path) -> None:
    """The end reads the start, but names what lies between them alone, as a fit names its trainings."""
    arguments = {"value": 1, "inputs": ("between.json", "start.json")}
    end = Task("end.json", "add", "adding end.json", add, arguments, ("between.json",))
    tasks = [end, task("between.json", "start.json"), task("start.json", value=100, pause=0.2)]
    run(tasks, tmp_path, Pools())
    for name in ("start.json", "end.json"):
        (tmp_path / name).unlink()
    ended = run(tasks, tmp_path, Pools())
    assert ended == [("between.json", True), ("start.json", False), ("end.json", False)]
    assert Store(tmp_path).read_json("end.json") == 1 + 101 + 100


def test_nothing_to_do_starts_no_pool(tmp_path: Path) -> None:
    run(diamond(), tmp_path, Pools())
    pools = Pools()
    assert all(found for _, found in run(diamond(), tmp_path, pools))
    assert run([], tmp_path, pools) == []
    assert not pools.made


@pytest.mark.parametrize("in_flight", [1, 2])
def test_few_tasks_are_in_flight(tmp_path: Path, in_flight: int) -> None:
    pools = Pools()
    run([task(f"{i}.json", pause=0.01) for i in range(12)], tmp_path, pools, in_flight=in_flight)
    assert pools.most == in_flight
    assert len(pools.made) == 1
    assert pools.made[0].stopped


def test_an_error_on_which_everything_depends_stops_the_run_and_keeps_what_is_done(tmp_path: Path) -> None:
    pools = Pools()
    tasks = [
        task("first.json"),
        Task("bad.parquet", "read", "reading events", bad_column, {}, ("first.json",)),
        task("never.json", "bad.parquet"),
    ]
    with pytest.raises(DataError, match=r"^reading events: no column 'x'$"):
        run(tasks, tmp_path, pools)
    assert [path.name for path in tmp_path.iterdir()] == ["first.json"]
    assert pools.made[0].stopped


def test_a_bug_is_shown_with_its_traceback(tmp_path: Path) -> None:
    pools = Pools()
    with pytest.raises(
        TaskCrash, match=r"(?s)^dividing failed:\nTraceback.*in bug.*ZeroDivisionError: a bug"
    ) as caught:
        run([Task("a.json", "read", "dividing", bug, {})], tmp_path, pools)
    assert not isinstance(caught.value, LamppostError)
    assert pools.made[0].stopped
    assert pools.submitted == 1  # what fails in the same way each time is not tried again


def full_disk(store: Store, key: str) -> None:
    raise LamppostError("cannot be written: No space left on device")


def wrong(key: str, *needs: str, stage: str = "train") -> Task:
    return Task(key, stage, f"training {key}", bad_column, {}, needs)


def test_what_fails_takes_with_it_what_needs_it_and_nothing_else(tmp_path: Path) -> None:
    """The error is that of the first in the plan, though another task failed before it."""
    late = Task("late.json", "train", "training late.json", fail_late, {}, ("start.json",))
    tasks = [
        *diamond(),
        late,
        wrong("b.json", "start.json"),
        task("c.json", "late.json"),
        task("d.json", "c.json", "end.json"),
        task("e.json", "end.json"),
    ]
    told: list[tuple[str, str]] = []
    dropped: list[str] = []
    message = r"^training late\.json: too late \(2 of 9 tasks failed, 2 were not started because of that\)$"
    with pytest.raises(DataError, match=message):
        run_graph(
            tasks,
            Store(tmp_path),
            Pools(),
            in_flight=3,
            finished=lambda task, report: None,
            tell=lambda what, task, why: told.append((task.key, why)) if what == "failed" else None,
            dropped=lambda tasks: dropped.extend(one.key for one in tasks),
            then=lambda: pytest.fail("what comes then may need what failed"),
        )
    assert told == [("b.json", "training b.json: no column 'x'"), ("late.json", "training late.json: too late")]
    assert dropped == ["c.json", "d.json"]
    assert {path.stem for path in tmp_path.iterdir()} == {"start", "left", "right", "end", "e"}


def fail_late(store: Store, key: str) -> None:
    time.sleep(0.1)
    raise DataError("too late")


def test_the_error_is_that_of_the_first_in_the_plan_whichever_is_taken_first(tmp_path: Path) -> None:
    """As runs that share a cache take tasks in different orders."""
    taken: list[str] = []
    with pytest.raises(DataError, match=r"^training w0\.json: no column 'x' \(9 of 9 tasks failed\)$"):
        run_graph(
            [wrong(f"w{i}.json") for i in range(9)],
            Store(tmp_path),
            Pools(),
            in_flight=1,
            finished=lambda task, report: None,
            tell=lambda what, task, why: taken.append(task.key) if what == "begun" else None,
            turns=Random(1),
        )
    assert taken[0] != "w0.json"
    assert sorted(taken) == [f"w{i}.json" for i in range(9)]


def test_a_machine_at_fault_ends_the_run_at_once(tmp_path: Path) -> None:
    full = Task("full.json", "train", "training", full_disk, {}, ("0.json",))
    with pytest.raises(LamppostError, match=r"^training: cannot be written: No space left on device$"):
        run([task("0.json"), full, *(task(f"{i}.json", "0.json") for i in range(1, 9))], tmp_path, Pools(), in_flight=1)
    assert [path.name for path in tmp_path.iterdir()] == ["0.json"]


def test_a_stage_in_which_everything_fails_is_not_tried_for_ever(tmp_path: Path) -> None:
    pools = Pools()
    tasks = [task("0.json"), *(wrong(f"w{i}.json", "0.json") for i in range(100))]
    with pytest.raises(DataError, match=r"^training w0\.json: .*\(20 of 101 tasks failed, 80 were not started"):
        run(tasks, tmp_path, pools, in_flight=1)
    assert pools.submitted == 21
    with pytest.raises(DataError, match=r"^training w0\.json: .*\(100 of 102 tasks failed\)$"):
        run([Task("one.json", "train", "one", add, {"value": 1}), *tasks], tmp_path, Pools(), in_flight=1)


class Remote(Elastic):
    """Threads that stand for a cluster; `lose` says what becomes of a submission, by its number and key."""

    apart = False

    def __init__(self, made: list["Remote"], lose: Callable[[int, str], Exception | None]) -> None:
        self.threads, self.made, self.lose, self.stopped = ThreadPoolExecutor(4), made, lose, False
        made.append(self)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        self.made[0].submitted = getattr(self.made[0], "submitted", 0) + 1
        error = self.lose(self.made[0].submitted, args[1].key)
        if error is None:
            return self.threads.submit(fn, *args)
        lost: Future[Any] = Future()
        lost.set_exception(error)
        return lost

    def room(self) -> int:
        return 3

    def stop(self) -> None:
        self.stopped = True
        self.threads.shutdown()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self.stop()


def test_what_a_worker_left_that_outlived_its_executor_goes_at_the_end(tmp_path: Path) -> None:
    """A lost worker may be writing still when its tasks are given to others."""
    dead = f".left.json.0.{2**22 + 1}@{machine()}.part"

    def outlived(number: int, key: str) -> None:
        if key == "end.json":
            (tmp_path / dead).write_bytes(b"half")

    run(diamond(), tmp_path, lambda: Remote([], outlived))
    assert {path.name for path in tmp_path.iterdir()} == {"start.json", "left.json", "right.json", "end.json"}


def test_workers_of_a_cluster_die_alone(tmp_path: Path) -> None:
    made: list[Remote] = []
    deaths = iter(range(2))

    def twice(number: int, key: str) -> Exception | None:
        return WorkerLost() if key == "left.json" and next(deaths, None) is not None else None

    run(diamond(), tmp_path / "forgiven", lambda: Remote(made, twice))
    assert Store(tmp_path / "forgiven").read_json("end.json") == 231
    assert len(made) == 1
    always = {"left.json": WorkerLost()}
    with pytest.raises(
        TaskCrash, match=r"(?s)^adding left\.json: its worker process died 3 times.*1 of 4 tasks failed, 1 "
    ):
        run(diamond(), tmp_path / "ended", lambda: Remote(made, lambda number, key: always.get(key)))
    assert Store(tmp_path / "ended").intact("right.json")
    assert all(one.stopped for one in made)


def test_a_scheduler_that_is_gone_is_no_fault_of_tasks(tmp_path: Path) -> None:
    """As long as something is done in between; what was made meanwhile is not made again."""
    made: list[Remote] = []
    ended = run(
        [task(f"{i}.json") for i in range(12)],
        tmp_path,
        lambda: Remote(made, lambda number, key: SchedulerLost("gone") if number % 3 == 0 else None),
    )
    assert sorted(key for key, _ in ended) == sorted(f"{i}.json" for i in range(12))
    assert len(made) > 3
    assert all(one.stopped for one in made)


def test_a_scheduler_that_is_always_gone_ends_the_run(tmp_path: Path) -> None:
    made: list[Remote] = []
    with pytest.raises(
        LamppostError, match=r"^tcp: gone: 3 times without a task done in between; start again to go on$"
    ):
        run(diamond(), tmp_path, lambda: Remote(made, lambda number, key: SchedulerLost("tcp: gone")))
    assert len(made) == 3


def test_what_was_made_meanwhile_is_not_made_again(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write_json("a.json", 5)
    assert execute(tmp_path, task("a.json")).error is None
    assert store.read_json("a.json") == 5
    store.path("a.json").write_bytes(b"half")
    execute(tmp_path, task("a.json"))
    assert store.read_json("a.json") == 1


@pytest.mark.parametrize("fatal", [1, 2, 4])
def test_tasks_lost_with_their_worker_are_done_again(tmp_path: Path, fatal: int) -> None:
    pools = Pools(lambda number, key: number == fatal)
    ended = run(diamond(), tmp_path, pools)
    assert sorted(key for key, _ in ended) == ["end.json", "left.json", "right.json", "start.json"]
    assert Store(tmp_path).read_json("end.json") == 231
    assert len(pools.made) == 2
    assert all(pool.stopped for pool in pools.made)


def test_a_task_that_kills_its_worker_three_times_ends_its_branch(tmp_path: Path) -> None:
    """Tasks that run beside it each time are not to blame."""
    pools = Pools(lambda number, key: key == "left.json")
    beside = [task(f"{i}.json", "start.json", pause=0.01) for i in range(9)]
    with pytest.raises(
        TaskCrash, match=r"(?s)adding left\.json: its worker process died 3 times.*1 of 13 tasks failed, 1 "
    ):
        run([*diamond(), *beside], tmp_path, pools, in_flight=3)
    assert len(pools.made) == 4
    assert all(Store(tmp_path).intact(key) for key in ("start.json", "right.json", *(one.key for one in beside)))
    assert not Store(tmp_path).path("end.json").exists()


def test_a_task_that_needs_what_no_task_makes(tmp_path: Path) -> None:
    with pytest.raises(TaskCrash, match=r"adding a\.json needs what no task makes"):
        run([task("a.json", "elsewhere.json")], tmp_path, Pools())


def test_two_losses_are_forgiven(tmp_path: Path) -> None:
    deaths = iter(range(2))
    pools = Pools(lambda number, key: key == "left.json" and next(deaths, None) is not None)
    run(diamond(), tmp_path, pools, in_flight=1)
    assert Store(tmp_path).read_json("end.json") == 231


class Starting(Pool):
    """A pool that notices a dead worker while it starts another one: the pipe that this was to inherit is closed."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        if len(self.shared.made) > 1:
            return super().submit(fn, *args, **kwargs)
        self._broken = self.shared.fatal(0, "")
        raise ValueError("bad value(s) in fds_to_keep")


class StartingPools(Pools):
    def __call__(self) -> Executor:
        self.made.append(Starting(self))
        return self.made[-1]


def test_a_pool_that_breaks_while_it_starts_a_worker(tmp_path: Path) -> None:
    pools = StartingPools(lambda number, key: number == 0)
    run(diamond(), tmp_path, pools)
    assert Store(tmp_path).read_json("end.json") == 231
    assert len(pools.made) == 2


def test_a_worker_that_cannot_be_started(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="fds_to_keep"):
        run(diamond(), tmp_path, StartingPools())


def test_an_interruption_leaves_no_process(tmp_path: Path) -> None:
    pools: list[Any] = []

    def make() -> Executor:
        pool = process_pool(2)
        pools.append(pool)
        return pool

    def interrupt(task: Task, report: Report | None) -> None:
        workers.extend(pools[0]._processes.values())
        raise KeyboardInterrupt

    workers: list[Any] = []
    tasks = [task("quick.json"), *(task(f"{i}.json", pause=30.0) for i in range(3))]
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        run_graph(tasks, Store(tmp_path), make, in_flight=3, finished=interrupt)
    assert workers
    # by their pids: the pool's own thread waits for them too, and of two that wait one is told that nothing is there
    until(lambda: not any(psutil.pid_exists(worker.pid) for worker in workers), 10)
    assert time.monotonic() - start < 20
    assert [path.name for path in tmp_path.iterdir()] == ["quick.json"]


def test_ctrl_c_is_held_back_and_not_lost() -> None:
    handler, reached = signal.getsignal(signal.SIGINT), []

    def interrupted() -> None:
        with ctrl_c_held():
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.5)  # another thread of this process may take it, when its turn comes
            reached.append("the end")

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert reached == ["the end"]
    with ctrl_c_held():
        pass
    assert signal.getsignal(signal.SIGINT) is handler
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, set())


def test_other_threads_may_run_a_graph(tmp_path: Path) -> None:
    with ThreadPoolExecutor(1) as thread:
        assert len(thread.submit(run, diamond(), tmp_path, lambda: process_pool(1)).result()) == 4


def growing(store: Store, asked: list[list[str]]) -> Callable[[], list[Task]]:
    """Tasks one at a time, as long as the sum so far is below 4; `asked` notes what was there each time."""

    def then() -> list[Task]:
        there = sorted(path.stem for path in store.folder.glob("sum*.json"))
        asked.append(there)
        if there and store.read_json(f"{there[-1]}.json") >= 4:
            return []
        return [task(f"sum{len(there)}.json", *(f"{name}.json" for name in there[-1:]))]

    return then


def test_what_comes_next_may_depend_on_what_came_out(tmp_path: Path) -> None:
    store, asked, pools, reports = Store(tmp_path), list[list[str]](), Pools(), list[Report | None]()
    run_graph([], store, pools, in_flight=2, finished=lambda _, r: reports.append(r), then=growing(store, asked))
    assert [len(there) for there in asked] == [0, 1, 2, 3, 4]
    assert store.read_json("sum3.json") == 4
    assert len(pools.made) == 1  # workers that have imported and compiled are kept
    assert all(reports)


def test_what_comes_next_is_found_when_it_is_done(tmp_path: Path) -> None:
    store, pools, found = Store(tmp_path), Pools(), list[Report | None]()
    for number in range(3):
        store.write_json(f"{number}.json", 1)
    left = [[task("1.json")], [task("2.json", "1.json")], []]
    run_graph(
        [task("0.json")], store, pools, in_flight=2, finished=lambda _, r: found.append(r), then=lambda: left.pop(0)
    )
    assert found == [None] * 3
    assert not pools.made


def test_threads_that_start_processes_leave_the_environment_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """One begins while another is at it, and ends after it."""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    entered, over = threading.Event(), threading.Event()

    def another() -> None:
        with one_thread_each():
            entered.set()
            over.wait(20)

    thread = threading.Thread(target=another, daemon=True)
    with one_thread_each():
        thread.start()
        assert not entered.wait(0.2)  # it waits
    assert entered.wait(20)
    over.set()
    thread.join(20)
    assert "OMP_NUM_THREADS" not in os.environ
