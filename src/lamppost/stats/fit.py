"""Binned Poisson fits of a smooth background, the number of parameters chosen by an F-test."""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import fdtrc, gammaincc

from lamppost.core import Array
from lamppost.errors import FitError
from lamppost.stats.model import Model, build
from lamppost.stats.shapes import Background
from lamppost.stats.shapes import background as parse_background
from lamppost.stats.spectrum import Spectrum

__all__ = ["BackgroundFit", "OrderStep", "fit_background"]


class OrderStep(NamedTuple):
    """One order tried by the F-test; `f` and `p_value` compare it with the order below (NaN for the first)."""

    n_parameters: int
    deviance: float
    chi2: float
    ndf: int
    f: float
    p_value: float


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
    steps: the orders the F-test went through, one entry if the order was given
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
    family: Background = field(repr=False)
    range: tuple[float, float] = field(repr=False)

    def density(self, m: Array) -> Array:
        """f(m), the expected sum of weights per unit of m; same shape as m."""
        m = np.asarray(m, dtype=np.float64)
        design = self.family.design(m.ravel(), *self.range)[:, : self.n_parameters]
        return np.asarray(np.exp(design @ self.parameters).reshape(m.shape))

    def expected_in(self, lo: float, hi: float) -> tuple[float, float]:
        """Sum of weights expected in [lo, hi), any edges inside the range, and its error from the covariance.

        Raises
        ------
        FitError
            If the interval is not inside the fit range.
        """
        if not self.range[0] <= lo < hi <= self.range[1]:
            msg = f"window [{lo:g}, {hi:g}) is not inside the fit range [{self.range[0]:g}, {self.range[1]:g}]"
            raise FitError(msg)
        # 64 panels of 8 points: exact for every shape that bins can resolve
        x, w = np.polynomial.legendre.leggauss(8)
        middle = lo + (hi - lo) * (np.arange(64) + 0.5) / 64
        m = (middle[:, None] + 0.5 * (hi - lo) / 64 * x).ravel()
        design = self.family.design(m, *self.range)[:, : self.n_parameters]
        terms = np.exp(design @ self.parameters) * np.tile(w, 64) * 0.5 * (hi - lo) / 64
        slope = terms @ design
        return float(terms.sum()), float(np.sqrt(slope @ self.covariance @ slope))


def fit_background(
    spectrum: Spectrum,
    background: object = "dijet",
    n_parameters: int | None = None,
    masked: tuple[float, float] | None = None,
) -> BackgroundFit:
    """Fit a background family to a spectrum; bins that overlap `masked` = (lo, hi) are left out.

    `background` is a kind name, a table or a spec. Without `n_parameters` the order rises from the smallest until the
    F-test (alpha 0.05) finds no gain in one parameter more.

    Raises
    ------
    FitError
        If there are no events or too few bins, or the order does not exist. A fit that does not converge is returned
        with `converged` False.
    ConfigError
        If the background is not a known kind.
    """
    model = build(spectrum, parse_background(background))
    return fit_model(model, n_parameters, unmasked(spectrum, masked))


def unmasked(spectrum: Spectrum, masked: tuple[float, float] | None) -> NDArray[np.bool_]:
    """The bins (n,) that do not overlap a masked interval."""
    if masked is None:
        return np.ones(len(spectrum.counts), dtype=np.bool_)
    return (spectrum.edges[1:] <= masked[0]) | (spectrum.edges[:-1] >= masked[1])


def orders(family: Background, n_parameters: int | None, bins: int, at_least: int | None = None) -> tuple[int, int]:
    """Lowest and highest number of parameters to try in so many bins; FitError if there is none."""
    lowest, highest = family.min_parameters, family.max_parameters
    if at_least is not None:  # as many as the bins can bear
        lowest = max(lowest, min(at_least, highest, bins - 1))
    if n_parameters is not None:
        if not lowest <= n_parameters <= highest:
            msg = f"{family.kind}: {lowest} to {highest} parameters, not {n_parameters}"
            raise FitError(msg)
        lowest = highest = n_parameters
    if bins <= lowest:
        msg = f"{family.kind}: {bins} unmasked bins are too few for {lowest} parameters"
        raise FitError(msg)
    return lowest, min(highest, bins - 1)


