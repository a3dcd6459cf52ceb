"""The tasks of a comparison: one training per draw, strength and method, judged on events held out."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamppost.core import Array, Events, Method, View, Window, uniform_of
from lamppost.errors import DataError
from lamppost.run.artefacts import Store
from lamppost.run.compare.closure import closure_auc, expectation_of
from lamppost.run.compare.draws import Draw, Share, classes, draw
from lamppost.run.compare.figures import curves, figures
from lamppost.run.fits import fitted, read_score, store_score
from lamppost.run.measure import sculpting
from lamppost.run.samples import Samples, load, view_of
from lamppost.search import QuantileMap, seed_of

__all__ = ["KEPT", "Look", "close_background", "fit_method", "flatness", "score_method"]

KEPT = (0.01, 0.001)
"""Kept fractions of the test background whose flatness in m is tested."""


@dataclass(frozen=True)
class Look:
    """One method at one draw and strength."""

    method: Method
    decorrelate: bool
    number: int
    strength: float

    def seed(self, share: Share, *what: str) -> np.random.SeedSequence:
        """The random stream that this look, and nothing else, decides."""
        window = [share.window.lo, share.window.hi, share.window.reach]
        method = self.method.model_dump(mode="json")
        return seed_of(share.seed, *what, window, method, self.decorrelate, self.number, self.strength)


def fit_method(store: Store, key: str, *, samples: Samples, share: Share, look: Look, members: tuple[str, ...]) -> None:
    """Fit a method that others are made of, or one made of these `members`, and store its score."""
    view = _view(store, samples, share, look, _drawn(store, samples, share, look))
    rng = np.random.default_rng(look.seed(share, "train"))
    store_score(store, key, *fitted(store, look.method, view, rng, members))


def score_method(
    store: Store, key: str, *, samples: Samples, share: Share, look: Look, fitted_in: str | None = None
) -> None:
    """Train a method on the data of a draw, unless an artefact has its score, and judge it by the events held out.

    Stores the scores of the test events of the region, background first, and what they are worth. `cpu_s` is what the
    fit took of the processor, compilation and the methods it is made of included.
    """
    drawn = _drawn(store, samples, share, look)
    if fitted_in is None:
        view = _view(store, samples, share, look, drawn)
        score, cpu_s = fitted(store, look.method, view, np.random.default_rng(look.seed(share, "train")))
    else:
        score, cpu_s = read_score(store, fitted_in)
    judged = QuantileMap.fit(drawn.reference, share.window) if look.decorrelate else _as_they_are
    window = share.window
    test = judged(drawn.test[window.inside(drawn.test.m) | window.beside(drawn.test.m)])
    signal = judged(drawn.test_signal[window.inside(drawn.test_signal.m)])
    background_scores, signal_scores = _finite(score(test)), _finite(score(signal))
    inside = window.inside(test.m)
    tie = int(look.seed(share, "tie").generate_state(1, np.uint64)[0])
    about: dict[str, Any] = {
        "cpu_s": cpu_s,
        "n_background": int(inside.sum()),
        "n_signal": len(signal),
        "flatness": {f"{part:g}": flatness(test, background_scores, part, window, tie) for part in KEPT},
    }
    if look.strength > 0:  # without signal there is nothing to find, and no gain to quote
        classes = background_scores[inside], signal_scores
        about |= {"figures": figures(*classes), "curves": curves(*classes)}
    scores = np.concatenate([background_scores[inside], signal_scores]).astype(np.float32)
    store.write_arrays(key, {"score": scores}, about)


def close_background(store: Store, key: str, *, samples: Samples, share: Share, look: Look) -> None:
    """How well the background that a method expects in the region agrees with true background of the region."""
    expectation = expectation_of(look.method)
    if expectation is None:
        msg = f"method {look.method.kind!r} has no background expectation to compare"
        raise DataError(msg)
    drawn = _drawn(store, samples, share, look)
    view = _view(store, samples, share, look, drawn, truth=True)
    assert view.reference is not None
    made = expectation(view, np.random.default_rng(look.seed(share, "closure")))
    auc, error = closure_auc(made, view.reference, int(look.seed(share, "judge").generate_state(1)[0]))
    sizes = {"n_expected": len(made), "n_true": len(view.reference)}
    store.write_json(key, {"s_over_b": look.strength, "auc": auc, "error": error, **sizes})


def _drawn(store: Store, samples: Samples, share: Share, look: Look) -> Draw:
    return draw(*classes(load(store, samples.data)), share, look.number, look.strength)


def _view(store: Store, samples: Samples, share: Share, look: Look, drawn: Draw, *, truth: bool = False) -> View:
    """What the method sees.

    As in a hunt, training events are decorrelated by a map learnt on them, test events by one learnt on others, here
    those of the reference outside the region, so that they do not share the errors of the first map.
    """
    window, data = share.window, drawn.data
    seen = QuantileMap.fit(data, window) if look.decorrelate else _as_they_are
    view = view_of(store, samples, data, window, seen)
    if truth or look.method.needs_truth:
        view = replace(view, reference=seen(drawn.reference[window.inside(drawn.reference.m)]))
    if look.method.needs_truth:
        view = replace(view, signals={"truth": seen(drawn.truth[window.inside(drawn.truth.m)])})
    return view


def _as_they_are(events: Events) -> Events:
    return events


def _finite(scores: Array) -> Array:
    if not np.isfinite(scores).all():
        msg = f"{int((~np.isfinite(scores)).sum())} of {len(scores)} test scores are not finite"
        raise DataError(msg)
    return scores


def flatness(test: Events, scores: Array, part: float, window: Window, tie: int) -> dict[str, float | int]:
    """Is the part of background that a cut keeps the same in all the region and its sidebands?

    test, scores (n,): background there; `tie` draws between equal scores. The kept fraction in the region is quoted
    over that beside it, of which half an event is the least.
    """
    kept = _tightest(scores, uniform_of(test.id, tie), round(part * len(test)))
    found = sculpting(test, kept, window, across=True)
    inside = window.inside(test.m)
    beside = max(float(kept[~inside].mean()), 0.5 / max(int((~inside).sum()), 1))
    ratio = float(kept[inside].mean()) / beside
    return {"p": found.p_value, "chi2": found.chi2, "ndf": found.ndf, "region_over_sidebands": ratio}


def _tightest(scores: Array, draws: Array, n: int) -> NDArray[np.bool_]:
    """The n events (k,) of highest score, draws deciding between equals: trees give many of them the same."""
    kept = np.zeros(len(scores), bool)
    kept[np.lexsort((draws, -scores))[:n]] = True
    return kept
