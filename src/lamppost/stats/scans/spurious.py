"""Spurious signal: what a fit finds where there is nothing but another smooth background."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from lamppost.core import Array
from lamppost.errors import FitError
from lamppost.stats.fits.fit import BackgroundFit, Order, fit_background
from lamppost.stats.fits.model import build
from lamppost.stats.scans.search import NotConverged, converged, scan_data
from lamppost.stats.shapes.signals import Signal
from lamppost.stats.shapes.signals import signal as parse_signal
from lamppost.stats.spectrum import Spectrum

__all__ = ["SpuriousSignal", "spurious_signal"]

AROUND = np.array([-1.0, -0.5, 0.0, 0.5, 1.0])  # sigma
MASKED = 2.0  # sigma on both sides of the largest excess, which the alternatives do not look at


@dataclass(frozen=True, eq=False)
class SpuriousSignal:
    """Signals that are fitted to smooth backgrounds of other families.

    masses (k,): the hypotheses; largest (k,): the largest |yield| within one sigma of each, of all families used, in
        the weights of the spectrum; it is what `scan` takes as `spurious`
    function: the background whose fits are tested; alternatives (a,): the others, as fitted to the data
    used (a,): whether they fit it well enough to be believed; p_values (a,): Pearson
    yields, yield_errors (a, k): the fitted yields with their sign, and their errors in the data's statistics
    """

    masses: Array
    largest: Array
    function: str
    alternatives: tuple[str, ...]
    used: tuple[bool, ...]
    p_values: tuple[float, ...]
    yields: Array
    yield_errors: Array


def spurious_signal(
    spectrum: Spectrum,
    background: object = "dijet",
    alternatives: Sequence[object] = ("diphoton", "ua2"),
    *,
    signal: object = "crystal_ball",
    masses: Array | None = None,
    n_parameters: Order = None,
    least_p: float = 0.01,
) -> SpuriousSignal:
    """Fit `background` and a signal to smooth expectations of the `alternatives` (as ATLAS, arXiv:1207.7214).

    Every alternative, its order chosen by the F-test, is fitted to the spectrum without two sigma on both sides of the
    largest excess above `background`: a signal in the data is not held against it. Its expectation, without
    fluctuations, is then fitted by `background` in the order that `n_parameters` chooses in the data (see
    `fit_background`) plus a signal at each of `masses` (k,), by default those of `mass_grid`. Alternatives that do not
    converge, or whose Pearson p-value is below `least_p`, are shown but not used. A spurious yield changes sign between
    masses, where it vanishes by accident: hence the largest within one sigma.

    Raises
    ------
    FitError
        If a mass lies outside the range, the background does not converge, or no alternative describes the spectrum.
    ConfigError
        If a background or the signal is not a known kind.
    """
    from lamppost.stats.scans.scan import mass_grid

    shape = parse_signal(signal)
    grid = mass_grid(spectrum, shape) if masses is None else np.asarray(masses, dtype=np.float64)
    nominal = converged(fit_background(spectrum, background, n_parameters))
    hidden = largest_excess(spectrum, nominal, shape)
    fits = [fit_background(spectrum, alternative, masked=hidden) for alternative in alternatives]
    used = tuple(bool(fit.converged and fit.p_value >= least_p) for fit in fits)
    if not any(used):
        tried = ", ".join(f"{fit.function} with p = {fit.p_value:.2g}" for fit in fits) or "none given"
        msg = f"spurious signal: no alternative describes the spectrum with p >= {least_p:g}: {tried}"
        raise FitError(msg)
    points = np.clip(grid + AROUND[:, None] * [shape.sigma(float(mass)) for mass in grid], spectrum.lo, spectrum.hi)
    found = np.stack([fitted_yields(spectrum, nominal, fit, shape, points) for fit in fits])
    if np.isnan(found[list(used)]).any():
        msg = f"spurious signal: {nominal.function} does not converge in the expectation of another family"
        raise FitError(msg)
    return SpuriousSignal(
        masses=grid,
        largest=np.abs(found[list(used), :, :, 0]).max(axis=(0, 1)),
        function=nominal.function,
        alternatives=tuple(fit.function for fit in fits),
        used=used,
        p_values=tuple(fit.p_value if fit.converged else np.nan for fit in fits),
        yields=found[:, len(AROUND) // 2, :, 0],
        yield_errors=found[:, len(AROUND) // 2, :, 1],
    )


def fitted_yields(
    spectrum: Spectrum, nominal: BackgroundFit, truth: BackgroundFit, shape: Signal, points: Array
) -> Array:
    """Yield and error (..., 2) at every mass of `points` where the nominal family is fitted to the smooth truth.

    NaN where the truth, or the nominal family in it, did not converge.
    """
    if not truth.converged:
        return np.full((*points.shape, 2), np.nan)
    try:
        found = signals(spectrum, nominal, shape, points.ravel(), truth.expected)
    except NotConverged:
        return np.full((*points.shape, 2), np.nan)
    return found[:, 1:3].reshape(*points.shape, 2)


def largest_excess(spectrum: Spectrum, nominal: BackgroundFit, shape: Signal) -> tuple[float, float] | None:
    """Two sigma on both sides of the middle of the bin with the largest q0, if there is any excess."""
    middles = 0.5 * (spectrum.edges[1:] + spectrum.edges[:-1])
    q0 = signals(spectrum, nominal, shape, middles, spectrum.counts)[:, 0]
    if not q0.max() > 0.0:
        return None
    m = float(middles[q0.argmax()])
    return m - MASKED * shape.sigma(m), m + MASKED * shape.sigma(m)


def signals(spectrum: Spectrum, nominal: BackgroundFit, shape: Signal, masses: Array, counts: Array) -> Array:
    """q0, yield, its error and status (k, 4) at every mass (k,), beside the nominal family, in counts (n,)."""
    shown, model = spectrum.open_bins(), build(spectrum, nominal.family)
    other = replace(model, n=counts / spectrum.scale).keep(shown)
    fractions = np.array([shape.fractions(spectrum.edges, float(mass)) for mass in masses]) / spectrum.scale
    fractions = np.ascontiguousarray(fractions[:, shown])
    size = nominal.n_parameters
    start = np.append(model.whitened(nominal.parameters), np.zeros(model.basis.shape[1] - size))
    return scan_data(other, start, size, fractions, np.zeros(len(fractions)))
