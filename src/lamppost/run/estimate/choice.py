"""Which tasks are run to see what the others cost."""

from collections.abc import Mapping, Sequence

from lamppost.run.graph import Task

__all__ = ["chosen"]

_LEAST, _PART = 40, 0.15
"""At most so many tasks are run, or this part of those that are missing."""


def wanted(number: int) -> int:
    """How many of a sort of so many are measured: the first pays for imports, and windows differ in size."""
    return min(number, 2 if number < 30 else 3)


def chosen(tasks: Sequence[Task], sorts: Mapping[str, str], known: Mapping[str, int]) -> list[Task]:
    """A few missing tasks of every sort, spread over the plan, with what they need.

    tasks: all that are missing; `sorts` of all tasks by key; `known`: how many of a sort were measured before. What
    ends a chain comes first, since what it needs is measured with it; what needs most of the plan is left out.
    """
    by_key = {task.key: task for task in tasks}
    of_sort: dict[str, list[Task]] = {}
    for task in tasks:
        of_sort.setdefault(sorts[task.key], []).append(task)
    made: dict[str, Task] = {}
    most = max(_LEAST, int(_PART * len(tasks)))
    for sort, some in reversed(of_sort.items()):
        number = wanted(len(some))
        places = [int((i + 0.5) * len(some) / number) for i in range(number)]
        for task in (some[place] for place in places):
            have = known.get(sort, 0) + sum(sorts[key] == sort for key in made)
            chain = [one for one in _chain(task, by_key) if one.key not in made]
            if have < number and len(made) + len(chain) <= most:
                made |= {one.key: one for one in chain}
    return list(made.values())


def _chain(task: Task, by_key: Mapping[str, Task]) -> list[Task]:
    """A task after all that it needs and that is missing."""
    found: dict[str, Task] = {}
    left = [task]
    while left:
        one = left.pop()
        if one.key not in found:
            found[one.key] = one
            left += [by_key[key] for key in one.needs if key in by_key]
    return list(reversed(found.values()))
