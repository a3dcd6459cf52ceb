"""Smooth background families: ln f(m) is linear in the parameters, so each is a Poisson GLM."""

from abc import abstractmethod
from typing import ClassVar, Literal

import numpy as np
from pydantic import PositiveFloat

from lamppost.core import Array
from lamppost.errors import FitError
from lamppost.spec import Role

__all__ = ["Background", "Dijet", "Polynomial", "background"]


class Background(Role):
    """A family f(m) = exp(sum_k p_k B_k(m)) of events per unit of m, nested in the number of parameters."""

    kind: str
    min_parameters: ClassVar[int]
    max_parameters: ClassVar[int]

    @abstractmethod
    def design(self, m: Array, lo: float, hi: float) -> Array:
        """B_k(m), shape (len(m), max_parameters), of a fit in [lo, hi]; the first column is 1 (the normalisation).

        Raises
        ------
        FitError
            If the family is not defined on the whole range.
        """


class Dijet(Background):
    """ln f = p0 + p1 ln(1 - x) - p2 ln x - p3 ln^2 x - p4 ln^3 x with x = m / sqrt_s; 2 to 5 parameters.

    The dijet function of the LHC experiments (e.g. arXiv:1911.03947); two parameters are {p0, p1}. `sqrt_s` has the
    units of m.
    """

    kind: Literal["dijet"] = "dijet"
    sqrt_s: PositiveFloat = 13000.0
    min_parameters: ClassVar[int] = 2
    max_parameters: ClassVar[int] = 5

    def design(self, m: Array, lo: float, hi: float) -> Array:
        """The five columns 1, ln(1 - x), -ln x, -ln^2 x, -ln^3 x."""
        x = parton_fraction(self.kind, m, (lo, hi), self.sqrt_s)
        log_x = np.log(x)
        return np.stack([np.ones_like(x), np.log1p(-x), -log_x, -(log_x**2), -(log_x**3)], axis=1)


class Polynomial(Background):
    """ln f = sum_k p_k P_k(t), P_k the Legendre polynomials and t = -1 .. 1 across the fit range; 2 to 7 parameters.

    The exponential of a polynomial: positive, of any smooth shape, and the same in every unit of m.
    """

    kind: Literal["polynomial"] = "polynomial"
    min_parameters: ClassVar[int] = 2
    max_parameters: ClassVar[int] = 7

    def design(self, m: Array, lo: float, hi: float) -> Array:
        """The Legendre polynomials P_0 to P_6 of t = (2 m - lo - hi) / (hi - lo)."""
        t = (2.0 * np.asarray(m, dtype=np.float64) - lo - hi) / (hi - lo)
        return np.asarray(np.polynomial.legendre.legvander(t, self.max_parameters - 1), dtype=np.float64)


def parton_fraction(kind: str, m: Array, fit_range: tuple[float, float], sqrt_s: float) -> Array:
    """x = m / sqrt_s (n,); FitError if the range of the fit leaves (0, sqrt_s)."""
    lo, hi = fit_range
    if not 0.0 < lo < hi < sqrt_s:
        msg = f"{kind}: the range [{lo:g}, {hi:g}] does not lie between 0 and sqrt_s = {sqrt_s:g}"
        raise FitError(msg)
    return np.asarray(m, dtype=np.float64) / sqrt_s


def background(value: object) -> Background:
    """The background family that a kind name, a table with a `kind` or a spec describes; ConfigError if none does."""
    return Background.parse(value)
