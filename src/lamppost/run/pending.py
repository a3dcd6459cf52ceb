"""Which tasks of a graph may start, in the order of the plan, and which never will because another failed."""

from collections.abc import Iterator, Mapping, Sequence
from heapq import heappop, heappush
from random import Random

from lamppost.run.worker import Task

__all__ = ["Pending"]


class Pending:
    """Tasks that are not done. Every step takes a time that does not grow with their number.

    turns: draws the order in which they are taken; None: that of the plan.
    """

    def __init__(self, turns: Random | None = None) -> None:
        self._turns = turns
        self.done: set[str] = set()
        self._place: dict[str, int] = {}
        self._tasks: dict[str, Task] = {}
        self._unmet: dict[str, set[str]] = {}
        self._users: dict[str, list[str]] = {}
        self._ready: list[tuple[float, str]] = []

    def __len__(self) -> int:
        """Tasks that are neither done nor taken."""
        return len(self._ready) + len(self._unmet)

    def __iter__(self) -> Iterator[Task]:
        """Those that wait for others."""
        return (self._tasks[key] for key in self._unmet)

    def place(self, task: Task) -> int:
        """Where it stands in the plan."""
        return self._place[task.key]

    def add(self, tasks: Sequence[Task], needs: Mapping[str, Sequence[str]] | None = None) -> None:
        """Tasks to do, those that are needed among them or done.

        needs: by key, of all tasks. What is done may be made of what was lost since and is made again: whoever needs
        the one may read the other as well, and waits for it.
        """
        for task in tasks:
            self._place.setdefault(task.key, len(self._place))
            self._tasks[task.key] = task
            unmet = self._missing(task, needs or {})
            for key in unmet:
                self._users.setdefault(key, []).append(task.key)
            if unmet:
                self._unmet[task.key] = unmet
            else:
                self.again(task)

    def _missing(self, task: Task, needs: Mapping[str, Sequence[str]]) -> set[str]:
        """What a task waits for, directly or through what is done."""
        unmet, seen, left = set[str](), set[str](), list(task.needs)
        while left:
            key = left.pop()
            if key in self.done and key not in seen:
                left += needs.get(key, ())
            elif key not in self.done:
                unmet.add(key)
            seen.add(key)
        return unmet

    def again(self, task: Task) -> None:
        """A task that was taken and is to be taken once more."""
        turn = self._place[task.key] if self._turns is None else self._turns.random()
        heappush(self._ready, (turn, task.key))

    def take(self) -> Task | None:
        """The first task that may start, or any if the order is drawn."""
        return self._tasks[heappop(self._ready)[1]] if self._ready else None

    def finish(self, key: str) -> None:
        """What waited for this one alone may start."""
        self.done.add(key)
        for user in self._users.pop(key, ()):
            if user in self._unmet:
                self._unmet[user].discard(key)
                if not self._unmet[user]:
                    del self._unmet[user]
                    self.again(self._tasks[user])

    def drop(self, key: str) -> list[Task]:
        """Forget all that waits, however indirectly, for a task that failed; what was forgotten, in order."""
        dropped, left = [], [key]
        while left:
            for user in self._users.pop(left.pop(), ()):
                if self._unmet.pop(user, None) is not None:
                    dropped.append(self._tasks[user])
                    left.append(user)
        return sorted(dropped, key=self.place)
