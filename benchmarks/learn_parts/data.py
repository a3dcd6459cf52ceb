"""The samples of the learning benchmarks, read once per process."""

from functools import cache
from pathlib import Path

import numpy as np

from hunts import FEATURES, backgrounds
from lamppost.core import Events, Rng
from lamppost.io import Data, read

NAMES = tuple(text.split(" = ")[0] for text in FEATURES)
REGION = (3300.0, 3700.0)
REACH = (2500.0, 5000.0)


@cache
def _table(paths: tuple[Path, ...]) -> Events:
    data = Data(path=[str(path) for path in paths], mass="mjj", features=FEATURES)
    return read(data, mass_range=REACH).events


def between(events: Events, *ranges: tuple[float, float]) -> Events:
    """The events of these mass ranges [lo, hi)."""
    return events[np.any([(events.m >= lo) & (events.m < hi) for lo, hi in ranges], axis=0)]


def qcd(folder: str, *ranges: tuple[float, float]) -> Events:
    """Simulated QCD of these mass ranges."""
    return between(_table(tuple(backgrounds(Path(folder) / "lhco_like"))), *ranges)


def signal(folder: str) -> Events:
    """Simulated signal in the signal region."""
    return between(_table((Path(folder) / "lhco_like" / "signal.parquet",)), REGION)


@cache
def real(folder: str, part: str) -> tuple[Events, Events]:
    """QCD and signal of a file of the LHC Olympics signal region, in TeV."""
    with np.load(Path(folder) / "lhco_signal_region" / f"{part}.npz") as stored:
        values = stored["events"]
    whole = plain(values[:, 1:5], values[:, 0].astype(float))
    return whole[values[:, 5] == 0], whole[values[:, 5] == 1]


def plain(x: np.ndarray, m: np.ndarray | None = None, names: tuple[str, ...] | None = None) -> Events:
    """Events of weight 1 with these features."""
    n, d = x.shape
    named = names or (NAMES if d == len(NAMES) else tuple(f"x{i}" for i in range(d)))
    mass = np.zeros(n) if m is None else m
    return Events(np.arange(n, dtype=np.uint64), x.astype(np.float32), mass, np.ones(n), named)


def shuffled(events: Events, rng: Rng) -> Events:
    return events[rng.permutation(len(events))]


def with_noise(events: Events, columns: int, rng: Rng) -> Events:
    """The same events with so many features of pure noise behind the others."""
    noise = rng.normal(size=(len(events), columns)).astype(np.float32)
    names = (*events.names, *(f"noise{i}" for i in range(columns)))
    return Events(events.id, np.column_stack([events.x, noise]), events.m, events.w, names)
