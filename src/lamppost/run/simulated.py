"""The simulated samples of a hunt: read once, kept beside the data."""

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamppost.core import Events
from lamppost.io import Data, read
from lamppost.run.artefacts import Store

__all__ = ["load_simulated", "read_simulated"]


def read_simulated(store: Store, key: str, *, data: Data, fit_range: tuple[float, float]) -> None:
    """Read a simulated sample, keep what lies in the fit range, by identifier: the order in the file is no matter."""
    sample = read(data, mass_range=fit_range)
    events = sample.events[np.lexsort((sample.index, sample.events.id))]
    arrays: dict[str, NDArray[Any]] = {"id": events.id, "m": events.m, "w": events.w, "x": events.x}
    store.write_arrays(key, arrays, {"names": events.names, "groups": events.groups})


@lru_cache(maxsize=2)
def _cached(path: Path) -> Events:
    arrays, about = Store(path.parent).read_arrays(path.name)
    groups = {name: tuple(columns) for name, columns in about["groups"].items()}
    return Events(arrays["id"], arrays["x"], arrays["m"], arrays["w"], tuple(about["names"]), groups)


def load_simulated(store: Store, key: str) -> Events:
    """The events `read_simulated` stored; kept per process."""
    return _cached(store.path(key).resolve())
