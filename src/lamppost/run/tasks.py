"""The tasks of a hunt: pure functions of their arguments and of the artefacts they name."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamppost.core import Array, Events, Method, Window, uniform_of
from lamppost.errors import FitError
from lamppost.run.artefacts import Store
from lamppost.run.samples import Samples, check_windows, load, view_of
from lamppost.run.worker import TaskFunction
from lamppost.search import Calibration, QuantileMap, fold_of, mass_r2, seed_of

__all__ = [
    "attempt",
    "determine_mass",
    "merged_scores",
    "plain",
    "populated",
    "train_fold",
]


def attempt(store: Store, key: str, *, function: TaskFunction, **arguments: Any) -> None:
    """Do it; where a fit fails, store why instead: {"failed": ...}. One hunt of hundreds must not end them all."""
    try:
        function(store, key, **arguments)
    except FitError as error:
        failed = {"failed": str(error)}
        if key.endswith(".json"):
            store.write_json(key, failed)
        else:
            store.write_arrays(key, {"score": np.empty(0)}, failed)


def populated(store: Store, key: str, *, events: str, windows: Mapping[str, Sequence[Window]]) -> None:
    """Check the windows, by their key in the configuration, against the events.

    All other tasks wait for this, but none is named by all the windows.
    """
    everything = load(store, events).events
    for name, listed in windows.items():
        check_windows(everything, listed, name)
    store.write_json(key, [[w.lo, w.hi] for listed in windows.values() for w in listed])


def train_fold(
    store: Store,
    key: str,
    *,
    samples: Samples,
    method: Method,
    window: Window,
    fold: int,
    folds: int,
    decorrelate: bool,
    seed: int,
) -> None:
    """Score the events of one fold by a model that saw neither them nor the fold that calibrates it.

    Fold k tests, k + 1 calibrates, the others train. Training events are decorrelated by a map learnt on them, scored
    events by one learnt on fold k + 1: a classifier finds the errors that its map makes inside the region, and with one
    map for both the scored events of the region would share these errors and pass the cut too often. Stores the
    aligned scores of the fold's events, in their order.
    """
    everything = load(store, samples.data).events
    of = fold_of(everything.id, folds)
    calibrating = (fold + 1) % folds
    train, calibrate = everything[(of != fold) & (of != calibrating)], everything[of == calibrating]
    seen = QuantileMap.fit(train, window) if decorrelate else _as_they_are
    transform = QuantileMap.fit(calibrate, window) if decorrelate else _as_they_are
    view = view_of(store, samples, train, window, seen)
    name = [window.lo, window.hi, window.reach, method.model_dump(mode="json"), folds, fold]
    score = method.fit(view, np.random.default_rng(seed_of(seed, "train", *name)))
    tie = int(seed_of(seed, "tie", *name).generate_state(1, np.uint64)[0])
    background, tested = calibrate[window.beside(calibrate.m)], everything[of == fold]
    reference, values = score(transform(background)), score(transform(tested))
    # trees give equal scores to many events: a draw per event, far below any real difference, orders them. Not by the
    # largest score: that of an event where a density expects none may be as low as it likes
    size = float(np.quantile(np.abs(reference), 0.99)) if len(reference) else 0.0
    spacing = 1e-9 * (size + 1e-30)
    calibration = Calibration.fit(reference + spacing * uniform_of(background.id, tie), background.w)
    aligned = calibration(values + spacing * uniform_of(tested.id, tie))
    store.write_arrays(key, {"score": aligned}, {"fold": fold, "n_train": len(train)})


def _as_they_are(events: Events) -> Events:
    return events


def merged_scores(store: Store, parts: Sequence[str], ids: NDArray[np.uint64]) -> Array:
    """The out-of-fold scores (n,) of all events, from the artefacts of the folds in order; FitError if one failed."""
    of = fold_of(ids, len(parts))
    scores = np.empty(len(ids))
    for fold, part in enumerate(parts):
        arrays, about = store.read_arrays(part)
        if "failed" in about:
            raise FitError(about["failed"])
        scores[of == fold] = arrays["score"]
    return scores


def determine_mass(store: Store, key: str, *, events: str, window: Window, decorrelate: bool) -> None:
    """How well the features predict m in and beside a window, as they are and as the method sees them."""
    from lamppost.learn.regression import regress

    everything = load(store, events).events
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
