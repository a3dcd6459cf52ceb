"""Jets made by hand, and what may be done to them."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from lamppost.core import Array, Objects
from lamppost.features.substructure import Jets, Substructure, compute, quantities

PLAIN = [name for name in quantities() if "_b" not in name and name[:4] not in {"tau6", "tau7", "tau8", "tau9"}]
"""Every quantity but the many N-subjettinesses that differ from others in order or exponent alone."""


def jets_of(*jets: Sequence[Sequence[float]], radius: float = 1.0) -> Jets:
    """Jets of particles (pT, y, phi), (pT, y, phi, mass) or (pT, y, phi, mass, charge)."""
    counts = np.array([len(jet) for jet in jets], dtype=np.int64)
    rows = [(*particle, *(0.0,) * (5 - len(particle))) for jet in jets for particle in jet]
    pt, y, phi, mass, charge = np.array(rows, dtype=float).reshape(-1, 5).T
    mt = np.hypot(pt, mass)
    fields = {"px": pt * np.cos(phi), "py": pt * np.sin(phi), "pz": mt * np.sinh(y), "E": mt * np.cosh(y)}
    return Jets(Objects(counts, {**fields, "charge": charge}), radius)


def random_jet(rng: np.random.Generator, n: int, *, massive: bool = False) -> list[tuple[float, ...]]:
    """n particles (pT, y, phi, mass, charge) scattered about (0.4, 3.1), where the azimuth jumps."""
    pt = np.exp(rng.normal(2.0, 1.5, n))
    y, phi = rng.normal(0.4, 0.25, n), rng.normal(3.1, 0.25, n)
    mass = rng.choice([0.0, 0.14, 0.94], n) if massive else np.zeros(n)
    return list(zip(pt, y, phi, mass, rng.integers(-1, 2, n), strict=True))


def random_jets(seed: int, sizes: Iterable[int], *, massive: bool = False) -> list[list[tuple[float, ...]]]:
    """One jet of each size."""
    rng = np.random.default_rng(seed)
    return [random_jet(rng, n, massive=massive) for n in sizes]


def value(name: str, jet: Sequence[Sequence[float]], options: Substructure | None = None, radius: float = 1.0) -> float:
    """One quantity of one jet."""
    return float(compute([name], jets_of(jet, radius=radius), options)[name][0])


def with_fields(jets: Jets, **fields: Array) -> Jets:
    """The same jets with some fields of their constituents replaced."""
    constituents = jets.constituents
    return replace(jets, constituents=replace(constituents, fields={**constituents.fields, **fields}))
