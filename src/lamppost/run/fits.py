"""Fitted scores as artefacts: a method that others are made of is fitted once, whoever asks for it."""

import time
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from lamppost.core import Composite, Method, Rng, Score, View
from lamppost.errors import FitError
from lamppost.run.artefacts import Store
from lamppost.storage import restore

__all__ = ["apart", "fitted", "keys_of", "read_score", "store_score"]

Seen = tuple[Method, bool]
"""A method, and whether it sees features decorrelated from m."""


def apart(methods: Iterable[Seen]) -> frozenset[Seen]:
    """Those whose fits are artefacts of their own: methods made of others, and these others, in the same view."""
    found: set[Seen] = set()
    left = [(method, seen) for method, seen in methods if _members(method)]
    while left:
        method, seen = left.pop()
        found.add((method, seen))
        left += [(member, seen) for member in _members(method)]
    return frozenset(found)


def keys_of(method: Method, add: Callable[[Method, tuple[str, ...]], str]) -> tuple[str, ...]:
    """Add the fits of a method and of all it is made of; their keys, its own last.

    `add(method, members)` adds one fit, from the artefacts of its members.
    """
    below = [keys_of(member, add) for member in _members(method)]
    own = add(method, tuple(keys[-1] for keys in below))
    return (*dict.fromkeys(key for keys in below for key in keys), own)


def fitted(store: Store, method: Method, view: View, rng: Rng, members: Sequence[str] = ()) -> tuple[Score, float]:
    """The fitted score, and what it took of the processor, `members`, the artefacts it is made of, included."""
    known = [read_score(store, key) for key in members]
    begun = time.process_time()
    if known and isinstance(method, Composite):
        score = method.combine([one for one, _ in known], view, rng)
    else:
        score = method.fit(view, rng)
    return score, time.process_time() - begun + sum(cpu_s for _, cpu_s in known)


def store_score(store: Store, key: str, score: Score, cpu_s: float) -> None:
    """Store a fitted score."""
    store.write_arrays(key, {"bytes": np.frombuffer(score.to_bytes(), np.uint8)}, {"cpu_s": cpu_s})


def read_score(store: Store, key: str) -> tuple[Score, float]:
    """What `store_score` stored: (score, CPU seconds); FitError if the fit failed."""
    arrays, about = store.read_arrays(key)
    if "failed" in about:
        raise FitError(about["failed"])
    return restore(arrays["bytes"].tobytes()), float(about["cpu_s"])


def _members(method: Method) -> tuple[Method, ...]:
    return method.members if isinstance(method, Composite) else ()
