"""Signal shapes: the roles, and narrow peaks of known resolution, integrated over the bins in closed form."""

from abc import abstractmethod
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, PositiveFloat
from scipy.special import ndtr

from lamppost.core import Array
from lamppost.errors import FitError
from lamppost.spec import Role

__all__ = ["CrystalBall", "Gaussian", "Peak", "Signal", "signal"]

TailIndex = Annotated[float, Field(gt=1.0)]


class Signal(Role):
    """The shape of a signal of mass M in the observed mass m, whose width is sigma(M).

    `resolution` is sigma / M, or `width` is sigma in the units of m where it is given: bins and the steps of a scan are
    cut by them.
    """

    kind: str
    resolution: PositiveFloat = Field(0.03, description="standard deviation of the peak over its mass")
    width: PositiveFloat | None = Field(None, description="standard deviation in the units of m, instead of resolution")

    @abstractmethod
    def shares(self, edges: Array, mass: float, stretch: float) -> Array:
        """Share of the signal in each bin (n,) up to a common factor, the width multiplied by `stretch`."""

    def sigma(self, mass: float) -> float:
        """Width of the peak at `mass`, in the units of m."""
        return self.resolution * mass if self.width is None else self.width

    def fractions(self, edges: Array, mass: float, *, stretch: float = 1.0) -> Array:
        """Share of the signal in each bin (n,), for edges (n + 1,); the shares add up to 1 over the whole range.

        All distances from `mass` are multiplied by `stretch`.

        Raises
        ------
        FitError
            If the mass is not inside the range, none of the signal is, or the stretch is not positive.
        """
        edges = np.asarray(edges, dtype=np.float64)
        if not edges[0] <= mass <= edges[-1]:
            msg = f"signal: mass {mass:g} lies outside the fit range [{edges[0]:g}, {edges[-1]:g}]"
            raise FitError(msg)
        if not 0.0 < stretch < np.inf:
            msg = f"signal: the width can only be multiplied by a positive number, found {stretch:g}"
            raise FitError(msg)
        shares = self.shares(edges, mass, stretch)
        total = float(shares.sum())
        if not total > 0.0:
            msg = f"signal: nothing of mass {mass:g} lies inside the fit range [{edges[0]:g}, {edges[-1]:g}]"
            raise FitError(msg)
        return np.asarray(shares / total)


class Peak(Signal):
    """A peak of one form p(t) at all masses, t = (m - M (1 + offset)) / sigma, with p(0) = 1."""

    offset: float = Field(0.0, gt=-0.5, lt=0.5, description="where the peak lies: (1 + offset) times the mass")

    @abstractmethod
    def density(self, t: Array) -> Array:
        """The form p(t), 1 at t = 0."""

    @abstractmethod
    def below(self, t: Array) -> Array:
        """Integral of the form from -infinity to t <= 0."""

    @abstractmethod
    def above(self, t: Array) -> Array:
        """Integral of the form from t >= 0 to infinity."""

    def integrals(self, t: Array) -> Array:
        """Integrals of the form (n,) between the neighbours of rising t (n + 1,)."""
        # each half from its own far end: the tails keep their relative precision
        return np.asarray(np.diff(self.below(np.minimum(t, 0.0))) - np.diff(self.above(np.maximum(t, 0.0))))

    def shares(self, edges: Array, mass: float, stretch: float) -> Array:
        """Integrals over the bins; the peak's displacement is stretched as all distances from the mass are."""
        return self.integrals(((edges - mass) / stretch - self.offset * mass) / self.sigma(mass))


class Gaussian(Peak):
    """exp(-t^2 / 2)."""

    kind: Literal["gaussian"] = "gaussian"

    def density(self, t: Array) -> Array:
        return np.asarray(np.exp(-0.5 * np.square(t)))

    def below(self, t: Array) -> Array:
        return np.asarray(np.sqrt(2.0 * np.pi) * ndtr(t))

    def above(self, t: Array) -> Array:
        return self.below(-t)


class CrystalBall(Peak):
    """Double-sided Crystal Ball: exp(-t^2 / 2) with power-law tails (B - |t|)^-n beyond alpha on either side.

    The tails join with a continuous slope: (n / alpha)^n exp(-alpha^2 / 2) (n / alpha - alpha + |t|)^-n.
    """

    kind: Literal["crystal_ball"] = "crystal_ball"
    alpha_low: PositiveFloat = Field(1.3, description="where the lower tail begins, in sigma")
    alpha_high: PositiveFloat = Field(1.6, description="where the upper tail begins, in sigma")
    n_low: TailIndex = Field(4.0, description="power of the lower tail")
    n_high: TailIndex = Field(6.0, description="power of the upper tail")

    def density(self, t: Array) -> Array:
        low, high = (-t, self.alpha_low, self.n_low), (t, self.alpha_high, self.n_high)
        return np.where(t < 0.0, half_density(*low), half_density(*high))

    def below(self, t: Array) -> Array:
        return half(-t, self.alpha_low, self.n_low)

    def above(self, t: Array) -> Array:
        return half(t, self.alpha_high, self.n_high)


def half_density(t: Array, alpha: float, n: float) -> Array:
    """One side of a Crystal Ball at distance t >= 0."""
    scale = n / alpha
    tail = np.exp(-0.5 * alpha**2) * (scale / (scale - alpha + np.maximum(t, alpha))) ** n
    return np.where(t > alpha, tail, np.exp(-0.5 * np.square(t)))


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
