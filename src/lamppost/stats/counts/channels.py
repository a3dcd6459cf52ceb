"""A few counts that share a signal: the likelihood of cut-and-count and of ABCD, its fits, statistics and toys."""

from dataclasses import dataclass, replace
from functools import cached_property
from math import ceil, floor
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaincc

from lamppost.core import Array, Rng
from lamppost.errors import FitError

__all__ = ["Channels", "Counting"]


@dataclass(frozen=True, eq=False)
class Channels:
    """J Poisson counts with P nuisance parameters theta and one signal strength.

        mu_j = b_j(theta) + strength signal_j exp(slope . theta),  b_j = exp(offset_j + design_j . theta)

    or, where `linear`, b_j = exp(offset_j) (1 + design_j . theta). n (J,): counts seen; signal, offset (J,), design
    (J, P), linear (J,), slope (P,); `constrained` (P,): parameters with a unit normal auxiliary measurement, which
    found `centre` (P,); start (P,): where fits begin.
    """

    n: Array
    signal: Array
    offset: Array
    design: Array
    linear: NDArray[np.bool_]
    slope: Array
    constrained: NDArray[np.bool_]
    centre: Array
    start: Array

    @cached_property
    def model(self) -> tuple[Any, ...]:
        """What the compiled fits take."""
        design = np.ascontiguousarray(self.design, dtype=np.float64)
        return self.signal, self.offset, design, self.linear, self.slope, self.constrained

    def fit(self, strength: float | None = None) -> tuple[float, Array]:
        """Strength and theta (P,) of the maximum of the likelihood, at the given strength if one is.

        Raises
        ------
        FitError
            If the fit does not converge.
        """
        from lamppost.stats.counts import channel_kernel

        work = channel_kernel.workspace(len(self.start))
        point = np.append(self.start, strength or 0.0)
        value = channel_kernel.fit(self.n, self.centre, self.model, point, False, work)
        if strength is None and np.isfinite(value):
            value = channel_kernel.fit(self.n, self.centre, self.model, point, True, work)
        if strength is None and not np.isfinite(value):  # without a signal the background may be pressed to zero
            point = np.append(self.start, 0.0)
            value = channel_kernel.fit(self.n, self.centre, self.model, point, True, work)
        if not np.isfinite(value):
            msg = f"counts {self.n.tolist()}: the fit of signal strength {strength} does not converge"
            raise FitError(msg)
        return float(point[-1]), point[:-1]

    def expected(self, strength: float, theta: Array) -> Array:
        """mu (J,)."""
        inner = self.design @ theta
        background = np.exp(self.offset) * np.where(self.linear, 1.0 + inner, np.exp(np.where(self.linear, 0.0, inner)))
        return np.asarray(background + strength * self.signal * np.exp(self.slope @ theta))

    def error(self, strength: float, theta: Array) -> float:
        """Standard deviation of the fitted strength, from the curvature expected at this point (Fisher's)."""
        point = np.append(theta, strength)
        mu = self.expected(strength, theta)
        slopes = np.empty((len(point), len(mu)))
        for p, step in enumerate(1e-5 * np.maximum(1.0, np.abs(point))):
            up, down = (point + sign * step * (np.arange(len(point)) == p) for sign in (1.0, -1.0))
            slopes[p] = (self.expected(up[-1], up[:-1]) - self.expected(down[-1], down[:-1])) / (2.0 * step)
        information = (slopes / np.where(mu < 1e-6, 1.0, mu)) @ slopes.T  # where nothing is seen, as if it were one
        information += np.diag(np.append(self.constrained, False).astype(np.float64))
        return float(np.sqrt(np.linalg.pinv(information)[-1, -1]))

    def background_expected(self) -> float:
        """Background where most of the signal is, as fits the data best without a signal."""
        return float(self.expected(0.0, self.fit(0.0)[1])[np.argmax(self.signal)])

    def q0(self, counts: Array | None = None, centres: Array | None = None) -> Array:
        """Statistic of a discovery, one-sided, of rows of counts (toys, J), or of the data (1,)."""
        return self._statistics(counts, centres, 0.0, discovery=True)

    def q_mu(self, strength: float, counts: Array | None = None, centres: Array | None = None) -> Array:
        """Statistic q~ of an upper limit (arXiv:1007.1727), as `q0`."""
        return self._statistics(counts, centres, strength, discovery=False)

    def _statistics(self, counts: Array | None, centres: Array | None, strength: float, *, discovery: bool) -> Array:
        from lamppost.stats.counts import channel_kernel

        counts = self.n[None] if counts is None else counts
        centres = np.broadcast_to(self.centre, (len(counts), len(self.centre))) if centres is None else centres
        first: Any = slice(None)
        where: Any = slice(None)
        if len(counts) > 1 and not self.constrained.any():
            first, where = distinct(counts)
        n, centre = (np.ascontiguousarray(part[first], dtype=np.float64) for part in (counts, centres))
        found = channel_kernel.statistics(n, centre, self.model, self.start, float(strength), discovery)
        return np.asarray(found[where])

    def asimov(self, strength: float) -> Self:
        """The same model, with data as expected for `strength` and for nuisances that fit the real data."""
        _, theta = self.fit(strength)
        return replace(
            self, n=self.expected(strength, theta), centre=np.where(self.constrained, theta, 0.0), start=theta
        )

    def toys(self, strength: float, uniform: Array, normal: Array) -> tuple[Array, Array]:
        """Counts (toys, J) and auxiliary measurements (toys, P) for nuisances that fit the data at this strength.

        From uniform (toys, J) and normal (toys, P) numbers, so that toys of two strengths may share them.
        """
        _, theta = self.fit(strength)
        counts = poisson_quantile(uniform, self.expected(strength, theta))
        return counts, np.where(self.constrained, theta + normal, 0.0)

    def noise(self, toys: int, rng: Rng) -> tuple[Array, Array]:
        """The random numbers that `toys` takes."""
        return rng.random((toys, len(self.n))), rng.standard_normal((toys, len(self.start)))


class Counting(Protocol):
    """Whatever is a handful of counts: `Count`, `Abcd`."""

    def channels(self) -> Channels:
        """Its likelihood; a strength is a number of signal events in the signal region."""
        ...


def distinct(counts: Array) -> tuple[Any, Any]:
    """Which rows of whole counts (toys, J) to look at, so that none comes twice, and which of these each row is."""
    digits = (counts - counts.min(axis=0)).astype(np.int64)
    shape = digits.max(axis=0) + 1
    if np.prod(shape.astype(np.float64)) > len(counts):  # they hardly repeat themselves
        return slice(None), slice(None)
    _, first, where = np.unique(np.ravel_multi_index(tuple(digits.T), shape), return_index=True, return_inverse=True)
    return first, where


def poisson_quantile(uniform: Array, mean: Array) -> Array:
    """Poisson numbers (toys, J) of means (J,) from uniform ones, by the inverse of the cumulative distribution."""
    counts = np.empty_like(uniform)
    for j, each in enumerate(mean):
        spread = 9.0 * np.sqrt(each) + 30.0  # beyond any of 1e16 toys
        lowest = max(0, floor(each - spread))
        below = gammaincc(np.arange(lowest, ceil(each + spread)) + 1.0, each)
        counts[:, j] = lowest + np.searchsorted(below, uniform[:, j])
    return counts
