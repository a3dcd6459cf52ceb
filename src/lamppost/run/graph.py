"""A graph of pure tasks, run on any executor: what is finished is kept, what is lost is done again."""

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from queue import Empty, SimpleQueue
from random import Random

from lamppost.errors import LamppostError
from lamppost.run.artefacts import Store
from lamppost.run.elastic import Elastic, SchedulerLost, WorkerLost, appears, stop
from lamppost.run.failures import Failures, TaskCrash
from lamppost.run.pending import Pending
from lamppost.run.worker import Report, Task, ctrl_c_held, execute, one_thread_each

__all__ = ["Dropped", "Finished", "Task", "TaskCrash", "Tell", "Then", "nothing_more", "run_graph"]

_ATTEMPTS = 3

Then = Callable[[], Sequence[Task]]
"""What to do once everything before it is done, as what came out says; nothing at the end."""
Finished = Callable[[Task, Report | None], None]
"""Told of every task that is done, with None where the artefact of an earlier run was found."""
Tell = Callable[[str, Task, str], None]
"""Told that a task has "begun", was "lost" with its worker, or has "failed", and why."""
Dropped = Callable[[Sequence[Task]], None]
"""Told of tasks that will not be started because of one that failed."""


def nothing_more() -> Sequence[Task]:
    """The end of a graph that is known from the start."""
    return ()


def _silent(what: str, task: Task, why: str) -> None:
    """Nobody wants to know."""


def _untold(tasks: Sequence[Task]) -> None:
    """Nobody wants to know; how many they were is said at the end."""


def run_graph(
    tasks: Sequence[Task],
    store: Store,
    make_executor: Callable[[], Executor],
    *,
    in_flight: int,
    finished: Finished,
    then: Then = nothing_more,
    tell: Tell = _silent,
    dropped: Dropped = _untold,
    turns: Random | None = None,
) -> None:
    """Run all tasks whose artefact is not there yet, then those that `then()` returns, until it returns none.

    At most `in_flight` tasks are submitted at a time, so that a broken pool loses little; a cluster says itself how
    many it takes. A task lost with its worker is tried three times. One that fails takes with it what needs it, and
    nothing else: all other tasks are done before its error is raised. `turns`: draws the order in which tasks are
    taken; default: that of the plan.

    Raises
    ------
    LamppostError
        Of the tasks that returned an error, that of the first in the plan, with what else failed or was not started.
        At once if nothing else can be done, if the machine and not the task is at fault (a full disk, a library that
        is missing, a cluster that is gone), or if all of many tasks of one stage failed.
    TaskCrash
        If that task failed in another way or was lost three times; if one needs what no task makes.
    """
    _Run(store, make_executor, in_flight, finished, tell, dropped, turns).all(tasks, then)


