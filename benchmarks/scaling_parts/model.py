"""The cost of a campaign: tasks, CPU seconds, bytes, and the time they take on some number of cores."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import nnls

from scaling_parts.measure import Measured

CONTROL = "random score"
CASE_WINDOWS = (
    *((1650, 2017), (2017, 2465), (2465, 3013), (3013, 3682), (3682, 4500), (4500, 5500)),
    *((1824, 2230), (2230, 2725), (2725, 3331), (3331, 4071), (4071, 4975), (4975, 6081)),
)
"""Signal regions of CMS CASE (arXiv:2412.03747) [GeV]; a sideband is the neighbouring bin."""


@dataclass(frozen=True)
class Line:
    """Seconds, bytes or MB of a task: constant + per_near x (events near the window) + per_event x (all events).

    `residual`: the largest ratio between what was measured and this, either way.
    """

    constant: float
    per_near: float
    per_event: float
    residual: float

    def __call__(self, near: float, events: float) -> float:
        return self.constant + self.per_near * near + self.per_event * events


def line(near: Sequence[float], events: Sequence[float], values: Sequence[float]) -> Line:
    """The line through measured values, none of its coefficients negative, all relative errors alike.

    What is below a hundredth of the largest value counts as that: it decides nothing.
    """
    given = np.asarray(values, float)
    y = np.maximum(given, max(0.01 * given.max(), 1e-6))
    x = np.column_stack([np.ones_like(y), np.asarray(near, float), np.asarray(events, float)])
    scale = np.maximum(x.max(axis=0), 1.0)
    solution, _ = nnls(x / scale / y[:, None], np.ones_like(y))
    fitted = x / scale @ solution
    ratio = float(np.max(np.maximum(fitted / y, y / np.maximum(fitted, 1e-9))))
    return Line(*(float(c) for c in solution / scale), ratio)


@dataclass(frozen=True)
class Constants:
    """What tasks cost, by (method, stage).

    once: CPU seconds that every worker pays for imports; compile_s: those that the first of a window in a worker pays
    """

    cpu_s: Mapping[tuple[str, str], Line]
    bytes: Mapping[tuple[str, str], Line]
    compile_s: Mapping[tuple[str, str], float]
    rss_mb: Line
    once: float

    @property
    def methods(self) -> list[str]:
        """The methods that were measured."""
        return list(dict.fromkeys(method for method, stage in self.cpu_s if stage == "train" and method != CONTROL))


def constants(measured: Sequence[Measured]) -> Constants:
    """The constants of the model, from measured tasks."""
    sorts = dict.fromkeys((one.method, one.stage) for one in measured)
    cpu_s, written, compile_s, once = {}, {}, {}, 0.0
    for sort in sorts:
        some = [one for one in measured if (one.method, one.stage) == sort]
        warm = [one for one in some if not (one.first or one.fresh)] or [one for one in some if not one.first] or some
        cpu_s[sort] = line([one.near for one in warm], [one.events for one in warm], [one.cpu_s for one in warm])
        written[sort] = line([one.near for one in some], [one.events for one in some], [one.bytes for one in some])
        compile_s[sort] = _beyond(cpu_s[sort], [one for one in some if one.fresh and not one.first])
        if len(warm) < len(some):
            once += max(_beyond(cpu_s[sort], [one for one in some if one.first]) - compile_s[sort], 0.0)
    largest = {size: max(one.rss_mb for one in measured if one.events == size) for size in {o.events for o in measured}}
    return Constants(cpu_s, written, compile_s, line([0.0] * len(largest), list(largest), list(largest.values())), once)


def _beyond(usual: Line, some: Sequence[Measured]) -> float:
    """Seconds that these took beyond what is usual, on average."""
    return max(float(np.mean([one.cpu_s - usual(one.near, one.events) for one in some])), 0.0) if some else 0.0


@dataclass(frozen=True)
class Campaign:
    """A hunt in all windows, and limits on signals: for each of them one window is trained anew at every strength.

    near: events in region and sidebands of each window; events: those of the fit range; `repeats` of every injection
    """

    near: Sequence[float]
    events: float
    methods: Sequence[str]
    folds: int = 5
    signals: int = 43
    strengths: int = 6
    repeats: int = 1


@dataclass
class Total:
    """Tasks, CPU seconds and bytes by what they are for; the longest task."""

    tasks: dict[str, int] = field(default_factory=dict)
    cpu_s: dict[str, float] = field(default_factory=dict)
    bytes: float = 0.0
    longest: float = 0.0

    def add(self, what: str, number: float, seconds: float, size: float) -> None:
        """So many tasks of so many seconds and bytes each."""
        self.tasks[what] = self.tasks.get(what, 0) + round(number)
        self.cpu_s[what] = self.cpu_s.get(what, 0.0) + number * seconds
        self.bytes += number * size
        self.longest = max(self.longest, seconds)


def total(campaign: Campaign, known: Constants) -> Total:
    """What a campaign costs. Signals lie evenly among the windows; every task compiles, as on many workers."""
    found = Total()
    injections = campaign.signals * campaign.strengths * campaign.repeats / len(campaign.near)
    fits = (CONTROL, "claim")
    for near in campaign.near:
        for method in campaign.methods:
            stages = [stage for name, stage in known.cpu_s if name == method and stage in ("fit", "train")]
            for stage in stages:
                costs = _costs(known, (method, stage), near, campaign.events)
                found.add(f"hunt: {method}", campaign.folds, *costs)
                found.add(f"limits: {method}", campaign.folds * injections, *costs)
            found.add("fits and toys", 1 + injections, *_costs(known, fits, near, campaign.events))
        found.add("random score", campaign.folds, *_costs(known, (CONTROL, "train"), near, campaign.events))
        found.add("fits and toys", 1, *_costs(known, fits, near, campaign.events))
    return found


def _costs(known: Constants, sort: tuple[str, str], near: float, events: float) -> tuple[float, float]:
    return known.cpu_s[sort](near, events) + known.compile_s[sort], known.bytes[sort](near, events)


@dataclass(frozen=True)
class Overhead:
    """What a task costs besides: seconds of its worker (sending, importing nothing), seconds of the scheduler.

    The scheduler serves one task after the other, so that it bounds tasks per second whatever the number of workers.
    """

    worker_s: float = 0.0
    scheduler_s: float = 0.0


def wall_s(found: Total, cores: int, once: float, overhead: Overhead) -> float:
    """Seconds on so many cores, one worker each.

    max((C + n h_w) / cores + o, n h_s, o + longest): C CPU seconds of n tasks, h_w and h_s what a task costs its worker
    and the scheduler besides, o what a worker pays once.
    """
    tasks, cpu_s = sum(found.tasks.values()), sum(found.cpu_s.values())
    shared = (cpu_s + tasks * overhead.worker_s) / cores + once
    return max(shared, tasks * overhead.scheduler_s, once + found.longest)


def gpu_s(jobs: int, batch: int, steps: int, step_s: float, compile_s: float) -> float:
    """Seconds on one GPU: batches of `batch` trainings in one compiled loop, `steps` steps of `step_s` each.

    ceil(jobs / batch) x steps x step_s + compile_s. `step_s` as a function of the batch, and `compile_s`, have to be
    measured on the GPU in question.
    """
    return -(-jobs // batch) * steps * step_s + compile_s


def near_windows(edges: np.ndarray, counts: np.ndarray) -> list[float]:
    """Events in each of CASE's windows with its sidebands, from a spectrum (bins + 1,), (bins,), by overlap of bins."""
    return [_events(edges, counts, *_with_sidebands(window)) for window in CASE_WINDOWS]


def _with_sidebands(window: tuple[int, int]) -> tuple[float, float]:
    """A window with its neighbours of the same grid; beyond the ends one as wide in ln m."""
    lo, hi = window
    below = [w[0] for w in CASE_WINDOWS if w[1] == lo] or [lo * lo / hi]
    above = [w[1] for w in CASE_WINDOWS if w[0] == hi] or [hi * hi / lo]
    return float(below[0]), float(above[0])


def _events(edges: np.ndarray, counts: np.ndarray, lo: float, hi: float) -> float:
    overlap = np.clip(np.minimum(edges[1:], hi) - np.maximum(edges[:-1], lo), 0.0, None) / np.diff(edges)
    return float(overlap @ counts)
