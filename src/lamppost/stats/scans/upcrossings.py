"""Global p-values by up-crossings of a low level, counted in few toys: what 5 sigma costs without 1e8 of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import expm1, hypot, log, sqrt

import numpy as np
from numpy.typing import NDArray

from lamppost.core import Array
from lamppost.errors import FitError
from lamppost.stats.convert import log_p_from_z
from lamppost.stats.fits.fit import Order
from lamppost.stats.scans.choices import AtLeast, Criterion, plan
from lamppost.stats.scans.procedure import Procedure, procedure
from lamppost.stats.scans.scan import inside, mass_grid, spurious_widths
from lamppost.stats.shapes.signals import signal as parse_signal
from lamppost.stats.spectrum import Spectrum
from lamppost.stats.toys import BLOCK, Seed, TailProbability, block_rng, seed_sequence, tail

__all__ = ["Upcrossings", "count_upcrossings", "upcrossings"]

LEVELS = np.square(np.arange(0.5, 3.1, 0.5))  # q0 at 0.5 to 3 sigma
ENOUGH = 400  # up-crossings that fix their mean to 5 %
NEIGHBOURS = 2  # lower levels whose extrapolations are compared


@dataclass(frozen=True, eq=False)
class Upcrossings:
    """Mean number of up-crossings of the curve q0(mass) of the background alone, by level.

    levels (l,): of q0, rising; counts (l,): up-crossings in all toys; means, errors (l,): per toy
    n_toys, n_failed: toys made, and how many of them held a fit that did not converge; those count as one up-crossing
        of every level
    q0: largest of the data
    """

    levels: Array
    counts: NDArray[np.int64]
    means: Array
    errors: Array
    n_toys: int
    n_failed: int
    q0: float

    @property
    def p_global(self) -> float:
        """The global p-value of the data."""
        return float(self.tail().p or 0.0)

    def tail(self, q0: float | None = None) -> TailProbability:
        """P(largest q0 of a scan >= q0) <= P(Z > sqrt(q0)) + <N(u)> exp(-(q0 - u) / 2) (arXiv:1005.1891).

        The default q0 is that of the data. The level u is the highest below it that toys crossed 400 times. The error
        joins the statistical one of <N(u)> and the largest change when either of the next two lower levels is taken.
        The bound is close above some 3 sigma; below, where scans cross often, it exceeds the truth.
        """
        q = self.q0 if q0 is None else q0
        usable = np.flatnonzero((self.counts >= ENOUGH) & (self.levels <= q))
        anchor = int(usable[-1]) if len(usable) else 0
        log_p = self._log_p(q, anchor)
        others = range(max(0, anchor - NEIGHBOURS), anchor)
        spread = max((abs(expm1(self._log_p(q, other) - log_p)) for other in others), default=0.0)
        statistical = float(self.errors[anchor] / max(self.means[anchor], 1.0 / self.n_toys))
        level = f"{sqrt(self.levels[anchor]):g} sigma ({self.counts[anchor]} in {self.n_toys} toys)"
        return tail(min(log_p, 0.0), f"up-crossings of {level}, Gross-Vitells", hypot(statistical, spread))

    def _log_p(self, q0: float, level: int) -> float:
        crossings = log(max(self.means[level], 1.0 / self.n_toys)) - 0.5 * (q0 - self.levels[level])
        return float(np.logaddexp(log_p_from_z(sqrt(max(q0, 0.0))), crossings))


def count_upcrossings(q0: Array, level: float) -> NDArray[np.int64]:
    """How often curves q0 (..., masses) rise from below to at or above `level` from one mass to the next (...,)."""
    above = np.asarray(q0) >= level
    return np.asarray(np.sum(above[..., 1:] & ~above[..., :-1], axis=-1), dtype=np.int64)


def upcrossings(
    spectrum: Spectrum,
    *,
    background: object = "dijet",
    signal: object = "crystal_ball",
    n_parameters: Order = None,
    at_least: AtLeast = None,
    criterion: Criterion = "aic",
    lower_edges: Sequence[float] = (),
    masses: Array | None = None,
    window: tuple[float, float] | None = None,
    spurious: Array | float | None = None,
    toys: int = 1000,
    seed: Seed = 0,
) -> Upcrossings:
    """Count up-crossings in toys of the fitted background, for global p-values of any size; options as in `scan`.

    Every toy repeats the choice of the background, its fit and all signal fits. The masses must be close against the
    resolution, as they are by default: between two of them crossings are not seen.

    Raises
    ------
    FitError
        As `scan`; or if fewer than one toy or fewer than two masses are asked for.
    ConfigError
        If the background or the signal is not a known kind.
    """
    shape, chosen = parse_signal(signal), plan(background, n_parameters, at_least, criterion, lower_edges)
    grid = mass_grid(spectrum, shape, window) if masses is None else inside(np.asarray(masses, dtype=float), window)
    if toys < 1 or len(grid) < 2 or not (np.diff(grid) > 0.0).all():
        msg = f"up-crossings: at least one toy and two rising masses are needed, found {toys} and {len(grid)}"
        raise FitError(msg)
    widths = spurious_widths(spurious, 1, len(grid))[0]
    return count_in_toys(procedure(spectrum, chosen, shape, grid, window, widths), toys, seed)


def count_in_toys(ready: Procedure, toys: int, seed: Seed) -> Upcrossings:
    """The up-crossings of so many toys of a prepared procedure."""
    root, counts, failed = seed_sequence(seed), [], []
    for number in range(-(-toys // BLOCK)):
        rng = block_rng(root, number)
        drawn = rng.poisson(ready.expected, size=(BLOCK, len(ready.expected)))
        curves, _ = ready.curves(drawn[: toys - number * BLOCK].astype(np.float64), rng)
        bad = np.asarray(np.isinf(curves).any(axis=1))
        crossed = np.stack([count_upcrossings(curves, level) for level in LEVELS], axis=1)
        counts.append(np.where(bad[:, None], np.maximum(crossed, 1), crossed))
        failed.append(bad)
    crossings = np.concatenate(counts)
    return Upcrossings(
        levels=LEVELS,
        counts=crossings.sum(axis=0),
        means=crossings.mean(axis=0),
        errors=np.maximum(crossings.std(axis=0), 1.0 / sqrt(toys)) / sqrt(toys),
        n_toys=toys,
        n_failed=int(np.concatenate(failed).sum()),
        q0=ready.largest,
    )
