"""A whole analysis, choices included, ready to be repeated on toys."""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaincc

from lamppost.core import Array
from lamppost.errors import ConfigError, FitError
from lamppost.stats.fits.fit import unmasked
from lamppost.stats.scans.choices import Criterion, Plan
from lamppost.stats.scans.envelope import PENALTY, envelope, profiled
from lamppost.stats.scans.result import ScanResult, Tried
from lamppost.stats.scans.search import NotConverged, Search, prepare
from lamppost.stats.shapes.signals import Signal
from lamppost.stats.spectrum import Spectrum

__all__ = ["Procedure", "procedure"]

LEAST_P = 0.05  # goodness of fit that a range must reach
MARGIN = 2.0  # sigma between a raised lower edge and the first hypothesis above it


class Candidate(NamedTuple):
    """A family over a range: its search, its first bin, and what turns equivalent events of the spectrum into its."""

    search: Search
    first: int
    ratio: Array

    def cut(self, counts: Array) -> Array:
        """The counts (toys, bins) of the whole spectrum in this range."""
        return np.ascontiguousarray(counts[:, self.first :] * self.ratio)


@dataclass(frozen=True, eq=False)
class Procedure:
    """Candidates by range, the widest first; tried: the data's fits of all of them, those that failed included.

    One of them is chosen, in the data as in every toy, or all are profiled as an envelope.
    """

    spectrum: Spectrum
    masses: Array
    criterion: Criterion
    ranges: tuple[tuple[Candidate, ...], ...]
    failed: tuple[Tried, ...]

    @cached_property
    def candidates(self) -> tuple[Candidate, ...]:
        """All candidates, in the order in which `choose` numbers them."""
        return tuple(candidate for group in self.ranges for candidate in group)

    @cached_property
    def best(self) -> Candidate:
        """The candidate that the data choose."""
        return self.candidates[max(0, int(self.choose(self.spectrum.effective[None])[0][0]))]

    @cached_property
    def expected(self) -> Array:
        """What toys are drawn from (n,), in equivalent events: the chosen fit.

        Below its range it is the fit of the widest range with the largest p-value, however small that is.
        """
        widest = max(self.ranges[0], key=lambda candidate: candidate.search.background.p_value)
        expected = np.zeros(len(self.spectrum.counts))
        for candidate in (widest, self.best):
            expected[candidate.first :] = candidate.search.expected / candidate.ratio
        return expected

    @cached_property
    def seen(self) -> Search:
        """What the data say: the search of the best candidate, of all in an envelope."""
        if self.criterion != "envelope":
            return self.best.search
        return profiled(self.candidates, self.best, self.spectrum.effective)

    @property
    def largest(self) -> float:
        """Largest q0 of the data."""
        return self.seen.largest

    @property
    def tried(self) -> tuple[Tried, ...]:
        """What the data said of every family and range."""
        rows = []
        for candidate in self.candidates:
            fit = candidate.search.background
            aic = fit.deviance + (PENALTY if self.criterion == "envelope" else 2.0) * fit.n_parameters
            chosen = candidate is self.best
            rows.append(Tried(fit.function, fit.range[0], aic, fit.chi2, fit.ndf, fit.p_value, True, chosen))
        return (*rows, *self.failed)

    def choose(self, counts: Array) -> tuple[NDArray[np.intp], Array]:
        """The candidate that each spectrum (toys, bins) chooses, -1 if nothing converges, and what `fit` made of it."""
        if len(self.candidates) == 1:
            return np.zeros(len(counts), dtype=np.intp), self.candidates[0].search.chosen(
                self.candidates[0].cut(counts)
            )
        chosen, fitted = np.full(len(counts), -1, dtype=np.intp), np.zeros((len(counts), 7))
        reached, still = np.full(len(counts), -1.0), np.arange(len(counts))
        number = 0
        for group in self.ranges:
            tables = np.stack([candidate.search.fit(candidate.cut(counts[still])) for candidate in group])
            aic, p = criteria(tables)
            if self.criterion == "envelope":
                aic -= (2.0 - PENALTY) * tables[..., 0]
            pick = p.argmax(axis=0) if self.criterion == "p_value" else aic.argmin(axis=0)
            p_picked, picked = p[pick, np.arange(len(still))], tables[pick, np.arange(len(still))]
            better = p_picked > reached[still]
            rows = still[better]
            chosen[rows], fitted[rows], reached[rows] = number + pick[better], picked[better], p_picked[better]
            still = still[reached[still] < LEAST_P]
            number += len(group)
        return chosen, fitted

    def curves(self, counts: Array, rng: np.random.Generator) -> tuple[Array, NDArray[np.bool_]]:
        """q0 (toys, masses) of toy spectra: 0 at masses outside the chosen range, infinite where a fit failed.

        Second is whether some order was not adopted, or some candidate of an envelope left out (toys,).
        """
        if self.criterion == "envelope":
            return envelope(self.candidates, counts)
        chosen, fitted = self.choose(counts)
        spurious = any(candidate.search.spurious.any() for candidate in self.candidates)
        normal = rng.standard_normal(counts.shape) if spurious else np.zeros((1, 1))
        q0 = np.full((len(counts), len(self.masses)), np.inf)
        unfitted = np.zeros(len(counts), dtype=np.bool_)
        for number, candidate in enumerate(self.candidates):
            rows, search = np.flatnonzero(chosen == number), candidate.search
            if len(rows):
                measured = search.measured(normal[rows, candidate.first :]) if spurious else None
                found = search.repeat(candidate.cut(counts[rows]), measured, fitted[rows])
                q0[rows] = 0.0
                q0[np.ix_(rows, np.isin(self.masses, search.masses))] = found.q0
                unfitted[rows] = found.unfitted
        return q0, unfitted

    def repeat(self, counts: Array, rng: np.random.Generator) -> tuple[Array, NDArray[np.bool_]]:
        """Largest q0 (toys,) of toy spectra, infinite where a fit failed, and whether some order was not adopted."""
        q0, unfitted = self.curves(counts, rng)
        return q0.max(axis=1, initial=0.0), unfitted

    def result(self, values: Array, unfitted: NDArray[np.bool_]) -> ScanResult:
        """The result of the data, judged by the largest q0 of toys (n,) if there are any."""
        alone = len(self.candidates) + len(self.failed) == 1
        return self.seen.result(values, unfitted, () if alone else self.tried)


