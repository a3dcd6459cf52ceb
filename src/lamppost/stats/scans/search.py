"""One spectrum ready to be scanned and repeated: the fits of the data, and the arrays that its toys share."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from lamppost.core import Array
from lamppost.errors import FitError
from lamppost.stats.fits.fit import BackgroundFit, Order, fit_model, orders
from lamppost.stats.fits.model import Model, build, nodes_needed
from lamppost.stats.scans.result import ScanResult, Tried
from lamppost.stats.shapes.background import Background
from lamppost.stats.shapes.signals import Signal
from lamppost.stats.spectrum import Spectrum
from lamppost.stats.toys import tail_probability

__all__ = ["NotConverged", "Repeats", "Search", "prepare", "scan_data"]


class NotConverged(FitError):
    """The background fit of the data does not converge; function: what was fitted."""

    def __init__(self, function: str, lo: float, hi: float) -> None:
        super().__init__(f"{function}: the background fit does not converge in [{lo:g}, {hi:g}]")
        self.function = function


class Repeats(NamedTuple):
    """The analysis of toys. q0 (toys, masses), infinite where a fit failed; unfitted (toys,): some order was skipped.

    An order above the lowest that does not converge is not adopted, in the data as in a toy.
    """

    q0: Array
    unfitted: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Search:
    """A scan of the data and what is needed to repeat it.

    model, part: the bins `shown`, all unless some are hidden, and those `bins` on which the order is chosen
    masses (k,), fractions (k, shown): the hypotheses and their shapes, in equivalent events
    background: the fit to `part`; expected (n,): of the fit to all that is shown, in equivalent events, what toys are
        drawn from
    orders: lowest and highest tried, by AIC if `aic`; starts (highest + 1, parameters): where toy fits of each start
    spurious (k,): standard deviations of the spurious yields; noise (k, shown): see `yield_noise`
    found (k, 4): q0, yield, its error and status in the data
    """

    model: Model
    part: Model
    shown: NDArray[np.bool_]
    bins: NDArray[np.intp]
    masses: Array
    fractions: Array
    background: BackgroundFit
    expected: Array
    orders: tuple[int, int]
    aic: bool
    starts: Array
    spurious: Array
    noise: Array
    found: Array

    @property
    def largest(self) -> float:
        """Largest q0 of the data."""
        return float(self.found[:, 0].max())

    def seen(self, counts: Array) -> Array:
        """The columns (toys, shown) of the bins that the model holds, of spectra (toys, bins)."""
        return counts if self.shown.all() else np.ascontiguousarray(counts[:, self.shown])

    def fit(self, counts: Array) -> Array:
        """The background of spectra (toys, bins), its order chosen anew: columns as of `kernel.fit_toys`."""
        from lamppost.stats.fits import kernel

        part = self.part
        open_counts = np.ascontiguousarray(counts[:, self.bins])
        return kernel.fit_toys(
            open_counts, part.basis, part.weight, self.starts, *self.orders, part.critical, self.aic
        )  # fmt: skip

    def measured(self, normal: Array) -> Array:
        """Auxiliary measurements of the spurious yields (toys, k) for standard normal numbers (toys, bins)."""
        if not self.spurious.any():
            return np.zeros((len(normal), len(self.masses)))
        return np.asarray((self.seen(normal) @ self.noise.T) * self.spurious)

    def chosen(self, counts: Array) -> Array:
        """As `fit`; without a choice of the order nothing is fitted, and only the first column means anything."""
        if self.orders[0] < self.orders[1]:
            return self.fit(counts)
        fitted = np.zeros((len(counts), 7))
        fitted[:, 0] = self.orders[0]
        return fitted

    def repeat(self, counts: Array, measured: Array | None = None, fitted: Array | None = None) -> Repeats:
        """The whole analysis of toy spectra (toys, bins); `fitted` is what `fit` made of them, if known already."""
        from lamppost.stats.fits import kernel

        fitted = self.chosen(counts) if fitted is None else fitted
        measured = np.zeros((len(counts), len(self.masses))) if measured is None else measured
        model, sizes = self.model, fitted[:, 0].astype(np.intp)
        q0, failed = kernel.scan_toys(
            self.seen(counts), model.basis, model.weight, self.starts, sizes, self.fractions, self.spurious, measured
        )
        q0[(failed > 0) | (fitted[:, 1] > 0)] = np.inf
        return Repeats(q0, fitted[:, 6] > 0)

    def backgrounds(self, counts: Array) -> tuple[Array, NDArray[np.bool_]]:
        """Expectations (toys, bins) refitted to toy spectra, the order chosen anew, and which of the fits failed."""
        from lamppost.stats.fits import kernel

        fitted, model = self.chosen(counts), self.model
        sizes = fitted[:, 0].astype(np.intp)
        expected = np.zeros_like(counts)
        shown, failed = kernel.expect_toys(self.seen(counts), model.basis, model.weight, self.starts, sizes)
        expected[:, self.shown] = shown
        return expected, (failed > 0) | (fitted[:, 1] > 0)

    def q0(self, counts: Array) -> Array:
        """q0 (toys, masses) of every toy spectrum in `counts` (toys, bins); rows are infinite where a fit failed."""
        return self.repeat(counts).q0

    def toys(self, counts: Array) -> Array:
        """Largest q0 (toys,) of every toy spectrum in `counts` (toys, bins); infinite where a fit failed."""
        return np.asarray(self.q0(counts).max(axis=1, initial=0.0))

    def result(
        self, values: Array, unfitted: NDArray[np.bool_] | None = None, tried: tuple[Tried, ...] = ()
    ) -> ScanResult:
        """The result of the data, judged by the largest q0 of toys (n,) if there are any."""
        from lamppost.stats.fits import kernel

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
            n_unfitted=0 if unfitted is None else int(unfitted.sum()),
            tried=tried,
            spectrum=self.model.spectrum,
            p_global_error=tail.error,
        )


def prepare(
    spectrum: Spectrum,
    family: Background,
    shape: Signal,
    masses: Array,
    bins: NDArray[np.bool_],
    n_parameters: Order,
    at_least: int | None = None,
    spurious: Array | None = None,
) -> Search:
    """Fit the data: the order in `bins` (n,), then background and signals of all `masses` in all bins.

    `spurious` (k,) are the standard deviations of a spurious yield at each mass, in the weights of the spectrum.

    Raises
    ------
    FitError
        If there is nothing to fit, or a background fit does not converge.
    """
    model, shown = build(spectrum, family), spectrum.open_bins()
    background = converged(fit_model(model, n_parameters, bins, at_least))
    size = background.n_parameters
    null = converged(fit_model(model, size, shown))
    model = build(spectrum, family, nodes_needed(model, null.parameters))
    fractions = np.reshape([shape.fractions(spectrum.edges, float(mass)) for mass in masses], (len(masses), len(bins)))
    fractions = np.ascontiguousarray((fractions / spectrum.scale)[:, shown])
    widths = np.zeros(len(masses)) if spurious is None else np.asarray(spurious, dtype=np.float64)
    lowest, highest = orders(family, n_parameters, int(bins.sum()), at_least)
    starts = np.zeros((highest + 1, model.basis.shape[1]))
    for order in range(lowest, highest + 1):
        fit = null if order == size else fit_model(model, order, shown)
        starts[order, :order] = model.whitened(fit.parameters) if fit.converged else model.keep(shown).start(order)
    expected = np.where(shown, null.expected / spectrum.scale, 0.0)
    seen = model if shown.all() else model.keep(shown)
    return Search(
        model=seen,
        part=model.keep(bins),
        shown=shown,
        bins=np.flatnonzero(bins),
        masses=masses,
        fractions=fractions,
        background=background,
        expected=expected,
        orders=(lowest, highest),
        aic=n_parameters == "aic",
        starts=starts,
        spurious=widths,
        noise=yield_noise(seen, starts[size, :size], expected[shown], fractions) if widths.any() else np.empty((0, 0)),
        found=scan_data(seen, starts[size], size, fractions, widths),
    )


def scan_data(model: Model, start: Array, size: int, fractions: Array, spurious: Array) -> Array:
    """q0, yield, its error and status of every mass (k, 4) in the data.

    Raises
    ------
    FitError
        If the background fit does not converge.
    """
    from lamppost.stats.fits import kernel

    found = np.zeros((len(fractions), 4))
    theta = start.copy()
    work = kernel.workspace(model.basis.shape[1], len(model.n))
    arrays = (model.n, model.basis, model.weight)
    value, status = kernel.fit_background(*arrays, size, theta, work)
    if status != kernel.CONVERGED:
        raise NotConverged(f"{model.family.kind}{size}", model.spectrum.lo, model.spectrum.hi)
    measured = np.zeros_like(spurious)
    kernel.scan_masses(*arrays, fractions, size, theta, value, True, found, work, spurious, measured)
    return found


def yield_noise(model: Model, theta: Array, expected: Array, fractions: Array) -> Array:
    """Rows (k, n) that turn standard normal numbers of the bins into one of each mass, correlated as fitted yields are.

    The fitted yield at mass j weighs the fluctuation of every bin with the part of f_j / sqrt(b) that no change of the
    background can imitate; this is that part, normalised.
    """
    size = len(theta)
    terms = model.weight * np.exp(np.einsum("qpi,p->qi", model.basis[:, :size], theta))
    deviation = np.sqrt(np.maximum(expected, np.finfo(float).tiny))
    slopes = np.einsum("qi,qpi->ip", terms, model.basis[:, :size]) / deviation[:, None]
    axes, _ = np.linalg.qr(slopes)
    rows = fractions / deviation
    rows = rows - (rows @ axes) @ axes.T
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def converged(fit: BackgroundFit) -> BackgroundFit:
    """The fit, if it reached its minimum."""
    if not fit.converged:
        raise NotConverged(fit.function, *fit.range)
    return fit
