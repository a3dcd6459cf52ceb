"""Which tasks are run to see what the others cost."""

from collections.abc import Mapping, Sequence

from lamppost.run.graph import Task

__all__ = ["chosen", "with_needs"]

_LEAST, _PART = 40, 0.15
"""At most so many tasks are run, or this part of those that are missing."""


def wanted(number: int) -> int:
    """How many of a sort of so many are measured: the first pays for imports, and windows differ in size."""
    return min(number, 2 if number < 30 else 3)


def chosen(tasks: Sequence[Task], sorts: Mapping[str, str], known: Mapping[str, int]) -> list[Task]:
    """A few missing tasks of every sort, spread over the plan and in its order, with what they need.

    tasks: all that are missing; `sorts` of all tasks by key; `known`: how many of a sort were measured before. What
    ends a chain is chosen first, since what it needs is measured with it; what needs most of the plan is left out.
    """
    by_key = {task.key: task for task in tasks}
    of_sort: dict[str, list[Task]] = {}
    for task in tasks:
        of_sort.setdefault(sorts[task.key], []).append(task)
    made: set[str] = set()
    most = max(_LEAST, int(_PART * len(tasks)))
    for sort, some in reversed(of_sort.items()):
        number = wanted(len(some))
        places = [int((i + 0.5) * len(some) / number) for i in range(number)]
        for task in (some[place] for place in places):
            have = known.get(sort, 0) + sum(sorts[key] == sort for key in made)
            chain = made | _chain(task, by_key)
            if have < number and len(chain) <= most:
                made = chain
    return [task for task in tasks if task.key in made]


def with_needs(some: Sequence[Task], tasks: Sequence[Task]) -> list[Task]:
    """Some tasks and all that they need, what is there included, in the order of the plan."""
    by_key = {task.key: task for task in tasks}
    wanted = {key for task in some for key in _chain(task, by_key)}
    return [task for task in tasks if task.key in wanted]


def _chain(task: Task, by_key: Mapping[str, Task]) -> set[str]:
    """A task and all that it needs, as far as it is among these tasks."""
    found: set[str] = set()
    left = [task.key]
    while left:
        key = left.pop()
        if key not in found:
            found.add(key)
            left += [need for need in by_key[key].needs if need in by_key]
    return found
