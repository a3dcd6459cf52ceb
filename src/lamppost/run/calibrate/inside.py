"""What is made inside one task: a folder of its own for artefacts that live as long as the task does."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from lamppost.errors import DataError
from lamppost.run.artefacts import Store, not_written
from lamppost.run.graph import Task, Then, nothing_more, run_graph
from lamppost.run.planned import Planned
from lamppost.run.worker import InlineExecutor, Report

__all__ = ["inside", "work_through"]


@contextmanager
def inside(store: Store, key: str, names: Iterable[str]) -> Iterator[tuple[Store, Planned]]:
    """A store for the inside of the task `key`, with links to artefacts `names` that are there, and a plan of these.

    Raises
    ------
    LamppostError
        If something cannot be written.
    """
    with store.temporary(key) as work:
        planned = Planned()
        try:
            for name in names:
                (work / name).symlink_to(store.path(name).resolve())
                planned.tasks[name] = Task(name, "read", "what is there", _there, {})
            yield Store(work), planned
        except OSError as error:
            raise not_written(work, error) from None


def work_through(inner: Store, tasks: Sequence[Task], then: Then = nothing_more) -> None:
    """Do the tasks, and what `then` asks for, in this process; no progress is shown of the inside of a task."""
    run_graph(tasks, inner, InlineExecutor, in_flight=1, finished=_nothing, then=then)


def _there(store: Store, key: str) -> None:
    """An artefact that was made before; it is linked, and never made again."""
    msg = f"{store.path(key)}: damaged; start again, and it is read anew"
    raise DataError(msg)


def _nothing(task: Task, report: Report | None) -> None:
    pass
