"""A binned mass spectrum, weighted or not, and the default binning of a list of masses."""

from dataclasses import dataclass
from functools import cached_property
from math import ceil, log
from typing import Self, cast

import numpy as np
from numpy.typing import NDArray

from lamppost.core import Array
from lamppost.errors import FitError

__all__ = ["Spectrum", "bin_edges"]


def bin_edges(lo: float, hi: float, resolution: float, *, width: float | None = None, per_sigma: float = 2.0) -> Array:
    """Edges (n + 1,) of the default binning of [lo, hi]: `per_sigma` bins per standard deviation of a peak.

    Geometric for a relative `resolution`, equal bins for an absolute `width` (units of m). A bin of sigma / 2 adds
    (1/2)^2 / 12 = 2 % to the variance of a peak: half a percent of the significance of an unbinned fit.

    Raises
    ------
    FitError
        If the range or the resolution makes no sense.
    """
    size = resolution if width is None else width
    if not (0.0 < lo < hi or (width is not None and lo < hi)) or not size > 0.0 or not per_sigma > 0.0:
        msg = f"binning: cannot cut [{lo:g}, {hi:g}] into bins for a resolution of {size:g}"
        raise FitError(msg)
    if width is None:
        edges = np.geomspace(lo, hi, ceil(log(hi / lo) * per_sigma / size - 1e-9) + 1)
    else:
        edges = np.linspace(lo, hi, ceil((hi - lo) * per_sigma / width - 1e-9) + 1)
    return np.asarray(edges, dtype=np.float64)


UNWEIGHTED = cast("Array", None)  # replaced by the counts
ENOUGH = 25.0  # equivalent events that fix a scale to some 10 %


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Counts in bins of mass. edges (n + 1,) [units of m], counts (n,) = sum of weights, variances (n,) = sum of w^2.

    Without variances the counts are unweighted and the variances equal them. A weighted spectrum is fitted as a scaled
    Poisson (Bohm and Zech, arXiv:1309.1287): bin i holds `effective` = counts / scale equivalent events, each worth
    `scale` = sum w^2 / sum w, where the sums run over the bin or, if that holds fewer than 25 equivalent events, over
    as many neighbours as it takes. All weights times a constant leave Z and p unchanged.

    Bins that overlap one of the intervals (lo, hi) in `hidden` are emptied, and take part in no fit, scan or toy.

    Raises
    ------
    FitError
        If shapes do not match, edges do not rise, or a bin has a negative or undefined count.
    """

    edges: Array
    counts: Array
    variances: Array = UNWEIGHTED
    hidden: tuple[tuple[float, float], ...] = ()

    def __post_init__(self) -> None:
        for name in ("edges", "counts", "variances"):
            value = getattr(self, name)
            object.__setattr__(self, name, np.array(self.counts if value is None else value, dtype=np.float64))
        self._check()
        shown = self.open_bins()
        for name in ("counts", "variances"):
            getattr(self, name)[~shown] = 0.0
        for name in ("edges", "counts", "variances"):
            getattr(self, name).flags.writeable = False

    def _check(self) -> None:
        edges, counts, variances = self.edges, self.counts, self.variances
        if counts.ndim != 1 or edges.shape != (len(counts) + 1,) or variances.shape != counts.shape or not len(counts):
            msg = f"spectrum: {edges.shape} edges, {counts.shape} counts and {variances.shape} variances do not match"
            raise FitError(msg)
        if not (np.isfinite(edges).all() and (np.diff(edges) > 0.0).all()):
            msg = "spectrum: the bin edges must be finite and rise"
            raise FitError(msg)
        bad = ~(np.isfinite(counts) & np.isfinite(variances) & (counts >= 0.0) & (variances >= 0.0))
        bad |= (counts > 0.0) != (variances > 0.0)
        if bad.any():
            i = int(np.argmax(bad))
            msg = (
                f"spectrum: bin {i} [{edges[i]:g}, {edges[i + 1]:g}) has a sum of weights {counts[i]:g} and of squared "
                f"weights {variances[i]:g}; a scaled Poisson needs both positive, or both zero"
            )
            raise FitError(msg)

    @classmethod
    def from_masses(
        cls, m: Array, edges: Array, w: Array | None = None, hidden: tuple[tuple[float, float], ...] = ()
    ) -> Self:
        """Fill events of masses m (k,) and weights w (k,) into bins; those outside the edges are left out."""
        counts, _ = np.histogram(m, bins=edges, weights=w)
        if w is None:
            return cls(edges, counts, hidden=hidden)
        variances, _ = np.histogram(m, bins=edges, weights=np.square(w))
        return cls(edges, counts, variances, hidden)

    def above(self, first: int) -> Self:
        """The bins from number `first` on."""
        return type(self)(self.edges[first:], self.counts[first:], self.variances[first:], self.hidden)

    def open_bins(self, masked: tuple[float, float] | None = None) -> NDArray[np.bool_]:
        """The bins (n,) that overlap neither `masked` = (lo, hi) nor what is hidden."""
        shown = np.ones(len(self.counts), dtype=np.bool_)
        for lo, hi in (*self.hidden, *(() if masked is None else (masked,))):
            shown &= (self.edges[1:] <= lo) | (self.edges[:-1] >= hi)
        return shown

    @property
    def lo(self) -> float:
        """Lower end of the range."""
        return float(self.edges[0])

    @property
    def hi(self) -> float:
        """Upper end of the range."""
        return float(self.edges[-1])

    @property
    def effective(self) -> Array:
        """Equivalent unweighted events per bin (n,)."""
        return np.asarray(self.counts / self.scale)

    @cached_property
    def scale(self) -> Array:
        """What an equivalent event counts in each bin (n,): 1 in an unweighted spectrum.

        A scale from a handful of events follows their fluctuations and would bias the fit; hence the neighbours.
        """
        if np.array_equal(self.counts, self.variances):
            return np.ones_like(self.counts)
        scale, bins = np.zeros_like(self.counts), len(self.counts)
        sums = [np.append(0.0, np.cumsum(values)) for values in (self.counts, self.variances)]
        index = np.arange(bins)
        for reach in range(bins):
            first, last = np.maximum(index - reach, 0), np.minimum(index + reach + 1, bins)
            total, squares = (values[last] - values[first] for values in sums)
            settled = (scale == 0.0) & (squares > 0.0) & ((total**2 >= ENOUGH * squares) | (reach == bins - 1))
            scale[settled] = squares[settled] / total[settled]
            if scale.all():
                break
        return scale
