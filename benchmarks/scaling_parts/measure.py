"""CPU seconds, bytes and memory of tasks against the number of events, measured in processes of their own."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lamppost.config import Search, parse
from lamppost.run.cache import shared_by
from lamppost.run.estimate.sampling import sample
from lamppost.run.folder import alone
from lamppost.run.graph import Task
from lamppost.run.plan import CONTROL, plan
from lamppost.run.progress.log import entries

FIT_RANGE = (2800.0, 8000.0)
WINDOWS = ((3200.0, 3600.0), (3800.0, 4200.0), (4600.0, 5000.0))
FOLDS = 5
MEASURED_FOLDS = ("fold 0", "fold 1")
"""Two trainings of a window: the first in a process pays for imports and compilation."""
FEATURES = [
    "m_light = min(mj1, mj2)",
    "dm = abs(mj1 - mj2)",
    "tau21_light = where(mj1 < mj2, tau2j1 / (tau1j1 + 1e-5), tau2j2 / (tau1j2 + 1e-5))",
    "tau21_heavy = where(mj1 < mj2, tau2j2 / (tau1j2 + 1e-5), tau2j1 / (tau1j1 + 1e-5))",
]
GROUPS = {"light": ["m_light", "tau21_light"], "heavy": ["dm", "tau21_heavy"]}
METHODS: Mapping[str, Any] = {
    "cwola": {"kind": "cwola"},
    "tnt": {"kind": "tnt"},
    "cathode": {"kind": "cathode"},
    "curtains": {"kind": "curtains"},
    "lacathode": {"kind": "lacathode"},
    "anode": {"kind": "anode"},
}
"""Six methods with their shipped defaults."""


@dataclass(frozen=True)
class Measured:
    """One task: events in region and sidebands (`near`) and in the fit range, and what it cost.

    first: of its sort in its process, which pays for imports; fresh: of its window, which pays for compilation
    """

    method: str
    stage: str
    near: int
    events: int
    cpu_s: float
    bytes: int
    rss_mb: float
    first: bool
    fresh: bool


def search(path: Path, methods: Sequence[str]) -> Search:
    """The hunt whose tasks are measured."""
    return parse(
        {
            "seed": 1,
            "data": {"path": str(path), "mass": "mjj", "features": FEATURES, "groups": GROUPS},
            "scan": {"windows": [list(window) for window in WINDOWS], "folds": FOLDS},
            "methods": {name: METHODS[name] for name in methods},
            "fit": {"range": list(FIT_RANGE), "function": "dijet", "sqrt_s": 13000},
        }
    )


def measure(tables: Path, out: Path, sizes: Sequence[int], methods: Sequence[str], seconds: float) -> list[Measured]:
    """Measure tasks of every method, in windows and samples of different size; what was measured before is kept."""
    found: list[Measured] = []
    for size in sizes:
        folder = out / str(size)
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "events.parquet"
        if not path.exists():
            pq.write_table(first_rows(sorted(tables.glob("qcd_[0-9]*.parquet")), size), path)
        masses = pq.read_table(path, columns=["mjj"])["mjj"].to_numpy()
        for method in methods:  # each in processes of its own: what the first of them pays is its own
            found += _of_method(folder / method, search(path, [method]), masses, seconds)
    (out / "measured.json").write_text(json.dumps([asdict(one) for one in found], indent=1) + "\n")
    return found


def first_rows(paths: Sequence[Path], size: int) -> pa.Table:
    """The first rows of the tables that lie in the fit range."""
    some, n = [], 0
    for path in paths:
        table = pq.read_table(path)
        mass = table["mjj"].to_numpy()
        some.append(table.filter(pa.array((mass >= FIT_RANGE[0]) & (mass < FIT_RANGE[1]))))
        n += some[-1].num_rows
        if n >= size:
            return pa.concat_tables(some).slice(0, size)
    raise SystemExit(f"{len(paths)} tables hold {n} events in the fit range, {size} were asked for")


def _of_method(out: Path, hunt: Search, masses: np.ndarray, seconds: float) -> list[Measured]:
    out.mkdir(exist_ok=True)
    with alone(out):
        cache, tasks = shared_by(out, None), _some(plan(hunt).tasks)
        missing = [task for task in tasks if not cache.store.intact(task.key)]
        sample(out, cache, missing, seconds)
    (name,) = hunt.methods
    return list(_read(out / "log.jsonl", name, masses))


def _some(tasks: Sequence[Task]) -> list[Task]:
    """Two trainings of every window, and the whole hunt with a random score, whose fits and toys are as any other's."""
    trained = [
        task for task in tasks if task.stage in ("fit", "train") and any(fold in task.label for fold in MEASURED_FOLDS)
    ]
    control = [task for task in tasks if CONTROL in task.label]
    keys, left = {task.key: task for task in tasks}, [*trained, *control]
    wanted: set[str] = set()
    while left:
        task = left.pop()
        if task.key not in wanted:
            wanted.add(task.key)
            left += [keys[key] for key in task.needs]
    return [task for task in tasks if task.key in wanted]


def _read(log: Path, method: str, masses: np.ndarray) -> Iterator[Measured]:
    warm: set[tuple[int, str, str]] = set()
    for one in entries(log):
        control, stage = CONTROL in one["label"], one["stage"]
        name = CONTROL if control else method
        window = next((w for w in WINDOWS if f"[{w[0]:g}, {w[1]:g})" in one["label"]), None)
        near = len(masses) if window is None else int(_near(masses, *window).sum())
        process, about = (one["pid"], f"{name} {stage}", ""), (one["pid"], f"{name} {stage}", str(window))
        costs = one["cpu_s"], one["written"], one["rss_mb"]
        yield Measured(name, stage, near, len(masses), *costs, process not in warm, about not in warm)
        warm |= {process, about}


def _near(masses: np.ndarray, lo: float, hi: float) -> np.ndarray:
    reach = hi - lo
    return (masses >= lo - reach) & (masses < hi + reach)