class _Run:
    """What is going on: tasks that wait, that run, that were lost or failed."""

    def __init__(
        self,
        store: Store,
        make_executor: Callable[[], Executor],
        in_flight: int,
        finished: Finished,
        tell: Tell,
        dropped: Dropped,
        turns: Random | None,
    ) -> None:
        self.store, self.make_executor, self.in_flight = store, make_executor, in_flight
        self.finished, self.tell, self.dropped = finished, tell, dropped
        self.executor: Executor | None = None
        self.pending, self.running = Pending(turns), dict[Future[Report], Task]()
        self.ended: SimpleQueue[Future[Report]] = SimpleQueue()
        self.needs = dict[str, tuple[str, ...]]()
        self.lost, self.suspects, self.renewed = Counter[str](), list[Task](), 0
        self.failures = Failures()

    def all(self, tasks: Sequence[Task], then: Then) -> None:
        if not self._enter(tasks or then(), then):
            return
        try:
            while self._left() or (not self.failures and self._enter(then(), then)):
                self._fill()
                if not self.running:
                    msg = f"{next(iter(self.pending)).label} needs what no task makes"
                    raise TaskCrash(msg)
                self._wait()
        except BaseException:  # Ctrl-C included: leave no worker behind
            self._stop()
            raise
        if self.executor is not None:
            self.executor.shutdown()
        self.store.remove_parts()  # of workers that were lost, or outlived their executor for a while
        if self.failures:
            self.failures.give_up()

    def _left(self) -> bool:
        return bool(self.pending or self.running or self.suspects)

    def _enter(self, tasks: Sequence[Task], then: Then) -> bool:
        """Take in the tasks whose artefact is not there; if it is there of all, those that come then."""
        while tasks:
            missing = []
            for task in tasks:
                self.needs[task.key] = task.needs
                if task.key not in self.pending.done:
                    if self.store.intact(task.key):
                        self._done(task, None)
                    else:
                        missing.append(task)
            self.pending.add(missing, self.needs)
            if missing:
                return True
            tasks = then()
        return False

    def _fill(self) -> None:
        """Submit what may start. Who was lost twice runs alone in a local pool: if that dies, the task is to blame."""
        if self.executor is None:
            self.executor = self.make_executor()
        elastic = isinstance(self.executor, Elastic)
        room = self.executor.room() if isinstance(self.executor, Elastic) else self.in_flight
        while len(self.running) < room:
            if not elastic and (self.suspects or any(self._suspect(task) for task in self.running.values())):
                if not self.running:
                    self._submit(self.executor, self.suspects.pop(0))
                return
            task = self.pending.take()
            if task is None:
                return
            self._submit(self.executor, task)

    def _suspect(self, task: Task) -> bool:
        return self.lost[task.key] >= _ATTEMPTS - 1

    def _submit(self, executor: Executor, task: Task) -> None:
        self.tell("begun", task, "")
        try:
            with ctrl_c_held(), one_thread_each():  # a pool starts workers when it has something to do
                apart = isinstance(executor, Elastic) and executor.apart
                sent = replace(task, needs=self._origins(task)) if apart else task
                future = executor.submit(execute, self.store.folder, sent)
        except (BrokenProcessPool, OSError, ValueError) as error:
            # a pool that breaks while it starts another worker closes the pipes which that one was to inherit
            if not (isinstance(error, BrokenProcessPool) or getattr(executor, "_broken", False)):
                raise
            future = Future()
            future.set_exception(BrokenProcessPool(str(error)))
        self.running[future] = task
        future.add_done_callback(self.ended.put)

    def _origins(self, task: Task) -> tuple[str, ...]:
        """All artefacts that a task may read: those it needs, those that these were made of, and so on."""
        found, left = dict[str, None](), list(task.needs)
        while left:
            if (key := left.pop()) not in found:
                found[key] = None
                left += self.needs.get(key, ())
        return tuple(found)

    def _wait(self) -> None:
        """Until a task ends; on a cluster also now and then to see whether there is more room."""
        try:
            future = self.ended.get(timeout=1.0 if isinstance(self.executor, Elastic) else None)
        except Empty:
            return
        if future in self.running:  # and not of an executor that is gone
            self._collect(future, self.running.pop(future))

    def _collect(self, future: "Future[Report]", task: Task) -> None:
        """Note how a task ended."""
        try:
            report = future.result()
        except WorkerLost as lost:
            self._again(task, lost.times)
        except BrokenExecutor as error:
            self._renew(task, error)
        else:
            if report.error is not None:
                self._fail(task, type(report.error)(f"{task.label}: {report.error}"))
            elif report.crash is not None:
                self._fail(task, TaskCrash(f"{task.label} failed:\n{report.crash}"))
            elif not appears(self.store.path(task.key)):
                self._again(task, 1)
            else:
                self._done(task, None if report.found else report)

    def _done(self, task: Task, report: Report | None) -> None:
        self.pending.finish(task.key)
        self.failures.success(task)
        self.renewed = 0
        self.finished(task, report)

    def _renew(self, task: Task, error: BrokenExecutor) -> None:
        """Another executor in place of one that broke under this task, and what ran on it once more."""
        alone = not isinstance(self.executor, Elastic)
        self._stop()  # a worker that was just starting when another died is joined, never told to end
        for future in [one for one in self.running if one.done() and not one.cancelled() and not one.exception()]:
            self._collect(future, self.running.pop(future))
        self.store.remove_parts()
        lost = [task, *self.running.values()]
        self.running.clear()
        self.renewed += 1
        if isinstance(error, SchedulerLost) and self.renewed >= _ATTEMPTS:
            msg = f"{error}: {self.renewed} times without a task done in between; start again to go on"
            raise LamppostError(msg)
        for one in lost:
            if self.store.intact(one.key):
                self._done(one, None)
            else:
                self._again(one, 0 if isinstance(error, SchedulerLost) else 1, alone=alone)

    def _stop(self) -> None:
        if self.executor is not None:
            stop(self.executor)
        self.executor = None

    def _again(self, task: Task, times: int, *, alone: bool = False) -> None:
        """Once more, unless its worker died too often."""
        self.lost[task.key] += times
        self.tell("lost", task, "")
        if self.lost[task.key] >= _ATTEMPTS:
            why = 'out of memory, killed, or started by a script without `if __name__ == "__main__":`?'
            self._fail(task, TaskCrash(f"{task.label}: its worker process died {_ATTEMPTS} times ({why})"))
        elif alone and self._suspect(task):
            self.suspects.append(task)
        else:
            self.pending.again(task)

    def _fail(self, task: Task, error: Exception) -> None:
        """The end of a branch; of the run, if nothing else is left to do, or the rest would fail as well."""
        dropped = self.pending.drop(task.key)
        self.tell("failed", task, str(error).splitlines()[-1])
        self.dropped(dropped)
        self.failures.add(task, self.pending.place(task), error, dropped)
        waiting = len(self.pending) + len(self.suspects)
        readings = all(not one.needs for one in self.running.values())
        if self.failures.hopeless(task.stage) or (dropped and readings and not waiting):
            self.failures.give_up(left=waiting + len(self.running))