def criteria(tables: Array) -> tuple[Array, Array]:
    """AIC and Pearson p-value (families, toys) of what `Search.fit` found; infinite and -1 where it failed."""
    size, failed, half, chi2, groups = tables[..., :5].transpose(2, 0, 1)
    ndf = np.maximum(groups - size, 0)
    with np.errstate(invalid="ignore"):
        p = np.where(ndf > 0, gammaincc(0.5 * np.maximum(ndf, 1), 0.5 * chi2), 1.0)
        return np.where(failed > 0, np.inf, 2.0 * (half + size)), np.where(failed > 0, -1.0, p)


def procedure(
    spectrum: Spectrum,
    plan: Plan,
    shape: Signal,
    masses: Array,
    window: tuple[float, float] | None,
    spurious: Array | None = None,
) -> Procedure:
    """Fit every family of the plan to the data over every range; orders are chosen with the window masked.

    Hypotheses closer than two sigma to a raised lower edge are left out there.

    Raises
    ------
    FitError
        If nothing converges over some range, or it holds no hypothesis.
    ConfigError
        If an envelope is given a spurious signal.
    """
    if plan.criterion == "envelope" and spurious is not None:
        msg = "an envelope has no spurious signal: expected the other families among its backgrounds"
        raise ConfigError(msg)
    ranges, failed = [], []
    for first in plan.firsts(spectrum):
        part = spectrum.above(first)
        kept = masses >= part.lo + MARGIN * shape.sigma(part.lo) if first else np.ones(len(masses), dtype=np.bool_)
        if len(masses) and not kept.any():
            msg = f"lower_edges: no mass hypothesis lies two sigma above {part.lo:g}"
            raise FitError(msg)
        widths = None if spurious is None else spurious[kept]
        bins, ratio = unmasked(part, window), spectrum.scale[first:] / part.scale
        group = []
        for family, at_least in zip(plan.families, plan.at_least, strict=True):
            for order in plan.orders(family, at_least, int(bins.sum())):
                try:
                    ready = prepare(part, family, shape, masses[kept], bins, order, at_least, widths)
                except NotConverged as error:
                    if len(plan.families) == 1 and plan.criterion != "envelope":
                        raise
                    failed.append(Tried(error.function, part.lo, np.nan, np.nan, 0, np.nan, False, False))
                else:
                    group.append(Candidate(ready, first, ratio))
        if not group:
            msg = f"background: none of {', '.join(f.kind for f in plan.families)} converges above {part.lo:g}"
            raise FitError(msg)
        ranges.append(tuple(group))
    return Procedure(spectrum, masses, plan.criterion, tuple(ranges), tuple(failed))
