"""Which tasks are run to see what the others cost."""

from collections import Counter
from collections.abc import Mapping, Sequence

from lamppost.run.graph import Task

__all__ = ["chosen", "with_needs"]

_LEAST, _PART, _EACH = 40, 0.15, 5
"""At most so many tasks are run, or this part of those that are missing but no more than so many for every sort."""
_TURNS = 3


def wanted(number: int) -> int:
    """How many of a sort of so many are measured: the first pays for imports, and windows differ in size."""
    return min(number, 2 if number < 30 else _TURNS)


def chosen(tasks: Sequence[Task], sorts: Mapping[str, str], known: Mapping[str, int]) -> list[Task]:
    """A few missing tasks of every sort, spread over the plan, with what they need; first one of each, then more.

    tasks: all that are missing; `sorts` of all tasks by key; `known`: how many of a sort were measured before. What
    ends a chain is chosen first, since what it needs is measured with it; what needs most of the plan is left out.
    """
    by_key, place = {task.key: task for task in tasks}, {task.key: number for number, task in enumerate(tasks)}
    of_sort: dict[str, list[Task]] = {}
    for task in tasks:
        of_sort.setdefault(sorts[task.key], []).append(task)
    made, have = dict[str, None](), Counter(known)
    most = max(_LEAST, min(int(_PART * len(tasks)), _EACH * len(of_sort)))
    for turn in range(_TURNS):
        fresh = set[str]()
        for sort, some in reversed(of_sort.items()):
            number = wanted(len(some))
            if turn < number and have[sort] <= turn:
                chain = _chain(some[int((turn + 0.5) * len(some) / number)], by_key) - made.keys() - fresh
                if len(made) + len(fresh) + len(chain) <= most:
                    fresh |= chain
                    have.update(sorts[key] for key in chain)
        made |= dict.fromkeys(sorted(fresh, key=lambda key: place[key]))
    return [by_key[key] for key in made]


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
