"""Specs of every registered kind, shrunk so that a fit takes a moment, and what the conformance tests share."""

from typing import Any

import numpy as np

from lamppost.core import Array, Events
from lamppost.spec import Role, load_kinds, make

load_kinds()

SMALL = {"members": 3, "layers": 4, "hidden": [32, 32], "blocks": 4, "width": 32}
"""What a spec is shrunk to, where it has a parameter of that name."""


def small(table: Any) -> Any:
    """The same table of a spec, shrunk."""
    if isinstance(table, dict):
        return {key: SMALL.get(key, small(value)) for key, value in table.items()}
    return [small(value) for value in table] if isinstance(table, list) else table


def default(role: type[Role], kind: str, **changes: Any) -> Any:
    """The spec of this kind with its defaults, shrunk, but for `changes`."""
    return make(role, small(make(role, kind).model_dump(mode="json")) | changes)


def content(events: Events) -> tuple[bytes, ...]:
    return tuple(array.tobytes() for array in (events.id, events.x, events.m, events.w))


def sample(x: Array, m: Array, w: Array | None = None, seed: int = 0) -> Events:
    """Events of features x (n, d) at masses m (n,), named a, b, ..."""
    ids = np.random.default_rng([seed, 7]).integers(2**63, size=len(m)).astype(np.uint64)
    names = tuple("abcdef"[: x.shape[1]])
    return Events(ids, x.astype(np.float32), m, np.ones(len(m)) if w is None else w, names)


def distance(drawn: Array, values: Array, weights: Array) -> float:
    """Kolmogorov distance of a drawn sample (n,) from the distribution of weighted `values`."""
    nodes, where = np.unique(values, return_inverse=True)
    part = np.bincount(where, weights) / weights.sum()
    level = np.interp(np.sort(drawn), nodes, np.cumsum(part) - 0.5 * part)
    return float(np.abs(level - (np.arange(len(drawn)) + 0.5) / len(drawn)).max())
