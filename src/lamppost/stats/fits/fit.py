"""Binned Poisson fits of a smooth background, the number of parameters chosen by an F-test, by AIC, or fixed."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import fdtrc, gammaincc

from lamppost.core import Array
from lamppost.errors import ConfigError, FitError
from lamppost.stats.fits.fitted import BackgroundFit, OrderStep
from lamppost.stats.fits.model import Model, build
from lamppost.stats.shapes.background import Background
from lamppost.stats.shapes.background import background as parse_background
from lamppost.stats.spectrum import Spectrum

__all__ = ["BackgroundFit", "Order", "OrderStep", "fit_background"]

Order = int | Literal["aic", "f_test"] | None
"""A number of parameters, Akaike's criterion or the F-test; None is what the place at hand does by default."""


def fit_background(
    spectrum: Spectrum,
    background: object = "dijet",
    n_parameters: Order = None,
    masked: tuple[float, float] | None = None,
) -> BackgroundFit:
    """Fit a background family to a spectrum; bins that overlap `masked` = (lo, hi) are left out.

    `background` is a kind name, a table or a spec. `n_parameters` is a number, or "aic" for the order of the smallest
    deviance + 2 parameters; without it, or with "f_test", the order rises from the smallest until the F-test (alpha
    0.05) finds no gain in one parameter more.

    Raises
    ------
    FitError
        If there are no events or too few bins, or the order does not exist. A fit that does not converge is returned
        with `converged` False.
    ConfigError
        If the background is not a known kind, or `n_parameters` no way to choose an order.
    """
    model = build(spectrum, parse_background(background))
    return fit_model(model, n_parameters, unmasked(spectrum, masked))


def unmasked(spectrum: Spectrum, masked: tuple[float, float] | None) -> NDArray[np.bool_]:
    """The bins (n,) that overlap neither a masked interval nor what the spectrum hides."""
    return spectrum.open_bins(masked)


def orders(family: Background, n_parameters: Order, bins: int, at_least: int | None = None) -> tuple[int, int]:
    """Lowest and highest number of parameters to try in so many bins; FitError if there is none."""
    known = isinstance(n_parameters, int) or n_parameters in (None, "aic", "f_test")
    if not known or isinstance(n_parameters, bool):
        msg = f"n_parameters: expected a number, 'aic' or 'f_test', found {n_parameters!r}"
        raise ConfigError(msg)
    lowest, highest = family.min_parameters, family.max_parameters
    if at_least is not None:  # as many as the bins can bear
        lowest = max(lowest, min(at_least, highest, bins - 1))
    if isinstance(n_parameters, int):
        if not lowest <= n_parameters <= highest:
            msg = f"{family.kind}: {lowest} to {highest} parameters, not {n_parameters}"
            raise FitError(msg)
        lowest = highest = n_parameters
    if bins <= lowest:
        msg = f"{family.kind}: {bins} unmasked bins are too few for {lowest} parameters"
        raise FitError(msg)
    return lowest, min(highest, bins - 1)


def fit_model(model: Model, n_parameters: Order, bins: NDArray[np.bool_], at_least: int | None = None) -> BackgroundFit:
    """Fit the model in the given bins and describe the result in the family's own parameters."""
    from lamppost.stats.fits import kernel

    lowest, highest = orders(model.family, n_parameters, int(bins.sum()), at_least)
    part = model.keep(bins)
    if not part.n.sum() > 0.0:
        msg = "spectrum: no events outside the masked window, nothing to fit"
        raise FitError(msg)
    work = kernel.workspace(model.basis.shape[1], len(part.n))
    rows = np.zeros((highest + 1, 4))
    starts = start_points(part, lowest, highest)
    arrays = (part.n, part.basis, part.weight)
    size, status = kernel.fit_orders(*arrays, starts, lowest, highest, part.critical, rows, work, n_parameters == "aic")
    theta = starts[size, :size].copy()
    kernel.evaluate(*arrays, part.n, size, False, True, theta, work)
    information = np.tril(work[3][:size, :size]) + np.tril(work[3][:size, :size], -1).T
    tried = range(lowest, highest + 1)
    steps = tuple(step(order, rows[order]) for order in tried if np.isfinite(rows[order, 0]))
    failed = tuple(order for order in tried if np.isinf(rows[order, 0]))
    return describe(model, theta, information, steps, failed, status == kernel.CONVERGED)


def start_points(part: Model, lowest: int, highest: int) -> Array:
    """Starting points of all orders, in the rows of (highest + 1, parameters)."""
    starts = np.zeros((highest + 1, part.basis.shape[1]))
    for size in range(lowest, highest + 1):
        starts[size, :size] = part.start(size)
    return starts


def step(order: int, row: Array) -> OrderStep:
    """A row of the kernel's record of the orders, with its p-value."""
    deviance, chi2, groups, f = 2.0 * row[0], row[1], row[2], row[3]
    ndf = int(groups) - order
    p = np.nan if np.isnan(f) or ndf < 1 else fdtrc(1, ndf, max(f, 0.0))
    return OrderStep(order, float(deviance), float(chi2), ndf, float(f), float(p))


def describe(
    model: Model,
    theta: Array,
    information: Array,
    steps: tuple[OrderStep, ...],
    failed: tuple[int, ...],
    converged: bool,
) -> BackgroundFit:
    """The fit `theta` (P,) of whitened parameters with their information (P, P), in the family's terms."""
    size = len(theta)
    parameters, inverse = model.natural(theta)
    with np.errstate(over="ignore", invalid="ignore"):  # a fit that ran away is reported by `converged`
        exponent = np.einsum("qpi,p->qi", model.basis[:, :size], theta)
        expected = np.sum(model.weight * np.exp(exponent), axis=0)
        pulls = (model.n - expected) / np.sqrt(np.maximum(expected, np.finfo(float).tiny))
    none = OrderStep(size, np.nan, np.nan, 0, np.nan, np.nan)
    last = next((step for step in steps if converged and step.n_parameters == size), none)
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
        failed_orders=failed,
        family=model.family,
        range=(model.spectrum.lo, model.spectrum.hi),
    )
