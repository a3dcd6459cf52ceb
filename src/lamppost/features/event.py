"""What can be said of all objects of a collection, and of all particles of an event."""

from collections.abc import Callable, Mapping

import numpy as np

from lamppost.core import Array, Objects
from lamppost.features.quantity import Quantity

__all__ = ["COLLECTIVE", "PARTICLES", "of_collections", "of_events"]


def _sum(objects: Objects, values: Array) -> Array:
    """Per event, (n,): one addition after the other, so that other events in the chunk change no bit."""
    return np.bincount(objects.event, weights=values, minlength=len(objects)).astype(np.float64)


def _plane(objects: Objects) -> tuple[Array, Array, Array]:
    """Transverse momentum and its components, float64."""
    pt, phi = (objects.fields[name].astype(np.float64) for name in ("pt", "phi"))
    return pt, pt * np.cos(phi), pt * np.sin(phi)


def _count(objects: Objects) -> Array:
    return objects.counts.astype(np.float64)


def _ht(objects: Objects) -> Array:
    return _sum(objects, _plane(objects)[0])


def _missing(objects: Objects) -> tuple[Array, Array]:
    _, px, py = _plane(objects)
    return 0.0 - _sum(objects, px), 0.0 - _sum(objects, py)


def _met(objects: Objects) -> Array:
    return np.hypot(*_missing(objects))


def _met_phi(objects: Objects) -> Array:
    px, py = _missing(objects)
    return np.arctan2(py, px)


def _sphericity(objects: Objects) -> Array:
    """From the eigenvalues of the matrix: 2 lambda2 / (lambda1 + lambda2) = 1 - sqrt(1 - 4 det / trace^2)."""
    pt, px, py = _plane(objects)
    weight = np.divide(1.0, pt, out=np.zeros_like(pt), where=pt > 0.0)
    xx, yy, xy = (_sum(objects, product * weight) for product in (px * px, py * py, px * py))
    with np.errstate(invalid="ignore"):  # no particles: NaN
        root: Array = np.hypot(xx - yy, 2.0 * xy) / (xx + yy)
    return 1.0 - np.minimum(root, 1.0)


_PDG = "PDG, Kinematics"
_ALICE = "1205.3963"
_S = "2 l2 / (l1 + l2), l the eigenvalues of sum (px^2, px py; px py, py^2) / pT"
_Of = Callable[[Objects], Array]
COLLECTIVE: Mapping[str, tuple[Quantity, _Of]] = {
    quantity.name: (quantity, function)
    for quantity, function in (
        (Quantity("n", "number of objects", "", 0.0, None, _PDG, "how many pass `where`"), _count),
        (Quantity("ht", "sum pT", "GeV", 0.0, None, _PDG, "scalar sum of their pT"), _ht),
        (Quantity("mht", "|sum pT vector|", "GeV", 0.0, None, _PDG, "missing pT of these objects"), _met),
    )
}
"""What can be said of all objects of a collection that pass its `where`: `n_j`, `ht_j`."""

PARTICLES: Mapping[str, tuple[Quantity, _Of]] = {
    quantity.name: (quantity, function)
    for quantity, function in (
        (Quantity("met", "|sum pT vector|", "GeV", 0.0, None, _PDG, "missing pT"), _met),
        (Quantity("met_phi", "azimuth of -sum pT vector", "rad", -np.pi, np.pi, _PDG, "its direction"), _met_phi),
        (Quantity("sum_pt", "sum pT", "GeV", 0.0, None, _PDG, "scalar sum of the pT of all particles"), _ht),
        (Quantity("sphericity", _S, "", 0.0, 1.0, _ALICE, "transverse: 0 pencil-like, 1 isotropic"), _sphericity),
    )
}
"""What can be said of all particles that jets are clustered from."""


def of_collections() -> Mapping[str, Quantity]:
    """What can be said of all objects of a collection, by name."""
    return {name: quantity for name, (quantity, _) in COLLECTIVE.items()}


def of_events() -> Mapping[str, Quantity]:
    """What can be said of all particles of an event, by name."""
    return {name: quantity for name, (quantity, _) in PARTICLES.items()}
