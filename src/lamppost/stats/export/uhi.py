"""Histograms in and out: UHI objects (hist, boost-histogram, uproot, mplhep) and ROOT files."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lamppost.core import Array
from lamppost.errors import FitError, optional
from lamppost.stats.spectrum import Spectrum

__all__ = ["Histogram", "from_uhi", "to_hist", "to_uhi", "write_root"]


@dataclass(frozen=True)
class Traits:
    """What kind of axis it is."""

    circular: bool = False
    discrete: bool = False


@dataclass(frozen=True, eq=False)
class Axis:
    """An axis of adjacent intervals, by their edges (n + 1,)."""

    edges: Array
    traits: Traits = Traits()
    label: str = ""

    def __len__(self) -> int:
        return len(self.edges) - 1

    def __getitem__(self, index: int) -> tuple[float, float]:
        if not 0 <= index < len(self):
            msg = f"axis of {len(self)} bins: no bin {index}"
            raise IndexError(msg)
        return float(self.edges[index]), float(self.edges[index + 1])

    def __iter__(self) -> Iterator[tuple[float, float]]:
        return (self[i] for i in range(len(self)))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Axis) and np.array_equal(self.edges, other.edges)

    __hash__ = None  # type: ignore[assignment]


@dataclass(frozen=True, eq=False)
class Histogram:
    """Contents (n,) and variances (n,) on one axis, with the UHI protocol `PlottableHistogram`; no library needed."""

    axis: Axis
    content: Array
    variance: Array | None = None
    name: str = ""

    @property
    def axes(self) -> tuple[Axis]:
        """The one axis."""
        return (self.axis,)

    @property
    def kind(self) -> str:
        """Contents are counts, not means."""
        return "COUNT"

    def values(self) -> Array:
        """Contents (n,)."""
        return self.content

    def variances(self) -> Array | None:
        """Variances (n,) of the contents."""
        return self.content if self.variance is None else self.variance

    def counts(self) -> Array:
        """Equivalent unweighted events (n,)."""
        if self.variance is None:
            return self.content
        return np.divide(self.content**2, self.variance, out=np.zeros_like(self.content), where=self.variance > 0.0)


def to_uhi(spectrum: Spectrum, name: str = "") -> Histogram:
    """A spectrum as a UHI histogram: mplhep plots it, uproot writes it."""
    variances = None if np.array_equal(spectrum.counts, spectrum.variances) else spectrum.variances
    return Histogram(Axis(spectrum.edges), spectrum.counts, variances, name)


def to_hist(spectrum: Spectrum, name: str = "m") -> Any:
    """A spectrum as a `hist.Hist` with an axis `name`; weighted ones have the storage Weight, others Double.

    Raises
    ------
    LamppostError
        If hist is not installed.
    """
    return filled(to_uhi(spectrum, name))


def filled(histogram: Histogram) -> Any:
    """The same bins and contents in a `hist.Hist`."""
    hist = optional("hist", "stats")
    axis = hist.axis.Variable(histogram.axis.edges, name=histogram.name)
    if histogram.variance is None:
        return hist.Hist(axis, storage=hist.storage.Double(), data=histogram.content)
    data = np.stack([histogram.content, histogram.variance], axis=-1)
    return hist.Hist(axis, storage=hist.storage.Weight(), data=data)


def from_uhi(histogram: Any, *, weighted: bool = False) -> Spectrum:
    """The spectrum that a UHI histogram with one axis holds (hist, boost-histogram, uproot); no under- and overflow.

    Counts must be whole numbers unless the histogram is `weighted`, which takes its variances as well.

    Raises
    ------
    FitError
        If it is no histogram of counts on one axis of intervals, its counts are not whole, or no spectrum.
    """
    try:
        (axis,) = histogram.axes
        if str(histogram.kind).endswith("MEAN"):
            raise ValueError
        pairs = np.array([tuple(axis[i]) for i in range(len(axis))], dtype=np.float64)
        counts = np.asarray(histogram.values(), dtype=np.float64)
        variances = histogram.variances() if weighted else None
    except (AttributeError, TypeError, ValueError):
        msg = f"spectrum: expected a histogram of counts on one axis of intervals, found {histogram!r:.80}"
        raise FitError(msg) from None
    if not np.array_equal(pairs[1:, 0], pairs[:-1, 1]):
        msg = "spectrum: every bin must start where the one before ends"
        raise FitError(msg)
    if not weighted and np.any(counts != np.round(counts)):
        i = int(np.argmax(counts != np.round(counts)))
        msg = f"spectrum: expected whole numbers of events, found {counts[i]:g} in bin {i}; weights need `weighted`"
        raise FitError(msg)
    return Spectrum(np.append(pairs[:, 0], pairs[-1:, 1]), counts, variances)  # type: ignore[arg-type]


def write_root(path: "str | os.PathLike[str]", histograms: Mapping[str, Histogram | Spectrum]) -> Path:
    """Write histograms (TH1D) and spectra into a new ROOT file under their names; weighted ones keep their variances.

    Raises
    ------
    LamppostError
        If uproot or hist is not installed.
    """
    uproot = optional("uproot", "stats")
    target = Path(path)
    with uproot.recreate(target) as file:
        for name, content in histograms.items():
            file[name] = filled(to_uhi(content) if isinstance(content, Spectrum) else content)
    return target
