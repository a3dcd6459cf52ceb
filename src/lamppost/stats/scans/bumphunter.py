"""The BumpHunter: the most significant interval of a spectrum, with the background fitted again in every toy."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import exp
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri_exp

from lamppost.core import Array
from lamppost.errors import ConfigError, FitError
from lamppost.stats.convert import z_from_log_p
from lamppost.stats.fits.fit import BackgroundFit, Order
from lamppost.stats.scans.choices import AtLeast, Criterion, plan
from lamppost.stats.scans.procedure import Procedure, procedure
from lamppost.stats.shapes.signals import Gaussian
from lamppost.stats.spectrum import Spectrum
from lamppost.stats.toys import BLOCK, Seed, block_rng, run_blocks, seed_sequence, tail_probability

__all__ = ["BumpHunterResult", "bump_hunter"]


@dataclass(frozen=True, eq=False)
class BumpHunterResult:
    """The most significant excess in any interval of neighbouring bins.

    lo, hi: the interval, in units of m; the whole range where no interval holds an excess (then p_local is 1)
    observed, background: sum of weights found and expected in it
    p_local, z_local: Poisson probability of at least so many events; statistic: -ln p_local
    p_global, z_global, p_global_error, p_global_method: of so small a p_local in any interval, from toys
    n_toys, n_failed: toys made, and how many of them held a fit that did not converge; those count as exceedances
    expected (n,): sum of weights expected per bin; fit: of the background, None where the expectation was given
    """

    lo: float
    hi: float
    observed: float
    background: float
    statistic: float
    p_local: float
    z_local: float
    p_global: float | None
    z_global: float | None
    p_global_error: float | None
    p_global_method: str
    n_toys: int
    n_failed: int
    expected: Array = field(repr=False)
    fit: BackgroundFit | None = field(repr=False)
    spectrum: Spectrum = field(repr=False)

    def summary(self) -> dict[str, Any]:
        """The numbers of the result, as plain Python values that JSON can hold."""
        names = "lo hi observed background statistic p_local z_local p_global z_global p_global_error p_global_method"
        found = {name: getattr(self, name) for name in (*names.split(), "n_toys", "n_failed")}
        return found | {"function": None if self.fit is None else self.fit.function}


@dataclass(frozen=True, eq=False)
class Intervals:
    """Which intervals are tried; `step` 0 is half their width."""

    widths: NDArray[np.intp]
    step: int
    sidebands: bool

    def best(self, n: Array, mean: Array) -> tuple[float, int, int]:
        """ln p, first and last bin (excluded) of the best interval of equivalent events (n,) on their means (n,)."""
        from lamppost.stats.scans import intervals

        log_p, first, last = intervals.best_interval(n, mean, self.widths, self.step, self.sidebands)
        return float(log_p), int(first), int(last)

    def significances(self, counts: Array, mean: Array) -> Array:
        """Z (toys,) of the best interval of every spectrum (toys, bins) on its own means (toys, bins), at least 0."""
        from lamppost.stats.scans import intervals

        log_p = intervals.best_intervals(counts, mean, self.widths, self.step, self.sidebands)
        return np.asarray(np.maximum(-ndtri_exp(log_p), 0.0))


def bump_hunter(
    spectrum: Spectrum,
    *,
    background: object = "dijet",
    n_parameters: Order = None,
    at_least: AtLeast = None,
    criterion: Criterion = "aic",
    lower_edges: Sequence[float] = (),
    expected: Array | None = None,
    widths: tuple[int, int] | None = None,
    step: int | None = 1,
    sidebands: bool = False,
    toys: int = 10000,
    seed: Seed = 0,
) -> BumpHunterResult:
    """Hunt for an excess of any width and place without a model of the signal (arXiv:1101.0390).

    Every interval of `widths` = (fewest, most) bins, by default 2 to half of all, is compared with the background of a
    fit to the whole range: p = P(N >= d | b) where it holds d > b. The statistic is -ln of the smallest p. The choice
    of the background (as in `scan`) and its fit are repeated in each toy: toys compared with the background they were
    drawn from do not follow it as the data follow theirs, and give too large a p_global. With `expected` (n,), a sum of
    weights per bin known from elsewhere, nothing is fitted.

    Intervals start every `step` bins; None: every half width, as in the paper. With `sidebands`, an interval counts
    only if both its sidebands, half as wide and cut at the ends of the range, agree with the background to p > 0.001.
    The bins of a weighted spectrum count as their equivalent events. The result depends on `seed` alone.

    Raises
    ------
    FitError
        If there is nothing to fit, the background fit does not converge, or `expected` or `widths` does not suit the
        bins.
    ConfigError
        If the background is not a known kind, or the criterion is an envelope.
    """
    tried = Intervals(interval_widths(len(spectrum.counts), widths, step), 0 if step is None else step, sidebands)
    if expected is None:
        if criterion == "envelope":
            msg = "bump hunter: an interval has no model of a signal: expected the criterion 'aic' or 'p_value'"
            raise ConfigError(msg)
        chosen = plan(background, n_parameters, at_least, criterion, lower_edges)
        ready = procedure(spectrum, chosen, Gaussian(), np.empty(0), None)
        return hunt_refitted(ready, tried, toys, seed)
    mean = known(spectrum, expected) / spectrum.scale
    found = tried.best(spectrum.effective, mean)
    values = toy_values(mean, lambda counts: tried.significances(counts, np.tile(mean, (BLOCK, 1))), found, toys, seed)
    return describe(spectrum, mean, None, found, values)


def hunt_refitted(ready: Procedure, tried: Intervals, toys: int, seed: Seed) -> BumpHunterResult:
    """The hunt with the whole procedure repeated in every toy."""
    best = ready.best
    part, mean = best.search.model, best.search.expected
    found = tried.best(part.n, mean)
    values = toy_values(ready.expected, lambda counts: refitted(ready, tried, counts), found, toys, seed)
    return describe(part.spectrum, mean, best.search.background, found, values)


def refitted(ready: Procedure, tried: Intervals, counts: Array) -> Array:
    """Z (toys,) of the best interval of toy spectra (toys, bins), infinite where the fit failed."""
    chosen, _ = ready.choose(counts)
    z = np.full(len(counts), np.inf)
    for number, candidate in enumerate(ready.candidates):
        rows = np.flatnonzero(chosen == number)
        if len(rows):
            part = candidate.cut(counts[rows])
            mean, failed = candidate.search.backgrounds(part)
            z[rows] = np.where(failed, np.inf, tried.significances(part, mean))
    return z


def toy_values(
    mean: Array, significances: Callable[[Array], Array], found: tuple[float, int, int], toys: int, seed: Seed
) -> Array:
    """Z^2 (n,) of the best intervals of toys of these means (n,)."""
    root = seed_sequence(seed)

    def block(number: int) -> Array:
        counts = block_rng(root, number).poisson(mean, size=(BLOCK, len(mean))).astype(np.float64)
        return np.square(significances(counts))[:, None]

    return run_blocks(toys, observed(found), block)[:, 0] if toys > 0 else np.empty(0)


def observed(found: tuple[float, int, int]) -> float:
    """Z^2 of the best interval of the data."""
    return max(0.0, z_from_log_p(found[0])) ** 2


def describe(
    spectrum: Spectrum, mean: Array, fit: BackgroundFit | None, found: tuple[float, int, int], values: Array
) -> BumpHunterResult:
    """The best interval of the data, judged by Z^2 of toys (n,) if there are any."""
    log_p, first, last = found
    tail, total = tail_probability(values, observed(found)), mean * spectrum.scale
    return BumpHunterResult(
        lo=float(spectrum.edges[first]),
        hi=float(spectrum.edges[last]),
        observed=float(spectrum.counts[first:last].sum()),
        background=float(total[first:last].sum()),
        statistic=-log_p,
        p_local=exp(log_p),
        z_local=z_from_log_p(log_p),
        p_global=tail.p,
        z_global=tail.z,
        p_global_error=tail.error,
        p_global_method=tail.method + (", background not fitted" if fit is None and len(values) else ""),
        n_toys=len(values),
        n_failed=int(np.isinf(values).sum()),
        expected=total,
        fit=fit,
        spectrum=spectrum,
    )


def interval_widths(bins: int, widths: tuple[int, int] | None, step: int | None) -> NDArray[np.intp]:
    """All interval widths to try, in bins."""
    fewest, most = (min(2, bins), max(min(2, bins), bins // 2)) if widths is None else widths
    if not 1 <= fewest <= most <= bins:
        msg = f"bump hunter: intervals of {fewest} to {most} bins do not suit a spectrum of {bins} bins"
        raise FitError(msg)
    if step is not None and step < 1:
        msg = f"bump hunter: intervals cannot start every {step} bins"
        raise FitError(msg)
    return np.arange(fewest, most + 1)


def known(spectrum: Spectrum, expected: Array) -> Array:
    """A given expectation, checked."""
    mean = np.asarray(expected, dtype=np.float64)
    if mean.shape != spectrum.counts.shape:
        msg = f"bump hunter: expected has shape {mean.shape}, the spectrum {len(spectrum.counts)} bins"
        raise FitError(msg)
    bad = ~(np.isfinite(mean) & (mean > 0.0))
    if bad.any():
        i = int(np.argmax(bad))
        msg = f"bump hunter: expected must be above zero everywhere, found {mean[i]:g} in bin {i}"
        raise FitError(msg)
    return mean
