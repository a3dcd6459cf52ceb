"""Tasks of one sort: alike but for window, fold, member, draw, signal; one of them says what the others cost."""

import re
from dataclasses import dataclass

__all__ = ["Sort", "name_of", "prior", "window_of"]

_NUMBER = re.compile(r"\[[^\])]*[\])]|'[^']*'|\d+(?:\.\d+)?(?:e[-+]?\d+)?")
_WINDOW = re.compile(r"\[[^)\]]*\)")
# What a task of each stage costs relative to the others until the run's own tasks tell: for the first ETA only
_COST = {"read": 1.0, "draw": 0.1, "fit": 6.0, "train": 6.0, "check": 3.0, "claim": 10.0, "validate": 1.0, "toys": 10.0}
_COST |= {"pseudo": 60.0, "hunt": 600.0, "limits": 600.0}  # all folds in pseudo-data, and whole analyses of them


def name_of(stage: str, label: str) -> str:
    """What tasks of one sort have in common: their stage, and their label without numbers and names of signals."""
    return f"{stage}: {_NUMBER.sub('#', label)}"


def window_of(label: str) -> str:
    """The window that a task is about, as its label has it; empty if it is about none."""
    found = _WINDOW.search(label)
    return "" if found is None else found[0]


def prior(name: str) -> float:
    """What a task costs, relative to others, as long as none of its sort has been seen."""
    cost = _COST.get(name.partition(":")[0], 1.0)
    return 0.05 * cost if "random score: training" in name else cost


@dataclass
class Sort:
    """How many there are of a sort, how they ended, the CPU seconds of those `done`, now and in earlier starts."""

    stage: str
    planned: int = 0
    found: int = 0
    done: int = 0
    running: int = 0
    failed: int = 0
    lost: int = 0
    cpu_s: float = 0.0
    before: int = 0
    cpu_s_before: float = 0.0

    @property
    def left(self) -> int:
        """Those that are still to be finished, running ones included."""
        return max(self.planned - self.found - self.done - self.failed, 0)

    @property
    def cost(self) -> float | None:
        """CPU seconds of one, from this start of the run, or from earlier ones; None if none was seen."""
        if self.done:
            return self.cpu_s / self.done
        return self.cpu_s_before / self.before if self.before else None

    def start_again(self) -> None:
        """Nothing is planned yet, and what was done is what earlier starts did."""
        self.before, self.cpu_s_before = self.before + self.done, self.cpu_s_before + self.cpu_s
        self.planned = self.found = self.done = self.running = self.failed = self.lost = 0
        self.cpu_s = 0.0
