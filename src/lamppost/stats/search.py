"""One spectrum ready to be scanned and repeated: the fits of the data, and the arrays that its toys share."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from lamppost.core import Array
from lamppost.errors import FitError
from lamppost.stats.fit import BackgroundFit, fit_model, orders
from lamppost.stats.model import Model, build, nodes_needed
from lamppost.stats.result import ScanResult
from lamppost.stats.shapes import Background
from lamppost.stats.signals import Signal
from lamppost.stats.spectrum import Spectrum
from lamppost.stats.toys import tail_probability

__all__ = ["Search", "prepare"]


@dataclass(frozen=True, eq=False)
class Search:
    """A scan of the data and what is needed to repeat it.

    model, part: all bins, and those `bins` on which the order is chosen
    masses (k,), fractions (k, n): the hypotheses and their shapes, in equivalent events
    background: the fit to `part`; expected (n,): of the fit to all bins, in equivalent events, what toys are drawn from
    orders: lowest and highest tried; starts (highest + 1, parameters): where toy fits of each order start
    found (k, 4): q0, yield, its error and status in the data
    """

    model: Model
    part: Model
    bins: NDArray[np.intp]
    masses: Array
    fractions: Array
    background: BackgroundFit
    expected: Array
    orders: tuple[int, int]
    starts: Array
    found: Array

    @property
    def largest(self) -> float:
        """Largest q0 of the data."""
        return float(self.found[:, 0].max())

    def toys(self, counts: Array) -> Array:
        """Largest q0 of every toy spectrum in `counts` (toys, bins); infinite where a fit failed."""
        from lamppost.stats import kernel

        model, part = self.model, self.part
        arrays = (model.basis, model.weight, self.bins, part.basis, part.weight, self.starts)
        result = kernel.scan_toys(counts, *arrays, *self.orders, part.critical, self.fractions)
        return np.where(result[:, 2] > 0, np.inf, result[:, 0])

    def result(self, values: Array) -> ScanResult:
        """The result of the data, judged by the largest q0 of toys (n,) if there are any."""
        from lamppost.stats import kernel

        q0, yields, errors, status = self.found.T
        z = np.sqrt(q0)
        p = ndtr(-z)
        best = int(z.argmax() if z.any() else (yields / errors).argmax())
        tail = tail_probability(values, float(q0[best]))
        return ScanResult(
            masses=self.masses,
            z=z,
            p=p,
            yields=yields,
            yield_errors=errors,
            converged=status != kernel.FAILED,
            background=self.background,
            best_mass=float(self.masses[best]),
            z_local=float(z[best]),
            p_local=float(p[best]),
            signal=float(yields[best]),
            signal_error=float(errors[best]),
            p_global=tail.p,
            z_global=tail.z,
            p_global_method=tail.method,
            n_toys=len(values),
            n_failed=int(np.isinf(values).sum()),
            spectrum=self.model.spectrum,
        )


def prepare(
    spectrum: Spectrum,
    family: Background,
    shape: Signal,
    masses: Array,
    bins: NDArray[np.bool_],
    n_parameters: int | None,
    at_least: int | None = None,
) -> Search:
    """Fit the data: the order in `bins` (n,), then background and signals of all `masses` in all bins.

    Raises
    ------
    FitError
        If there is nothing to fit, or a background fit does not converge.
    """
    model = build(spectrum, family)
    background = converged(fit_model(model, n_parameters, bins, at_least))
    size = background.n_parameters
    null = converged(fit_model(model, size, np.ones_like(bins)))
    model = build(spectrum, family, nodes_needed(model, null.parameters))
    fractions = np.array([shape.fractions(spectrum.edges, float(mass)) for mass in masses]) / spectrum.scale
    lowest, highest = orders(family, n_parameters, int(bins.sum()), at_least)
    starts = np.zeros((highest + 1, model.basis.shape[1]))
    for order in range(lowest, highest + 1):
        fit = null if order == size else fit_model(model, order, np.ones_like(bins))
        starts[order, :order] = model.whitened(fit.parameters) if fit.converged else model.start(order)
    return Search(
        model=model,
        part=model.keep(bins),
        bins=np.flatnonzero(bins),
        masses=masses,
        fractions=fractions,
        background=background,
        expected=null.expected / spectrum.scale,
        orders=(lowest, highest),
        starts=starts,
        found=scan_data(model, starts[size], size, fractions),
    )


def scan_data(model: Model, start: Array, size: int, fractions: Array) -> Array:
    """q0, yield, its error and status of every mass (k, 4) in the data."""
    from lamppost.stats import kernel

    found = np.zeros((len(fractions), 4))
    theta = start.copy()
    work = kernel.workspace(model.basis.shape[1], len(model.n))
    arrays = (model.n, model.basis, model.weight)
    value, _ = kernel.fit_background(*arrays, size, theta, work)
    kernel.scan_masses(*arrays, fractions, size, theta, value, True, found, work)
    return found


def converged(fit: BackgroundFit) -> BackgroundFit:
    """The fit, if it reached its minimum."""
    if not fit.converged:
        msg = f"{fit.function}: the background fit does not converge in [{fit.range[0]:g}, {fit.range[1]:g}]"
        raise FitError(msg)
    return fit
