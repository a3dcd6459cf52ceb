"""Goodness of fit of a background: three statistics, each judged by its asymptotic distribution or by toys."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaincc, gammaln, xlogy

from lamppost.core import Array
from lamppost.stats.fits.fit import Order, fit_model, orders, start_points, unmasked
from lamppost.stats.fits.model import Model, build, nodes_needed
from lamppost.stats.scans.search import converged
from lamppost.stats.shapes.background import background as parse_background
from lamppost.stats.spectrum import Spectrum
from lamppost.stats.toys import BLOCK, Seed, block_rng, seed_sequence

__all__ = ["Goodness", "GoodnessTest", "goodness_of_fit"]

SHIFT = 0.1  # by how many of its standard deviations the mean of a statistic may miss that of chi2


@dataclass(frozen=True)
class GoodnessTest:
    """One statistic: its value, degrees of freedom (None if it has none), p-value (None without toys), and how."""

    value: float
    ndf: int | None
    p_value: float | None
    method: str


@dataclass(frozen=True, eq=False)
class Goodness:
    """How well a background fits.

    function: what was fitted
    pearson: chi2 of bins merged to at least 5 expected
    saturated: deviance, twice the log likelihood ratio to a model with a parameter per bin
    kolmogorov: largest distance of the cumulative distributions at bin edges; sensitive to slow waves
    n_toys, n_failed: toys made, and how many of them could not be fitted; those count as worse than the data
    """

    function: str
    pearson: GoodnessTest
    saturated: GoodnessTest
    kolmogorov: GoodnessTest
    n_toys: int
    n_failed: int


def goodness_of_fit(
    spectrum: Spectrum,
    background: object = "dijet",
    n_parameters: Order = None,
    masked: tuple[float, float] | None = None,
    *,
    toys: int = 1000,
    seed: Seed = 0,
) -> Goodness:
    """Fit a background as `fit_background` does and test the fit.

    The p-values of chi2 and deviance are asymptotic where that holds, and else from toys of the fit, like the one of
    Kolmogorov always: the parameters are fitted, which no tabulated distribution knows. Toys repeat the fit and the
    choice of its order. The deviance is asymptotic while the mean of its exact distribution, Poisson in every bin, is
    within 0.1 standard deviations of that of chi2.

    Raises
    ------
    FitError
        If there is nothing to fit or the fit does not converge.
    ConfigError
        If the background is not a known kind.
    """
    family, bins = parse_background(background), unmasked(spectrum, masked)
    model = build(spectrum, family)
    fit = converged(fit_model(model, n_parameters, bins))
    part = build(spectrum, family, nodes_needed(model, fit.parameters)).keep(bins)
    expected = fit.expected[bins] / spectrum.scale[bins]
    limits = orders(family, n_parameters, len(expected))
    spectra = drawn(part.n, expected, toys, seed)
    rows = np.concatenate([refit(part, counts, limits, n_parameters == "aic") for counts in spectra])
    failed = rows[:, 1] > 0
    ndf = len(expected) - fit.n_parameters
    shift = deviance_shift(expected, ndf)
    merged = "bins merged to at least 5 expected events" if fit.ndf > 0 else "no bins left beyond the parameters"
    moved = f"the mean of the deviance is {shift:+.2f} standard deviations off that of chi2"
    return Goodness(
        function=fit.function,
        pearson=judge(rows[:, 3], failed, fit.ndf, fit.ndf > 0, merged),
        saturated=judge(2.0 * rows[:, 2], failed, ndf, abs(shift) < SHIFT, moved),
        kolmogorov=judge(rows[:, 5], failed, None, False, "its distribution depends on what is fitted"),
        n_toys=len(rows) - 1,
        n_failed=int(failed[1:].sum()),
    )


def drawn(data: Array, expected: Array, toys: int, seed: Seed) -> Iterator[Array]:
    """The data (1, bins), then blocks of toys of the expectation (toys, bins)."""
    root = seed_sequence(seed)
    yield data[None]
    for block in range(-(-toys // BLOCK)):
        counts = block_rng(root, block).poisson(expected, size=(BLOCK, len(expected)))
        yield counts[: toys - block * BLOCK].astype(np.float64)


def refit(model: Model, counts: Array, limits: tuple[int, int], aic: bool) -> Array:
    """What `kernel.fit_toys` makes of spectra (toys, bins), each order started from the fit of the data."""
    from lamppost.stats.fits import kernel

    starts = start_points(model, *limits)
    return kernel.fit_toys(counts, model.basis, model.weight, starts, *limits, model.critical, aic)


def judge(values: Array, failed: NDArray[np.bool_], ndf: int | None, asymptotic: bool, reason: str) -> GoodnessTest:
    """The test of the first of `values`; the others are of toys, and worse than the data where they `failed`."""
    value = float(values[0])
    if asymptotic and ndf is not None:
        return GoodnessTest(value, ndf, float(gammaincc(0.5 * ndf, 0.5 * value)), f"asymptotic: {reason}")
    n = len(values) - 1
    if not n:
        return GoodnessTest(value, ndf, None, f"not computed without toys: {reason}")
    k = int(np.sum((values[1:] >= value) | failed[1:]))
    return GoodnessTest(value, ndf, (k + 1) / (n + 1), f"toys, {k} of {n}: {reason}")


def deviance_shift(expected: Array, ndf: int) -> float:
    """Mean of the deviance of Poisson counts (bins,) less the number of bins, in standard deviations of chi2.

    A bin with mu expected has mean 1 + 1 / (6 mu) where mu is large, more around mu = 1 and less below 0.3.
    """
    n = np.arange(400.0)
    mu = np.minimum(expected, 100.0)[:, None]
    chance = np.exp(xlogy(n, mu) - mu - gammaln(n + 1.0))
    mean = np.sum(chance * 2.0 * (mu - n + xlogy(n, n) - xlogy(n, mu)), axis=1)
    return float(np.sum(mean - 1.0) / np.sqrt(2.0 * max(ndf, 1)))
