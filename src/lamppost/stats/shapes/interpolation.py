"""Signal shapes from simulation: a histogram of one mass, or of several with an interpolation between them."""

from abc import abstractmethod
from itertools import pairwise
from typing import Literal, Self

import numpy as np
from pydantic import Field, PositiveFloat, model_validator

from lamppost.core import Array
from lamppost.errors import FitError
from lamppost.stats.shapes.signals import Signal

__all__ = ["Interpolated", "Template"]

ONE_SIGMA = 0.6826894921370859
REACH = 0.1  # how far beyond the outermost samples their shapes in m / M are still used
EVENTS_PER_BIN = 10.0


class Simulated(Signal):
    """A shape known by its cumulative distribution in r = m / M; half the shortest interval of 68.3 % is its sigma."""

    width: None = Field(None, description="not used: the samples tell the width")

    @abstractmethod
    def distribution(self, mass: float) -> tuple[Array, Array]:
        """Rising r (k,) and the share (k,) of the signal below each, with straight lines in between."""

    def sigma(self, mass: float) -> float:
        """Half the shortest interval that holds 68.3 % of the signal, in the units of m."""
        return mass * half_shortest(*self.distribution(mass))

    def shares(self, edges: Array, mass: float, stretch: float) -> Array:
        """What of the signal overlaps with each bin."""
        r, share = self.distribution(mass)
        return np.diff(np.interp(1.0 + (edges / mass - 1.0) / stretch, r, share))

    def measured(self, resolution: float) -> Self:
        """The same shape with the resolution that its samples have; ValueError if another was asked for."""
        if "resolution" in self.model_fields_set and not np.isclose(self.resolution, resolution, rtol=1e-6):
            msg = f"resolution: the samples have {resolution:.6g}, found {self.resolution:g}; leave it out"
            raise ValueError(msg)
        object.__setattr__(self, "resolution", resolution)
        return self


class Template(Simulated):
    """A histogram of simulated events of one mass, flat within each of its bins, the same in m / M at other masses."""

    kind: Literal["template"] = "template"
    mass: PositiveFloat = Field(1.0, description="mass that was simulated; 1 if the edges are those of m / M")
    edges: tuple[float, ...] = Field((), description="edges of the bins, in the units of the mass")
    contents: tuple[float, ...] = Field((), description="sum of weights in each bin")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len(self.contents) < 1 or len(self.edges) != len(self.contents) + 1:
            msg = f"contents: {len(self.edges)} edges and {len(self.contents)} contents make no histogram"
            raise ValueError(msg)
        if any(a >= b for a, b in pairwise(self.edges)):
            msg = "edges: expected rising edges of bins"
            raise ValueError(msg)
        if min(self.contents) < 0.0 or not sum(self.contents) > 0.0:
            msg = f"contents: expected none negative and a positive sum, found {min(self.contents):g} as the smallest"
            raise ValueError(msg)
        return self.measured(half_shortest(*self.relative))

    @property
    def relative(self) -> tuple[Array, Array]:
        """Edges in m / M and the share below each."""
        share = np.append(0.0, np.cumsum(self.contents))
        filled = np.flatnonzero(self.contents)
        kept = slice(filled[0], filled[-1] + 2)
        return np.array(self.edges[kept]) / self.mass, share[kept] / share[-1]

    def distribution(self, mass: float) -> tuple[Array, Array]:
        return self.relative

    @classmethod
    def from_events(cls, m: Array, w: Array | None, mass: float, *, bins: int = 100) -> Self:
        """The histogram of masses m (n,) with weights w (n,) in at most `bins` bins of equal probability.

        The outermost are halved, and halved again, as long as each holds ten equivalent events: tails fall fast.

        Raises
        ------
        FitError
            If there are fewer than twenty equivalent events, or a bin whose weights add up to less than zero.
        """
        m, w = events_of(m, w, f"signal sample of mass {mass:g}")
        events = max(float(w.sum()), 0.0) ** 2 / float(np.square(w).sum())
        if events < 2.0 * EVENTS_PER_BIN:
            msg = f"signal sample of mass {mass:g}: {events:.1f} equivalent events are too few for a shape"
            raise FitError(msg)
        order, size = np.argsort(m, kind="stable"), np.abs(w)
        middle = np.cumsum(size[order]) - 0.5 * size[order]
        edges = np.unique(np.interp(bin_levels(bins, events), middle / size.sum(), m[order]))
        contents, _ = np.histogram(m, edges, weights=w) if len(edges) > 1 else (np.zeros(1), edges)
        if contents.min() < 0.0 or not contents.sum() > 0.0:
            msg = f"signal sample of mass {mass:g}: {len(contents)} bins do not all hold a positive sum of weights"
            raise FitError(msg)
        return cls(mass=mass, edges=tuple(map(float, edges)), contents=tuple(map(float, contents)))


