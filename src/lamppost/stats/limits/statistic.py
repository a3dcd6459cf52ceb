"""What follows from any profile likelihood of a signal yield: minima, test statistics, data sets like the observed."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import cached_property
from math import sqrt
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from lamppost.core import Array, Rng
from lamppost.errors import FitError
from lamppost.stats.limits.workspace import Workspace
from lamppost.stats.scans.local import FEW_EVENTS, events_under_peak

__all__ = ["Point", "Profile", "crossing"]


class Point(NamedTuple):
    """A fitted point of a member of an envelope: all its parameters (size,), the last one the yield.

    value: half the deviance with constraints; converged: whether it is a minimum; member: of several backgrounds, the
    number of the one that it belongs to
    """

    theta: Array
    value: float
    converged: bool
    member: int = 0

    @property
    def signal(self) -> float:
        """The yield, a sum of weights."""
        return float(self.theta[-1])


class Profile(ABC):
    """The profile likelihood of the yield of a workspace, for one data set.

    n (bins,): equivalent events; centres (K + 1,): of the constraints, the spurious signal first, zero in the data
    """

    workspace: Workspace
    n: Array
    centres: Array

    @property
    @abstractmethod
    def names(self) -> tuple[str, ...]:
        """Names of the nuisance parameters, in their order (K + 1,)."""

    @property
    def profiled(self) -> str:
        """What else is profiled, in words."""
        return ""

    @property
    @abstractmethod
    def moves(self) -> NDArray[np.bool_]:
        """Which constraints there are (K + 1,): those of nuisance parameters that are not held."""

    @abstractmethod
    def fit(self, signal: float | None = None, start: Point | None = None) -> Point:
        """The minimum for a given yield, or with the yield free and of either sign."""

    @abstractmethod
    def errors(self, point: Point) -> Array:
        """Errors of the nuisance parameters at a minimum (K + 1,), all else profiled; 0 if held."""

    @abstractmethod
    def error(self, point: Point) -> float:
        """Error of the yield at a minimum, all else profiled."""

    @abstractmethod
    def expected(self, point: Point) -> Array:
        """Equivalent events expected at a point (bins,)."""

    @abstractmethod
    def with_data(self, n: Array, centres: Array) -> Self:
        """The same model of other data: equivalent events (bins,), centres of the constraints (K + 1,)."""

    @abstractmethod
    def begin_at(self, point: Point) -> Self:
        """The same, fits begin at a point."""

    @abstractmethod
    def held(self, name: str, value: float) -> Self:
        """The same with one nuisance parameter held at a value."""

    @abstractmethod
    def fit_toys(self, counts: Array, centres: Array, start: Point, truth: float) -> Array:
        """A free fit of every toy: (toys, 4) yield, error, twice the rise of -ln L to `truth`, if it failed."""

    @abstractmethod
    def q_toys(self, counts: Array, centres: Array, start: Point, yields: Array) -> Array:
        """q-tilde of m yields in every toy, then its q0 and whether a fit failed: (toys, m + 2)."""

    @cached_property
    def null(self) -> Point:
        """The fit without a signal.

        Raises
        ------
        FitError
            If it does not converge.
        """
        return self._reached(self.fit(0.0), "without a signal")

    @cached_property
    def best(self) -> Point:
        """The fit with a yield of either sign.

        Raises
        ------
        FitError
            If it does not converge.
        """
        return self._reached(self.fit(start=self.null), "with a signal")

    @cached_property
    def positive(self) -> Point:
        """The best fit with s >= 0."""
        return self.best if self.best.signal > 0.0 and self.best.value < self.null.value else self.null

    @property
    def quoted(self) -> Point:
        """The fit whose yield is quoted: the best one, with s > 0 where there is an excess (q0 > 0)."""
        return self.positive if self.q0 > 0.0 else self.best

    def nuisances(self, point: Point) -> Array:
        """The nuisance parameters at a point (K + 1,)."""
        return point.theta[-1 - len(self.moves) : -1].copy()

    def _reached(self, point: Point, what: str) -> Point:
        if not point.converged:
            msg = f"workspace: the fit {what} at mass {self.workspace.mass:g} does not converge"
            raise FitError(msg)
        return point

    def at(self, signal: float, start: Point | None = None) -> Point:
        """The fit for a given yield; FitError if it does not converge."""
        return self._reached(self.fit(signal, start or self.positive), f"with {signal:g} signal events")

    def q(self, signal: float) -> float:
        """q-tilde of a yield (arXiv:1007.1727): zero below the fitted one, which counts as zero if negative."""
        best = self.positive
        return 0.0 if signal <= best.signal else max(0.0, 2.0 * (self.at(signal).value - best.value))

    @property
    def q0(self) -> float:
        """The one-sided discovery statistic: zero if no yield above zero fits better than none."""
        return max(0.0, 2.0 * (self.null.value - self.positive.value))

    @property
    def under_peak(self) -> float:
        """Background events that the peak competes with (`local.events_under_peak`)."""
        fractions = self.workspace.fractions / self.workspace.spectrum.scale
        return events_under_peak(self.expected(self.null), fractions)

    def how(self, method: str) -> str:
        """How a p-value or limit was found, in words: the method, and what decides whether it is asymptotic."""
        under = self.under_peak
        return f"{method}{self.profiled}: {'only ' * (under < FEW_EVENTS)}{under:.3g} background events under the peak"

    def asimov(self, point: Point) -> Self:
        """The data set that expects exactly this point, constraints centred on it."""
        return self.with_data(self.expected(point), self.nuisances(point)).begin_at(point)

    @cached_property
    def expected_only(self) -> Self:
        """The background-only Asimov data set: that of the fit without a signal."""
        return self.asimov(self.null)

    def q_expected(self, signal: float) -> float:
        """q of a yield in `expected_only`, from s = 0 that made it: another background may fit best with a signal."""
        asimov = self.expected_only
        return max(0.0, 2.0 * (asimov.at(signal, asimov.null).value - asimov.null.value))

    @cached_property
    def expected_error(self) -> float:
        """Error that background alone gives a yield of zero: `q_expected` is one there.

        The curvature at s = 0 would not do: an empty bin that expects nothing makes it infinite.

        Raises
        ------
        FitError
            If a fit does not converge.
        """
        unit = float((self.workspace.fractions * self.workspace.spectrum.scale).sum())
        return crossing(self.q_expected, unit * sqrt(max(self.under_peak, 1.0)))

    def draw(self, point: Point, toys: int, rng: Rng) -> tuple[Array, Array]:
        """Toy data sets of a point: equivalent events (toys, bins) and centres of the constraints (toys, K + 1)."""
        counts = rng.poisson(self.expected(point), size=(toys, len(self.n))).astype(np.float64)
        moved = self.moves * rng.standard_normal((toys, len(self.moves)))
        return counts, self.nuisances(point) + moved


def crossing(q: Callable[[float], float], start: float) -> float:
    """Where q(s), which rises from q(0) = 0, is one, to 0.1 %; the search begins at `start`.

    Raises
    ------
    FitError
        If it never is.
    """
    from scipy.optimize import brentq

    low = high = start
    for _ in range(60):
        if q(high) >= 1.0:
            break
        low, high = high, 2.0 * high
    else:
        msg = f"workspace: a yield of {high:g} events changes nothing"
        raise FitError(msg)
    if low == high:
        for _ in range(60):
            low *= 0.5
            if q(low) < 1.0:
                break
        else:
            msg = f"workspace: a yield of {low:g} events is as different from none as any"
            raise FitError(msg)
    return float(brentq(lambda s: q(s) - 1.0, low, high, rtol=1e-3))
