"""Upper limits on a number of signal events, by CLs, from a handful of counts."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from math import ceil, hypot, log, log2, sqrt

import numpy as np
from scipy.special import ndtr, ndtri

from lamppost.core import Array, Rng
from lamppost.errors import FitError
from lamppost.stats.asymptotics import check_level, log_cls, log_cls_band, solve
from lamppost.stats.counts.channels import Channels, Counting
from lamppost.stats.toys import Seed, block_rng, seed_sequence

__all__ = ["CountLimit", "count_limit"]

SIGMAS = (-2.0, -1.0, 0.0, 1.0, 2.0)
ENOUGH = 25.0  # background events from which asymptotic formulae hold
SAME = 1e-7  # difference of statistics that is rounding
REPLICAS = 8  # independent sets of toys, whose spread is the error
PRECISION = 5e-4  # of a limit, relative
FEW, MANY = 8192, 65536  # toys


@dataclass(frozen=True, eq=False)
class CountLimit:
    """An upper limit on the number of signal events.

    limit: excluded at confidence `level` by CLs; error: one standard deviation from the number of toys, 0 without
    expected (5,): the limit that background alone gives at -2, -1, 0, 1, 2 standard deviations; by toys the first rests
        on one in a thousand of them
    method: how, in words; n_toys of each hypothesis, 0 if asymptotic
    """

    limit: float
    error: float
    expected: Array
    level: float
    method: str
    n_toys: int


@dataclass(frozen=True, eq=False)
class Tails:
    """q~ of one strength: in the data, and in toys (REPLICAS, n) with and without a signal."""

    observed: float
    with_signal: Array
    without: Array

    def cls(self, q: float) -> float:
        """CLs of a statistic, from all toys."""
        tails = [float(np.mean(values > q - SAME)) for values in (self.with_signal, self.without)]
        return tails[0] / max(tails[1], 1.0 / self.without.size)

    def expected(self, sigmas: float) -> float:
        """CLs where background alone fluctuates up by so many standard deviations, and q~ down."""
        return self.cls(float(np.quantile(self.without, ndtr(-sigmas), method="inverted_cdf")))

    def relative_error(self) -> float:
        """Relative standard deviation of the CLs of the data, from the spread of the replicas."""
        toys = (self.with_signal, self.without)
        above = [np.asarray(np.sum(values > self.observed - SAME, axis=1), dtype=np.float64) for values in toys]
        if not all(counts.any() for counts in above):
            return 1.0
        ratio = np.asarray(above[0] / np.maximum(above[1], 1.0), dtype=np.float64)
        spread = float(ratio.std(ddof=1) / ratio.mean()) / sqrt(REPLICAS)
        # evenly spread points hide what a single one is worth
        return hypot(spread, *(0.5 / float(counts.sum()) for counts in above))


def count_limit(counting: Counting, *, level: float = 0.95, toys: int | None = None, seed: Seed = 0) -> CountLimit:
    """The CLs upper limit on signal events in a `Count` or an `Abcd`, by q~ (arXiv:1007.1727).

    `toys` of each hypothesis, 0 for asymptotic formulae. By default some 8,000, or 65,000 where the error would exceed
    1 %, if fewer than 25 background events are expected: asymptotic limits are off by more than 2 % there. Toys draw
    counts and auxiliary measurements, with the nuisance parameters that fit the data best at the strength; all
    strengths share their (quasi-)random numbers.

    Raises
    ------
    FitError
        If a fit does not converge, or no strength is excluded.
    ConfigError
        If the level is not between 0.5 and 1.
    """
    check_level(level)
    channels = counting.channels()
    expected = channels.background_expected()
    strength, theta = channels.fit()
    observed, bands = asymptotic(channels, level, max(channels.error(strength, theta), 1.0))
    few = f"{expected:.3g} background events expected"
    if toys == 0 or (toys is None and expected >= ENOUGH):
        return CountLimit(observed, 0.0, bands, level, f"CLs, asymptotic q~: {few}", 0)
    near = np.append(observed, bands)
    if toys is not None and toys < 250:
        msg = f"limit: {toys} toys are too few"
        raise FitError(msg)
    found = by_toys(channels, level, FEW if toys is None else toys, seed, near, few)
    if toys is None and found.error > 0.01 * found.limit:
        return by_toys(channels, level, MANY, seed, near, few)
    return found


def asymptotic(channels: Channels, level: float, step: float) -> tuple[float, Array]:
    """The limit and its band (5,) by asymptotic formulae."""
    asimov = channels.asimov(0.0)

    def q(data: Channels, strength: float) -> float:
        return finite(float(data.q_mu(strength)[0]), strength)

    def band(sigmas: float) -> float:
        return solve(lambda s: log_cls_band(q(asimov, s), sigmas), level, 0.0, step)

    observed = solve(lambda s: log_cls(q(channels, s), q(asimov, s)), level, 0.0, step)
    return observed, np.array([band(sigmas) for sigmas in SIGMAS])


def by_toys(channels: Channels, level: float, toys: int, seed: Seed, near: Array, few: str) -> CountLimit:
    """The limit, its error and its band by toys; `near` (6,): where the limit and its band may be."""
    root = seed_sequence(seed)
    noise, other = (quasi_random(channels, toys, block_rng(root, hypothesis)) for hypothesis in (0, 1))

    @lru_cache(maxsize=256)
    def tails(strength: float, data: Channels) -> Tails:
        # a toy whose fit failed speaks against exclusion: with a signal as an exceedance, without as none
        with_signal = data.q_mu(strength, *data.toys(strength, *noise))
        without = data.q_mu(strength, *data.toys(0.0, *other))
        sets = (values.reshape(REPLICAS, -1) for values in (with_signal, np.where(np.isinf(without), -1.0, without)))
        return Tails(finite(float(data.q_mu(strength)[0]), strength), *sets)

    def observed(strength: float) -> float:
        return tails(strength, channels).cls(tails(strength, channels).observed)

    def band(sigmas: float, about: float) -> float:
        return crossing(lambda strength: tails(strength, asimov).expected(sigmas), 1.0 - level, about)

    asimov = channels.asimov(0.0)  # the data that background alone is expected to give: so would its toys be fitted
    limit = crossing(observed, 1.0 - level, float(near[0]))
    slope = log(max(observed(0.9 * limit), 1e-9) / max(observed(1.1 * limit), 1e-9)) / (0.2 * limit)
    error = tails(limit, channels).relative_error() / max(slope, 1e-9)
    # quantiles rise; where one count holds two of them, noise might swap them
    bands = np.sort([band(sigmas, float(about)) for sigmas, about in zip(SIGMAS, near[1:], strict=True)])
    made = tails(limit, channels).without.size
    return CountLimit(limit, error, bands, level, f"CLs by toys of q~: {few}", made)


def quasi_random(channels: Channels, toys: int, rng: Rng) -> tuple[Array, Array]:
    """What `Channels.toys` takes, evenly spread (scrambled Sobol points): the same tails from far fewer toys."""
    from scipy.stats.qmc import Sobol

    counts, parameters = len(channels.n), len(channels.start)
    power = max(ceil(log2(toys / REPLICAS)), 5)
    sets = [Sobol(counts + parameters, rng=rng.spawn(1)[0]).random_base2(power) for _ in range(REPLICAS)]
    uniform = np.clip(np.concatenate(sets), 1e-12, 1.0 - 1e-12)
    return uniform[:, :counts], ndtri(uniform[:, counts:])


def finite(q: float, strength: float) -> float:
    """The statistic, if its fits converged."""
    if not np.isfinite(q):
        msg = f"limit: the fit of a signal strength of {strength:g} does not converge"
        raise FitError(msg)
    return q


def crossing(curve: Callable[[float], float], level: float, near: float) -> float:
    """Where a falling curve of many small steps crosses a level."""
    from scipy.optimize import brentq

    def above(strength: float) -> float:
        return log(max(curve(strength), 1e-9) / level)

    low, high = 0.8 * near, 1.25 * near
    while above(low) <= 0.0:
        low *= 0.5
        if low < 1e-6 * near:
            msg = f"limit: even {low:g} events are excluded"
            raise FitError(msg)
    while above(high) > 0.0:
        high *= 1.5
        if high > 1e4 * near:
            msg = f"limit: not even {high:g} events can be excluded"
            raise FitError(msg)
    return float(brentq(above, low, high, rtol=PRECISION))