class Interpolated(Simulated):
    """Between samples of several masses: quantiles of m / M, linear in M between the two neighbours.

    Read's interpolation of histograms (NIM A 425 (1999) 357): peaks move and widen rather than fade. Up to a tenth
    beyond the outermost samples their own shapes in m / M are used, farther away none.
    """

    kind: Literal["interpolated"] = "interpolated"
    templates: tuple[Template, ...] = Field((), description="histograms of the samples, by rising mass")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.templates or any(a >= b for a, b in pairwise(self.masses)):
            msg = f"templates: expected histograms of rising mass, found masses {list(self.masses)}"
            raise ValueError(msg)
        return self.measured(min(template.resolution for template in self.templates))

    @property
    def masses(self) -> tuple[float, ...]:
        """The masses that were simulated."""
        return tuple(template.mass for template in self.templates)

    def distribution(self, mass: float) -> tuple[Array, Array]:
        """Rising m / M and the share of the signal below each; FitError far from all samples."""
        lo, hi = self.masses[0], self.masses[-1]
        if not lo * (1.0 - REACH) <= mass <= hi * (1.0 + REACH):
            msg = f"signal: mass {mass:g} is too far from the samples, which reach from {lo:g} to {hi:g}"
            raise FitError(msg)
        upper = int(np.searchsorted(self.masses, mass))
        if upper in (0, len(self.masses)):
            return self.templates[min(upper, len(self.masses) - 1)].relative
        part = (mass - self.masses[upper - 1]) / (self.masses[upper] - self.masses[upper - 1])
        return between(self.templates[upper - 1].relative, self.templates[upper].relative, part)

    @classmethod
    def from_events(cls, m: Array, w: Array | None, mass: Array, *, bins: int = 100) -> Self:
        """From masses m (n,), weights w (n,) and the mass (n,) at which each event was simulated."""
        m, weights = events_of(m, w, "signal samples")
        mass = np.asarray(mass, dtype=np.float64)
        if m.shape != mass.shape:
            msg = f"signal samples: expected the simulated mass of every event, found {mass.shape} for {m.shape} events"
            raise FitError(msg)
        samples = ((float(one), mass == one) for one in np.unique(mass))
        return cls(templates=tuple(Template.from_events(m[at], weights[at], one, bins=bins) for one, at in samples))


def events_of(m: Array, w: Array | None, what: str) -> tuple[Array, Array]:
    """Masses and weights (n,) of a sample, weights of 1 unless given; FitError unless they are finite and match."""
    m = np.asarray(m, dtype=np.float64)
    w = np.ones_like(m) if w is None else np.asarray(w, dtype=np.float64)
    if m.ndim != 1 or w.shape != m.shape or not w.any() or not (np.isfinite(m).all() and np.isfinite(w).all()):
        msg = f"{what}: expected finite masses (n,) with a weight of each, found {m.shape} and {w.shape}"
        raise FitError(msg)
    return m, w


def bin_levels(bins: int, events: float) -> Array:
    """Shares of a sample below the edges of its bins."""
    least = EVENTS_PER_BIN / events
    bins = min(bins, int(1.0 / least))
    tail = 0.5 ** np.arange(1, 60) / bins
    tail = tail[tail >= least]
    return np.concatenate([[0.0], tail[::-1], np.arange(1, bins) / bins, 1.0 - tail, [1.0]])


def between(low: tuple[Array, Array], high: tuple[Array, Array], part: float) -> tuple[Array, Array]:
    """The distribution whose quantiles lie at `part` of the way from those of one to those of another."""
    levels = np.union1d(low[1], high[1])
    ends = [(1.0 - part) * quantile(*low, levels, side) + part * quantile(*high, levels, side) for side in (0, 1)]
    return np.stack(ends, axis=1).ravel(), np.repeat(levels, 2)


def quantile(r: Array, share: Array, levels: Array, side: int) -> Array:
    """Where the share below reaches each level: the lower (0) or upper (1) end where it stays at it for a while."""
    rising = np.diff(share) > 0.0
    kept = np.append(rising, True) if side else np.append(True, rising)
    return np.asarray(np.interp(levels, share[kept], r[kept]))


def half_shortest(r: Array, share: Array) -> float:
    """Half the shortest interval of r that holds 68.3 %: one of its ends is a knot of the distribution."""
    starts = np.concatenate([share, share - ONE_SIGMA])
    starts = starts[(starts >= 0.0) & (starts <= 1.0 - ONE_SIGMA)]
    upper = quantile(r, share, np.minimum(starts + ONE_SIGMA, 1.0), 0)
    return 0.5 * float(np.min(upper - quantile(r, share, starts, 1)))
