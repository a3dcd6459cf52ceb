"""A fitted background, described in the terms of its family."""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from lamppost.core import Array
from lamppost.errors import FitError
from lamppost.stats.shapes.background import Background

__all__ = ["BackgroundFit", "OrderStep"]


class OrderStep(NamedTuple):
    """One order tried; `f` and `p_value` are of the F-test against the order below (NaN for the first)."""

    n_parameters: int
    deviance: float
    chi2: float
    ndf: int
    f: float
    p_value: float

    @property
    def aic(self) -> float:
        """Akaike's information criterion, up to a constant of the spectrum: deviance + 2 parameters."""
        return self.deviance + 2.0 * self.n_parameters


@dataclass(frozen=True, eq=False)
class BackgroundFit:
    """A fitted background.

    function: family and number of parameters, e.g. "dijet3"
    n_parameters: P, the normalisation counted
    parameters (P,), covariance (P, P): of the family's `design`, ln f = design @ parameters, f per unit of m
    expected (n,): sum of weights expected per bin, in masked bins as well
    chi2, ndf, p_value: Pearson, unmasked bins merged from the left to at least 5 expected; p_value is 1 if ndf < 1
    deviance: twice the log likelihood ratio to the saturated model, unmasked bins as they are
    pulls (n,): (observed - expected) / sqrt(expected), in equivalent events
    converged: False if the fit did not reach its minimum; then nothing above can be relied on
    steps: the orders that were tried and converged, one entry if the order was given
    failed_orders: the orders that were tried and did not converge; they are not adopted
    """

    function: str
    n_parameters: int
    parameters: Array
    covariance: Array
    expected: Array
    chi2: float
    ndf: int
    p_value: float
    deviance: float
    pulls: Array
    converged: bool
    steps: tuple[OrderStep, ...]
    failed_orders: tuple[int, ...]
    family: Background = field(repr=False)
    range: tuple[float, float] = field(repr=False)

    def density(self, m: Array) -> Array:
        """f(m), the expected sum of weights per unit of m; same shape as m."""
        m = np.asarray(m, dtype=np.float64)
        design = self.family.design(m.ravel(), *self.range)[:, : self.n_parameters]
        return np.asarray(np.exp(design @ self.parameters).reshape(m.shape))

    def band(self, m: Array) -> Array:
        """One standard deviation of `density` at m, from the covariance of the parameters; same shape as m."""
        m = np.asarray(m, dtype=np.float64)
        design = self.family.design(m.ravel(), *self.range)[:, : self.n_parameters]
        variance = np.einsum("ij,jk,ik->i", design, self.covariance, design)
        return np.asarray(self.density(m) * np.sqrt(variance).reshape(m.shape))

    def expected_between(self, edges: Array) -> tuple[Array, Array]:
        """Sums of weights (k,) expected between successive `edges` (k + 1,), and their errors from the covariance.

        Raises
        ------
        FitError
            If the edges do not rise, or leave the fit range.
        """
        edges = np.asarray(edges, dtype=np.float64)
        rising = edges.ndim == 1 and len(edges) > 1 and bool((np.diff(edges) > 0.0).all())
        if not (rising and self.range[0] <= edges[0] and edges[-1] <= self.range[1]):
            found = f"window [{edges[0]:g}, {edges[-1]:g})" if edges.ndim == 1 and len(edges) else "no window"
            msg = f"{found} is not inside the fit range [{self.range[0]:g}, {self.range[1]:g}] with rising edges"
            raise FitError(msg)
        # 64 panels of 8 points: exact for every shape that bins can resolve
        x, w = np.polynomial.legendre.leggauss(8)
        inner = edges[:-1, None] + np.diff(edges)[:, None] * (np.arange(64) + 0.5) / 64
        half = 0.5 * np.diff(edges)[:, None, None] / 64
        m = inner[:, :, None] + half * x
        design = self.family.design(m.ravel(), *self.range)[:, : self.n_parameters]
        terms = np.exp(design @ self.parameters).reshape(m.shape) * w * half
        slope = np.einsum(
            "ij,ijk->ik", terms.reshape(len(inner), -1), design.reshape(len(inner), -1, self.n_parameters)
        )
        return terms.sum(axis=(1, 2)), np.sqrt(np.einsum("ij,jk,ik->i", slope, self.covariance, slope))

    def expected_in(self, lo: float, hi: float) -> tuple[float, float]:
        """Sum of weights expected in [lo, hi), any edges inside the range, and its error from the covariance.

        Raises
        ------
        FitError
            If the interval is not inside the fit range.
        """
        values, errors = self.expected_between(np.array([lo, hi]))
        return float(values[0]), float(errors[0])
