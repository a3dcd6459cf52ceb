"""A campaign of 200 tasks of milliseconds, with artefacts of every sort, each of which leaves a trace when it begins.

`python small_campaign.py OUT WHERE` runs it on the Dask cluster WHERE.
"""

import os
import sys
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Executor
from pathlib import Path

import numpy as np

from lamppost.errors import DataError, LamppostError
from lamppost.run.artefacts import Store, remove_parts
from lamppost.run.cluster import executors
from lamppost.run.graph import Task, run_graph
from lamppost.run.worker import Report

CLAIMS, FOLDS = 30, 5
TASKS = 1 + CLAIMS * FOLDS + CLAIMS + 19
TIME_S = 0.02


def begin(store: Store, key: str) -> None:
    """Leave a trace: one file for each time that a task begins."""
    (store.folder.parent / f"begun-{key}-{os.getpid()}-{time.monotonic_ns()}").touch()


def draw(store: Store, key: str, *, seed: int) -> None:
    begin(store, key)
    store.write_arrays(key, {"x": np.random.default_rng(seed).normal(size=500)}, {"seed": seed})


def train(store: Store, key: str, *, events: str, number: int) -> None:
    begin(store, key)
    time.sleep(TIME_S)
    x = store.read_arrays(events)[0]["x"]
    store.write_arrays(key, {"score": np.sin(number * x)}, {"number": number})


def claim(store: Store, key: str, *, parts: tuple[str, ...]) -> None:
    begin(store, key)
    store.write_json(key, {"sum": float(sum(store.read_arrays(part)[0]["score"].sum() for part in parts))})


def tabulate(store: Store, key: str, *, claims: tuple[str, ...]) -> None:
    import pyarrow as pa

    begin(store, key)
    store.write_table(key, pa.table({"sum": [store.read_json(one)["sum"] for one in claims]}))


def bad_column(store: Store, key: str) -> None:
    raise DataError("no column 'x'")


def deadly(store: Store, key: str) -> None:
    """As if the system had killed its process for want of memory."""
    begin(store, key)
    os._exit(1)


def campaign() -> list[Task]:
    """One drawing; trainings; claims of some trainings each; tables of some claims each."""
    events = "draw.parquet"
    tasks = [Task(events, "draw", "drawing", draw, {"seed": 1})]
    claims = []
    for number in range(CLAIMS):
        parts = tuple(f"train-{number}-{fold}.parquet" for fold in range(FOLDS))
        for fold, key in enumerate(parts):
            arguments = {"events": events, "number": FOLDS * number + fold}
            tasks.append(Task(key, "train", f"training {number}, {fold}", train, arguments, (events,)))
        claims.append(f"claim-{number}.json")
        tasks.append(Task(claims[-1], "claim", f"claim {number}", claim, {"parts": parts}, parts))
    for number in range(TASKS - len(tasks)):
        some = tuple(claims[number : number + 10])
        tasks.append(Task(f"table-{number}.arrow", "table", f"table {number}", tabulate, {"claims": some}, some))
    return tasks


def begun(out: Path) -> Counter[str]:
    """How often each task began."""
    return Counter(path.name[6:].rsplit("-", 2)[0] for path in out.glob("begun-*"))


def content(out: Path) -> dict[str, bytes]:
    """Every artefact."""
    return {path.name: path.read_bytes() for path in (out / "artefacts").iterdir()}


def run(out: Path, make_executor: Callable[[], Executor]) -> None:
    """The campaign; a line on stdout for each task that is done."""
    store = Store(out / "artefacts")
    store.folder.mkdir(exist_ok=True, parents=True)
    remove_parts(store.folder)

    def finished(task: Task, report: Report | None) -> None:
        sys.stdout.write(f"{'found' if report is None else 'done'} {task.key}\n")
        sys.stdout.flush()

    run_graph(campaign(), store, make_executor, in_flight=3, finished=finished)


if __name__ == "__main__":
    try:
        here = Path(sys.argv[1])
        run(here, executors(sys.argv[2], 2, here / "artefacts", here, quiet=True))
    except LamppostError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(2)
