"""Small collision events for the tests of features: two sprays of particles, back to back, and soft ones between."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lamppost.core import Collisions, Objects


def jagged(events: Sequence[Sequence[tuple[float, ...]]], names: Sequence[str] = ("pt", "eta", "phi")) -> Objects:
    """A collection from one list of rows per event."""
    rows = np.array([row for event in events for row in event], dtype=np.float64).reshape(-1, len(names))
    counts = np.array([len(event) for event in events], dtype=np.int64)
    return Objects(counts, {name: rows[:, i] for i, name in enumerate(names)})


def collisions(n: int, seed: int = 1, particles: int = 30, ht: float = 3300.0) -> Collisions:
    """n dijet events of a scalar sum of pT near `ht` [GeV].

    Particles come by falling pt, in float32, as in the files of the LHC Olympics.
    """
    rng = np.random.default_rng(seed)
    counts = rng.integers(particles, 2 * particles, n)
    event = np.repeat(np.arange(n), counts)
    side = rng.random(len(event)) < 0.5
    soft = rng.random(len(event)) < 0.2
    axis_phi = rng.uniform(-np.pi, np.pi, n)[event] + np.where(side, np.pi, 0.0)
    axis_eta = np.where(side, rng.normal(0, 0.8, n)[event], rng.normal(0, 0.8, n)[event])
    width = np.where(side, 0.15, 0.3)
    eta = np.where(soft, rng.normal(0, 2, len(event)), rng.normal(axis_eta, width))
    phi = np.where(soft, rng.uniform(-np.pi, np.pi, len(event)), rng.normal(axis_phi, width))
    pt = rng.exponential(1.0, len(event)) * np.where(soft, 0.02, 1.0)
    hard = np.bincount(event, weights=np.where(soft, 0.0, pt), minlength=n)
    pt *= (rng.normal(ht, 250.0, n) / hard)[event]
    order = np.lexsort((-pt, event))
    phi = np.angle(np.exp(1j * phi))
    fields: dict[str, NDArray[np.float32]] = {
        name: values[order].astype(np.float32) for name, values in (("pt", pt), ("eta", eta), ("phi", phi))
    }
    label = (np.arange(n) % 3 == 0).astype(np.uint8)
    return Collisions(np.arange(n, dtype=np.int64), {"label": label}, {"particles": Objects(counts, fields)})
