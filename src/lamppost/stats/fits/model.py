"""A spectrum and a background family as the bare arrays that the compiled kernel works on."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import fdtri

from lamppost.core import Array
from lamppost.errors import FitError
from lamppost.stats.shapes.background import Background
from lamppost.stats.spectrum import Spectrum

__all__ = ["NODES", "Model", "build"]

NODES = 12  # Gauss-Legendre points per bin where nothing is known yet about the shape
ALPHA = 0.05  # significance that the F-test asks of another parameter


@dataclass(frozen=True, eq=False)
class Model:
    """Arrays of a fit, in equivalent events of the spectrum (see `Spectrum.effective`).

    n (bins,), basis (nodes, parameters, bins), weight (nodes, bins). The basis is whitened: it spans, order by order,
    the same functions as the family's `design`, but is orthonormal for the counts seen, so that every fit starts well
    conditioned; `triangle` (parameters, parameters) leads from whitened parameters back to those of the family.
    """

    spectrum: Spectrum
    family: Background
    n: Array
    basis: Array
    weight: Array
    triangle: Array

    def natural(self, theta: Array) -> tuple[Array, Array]:
        """Parameters of the family (P,) for whitened ones, and the matrix (P, P) that carries errors over."""
        inverse = np.asarray(np.linalg.inv(self.triangle[: len(theta), : len(theta)]), dtype=np.float64)
        values = inverse @ theta
        values[0] -= np.log(self.spectrum.hi - self.spectrum.lo)
        return values, inverse

    def whitened(self, parameters: Array) -> Array:
        """The inverse of `natural`."""
        values = np.array(parameters)
        values[0] += np.log(self.spectrum.hi - self.spectrum.lo)
        return np.asarray(self.triangle[: len(values), : len(values)] @ values)

    def keep(self, bins: NDArray[np.bool_]) -> "Model":
        """The same fit in some of the bins only, for a boolean mask (bins,)."""
        arrays = {"n": self.n[bins], "basis": self.basis[:, :, bins].copy(), "weight": self.weight[:, bins].copy()}
        return Model(self.spectrum, self.family, triangle=self.triangle, **arrays)

    def start(self, size: int) -> Array:
        """Starting point (size,) of a fit to these counts: least squares in ln n, weighted by n."""
        counts = self.n + 0.5
        weight = np.sqrt(counts)[:, None]
        target = np.log(counts / self.weight.sum(axis=0))
        columns = np.einsum("qpi,qi->ip", self.basis[:, :size], self.weight / self.weight.sum(axis=0))
        return np.asarray(np.linalg.lstsq(columns * weight, target * weight[:, 0], rcond=None)[0])

    @cached_property
    def critical(self) -> Array:
        """Critical value of the F-test for one more parameter, by degrees of freedom (bins + 1,)."""
        ndf = np.arange(len(self.n) + 1)
        return np.where(ndf > 0, fdtri(1, np.maximum(ndf, 1), 1.0 - ALPHA), np.inf)


def build(spectrum: Spectrum, family: Background, nodes: int = NODES) -> Model:
    """Quadrature, whitening and equivalent events of a fit of `family` to `spectrum`.

    Raises
    ------
    FitError
        If there are no events, too few bins for the smallest order, or the family is not defined on the range.
    """
    n = np.ascontiguousarray(spectrum.effective)
    if not n.sum() > 0.0:
        msg = f"spectrum: no events between {spectrum.lo:g} and {spectrum.hi:g}, nothing to fit"
        raise FitError(msg)
    if len(n) <= family.min_parameters:
        msg = f"{family.kind}: {len(n)} bins are too few for {family.min_parameters} parameters"
        raise FitError(msg)
    x, w = np.polynomial.legendre.leggauss(nodes)
    width = np.diff(spectrum.edges)
    m = 0.5 * (spectrum.edges[:-1] + spectrum.edges[1:]) + 0.5 * np.outer(x, width)
    design = family.design(m.ravel(), spectrum.lo, spectrum.hi)
    share = np.sqrt(np.outer(w, n + 0.5)).ravel()
    _, triangle = np.linalg.qr(design * share[:, None])
    if not np.linalg.cond(triangle) < 1e14:
        msg = f"{family.kind}: the columns of the family cannot be told apart in {len(n)} bins"
        raise FitError(msg)
    basis = np.linalg.solve(triangle.T, design.T).reshape(-1, nodes, len(n))
    weight = np.outer(w, 0.5 * width / (spectrum.hi - spectrum.lo)) / spectrum.scale
    return Model(spectrum, family, n, np.ascontiguousarray(basis.transpose(1, 0, 2)), weight, triangle)


def nodes_needed(model: Model, parameters: Array, precision: float = 1e-11) -> int:
    """Fewest quadrature points that integrate this shape over every bin to a relative `precision`."""
    with np.errstate(over="ignore", invalid="ignore"):  # a shape that vanishes in some bins needs them all
        exact = bin_shape(model, parameters, NODES)
        shapes = (np.abs(bin_shape(model, parameters, q) / exact - 1.0) for q in range(2, NODES))
        return next((q for q, off in enumerate(shapes, start=2) if np.all(off < precision)), NODES)


def bin_shape(model: Model, parameters: Array, nodes: int) -> Array:
    """Integral of the shape over each bin (n,), in units of its value at the bin's middle."""
    spectrum = model.spectrum
    x, w = np.polynomial.legendre.leggauss(nodes)
    middle, half = 0.5 * (spectrum.edges[:-1] + spectrum.edges[1:]), 0.5 * np.diff(spectrum.edges)

    def exponent(m: Array) -> Array:
        return model.family.design(m, spectrum.lo, spectrum.hi)[:, : len(parameters)] @ parameters

    inside = exponent((middle + np.outer(x, half)).ravel()).reshape(nodes, -1)
    return np.asarray(w @ np.exp(inside - exponent(middle)))
