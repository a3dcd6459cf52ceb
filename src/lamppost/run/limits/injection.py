"""Which signal events are injected: by their weight, none that is in the data already, fewer contained in more."""

from math import sqrt

import numpy as np
from numpy.typing import NDArray

from lamppost.core import Array, Events
from lamppost.errors import DataError
from lamppost.io.ids import row_ids
from lamppost.run.artefacts import Store
from lamppost.run.samples import load
from lamppost.search import seed_of

__all__ = ["FEWEST", "inject", "largest", "take_stock"]

FEWEST = 100
"""Fewer signal events than this in the fit range tell nothing of an efficiency."""
SPREAD = 5.0
"""Standard deviations above its expectation that a Poisson number of injected events must leave in the sample."""


def take_stock(store: Store, key: str, *, data: str, signal: str, name: str) -> None:
    """The rows of a signal sample that may be used: those whose values are not in the data already.

    An event that is in the data, as where these were made with signal for a test, would count twice, and a copy of it
    might sit in another fold. With the rows goes how large the sample is: `unweighted`, the events that are left once
    each was kept with the probability w / max w, and the sums of weights.

    Raises
    ------
    DataError
        If fewer than 100 events are left, or their weights do not add up to more than zero.
    """
    events, there = load(store, signal).events, load(store, data).events
    rows = np.flatnonzero(~np.isin(_values(events), _values(there)))
    w = events.w[rows]
    if len(rows) < FEWEST or not w.sum() > 0.0:
        found = f"found {len(rows)} of total weight {w.sum():g}"
        msg = f"samples.signals.{name}: expected {FEWEST} events in the fit range that are not in the data, {found}"
        raise DataError(msg)
    about = {
        "duplicates": len(events) - len(rows),
        "events": len(events),
        "weight": float(events.w.sum()),
        "unweighted": float(np.maximum(w, 0.0).sum() / w.max()),
    }
    store.write_arrays(key, {"rows": rows}, about)


def _values(events: Events) -> NDArray[np.uint64]:
    return row_ids([events.m, *events.x.T])


def largest(unweighted: float) -> float:
    """The largest expected number of events that a sample of this size can be asked for: 5 sigma are left."""
    return max((sqrt(unweighted + 0.25 * SPREAD**2) - 0.5 * SPREAD) ** 2, 0.0)


def inject(
    store: Store, key: str, *, data: str, signal: str, stock: str, seed: int, repeat: int, strength: float, name: str
) -> None:
    """Add signal events of any mass in the fit range to the data, `strength` of them expected.

    Their number is drawn from a Poisson distribution, since that of a real signal would be: what a training makes of
    few events more or less is part of its efficiency. Event i of a random order is there from the strength on that is
    the time of the i-th click of a Poisson process, so that a smaller injection is contained in a larger one. The order
    and the clicks depend on seed and `repeat` alone.

    Raises
    ------
    DataError
        If there are not as many events.
    """
    rows = store.read_arrays(stock)[0]["rows"]
    of_order, of_number = (np.random.default_rng(s) for s in seed_of(seed, "limits", "injection", repeat).spawn(2))
    order = rows[unweighted(load(store, signal).events.w[rows], of_order)]
    n = int(np.searchsorted(np.cumsum(of_number.exponential(size=len(order) + 1)), strength))
    if n > len(order):
        msg = (
            f"limits: {strength:g} events of signal {name!r} to inject, expected at most {largest(len(order)):.0f}: "
            f"its sample is worth {len(order)} unweighted events in the fit range"
        )
        raise DataError(msg)
    store.write_arrays(key, {"rows": np.sort(order[:n])}, {"into": data, "signal": signal})


def unweighted(w: Array, rng: np.random.Generator) -> NDArray[np.int64]:
    """Events (k,) of weights (n,) in a random order, each kept with the probability w / max w; none of w <= 0."""
    kept = np.flatnonzero(rng.random(len(w)) * w.max() < w)
    return rng.permutation(kept).astype(np.int64)
