"""What can be said of two objects together, beyond their sum."""

from collections.abc import Callable, Mapping

import numpy as np

from lamppost.core import Array
from lamppost.features.kinematics import Momenta, azimuth
from lamppost.features.quantity import Quantity

__all__ = ["PAIR", "quantities"]


def _deta(a: Momenta, b: Momenta) -> Array:
    return np.abs(a.eta - b.eta)


def _dphi(a: Momenta, b: Momenta) -> Array:
    return np.abs(azimuth(a.phi - b.phi))


def _dr(a: Momenta, b: Momenta) -> Array:
    return np.hypot(_deta(a, b), _dphi(a, b))


def _balance(a: Momenta, b: Momenta) -> Array:
    with np.errstate(invalid="ignore"):  # two without transverse momentum: NaN
        balance: Array = (a.pt - b.pt) / (a.pt + b.pt)
    return balance


def _ystar(a: Momenta, b: Momenta) -> Array:
    return np.abs(a.rapidity - b.rapidity) / 2.0


def _yboost(a: Momenta, b: Momenta) -> Array:
    return np.abs(a.rapidity + b.rapidity) / 2.0


def _chi(a: Momenta, b: Momenta) -> Array:
    return np.exp(2.0 * _ystar(a, b))


def _costheta(a: Momenta, b: Momenta) -> Array:
    """With p+- = (E +- pz) / sqrt(2) the numerator 2 (p1+ p2- - p1- p2+) is 2 mT1 mT2 sinh(y1 - y2)."""
    pair = Momenta.total([a, b])
    with np.errstate(divide="ignore", invalid="ignore"):  # two without mass: NaN
        cosine = 2.0 * a.mt * b.mt * np.sinh(a.rapidity - b.rapidity) / (pair.mass * pair.mt)
    return np.clip(cosine, -1.0, 1.0)


_PDG = "PDG, Kinematics"
_CS_FORMULA = "2 mT1 mT2 sinh(y1 - y2) / (m sqrt(m^2 + pT^2))"
_CS = "Collins, Soper, PRD 16 (1977) 2219"
PAIR: Mapping[str, tuple[Quantity, Callable[[Momenta, Momenta], Array]]] = {
    quantity.name: (quantity, function)
    for quantity, function in (
        (Quantity("deta", "|eta1 - eta2|", "", 0.0, None, _PDG, "distance in pseudorapidity"), _deta),
        (Quantity("dphi", "|phi1 - phi2|, the short way", "rad", 0.0, np.pi, _PDG, "distance in azimuth"), _dphi),
        (Quantity("dr", "sqrt(deta^2 + dphi^2)", "", 0.0, None, _PDG, "distance in the eta-phi plane"), _dr),
        (Quantity("balance", "(pT1 - pT2) / (pT1 + pT2)", "", -1.0, 1.0, "1011.6182", "asymmetry of pT"), _balance),
        (Quantity("ystar", "|y1 - y2| / 2", "", 0.0, None, "1703.09127", "rapidity in their frame"), _ystar),
        (Quantity("yboost", "|y1 + y2| / 2", "", 0.0, None, "1703.09127", "boost of that frame"), _yboost),
        (Quantity("chi", "exp(|y1 - y2|)", "", 1.0, None, "1803.08030", "flat for t-channel exchange"), _chi),
        (
            Quantity("costheta", _CS_FORMULA, "", -1.0, 1.0, _CS, "cosine of the Collins-Soper angle"),
            _costheta,
        ),
    )
}
"""What can be said of two objects, and how it is computed; m and pT in formulas are those of their sum."""


def quantities() -> Mapping[str, Quantity]:
    """What can be said of two objects, by name."""
    return {name: quantity for name, (quantity, _) in PAIR.items()}
