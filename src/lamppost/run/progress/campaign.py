"""The state of a campaign: which tasks there are, how they ended, what they cost, when it will be done."""

from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from lamppost.run.progress.log import entries
from lamppost.run.progress.sorts import Sort, name_of, prior

__all__ = ["Campaign", "Ended", "replay"]

_SHOWN = 10
"""Tasks that ended last, and that failed last, to be shown."""


@dataclass(frozen=True)
class Ended:
    """A task that ended: when [s since 1970], at what cost, or why it failed."""

    label: str
    time: float
    cpu_s: float = 0.0
    why: str = ""


@dataclass
class Campaign:
    """What the log says since the last start; times in seconds since 1970.

    state: running, done, failed, interrupted; `running`: label and begin by key.
    """

    begun: float = 0.0
    updated: float = 0.0
    workers: int = 1
    state: str = "running"
    why: str = ""
    about: dict[str, Any] = field(default_factory=dict)
    sorts: dict[str, Sort] = field(default_factory=dict)
    running: dict[str, tuple[str, str, float]] = field(default_factory=dict)
    last: deque[Ended] = field(default_factory=lambda: deque(maxlen=_SHOWN))
    failures: deque[Ended] = field(default_factory=lambda: deque(maxlen=_SHOWN))
    written: int = 0

    def sort(self, name: str) -> Sort:
        """The tasks of a sort."""
        if name not in self.sorts:
            self.sorts[name] = Sort(name.partition(":")[0])
        return self.sorts[name]

    def event(self, what: str, time: float, facts: Mapping[str, Any]) -> None:
        """Take note of what the log says."""
        if what == "sampled":  # for an estimate, before a run
            sort = self.sort(name_of(facts["stage"], facts["label"]))
            sort.before, sort.cpu_s_before = sort.before + 1, sort.cpu_s_before + facts["cpu_s"]
            return
        self.updated = time
        if what in ("begun", "found", "done", "lost", "failed"):
            self._task(what, time, facts)
        elif what in ("plan", "dropped"):
            for name, number in facts["tasks"].items():
                self.sort(name).planned += number if what == "plan" else -number
        elif what == "start":
            self._start(time, facts)
        elif what in ("end", "stopped"):
            self.state, self.why = ("done", "") if what == "end" else (facts["state"], facts["why"])
            self.running.clear()
            for sort in self.sorts.values():
                sort.running = 0

    def _start(self, time: float, facts: Mapping[str, Any]) -> None:
        """What earlier starts found out is what tasks cost."""
        self.begun, self.workers, self.about = time, facts["workers"], dict(facts)
        self.state, self.why, self.written = "running", "", 0
        self.running.clear()
        self.last.clear()
        self.failures.clear()
        for sort in self.sorts.values():
            sort.start_again()

    def _task(self, what: str, time: float, facts: Mapping[str, Any]) -> None:
        label = facts["label"]
        sort = self.sort(name_of(facts["stage"], label))
        if self.running.pop(facts["key"], None) is not None:
            sort.running -= 1
        if what == "begun":
            self.running[facts["key"]] = label, name_of(facts["stage"], label), time
            sort.running += 1
        elif what == "done":
            sort.done, sort.cpu_s = sort.done + 1, sort.cpu_s + facts["cpu_s"]
            self.written += facts.get("written", 0)
            self.last.append(Ended(label, time, facts["cpu_s"]))
        elif what == "failed":
            sort.failed += 1
            self.failures.append(Ended(label, time, why=facts["why"]))
        elif what == "lost":
            sort.lost += 1
        else:
            sort.found += 1

    def costs(self) -> dict[str, float]:
        """CPU seconds of a task of each sort; guessed from other sorts where none was seen."""
        known = {name: sort.cost for name, sort in self.sorts.items()}
        seen = [(cost, prior(name)) for name, cost in known.items() if cost is not None]
        scale = sum(cost for cost, _ in seen) / sum(guess for _, guess in seen) if seen else 1.0
        return {name: prior(name) * scale if cost is None else cost for name, cost in known.items()}

    def fraction(self) -> float:
        """The part of the work that is done, 0 to 1, by cost."""
        costs = self.costs()
        total = sum(sort.planned * costs[name] for name, sort in self.sorts.items())
        left = sum(sort.left * costs[name] for name, sort in self.sorts.items())
        return 1.0 - left / total if total > 0 else float(not self._count("left"))

    def eta(self, now: float) -> float | None:
        """Seconds until it will be done at the speed so far; None if nothing tells.

        Speed: CPU seconds of what is done, and of the done part of what is running, per second since the start.
        """
        if not any(sort.done or sort.before for sort in self.sorts.values()):
            return None if self._count("left") else 0.0
        costs = self.costs()
        parts = [(costs[name], min(now - since, costs[name])) for _, name, since in self.running.values()]
        part = sum(done for _, done in parts)
        left = sum(sort.left * costs[name] for name, sort in self.sorts.items()) - part
        made, elapsed = sum(sort.cpu_s for sort in self.sorts.values()) + part, now - self.begun
        most = float(max(self.workers, len(self.running)))  # a cluster has more than this machine
        speed = min(made / elapsed, most) if made > 0 and elapsed > 0 else most
        return max(left / speed, max((cost - done for cost, done in parts), default=0.0))

    def _count(self, what: str) -> int:
        return sum(getattr(sort, what) for sort in self.sorts.values())

    def as_dict(self, now: float) -> dict[str, Any]:
        """All there is to show, as plain values."""
        stages: dict[str, dict[str, Any]] = {}
        for sort in self.sorts.values():
            if sort.planned or sort.done or sort.found or sort.running:
                row = stages.setdefault(sort.stage, {"stage": sort.stage, **dict.fromkeys(_COUNTS, 0), "cpu_s": 0.0})
                for name in (*_COUNTS, "cpu_s"):
                    row[name] += getattr(sort, name)
        end = now if self.state == "running" else self.updated
        running = [{"label": label, "for_s": now - since} for label, _, since in self.running.values()]
        return {
            **{name: self.about.get(name) for name in ("result", "host", "pid")},
            **{name: getattr(self, name) for name in ("state", "why", "begun", "updated", "workers", "written")},
            "elapsed_s": end - self.begun,
            "eta_s": self.eta(now) if self.state == "running" else None,
            "fraction": self.fraction(),
            "stages": list(stages.values()),
            **{name: self._count(name) for name in (*_COUNTS, "lost")},
            "cpu_s": self._count("cpu_s"),
            "cpu_s_before": self._count("cpu_s_before"),
            "running_tasks": running,
            "last": [asdict(one) for one in reversed(self.last)],
            "failures": [asdict(one) for one in reversed(self.failures)],
        }


_COUNTS = ("planned", "found", "done", "running", "left", "failed")


def replay(log: Path) -> Campaign | None:
    """The campaign that a log tells of; None if it tells of none."""
    campaign, told = Campaign(), False
    for one in entries(log):
        try:
            campaign.event(one["event"], datetime.fromisoformat(one["time"]).timestamp(), one)
            told = True
        except (KeyError, TypeError, ValueError):  # of another version
            continue
    return campaign if told else None
