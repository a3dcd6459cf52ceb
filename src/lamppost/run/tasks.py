"""The tasks of a hunt: pure functions of their arguments and of the artefacts they name."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamppost.core import Array, Events, Method, Window, uniform_of
from lamppost.errors import DataError
from lamppost.io import Data, read
from lamppost.run.artefacts import Store
from lamppost.run.simulated import load_simulated
from lamppost.run.view import MassModel, SmoothMass, blind_view
from lamppost.search import Calibration, QuantileMap, fold_of, mass_r2, seed_of

__all__ = [
    "check_events",
    "check_windows",
    "determine_mass",
    "load_events",
    "merged_scores",
    "plain",
    "populated",
    "read_events",
    "train_fold",
]

MIN_EVENTS = 200
"""Fewer events than this in the fit range are refused: neither folds nor fits mean anything then."""
MIN_REGION, MIN_SIDEBANDS = 25, 200
"""Fewer events than this in a signal region or its sidebands are refused."""
TIED = 0.2
"""A feature with fewer distinct values than this part of the events takes few values: a count, or a pile-up."""


def read_events(store: Store, key: str, *, data: Data, fit_range: tuple[float, float]) -> None:
    """Read and check the input once, keep what lies in the fit range."""
    sample = read(data, mass_range=fit_range)
    check_events(sample.events, fit_range)
    # by identifier: nothing that follows depends on the order of rows in the file
    order = np.lexsort((sample.index, sample.events.id))
    events = sample.events[order]
    arrays: dict[str, NDArray[Any]] = {
        "id": events.id,
        "index": sample.index[order],
        "m": events.m,
        "w": events.w,
        "x": events.x,
    }
    about = {
        "names": events.names,
        "groups": events.groups,
        "n_rows": sample.n_rows,
        "n_dropped": sample.n_dropped,
        "tied": [name for name, x in zip(events.names, events.x.T, strict=True) if len(np.unique(x)) < TIED * len(x)],
    }
    store.write_arrays(key, arrays, about)


def populated(store: Store, key: str, *, events: str, windows: Sequence[Window]) -> None:
    """Check the windows against the events; all other tasks wait for this, but none is named by all the windows."""
    everything, _, _ = load_events(store, events)
    check_windows(everything, windows)
    store.write_json(key, [[w.lo, w.hi] for w in windows])


def check_events(events: Events, fit_range: tuple[float, float]) -> None:
    """Refuse samples on which a hunt means nothing; DataError names what is wrong."""
    lo, hi = fit_range
    if len(events) < MIN_EVENTS:
        msg = f"data: {len(events)} events in the fit range [{lo:g}, {hi:g}), expected at least {MIN_EVENTS}"
        raise DataError(msg)
    if np.ptp(events.m) == 0:
        msg = f"data: the mass is {events.m[0]:g} in all {len(events)} events of the fit range"
        raise DataError(msg)
    for name, values in zip(events.names, events.x.T, strict=True):
        if np.ptp(values) == 0:
            msg = f"data: feature {name!r} is {values[0]:g} in all {len(events)} events of the fit range"
            raise DataError(msg)


def check_windows(events: Events, windows: Sequence[Window]) -> None:
    """Refuse windows that hold next to nothing; DataError names the first."""
    for window in windows:
        region, beside = window.inside(events.m), window.beside(events.m)
        for what, rows, least in (("signal region", region, MIN_REGION), ("sidebands", beside, MIN_SIDEBANDS)):
            if rows.sum() < least or not events.w[rows].sum() > 0:
                msg = (
                    f"scan.windows: the {what} of window {window} holds {rows.sum()} events of total weight "
                    f"{events.w[rows].sum():g}, expected at least {least} and more than 0"
                )
                raise DataError(msg)


@lru_cache(maxsize=1)
def _cached(path: Path) -> tuple[Events, NDArray[np.int64], dict[str, Any]]:
    arrays, about = Store(path.parent).read_arrays(path.name)
    groups = {name: tuple(columns) for name, columns in about["groups"].items()}
    events = Events(arrays["id"], arrays["x"], arrays["m"], arrays["w"], tuple(about["names"]), groups)
    return events, arrays["index"], about


def load_events(store: Store, key: str) -> tuple[Events, NDArray[np.int64], dict[str, Any]]:
    """The events `read_events` stored, their rows in the input, and what is known of them; kept per process."""
    return _cached(store.path(key).resolve())


def train_fold(
    store: Store,
    key: str,
    *,
    events: str,
    method: Method,
    window: Window,
    fold: int,
    folds: int,
    decorrelate: bool,
    seed: int,
    masses: MassModel,
    simulation: str | None = None,
    signals: Sequence[tuple[str, str]] = (),
) -> None:
    """Score the events of one fold by a model that saw neither them nor the fold that calibrates it.

    Fold k tests, k + 1 calibrates, the others train. Training events are decorrelated by a map learnt on them, scored
    events by one learnt on fold k + 1: a classifier finds the errors that its map makes inside the region, and with one
    map for both the scored events of the region would share these errors and pass the cut too often. Stores the
    aligned scores of the fold's events, in their order.
    """
    everything, _, _ = load_events(store, events)
    of = fold_of(everything.id, folds)
    calibrating = (fold + 1) % folds
    train, calibrate = everything[(of != fold) & (of != calibrating)], everything[of == calibrating]
    seen = QuantileMap.fit(train, window) if decorrelate else _as_they_are
    transform = QuantileMap.fit(calibrate, window) if decorrelate else _as_they_are
    view = blind_view(
        train,
        window,
        SmoothMass(train.m, train.w, window, masses),
        seen,
        sim=None if simulation is None else load_simulated(store, simulation),
        signals={sample: load_simulated(store, where) for sample, where in signals},
    )
    name = [window.lo, window.hi, window.reach, method.model_dump(mode="json"), folds, fold]
    score = method.fit(view, np.random.default_rng(seed_of(seed, "train", *name)))
    tie = int(seed_of(seed, "tie", *name).generate_state(1, np.uint64)[0])
    background, tested = calibrate[window.beside(calibrate.m)], everything[of == fold]
    reference, values = score(transform(background)), score(transform(tested))
    # trees give equal scores to many events: a draw per event, far below any real difference, orders them
    spacing = 1e-9 * (float(np.abs(reference).max(initial=0.0)) + 1e-30)
    calibration = Calibration.fit(reference + spacing * uniform_of(background.id, tie), background.w)
    aligned = calibration(values + spacing * uniform_of(tested.id, tie))
    store.write_arrays(key, {"score": aligned}, {"fold": fold, "n_train": len(train)})


def _as_they_are(events: Events) -> Events:
    return events


def merged_scores(store: Store, parts: Sequence[str], ids: NDArray[np.uint64]) -> Array:
    """The out-of-fold scores (n,) of all events, from the artefacts of the folds in order."""
    of = fold_of(ids, len(parts))
    scores = np.empty(len(ids))
    for fold, part in enumerate(parts):
        scores[of == fold] = store.read_arrays(part)[0]["score"]
    return scores


def determine_mass(store: Store, key: str, *, events: str, window: Window, decorrelate: bool) -> None:
    """How well the features predict m in and beside a window, as they are and as the method sees them."""
    from lamppost.learn.regression import regress

    everything, _, _ = load_events(store, events)
    near = np.flatnonzero(window.inside(everything.m) | window.beside(everything.m))
    if len(near) > MAX_REGRESSION:  # which events is up to their ids, not to their order in the file
        near = np.sort(near[np.argsort(uniform_of(everything.id[near], SUBSAMPLE), kind="stable")[:MAX_REGRESSION]])
    sample = replace(everything[near], w=np.ones(len(near)))
    raw = mass_r2(sample, regress)
    seen = mass_r2(QuantileMap.fit(everything, window)(sample), regress) if decorrelate else raw
    store.write_json(key, {"raw": raw, "seen": seen, "events": len(near)})


MAX_REGRESSION, SUBSAMPLE = 30_000, 1


def plain(arrays: Mapping[str, Any]) -> dict[str, Any]:
    """Arrays and numpy scalars as lists and numbers that JSON holds."""
    return {name: value.tolist() if hasattr(value, "tolist") else value for name, value in arrays.items()}
