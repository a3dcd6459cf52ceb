"""The tasks of a hunt: pure functions of their arguments and of the artefacts they name."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamppost.core import Array, Events, Method, View, Window, uniform_of
from lamppost.errors import FitError
from lamppost.methods.subset import shown
from lamppost.run.artefacts import Store
from lamppost.run.fits import fitted, read_score, store_score
from lamppost.run.samples import Samples, check_windows, load, view_of
from lamppost.run.view import Mapped
from lamppost.run.worker import TaskFunction
from lamppost.search import Calibration, QuantileMap, fold_of, mass_r2, needed_degrees, seed_of

__all__ = [
    "Training",
    "attempt",
    "determine_mass",
    "fit_fold",
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


def populated(
    store: Store, key: str, *, events: str, windows: Mapping[str, Sequence[Window]], counted: bool = True
) -> None:
    """Check the windows, by their key in the configuration, against the events, which may not be `counted` aloud.

    All other tasks wait for this, but none is named by all the windows.
    """
    everything = load(store, events).events
    for name, listed in windows.items():
        check_windows(everything, listed, name, counted=counted)
    store.write_json(key, [[w.lo, w.hi] for listed in windows.values() for w in listed])


@dataclass(frozen=True)
class Training:
    """A method in a window: fold k tests, k + 1 calibrates, the others train."""

    method: Method
    window: Window
    fold: int
    folds: int
    decorrelate: bool
    seed: int

    def view(self, store: Store, samples: Samples, everything: Events) -> View:
        """What the method may see: decorrelated, if so, by a map learnt on these events."""
        train = everything[self._trains(everything)]
        view = view_of(store, samples, train, self.window, self.seen(store, samples, train))
        # of prior signal samples too it sees the training folds only: what it keeps of them can then be measured
        return replace(view, signals=Mapped(view.signals, lambda sample: sample[self._trains(sample)]))

    def seen(self, store: Store, samples: Samples, events: Events) -> Callable[[Events], Events]:
        """What is done to features: decorrelation, if so, by a map learnt on these events.

        How far each feature follows m, a whole number, is read from the sidebands of all data: a fold alone would miss
        what shows in all of them together.
        """
        if not self.decorrelate:
            return _as_they_are
        return QuantileMap.fit(events, self.window, _degrees(store.path(samples.data).resolve(), self.window))

    def _trains(self, events: Events) -> NDArray[np.bool_]:
        of = fold_of(events.id, self.folds)
        return np.asarray((of != self.fold) & (of != self.calibrating))

    @property
    def calibrating(self) -> int:
        """The fold that neither trains nor tests."""
        return (self.fold + 1) % self.folds

    def stream(self, what: str) -> np.random.SeedSequence:
        """The random stream that this training, and nothing else, decides."""
        window = [self.window.lo, self.window.hi, self.window.reach]
        return seed_of(self.seed, what, *window, self.method.model_dump(mode="json"), self.folds, self.fold)


def fit_fold(store: Store, key: str, *, samples: Samples, training: Training, members: tuple[str, ...]) -> None:
    """Fit a method that others are made of, or one made of these `members`, and store its score."""
    view = training.view(store, samples, load(store, samples.data).events)
    rng = np.random.default_rng(training.stream("train"))
    store_score(store, key, *fitted(store, training.method, view, rng, members))


def train_fold(
    store: Store,
    key: str,
    *,
    samples: Samples,
    training: Training,
    fitted_in: str | None = None,
    scored: str | None = None,
) -> None:
    """Score the events of one fold, of the data or of what is `scored`: a part of them, or a sample not among them.

    By a model that saw neither these events nor the fold that calibrates it; it is fitted here, unless an artefact has
    it. Training events are decorrelated by a map learnt on them, scored events by one learnt on fold k + 1: a
    classifier finds the errors that its map makes inside the region, and with one map for both the scored events of the
    region would share these errors and pass the cut too often. Stores the aligned scores of the fold's events, in their
    order.
    """
    everything = load(store, samples.data).events
    window, of = training.window, fold_of(everything.id, training.folds)
    if fitted_in is None:
        view = training.view(store, samples, everything)
        score = training.method.fit(view, np.random.default_rng(training.stream("train")))
    else:
        score, _ = read_score(store, fitted_in)
    asked = everything if scored is None else load(store, scored).events
    calibrate = everything[of == training.calibrating]
    tested = asked[fold_of(asked.id, training.folds) == training.fold]
    transform = training.seen(store, samples, calibrate)
    tie = int(training.stream("tie").generate_state(1, np.uint64)[0])
    background = calibrate[window.beside(calibrate.m)]
    reference = score(transform(background))
    values = score(transform(tested)) if len(tested) else np.empty(0)
    # trees give equal scores to many events: a draw per event, far below any real difference, orders them. Not by the
    # largest score: that of an event where a density expects none may be as low as it likes
    size = float(np.quantile(np.abs(reference), 0.99)) if len(reference) else 0.0
    spacing = 1e-9 * (size + 1e-30)
    calibration = Calibration.fit(reference + spacing * uniform_of(background.id, tie), background.w)
    aligned = calibration(values + spacing * uniform_of(tested.id, tie))
    store.write_arrays(key, {"score": aligned}, {"fold": training.fold})


@lru_cache(maxsize=16)
def _degrees(path: Path, window: Window) -> tuple[int, ...]:
    """How far the features of these data follow m beside a window; kept per process."""
    return needed_degrees(load(Store(path.parent), path.name).events, window)


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


def determine_mass(
    store: Store, key: str, *, events: str, window: Window, decorrelate: bool, features: Sequence[str] = ()
) -> None:
    """How well the features, or some, predict m in and beside a window, as they are and as the method sees them."""
    from lamppost.learn.regression import regress

    everything = load(store, events).events
    everything = shown(everything, features or everything.names)
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
