"""More background families, in the forms in which collaborations published them; all are linear in ln f."""

from typing import ClassVar, Literal

import numpy as np
from pydantic import PositiveFloat

from lamppost.core import Array
from lamppost.errors import FitError
from lamppost.stats.shapes.background import Background, parton_fraction

__all__ = ["UA2", "Diphoton"]


class Diphoton(Background):
    """f = (1 - x^(1/3))^b x^(a0 + a1 ln x + a2 ln^2 x) with x = m / sqrt_s and a normalisation; 3 to 5 parameters.

    The function of ATLAS for diphotons (arXiv:1707.04147); three parameters are the normalisation, b and a0. `sqrt_s`
    has the units of m.
    """

    kind: Literal["diphoton"] = "diphoton"
    sqrt_s: PositiveFloat = 13000.0
    min_parameters: ClassVar[int] = 3
    max_parameters: ClassVar[int] = 5

    def design(self, m: Array, lo: float, hi: float) -> Array:
        """The five columns 1, ln(1 - x^(1/3)), ln x, ln^2 x, ln^3 x."""
        log_x = np.log(parton_fraction(self.kind, m, (lo, hi), self.sqrt_s))
        return np.stack([np.ones_like(log_x), np.log(-np.expm1(log_x / 3.0)), log_x, log_x**2, log_x**3], axis=1)


class UA2(Background):
    """f = x^-a exp(-b x - c x^2) with x = m / sqrt_s and a normalisation; 2 to 4 parameters.

    The function of the UA2 experiment (Z. Phys. C 49 (1991) 17); two parameters are the normalisation and a. The scale
    `sqrt_s` only sets the units of b and c.
    """

    kind: Literal["ua2"] = "ua2"
    sqrt_s: PositiveFloat = 13000.0
    min_parameters: ClassVar[int] = 2
    max_parameters: ClassVar[int] = 4

    def design(self, m: Array, lo: float, hi: float) -> Array:
        """The four columns 1, -ln x, -x, -x^2."""
        if not 0.0 < lo < hi:
            msg = f"ua2: the range [{lo:g}, {hi:g}] does not lie above 0"
            raise FitError(msg)
        x = np.asarray(m, dtype=np.float64) / self.sqrt_s
        return np.stack([np.ones_like(x), -np.log(x), -x, -(x**2)], axis=1)
