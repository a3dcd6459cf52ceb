"""Samples as artefacts: read once, events in the order of their identifiers, so that the file's order is no matter."""

import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lamppost.core import Events, View, Window
from lamppost.errors import DataError
from lamppost.io import Data, read
from lamppost.run.artefacts import Store
from lamppost.run.view import MassModel, SmoothMass, blind_view

__all__ = [
    "Samples",
    "Stored",
    "check_events",
    "check_windows",
    "load",
    "read_sample",
    "store_events",
    "tied",
    "view_of",
]

MIN_EVENTS = 200
"""Fewer events than this in the fit range are refused: neither folds nor fits mean anything then."""
MIN_REGION, MIN_SIDEBANDS = 25, 200
"""Fewer events than this in a signal region or its sidebands are refused."""
TIED = 0.2
"""A feature with fewer distinct values than this part of the events takes few values: a count, or a pile-up."""


@dataclass(frozen=True)
class Samples:
    """The artefacts that hold the data and the simulated samples, and the model of the mass spectrum."""

    data: str
    simulation: str | None
    signals: tuple[tuple[str, str], ...]
    masses: MassModel

    @property
    def keys(self) -> tuple[str, ...]:
        """All artefacts that a method's view is made of."""
        simulated = (self.simulation, *(key for _, key in self.signals))
        return (self.data, *(key for key in simulated if key is not None))


@dataclass(frozen=True, eq=False)
class Stored:
    """A sample as it was read: `index` (n,) rows of the input, `label` (n,) 0 or 1 if it is labelled."""

    events: Events
    index: NDArray[np.int64]
    label: NDArray[np.int8] | None
    about: dict[str, Any]


def read_sample(
    store: Store,
    key: str,
    *,
    data: Data,
    what: Literal["data", "labelled", "simulated"],
    fit_range: tuple[float, float],
    shift: float,
    shifted: tuple[str, ...],
    sha256: str,
) -> None:
    """Read a sample once and keep what lies in the fit range; `shift` times m is added to the features `shifted`.

    Labels are read of a labelled sample alone. What is simulated may be small.

    Raises
    ------
    DataError
        Also if the content is not that of `sha256`, by which the artefact is named.
    """
    sample = read(data, mass_range=fit_range, labels=what == "labelled")
    if sample.sha256 != sha256:
        msg = f"{data.path}: changed since the run was planned, or is another file on {socket.gethostname()}"
        raise DataError(msg)
    order = np.lexsort((sample.index, sample.events.id))
    events, label = sample.events[order], None if sample.labels is None else sample.labels[order]
    moved = np.isin(events.names, shifted)
    x = (events.x + np.where(moved, shift * events.m[:, None], 0.0)).astype(np.float32) if moved.any() else events.x
    if what != "simulated":
        check_events(events if label is None else _background(events, label, fit_range), fit_range)
    counts = {"n_rows": sample.n_rows, "n_dropped": sample.n_dropped}
    store_events(store, key, replace(events, x=x), sample.index[order], label, counts)


def store_events(
    store: Store,
    key: str,
    events: Events,
    index: NDArray[np.int64],
    label: NDArray[np.int8] | None,
    counts: Mapping[str, int],
) -> None:
    """Store events (n,) in the order of their identifiers, rows of the input and labels, for `load`."""
    arrays: dict[str, NDArray[Any]] = {
        "id": events.id,
        "index": index,
        "m": events.m,
        "w": events.w,
        "x": events.x,
        **({} if label is None else {"label": label}),
    }
    about = {"names": events.names, "groups": events.groups, "tied": tied(events), **counts}
    store.write_arrays(key, arrays, about)


def tied(events: Events) -> list[str]:
    """The features that take few values."""
    return [name for name, x in zip(events.names, events.x.T, strict=True) if len(np.unique(x)) < TIED * len(x)]


