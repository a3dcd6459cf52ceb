"""A campaign of 200 tasks that take milliseconds, on real artefacts of every sort, each of which notes that it ran."""

import os
import time

import numpy as np

from lamppost.run.artefacts import Store

TRAININGS, CLAIMS, TABLES = 6, 18, 14
TASKS = 1 + CLAIMS * TRAININGS + CLAIMS + 3 * TABLES + 31
PAUSE = 0.01


def note(store: Store, key: str) -> None:
    """One more file for each time that a task was begun."""
    (store.folder.parent / "begun").mkdir(exist_ok=True)
    (store.folder.parent / "begun" / f"{key}.{os.getpid()}.{time.monotonic_ns()}").touch()


def draw(store: Store, key: str, *, seed: int) -> None:
    note(store, key)
    store.write_arrays(key, {"x": np.random.default_rng(seed).normal(size=500)}, {"seed": seed})


def train(store: Store, key: str, *, events: str, seed: int, pause: float = PAUSE) -> None:
    note(store, key)
    time.sleep(pause)
    x = store.read_arrays(events)[0]["x"]
    store.write_arrays(key, {"score": np.sin(x * seed) @ np.outer(x, x)[:, :50]}, {"seed": seed})


def claim(store: Store, key: str, *, parts: tuple[str, ...]) -> None:
    note(store, key)
    store.write_json(key, {"sum": float(sum(store.read_arrays(part)[0]["score"].sum() for part in parts))})


def tabulate(store: Store, key: str, *, claims: tuple[str, ...]) -> None:
    import pyarrow as pa

    note(store, key)
    store.write_table(key, pa.table({"sum": [store.read_json(one)["sum"] for one in claims]}))
