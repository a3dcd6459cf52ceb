"""Several searches of the same events: what the smallest of their p-values is worth."""

from dataclasses import dataclass, field
from math import expm1, hypot, log, log1p, sqrt

import numpy as np
from scipy.special import ndtri_exp

from lamppost.core import Array
from lamppost.errors import DataError
from lamppost.stats.convert import z_from_p
from lamppost.stats.scans.correlation import Correlation

__all__ = ["Combination", "combine"]


@dataclass(frozen=True, eq=False)
class Combination:
    """The smallest of several p-values, corrected for the number of searches and their overlap.

    best, p_best: the search with the smallest p-value, the first of several
    p_global, z_global, p_global_error: chance of so small a p-value in any of the searches
    bonferroni, independent: n p, and 1 - (1 - p)^n: what it would be without knowing, and without any, correlation
    effective: p_global / p_best, how many separate searches these are worth
    """

    best: int
    p_best: float
    p_global: float
    z_global: float
    p_global_error: float
    bonferroni: float
    independent: float
    correlation: Array = field(repr=False)

    @property
    def effective(self) -> float:
        """How many separate searches these are worth."""
        return self.p_global / self.p_best if self.p_best > 0.0 else float(len(self.correlation))


def combine(
    p_values: Array,
    correlation: Array | Correlation,
    *,
    p_local: Array | None = None,
    errors: Array | None = None,
    draws: int = 100_000,
    seed: int = 0,
) -> Combination:
    """Global p-value of the most significant of n searches, from the p-value of each and their correlations.

    p_values (n,) are those of each search alone, look-elsewhere effect included; `errors` (n,) their standard
    deviations. In the null hypothesis the Z of the searches are taken as jointly normal with the given correlation
    (n, n), a Gaussian copula, and p = P(max Z >= Z_best). It is n p_best E[1 / S], where S counts the searches that
    exceed Z_best given that a random one does (arXiv:1710.06965): as precise at 5 sigma as at 1.

    Largest Z of scans agree less often than single ones of the same correlation. With `p_local` (n,), the local
    p-value at the best mass of each, E[1 / S] is taken for tails of that size. In scans of 10 to 40 independent masses
    with correlations of 0.5 to 0.95, p is then right to 4 %; without, it was up to 11 % too small.

    The error joins that of the draws, of p_best and, for a `Correlation`, of the finite number of its replicas, by
    lowering all correlations by one standard deviation.

    Raises
    ------
    DataError
        If the p-values are not in [0, 1], or the correlation does not fit them or is none.
    """
    p = np.asarray(p_values, dtype=np.float64)
    matrix = correlation.matrix if isinstance(correlation, Correlation) else np.asarray(correlation, dtype=np.float64)
    check(p, matrix)
    local = p if p_local is None else np.asarray(p_local, dtype=np.float64)
    if local.shape != p.shape or not ((local >= 0.0) & (local <= 1.0)).all():
        msg = f"combine: expected {len(p)} local p-values in [0, 1], found {local!r}"
        raise DataError(msg)
    best, n = int(p.argmin()), len(p)
    smallest = float(p[best])
    tail = float(local[best])
    share, error = overlap(tail, matrix, draws, seed)
    relative = error / share
    if errors is not None and smallest > 0.0:
        relative = hypot(relative, float(np.asarray(errors)[best]) / smallest)
    if isinstance(correlation, Correlation):
        relative = hypot(relative, overlap(tail, correlation.lowered(), draws, seed)[0] / share - 1.0)
    total = min(1.0, n * smallest * share)
    return Combination(
        best=best,
        p_best=smallest,
        p_global=total,
        z_global=z_from_p(total),
        p_global_error=total * relative,
        bonferroni=min(1.0, n * smallest),
        independent=-expm1(n * log1p(-smallest)) if smallest < 1.0 else 1.0,
        correlation=matrix,
    )


def overlap(p: float, correlation: Array, draws: int, seed: int) -> tuple[float, float]:
    """E[1 / S] and its error: S counts which of n correlated normal numbers are in their tails of size p, given one.

    The given one is every one of the n in turn.
    """
    n, rng = len(correlation), np.random.default_rng(seed)
    values, vectors = np.linalg.eigh(correlation)
    factor = vectors * np.sqrt(np.maximum(values, 0.0))
    factor /= np.linalg.norm(factor, axis=1, keepdims=True)
    log_p = log(max(p, np.finfo(float).tiny))
    threshold = -ndtri_exp(log_p) if p < 1.0 else -np.inf
    means, squares, each = 0.0, 0.0, -(-draws // n)
    for given in range(n):
        tail = -ndtri_exp(log_p + np.log1p(-rng.random(each)))
        free = rng.standard_normal((each, n)) @ factor.T
        drawn = free + np.outer(tail - free[:, given], factor @ factor[given])
        drawn[:, given] = tail
        shares = 1.0 / np.maximum(np.sum(drawn >= threshold, axis=1), 1)
        means += float(shares.mean()) / n
        squares += float(shares.var()) / each / n**2
    return means, sqrt(squares)


def check(p: Array, correlation: Array) -> None:
    """Refuse what is not a list of p-values with their correlation matrix."""
    if p.ndim != 1 or not len(p) or not ((p >= 0.0) & (p <= 1.0)).all():
        msg = f"combine: expected a list of p-values in [0, 1], found {p!r}"
        raise DataError(msg)
    if correlation.shape != (len(p), len(p)):
        msg = f"combine: {len(p)} p-values need a correlation matrix of {len(p)} rows, found {correlation.shape}"
        raise DataError(msg)
    if not (np.isfinite(correlation).all() and np.allclose(correlation, correlation.T, atol=1e-8)):
        msg = "combine: the correlation matrix must be finite and symmetric"
        raise DataError(msg)
    if not np.allclose(np.diag(correlation), 1.0, atol=1e-8) or np.linalg.eigvalsh(correlation)[0] < -1e-6:
        msg = "combine: the correlation matrix must have ones on its diagonal and no negative eigenvalue"
        raise DataError(msg)
