"""Compiled search for the most significant interval of a spectrum: Poisson tails of sums of neighbouring bins."""

from math import erfc, exp, lgamma, log, pi, sqrt

import numpy as np
from numpy.typing import NDArray

from lamppost.core import Array
from lamppost.stats.fits.newton import compiled

__all__ = ["best_interval", "best_intervals", "log_poisson_tail"]

DISTURBED = log(1e-3)  # ln p of a sideband below which its interval does not count


@compiled
def log_poisson_tail(d: float, b: float) -> float:
    """ln P(N >= d), or of P(N <= d) where d is not above b, for N Poisson with mean b > 0; gamma functions between.

    Both by their series, of positive terms that fall: absolute precision of the logarithm 1e-8 at 1e7 events.
    """
    total, term, k = 1.0, 1.0, d
    while term > 1e-16 * total:
        if d > b:
            k += 1.0
            term *= b / k
        else:
            term *= k / b
            k -= 1.0
        total += term
    return d * log(b) - b - lgamma(d + 1.0) + log(total)


@compiled
def log_normal_tail(x: float) -> float:
    """A lower bound of ln P(Z > x), x >= 0: exact until it underflows, then Mills's."""
    if x < 30.0:
        return log(0.5 * erfc(x / sqrt(2.0)))
    return -0.5 * x * x + log(x / (1.0 + x * x)) - 0.5 * log(2.0 * pi)


@compiled
def least_distance(log_p: float, above: float) -> float:
    """The H of which P(Z > sqrt(2 H)) is p, found from a larger one: an interval with a smaller H has no smaller p.

    H = d ln(d / b) - d + b, and P(N >= d) >= P(Z > sqrt(2 H)) for d > b (Short, ISRN Probab. Stat. 2013, 412958).
    """
    x = sqrt(2.0 * above)
    for _ in range(6):  # Newton's steps fall towards the solution
        tail = log_normal_tail(x)
        x += (tail - log_p) * sqrt(2.0 * pi) * exp(tail + 0.5 * x * x)
        if x <= 0.0:
            return 0.0
    return 0.5 * x * x * (1.0 - 1e-6)


@compiled
def undisturbed(sum_n: Array, sum_b: Array, first: int, last: int) -> bool:
    """Whether the sidebands of bins `first` to `last` (excluded), half as wide each, agree with the background."""
    bins, reach = sum_n.shape[0] - 1, max(1, (last - first + 1) // 2)
    left, right = max(0, first - reach), min(bins, last + reach)
    for start, end in ((left, first), (last, right)):
        if end > start and log_poisson_tail(sum_n[end] - sum_n[start], sum_b[end] - sum_b[start]) <= DISTURBED:
            return False
    return True


@compiled
def best_interval(
    n: Array, b: Array, widths: NDArray[np.intp], step: int, sidebands: bool
) -> tuple[float, int, int]:  # fmt: skip
    """ln p, first and last bin (excluded) of the smallest Poisson tail of an excess; ln p = 0 where there is none.

    Intervals of each of `widths` bins start every `step` bins, every half width (rounded down) for step 0.
    """
    bins = n.shape[0]
    sum_n, sum_b = np.zeros(bins + 1), np.zeros(bins + 1)
    for i in range(bins):
        sum_n[i + 1], sum_b[i + 1] = sum_n[i] + n[i], sum_b[i] + b[i]
    best, start, end, least = 0.0, 0, bins, 0.0
    for width in widths:
        stride = step if step > 0 else max(1, width // 2)
        for first in range(0, bins - width + 1, stride):
            last = first + width
            d, mean = sum_n[last] - sum_n[first], sum_b[last] - sum_b[first]
            excess = d - mean
            if excess <= 0.0 or excess * excess < 2.0 * mean * least:  # 2 b H < (d - b)^2: no logarithm needed
                continue
            distance = d * log(d / mean) - excess
            if distance < least:
                continue
            if sidebands and not undisturbed(sum_n, sum_b, first, last):
                continue
            log_p = log_poisson_tail(d, mean)
            if log_p < best:
                best, start, end, least = log_p, first, last, least_distance(log_p, distance)
    return best, start, end


@compiled
def best_intervals(counts: Array, expected: Array, widths: NDArray[np.intp], step: int, sidebands: bool) -> Array:
    """ln p (toys,) of the best interval of every toy spectrum (toys, bins) against its own background (toys, bins)."""
    found = np.zeros(counts.shape[0])
    for t in range(counts.shape[0]):
        found[t] = best_interval(counts[t], expected[t], widths, step, sidebands)[0]
    return found