def fit_model(
    model: Model, n_parameters: int | None, bins: NDArray[np.bool_], at_least: int | None = None
) -> BackgroundFit:
    """Fit the model in the given bins and describe the result in the family's own parameters."""
    from lamppost.stats import kernel

    lowest, highest = orders(model.family, n_parameters, int(bins.sum()), at_least)
    part = model.keep(bins)
    if not part.n.sum() > 0.0:
        msg = "spectrum: no events outside the masked window, nothing to fit"
        raise FitError(msg)
    work = kernel.workspace(model.basis.shape[1], len(part.n))
    rows = np.zeros((highest + 1, 4))
    starts = start_points(part, lowest, highest)
    arrays = (part.n, part.basis, part.weight)
    size, status = kernel.fit_orders(*arrays, starts, lowest, highest, part.critical, rows, work)
    theta = starts[size, :size].copy()
    kernel.evaluate(*arrays, part.n, size, False, True, theta, work)
    information = np.tril(work[3][:size, :size]) + np.tril(work[3][:size, :size], -1).T
    steps = tuple(
        step(order, rows[order], order == lowest) for order in range(lowest, highest + 1) if np.isfinite(rows[order, 0])
    )
    return describe(model, theta, information, steps, size - lowest, status == kernel.CONVERGED)


def start_points(part: Model, lowest: int, highest: int) -> Array:
    """Starting points of all orders, in the rows of (highest + 1, parameters)."""
    starts = np.zeros((highest + 1, part.basis.shape[1]))
    for size in range(lowest, highest + 1):
        starts[size, :size] = part.start(size)
    return starts


def step(order: int, row: Array, first: bool) -> OrderStep:
    """A row of the kernel's record of the F-test, with its p-value."""
    deviance, chi2, groups, f = 2.0 * row[0], row[1], row[2], row[3]
    ndf = int(groups) - order
    p = np.nan if first or ndf < 1 else fdtrc(1, ndf, max(f, 0.0))
    return OrderStep(order, float(deviance), float(chi2), ndf, float(f), float(p))


def describe(
    model: Model, theta: Array, information: Array, steps: tuple[OrderStep, ...], kept: int, converged: bool
) -> BackgroundFit:
    """The fit `theta` (P,) of whitened parameters with their information (P, P), in the family's terms."""
    size = len(theta)
    parameters, inverse = model.natural(theta)
    with np.errstate(over="ignore", invalid="ignore"):  # a fit that ran away is reported by `converged`
        exponent = np.einsum("qpi,p->qi", model.basis[:, :size], theta)
        expected = np.sum(model.weight * np.exp(exponent), axis=0)
        pulls = (model.n - expected) / np.sqrt(np.maximum(expected, np.finfo(float).tiny))
    last = steps[kept] if converged else OrderStep(size, np.nan, np.nan, 0, np.nan, np.nan)
    return BackgroundFit(
        function=f"{model.family.kind}{size}",
        n_parameters=size,
        parameters=parameters,
        covariance=inverse @ np.linalg.pinv(information) @ inverse.T if converged else np.full((size, size), np.nan),
        expected=expected * model.spectrum.scale,
        chi2=last.chi2,
        ndf=max(last.ndf, 0),
        p_value=float(gammaincc(0.5 * last.ndf, 0.5 * last.chi2)) if last.ndf > 0 else 1.0,
        deviance=last.deviance,
        pulls=pulls,
        converged=converged,
        steps=steps,
        family=model.family,
        range=(model.spectrum.lo, model.spectrum.hi),
    )
