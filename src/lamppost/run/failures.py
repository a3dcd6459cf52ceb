"""Tasks that failed, what was not started because of them, and the one error that is raised in the end."""

from collections import Counter
from collections.abc import Sequence
from typing import NoReturn

from lamppost.errors import ConfigError, DataError, FitError, LamppostError
from lamppost.run.worker import Task

__all__ = ["Failures", "TaskCrash"]

_HOPELESS = 20
"""So many failures of a stage without one success: the rest would fail as well."""


class TaskCrash(Exception):
    """A task failed for a reason that is not the user's to mend; the message holds its traceback."""


class Failures:
    """What failed so far, by its place in the plan."""

    def __init__(self) -> None:
        self._errors, self._dropped = dict[int, Exception](), 0
        self._good, self._bad = Counter[str](), Counter[str]()
        self._read_only = True

    def __bool__(self) -> bool:
        return bool(self._errors)

    def success(self, task: Task) -> None:
        """Note a task that is done."""
        self._good[task.stage] += 1
        self._read_only = self._read_only and not task.needs

    def add(self, task: Task, place: int, error: Exception, dropped: Sequence[Task]) -> None:
        """Note a task that failed, and what waited for it.

        Raises
        ------
        LamppostError
            If the machine is at fault and not the task: a full disk, a library that is missing.
        """
        self._errors[place] = error
        self._bad[task.stage] += 1
        self._dropped += len(dropped)
        if isinstance(error, LamppostError) and not isinstance(error, ConfigError | DataError | FitError):
            raise error

    def hopeless(self, stage: str) -> bool:
        """Whether many tasks of this stage have failed and none was done."""
        return self._bad[stage] >= _HOPELESS and not self._good[stage]

    def give_up(self, left: int = 0) -> NoReturn:
        """Raise the first error in the order of the plan; `left` more tasks are not started.

        It says what else failed, unless it left nothing to do but to read the input.
        """
        error = self._errors[min(self._errors)]
        failed, dropped = len(self._errors), self._dropped + left
        if failed == 1 and dropped and self._read_only:
            raise error
        counts = f"{failed} of {self._good.total() + failed + dropped} tasks failed"
        if dropped:
            counts += f", {dropped} were not started because of that"
        raise type(error)(f"{error}\n({counts})" if isinstance(error, TaskCrash) else f"{error} ({counts})")