def _background(events: Events, label: NDArray[np.int8], fit_range: tuple[float, float]) -> Events:
    n = int(label.sum())
    if n in (0, len(label)):
        lo, hi = fit_range
        found = f"found {len(label) - n} and {n}"
        msg = f"data.label: expected background (0) and signal (1) in the fit range [{lo:g}, {hi:g}), {found}"
        raise DataError(msg)
    return events[label == 0]


def check_events(events: Events, fit_range: tuple[float, float]) -> None:
    """Refuse samples on which a hunt means nothing; DataError names what is wrong."""
    lo, hi = fit_range
    if len(events) < MIN_EVENTS:
        msg = f"data: {len(events)} events in the fit range [{lo:g}, {hi:g}), expected at least {MIN_EVENTS}"
        raise DataError(msg)
    if np.ptp(events.m) == 0:
        msg = f"data: the mass is {events.m[0]:g} in all events of the fit range"
        raise DataError(msg)
    for name, values in zip(events.names, events.x.T, strict=True):
        if np.ptp(values) == 0:
            msg = f"data: feature {name!r} is {values[0]:g} in all events of the fit range"
            raise DataError(msg)


def check_windows(
    events: Events, windows: Sequence[Window], key: str = "scan.windows", *, counted: bool = True
) -> None:
    """Refuse windows that hold next to nothing; DataError names the first, and says what it holds if it is `counted`.

    `key`: what the configuration calls them.
    """
    for window in windows:
        region, beside = window.inside(events.m), window.beside(events.m)
        for what, rows, least in (("signal region", region, MIN_REGION), ("sidebands", beside, MIN_SIDEBANDS)):
            if rows.sum() < least or not events.w[rows].sum() > 0:
                found = f"{rows.sum()} events of total weight {events.w[rows].sum():g}" if counted else "too few events"
                msg = f"{key}: the {what} of window {window} holds {found}, expected at least {least} of weight above 0"
                raise DataError(msg)


@lru_cache(maxsize=4)
def _cached(path: Path) -> Stored:
    store = Store(path.parent)
    arrays, about = store.read_arrays(path.name)
    if "of" in about:  # a draw: rows of a labelled sample, whose labels no method sees
        whole, rows = load(store, about["of"]), arrays["rows"]
        return Stored(whole.events[rows], whole.index[rows], None, {**whole.about, **about})
    if "into" in about:  # an injection: rows of a signal sample among the data, marked by a label that no method sees
        return _joined(load(store, about["into"]), load(store, about["signal"]).events[arrays["rows"]])
    groups = {name: tuple(columns) for name, columns in about["groups"].items()}
    events = Events(arrays["id"], arrays["x"], arrays["m"], arrays["w"], tuple(about["names"]), groups)
    return Stored(events, arrays["index"], arrays.get("label"), about)


def _joined(data: Stored, signal: Events) -> Stored:
    """The data with more events of weight 1, in the order of their identifiers; their rows are negative."""
    events = Events.concatenate([data.events, replace(signal, w=np.ones(len(signal)))])
    index = np.append(data.index, -1 - np.arange(len(signal)))
    label = np.repeat(np.array([0, 1], np.int8), [len(data.events), len(signal)])
    order = np.argsort(events.id, kind="stable")
    return Stored(events[order], index[order], label[order], data.about)


def load(store: Store, key: str) -> Stored:
    """What `read_sample` stored, or a draw of it; kept per process."""
    return _cached(store.path(key).resolve())


def view_of(store: Store, samples: Samples, data: Events, window: Window, seen: Callable[[Events], Events]) -> View:
    """What a method sees of these data; `seen` is what is done to the features, decorrelation or nothing."""
    return blind_view(
        data,
        window,
        SmoothMass(data.m, data.w, window, samples.masses),
        seen,
        sim=None if samples.simulation is None else load(store, samples.simulation).events,
        signals={name: load(store, key).events for name, key in samples.signals},
    )
