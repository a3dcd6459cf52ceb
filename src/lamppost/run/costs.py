"""What a run costs: CPU seconds and bytes per stage, and memory."""

from dataclasses import dataclass, field

from lamppost.run.graph import Task
from lamppost.run.worker import Report

__all__ = ["Costs"]


@dataclass
class Costs:
    """CPU seconds and bytes written per stage, and peak memory per process, of this start of the run."""

    cpu_s: dict[str, float] = field(default_factory=dict)
    tasks: dict[str, int] = field(default_factory=dict)
    written: dict[str, int] = field(default_factory=dict)
    reused: int = 0
    rss_mb: dict[tuple[str, int], float] = field(default_factory=dict)

    def add(self, task: Task, report: Report | None) -> None:
        """Count a task that was run, or found done by an earlier run."""
        if report is None:
            self.reused += 1
            return
        self.cpu_s[task.stage] = self.cpu_s.get(task.stage, 0.0) + report.cpu_s
        self.tasks[task.stage] = self.tasks.get(task.stage, 0) + 1
        self.written[task.stage] = self.written.get(task.stage, 0) + report.written
        process = report.machine, report.pid
        self.rss_mb[process] = max(self.rss_mb.get(process, 0.0), report.rss_mb)
