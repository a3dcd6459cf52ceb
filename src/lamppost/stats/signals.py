"""Signal shapes: narrow peaks of known resolution, integrated over the bins in closed form."""

from abc import abstractmethod
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, PositiveFloat
from scipy.special import ndtr

from lamppost.core import Array
from lamppost.errors import FitError
from lamppost.spec import Role

__all__ = ["CrystalBall", "Gaussian", "Signal", "signal"]

TailIndex = Annotated[float, Field(gt=1.0)]


class Signal(Role):
    """A peak at mass M with sigma = `resolution` * M, or `width` in the units of m where given."""

    kind: str
    resolution: PositiveFloat = 0.03
    width: PositiveFloat | None = None

    @abstractmethod
    def below(self, t: Array) -> Array:
        """Integral of the shape from -infinity to t <= 0, t = (m - M) / sigma; the shape is 1 at t = 0."""

    @abstractmethod
    def above(self, t: Array) -> Array:
        """Integral of the shape from t >= 0 to infinity."""

    def sigma(self, mass: float) -> float:
        """Width of the peak at `mass`, in the units of m."""
        return self.resolution * mass if self.width is None else self.width

    def fractions(self, edges: Array, mass: float) -> Array:
        """Share of the signal in each bin (n,), for edges (n + 1,); the shares add up to 1 over the whole range.

        Raises
        ------
        FitError
            If the mass is not inside the range.
        """
        edges = np.asarray(edges, dtype=np.float64)
        if not edges[0] <= mass <= edges[-1]:
            msg = f"signal: mass {mass:g} lies outside the fit range [{edges[0]:g}, {edges[-1]:g}]"
            raise FitError(msg)
        t = (edges - mass) / self.sigma(mass)
        # each half from its own far end: the tails keep their relative precision
        content = np.diff(self.below(np.minimum(t, 0.0))) - np.diff(self.above(np.maximum(t, 0.0)))
        return np.asarray(content / content.sum())


class Gaussian(Signal):
    """exp(-t^2 / 2)."""

    kind: Literal["gaussian"] = "gaussian"

    def below(self, t: Array) -> Array:
        return np.asarray(np.sqrt(2.0 * np.pi) * ndtr(t))

    def above(self, t: Array) -> Array:
        return self.below(-t)


class CrystalBall(Signal):
    """Double-sided Crystal Ball: exp(-t^2 / 2) with power-law tails (B - |t|)^-n beyond alpha on either side.

    The tails join with a continuous slope: (n / alpha)^n exp(-alpha^2 / 2) (n / alpha - alpha + |t|)^-n.
    """

    kind: Literal["crystal_ball"] = "crystal_ball"
    alpha_low: PositiveFloat = 1.3
    alpha_high: PositiveFloat = 1.6
    n_low: TailIndex = 4.0
    n_high: TailIndex = 6.0

    def below(self, t: Array) -> Array:
        return half(-t, self.alpha_low, self.n_low)

    def above(self, t: Array) -> Array:
        return half(t, self.alpha_high, self.n_high)


def half(t: Array, alpha: float, n: float) -> Array:
    """Integral of one side of a Crystal Ball from t >= 0 to infinity."""
    reach = np.maximum(t, alpha)
    scale = n / alpha
    tail = np.exp(-0.5 * alpha**2) * scale / (n - 1.0) * (scale / (scale - alpha + reach)) ** (n - 1.0)
    core = np.sqrt(2.0 * np.pi) * (ndtr(-np.minimum(t, alpha)) - ndtr(-alpha))
    return np.asarray(tail + core)


def signal(value: object) -> Signal:
    """The signal shape that a kind name, a table with a `kind` or a spec describes; ConfigError if none does."""
    return Signal.parse(value)
