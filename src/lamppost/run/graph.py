"""A graph of pure tasks, run on any executor: what is finished is kept, what is lost is done again."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from typing import Any

from lamppost.run.artefacts import Store
from lamppost.run.worker import Report, TaskFunction, ctrl_c_held, execute, one_thread_each

__all__ = ["Task", "TaskCrash", "Tell", "Then", "nothing_more", "run_graph"]

_ATTEMPTS = 3


@dataclass(frozen=True)
class Task:
    """What to do, in which stage of the run, after which other tasks. `key` names the artefact it makes."""

    key: str
    stage: str
    label: str
    function: TaskFunction
    arguments: Mapping[str, Any]
    needs: tuple[str, ...] = ()


Then = Callable[[], Sequence[Task]]
"""What to do once everything before it is done, as what came out says; nothing at the end."""


def nothing_more() -> Sequence[Task]:
    """The end of a graph that is known from the start."""
    return ()


Tell = Callable[[str, Task, str], None]
"""Told that a task has "begun", was "lost" with its worker, or has "failed", and why."""


def _silent(what: str, task: Task, why: str) -> None:
    """Nobody wants to know."""


class TaskCrash(Exception):
    """A task failed for a reason that is not the user's to mend; the message holds its traceback."""


@dataclass
class _State:
    """What is done, what is running, how often each task was lost."""

    done: set[str] = field(default_factory=set)
    running: dict[Future[Report], Task] = field(default_factory=dict)
    lost: dict[str, int] = field(default_factory=dict)


def run_graph(
    tasks: Sequence[Task],
    store: Store,
    make_executor: Callable[[], Executor],
    *,
    in_flight: int,
    finished: Callable[[Task, Report | None], None],
    then: Then = nothing_more,
    tell: Tell = _silent,
) -> None:
    """Run all tasks whose artefact is not there yet, then those that `then()` returns, until it returns none.

    `finished(task, report)` is called for every task, with None where the artefact of an earlier run was found. At
    most `in_flight` tasks are submitted at a time, so that a broken pool loses little. A task lost with its worker is
    tried three times.

    Raises
    ------
    LamppostError
        The first error that a task returned; everything finished until then is kept.
    TaskCrash
        If a task failed in another way, was lost three times, or needs what no task makes.
    """
    state = _State()
    waiting = _missing(tasks or then(), store, state, finished, then)
    if not waiting:
        return
    executor = make_executor()
    try:
        while waiting or state.running or (waiting := _missing(then(), store, state, finished, then)):
            for task in [t for t in waiting if state.done.issuperset(t.needs)][: in_flight - len(state.running)]:
                waiting.remove(task)
                tell("begun", task, "")
                state.running[_submit(executor, store, task)] = task
            if not state.running:
                msg = f"{waiting[0].label} needs what no task makes"
                raise TaskCrash(msg)
            ended, _ = wait(state.running, return_when=FIRST_COMPLETED)
            broken = [lost for future in ended if (lost := _collect(future, state, finished, tell))]
            if broken:
                stop(executor)  # a worker that was just starting when another died is joined, never told to end
                store.remove_parts()
                again = [*broken, *state.running.values()]
                state.running.clear()
                for task in again:
                    tell("lost", task, "")
                _count_losses(again, state)
                waiting[:0] = again
                executor = make_executor()
    except BaseException:  # Ctrl-C included: leave no worker behind
        stop(executor)
        raise
    executor.shutdown()


def _missing(
    tasks: Sequence[Task],
    store: Store,
    state: _State,
    finished: Callable[[Task, Report | None], None],
    then: Then,
) -> list[Task]:
    """The tasks whose artefact is not there; if it is there of all, those that come then."""
    waiting: list[Task] = []
    while tasks and not waiting:
        for task in tasks:
            if task.key in state.done:
                continue
            if store.intact(task.key):
                state.done.add(task.key)
                finished(task, None)
            else:
                waiting.append(task)
        tasks = () if waiting else then()
    return waiting


def stop(executor: Executor) -> None:
    """Drop what is queued and end the workers at once; artefacts are written whole or not at all."""
    processes = list((getattr(executor, "_processes", None) or {}).values())
    for process in processes:
        process.terminate()
    # a pool whose workers are gone ends by itself: left alone, it would still be at it when Python closes its pipes
    executor.shutdown(wait=bool(processes), cancel_futures=True)


def _submit(executor: Executor, store: Store, task: Task) -> "Future[Report]":
    try:
        with ctrl_c_held(), one_thread_each():  # a pool starts workers when it has something to do
            return executor.submit(execute, store.folder, task.function, task.key, task.arguments)
    except (BrokenProcessPool, OSError, ValueError) as error:
        # a pool that breaks while it starts another worker closes the pipes which that one was to inherit
        if not (isinstance(error, BrokenProcessPool) or getattr(executor, "_broken", False)):
            raise
        lost: Future[Report] = Future()
        lost.set_exception(BrokenProcessPool(str(error)))
        return lost


def _collect(
    future: "Future[Report]", state: _State, finished: Callable[[Task, Report | None], None], tell: Tell
) -> Task | None:
    """Note how a task ended; the task itself if its worker died under it."""
    task = state.running.pop(future)
    try:
        report = future.result()
    except BrokenProcessPool:
        return task
    if report.error is not None:
        tell("failed", task, str(report.error))
        raise type(report.error)(f"{task.label}: {report.error}")
    if report.crash is not None:
        tell("failed", task, report.crash.strip().splitlines()[-1])
        msg = f"{task.label} failed:\n{report.crash}"
        raise TaskCrash(msg)
    state.done.add(task.key)
    finished(task, None if report.found else report)
    return None


def _count_losses(tasks: Sequence[Task], state: _State) -> None:
    for task in tasks:
        state.lost[task.key] = state.lost.get(task.key, 0) + 1
        if state.lost[task.key] >= _ATTEMPTS:
            why = 'out of memory, killed, or started by a script without `if __name__ == "__main__":`?'
            msg = f"{task.label}: its worker process died {_ATTEMPTS} times ({why})"
            raise TaskCrash(msg)
