"""CLs by toys: test statistics of both hypotheses at several yields, and where a noisy curve crosses a level."""

from dataclasses import dataclass
from math import sqrt

import numpy as np
from scipy.special import expit, ndtr

from lamppost.core import Array
from lamppost.errors import FitError
from lamppost.stats.limits.statistic import Point, Profile
from lamppost.stats.toys import block_rng

__all__ = ["ToyCLs", "crossing", "toy_cls"]

SIGMAS = np.array([-2.0, -1.0, 0.0, 1.0, 2.0])
NEAR = 1.5  # how far from the level, in ln CLs, a point of the curve still tells where it crosses


@dataclass(frozen=True, eq=False)
class ToyCLs:
    """ln CLs from toys at several yields.

    yields (m,); values (m, 6): of the data, then of background alone at -2 to 2 sigma; errors, shared (m, 6): their
    errors from toys with the signal and, common to all yields, from those without
    """

    yields: Array
    values: Array
    errors: Array
    shared: Array
    n_toys: int
    n_failed: int

    @staticmethod
    def join(first: "ToyCLs", second: "ToyCLs") -> "ToyCLs":
        """Both, in the order of the yields."""
        order = np.argsort(np.append(first.yields, second.yields))
        names = ("yields", "values", "errors", "shared")
        yields, values, errors, shared = (
            np.concatenate([getattr(first, name), getattr(second, name)])[order] for name in names
        )
        return ToyCLs(yields, values, errors, shared, first.n_toys + second.n_toys, first.n_failed + second.n_failed)


@dataclass(frozen=True, eq=False)
class Toys:
    """Toy data sets and the point they were drawn from: counts (toys, bins), centres (toys, K + 1)."""

    counts: Array
    centres: Array

    def log_ratio(self, model: Profile, signal: Point, null: Point) -> Array:
        """ln of the probability of every toy with a signal over that without (toys,)."""
        with_signal, without = model.expected(signal), model.expected(null)
        counts = self.counts @ np.log(with_signal / without) - np.sum(with_signal - without)
        inside, outside = (np.square(self.centres - model.nuisances(p)).sum(axis=1) for p in (signal, null))
        return np.asarray(counts - 0.5 * (inside - outside))


def toy_cls(model: Profile, yields: Array, toys: int, root: np.random.SeedSequence) -> ToyCLs:
    """CLs of `yields` (m,) from `toys` toys of background alone and as many with the signal at every yield.

    Toys start from the fit to the data with the yield given. Both samples estimate both tails, each toy with the
    weight P / (P_sb + P_b) that its own probability gives it (Veach and Guibas, SIGGRAPH 1995): so CLs is known also
    far out in the tail of s + b, where a deficit puts the data. A toy in which a fit failed counts against exclusion.
    """
    yields = np.sort(yields)
    null = Toys(*model.draw(model.null, toys, block_rng(root, 0)))
    q_null = statistics(model.q_toys(null.counts, null.centres, model.null, yields))
    failed, rows = int(np.isnan(q_null[:, 0]).sum()), []
    for j, signal in enumerate(yields):
        point = model.at(float(signal))
        drawn = Toys(*model.draw(point, toys, block_rng(root, 1 + j)))
        q = statistics(model.q_toys(drawn.counts, drawn.centres, point, yields[j : j + 1]))[:, 0]
        failed += int(np.isnan(q).sum())
        log_ratio = np.append(*(sample.log_ratio(model, point, model.null) for sample in (drawn, null)))
        rows.append(tails(np.append(q, q_null[:, j]), log_ratio, model.q(float(signal))))
    values, errors, shared = (np.array(column) for column in zip(*rows, strict=True))
    return ToyCLs(yields, values, errors, shared, toys * (len(yields) + 1), failed)


def statistics(rows: Array) -> Array:
    """q-tilde of toys (toys, m), NaN where a fit failed."""
    return np.where(rows[:, -1:] > 0, np.nan, rows[:, :-2])


def tails(q: Array, log_ratio: Array, observed: float) -> tuple[Array, Array, Array]:
    """ln CLs of the data and of background at five levels (6,), with its errors from either half of the toys.

    q, log_ratio (2 n,): of n toys with the signal, then n without.
    """
    n = len(q) // 2
    signal, background = (weight / weight.sum() for weight in (expit(log_ratio), expit(-log_ratio)))
    order = np.argsort(-q)  # those that failed come last
    levels = np.interp(ndtr(SIGMAS), np.cumsum(background[order]), q[order])
    levels = np.append(observed, np.where(np.isnan(levels), 0.0, levels))
    failed = np.isnan(q)[:, None]
    above = q[:, None] >= levels
    smallest = np.finfo(float).tiny
    p_sb = np.maximum(signal @ (above | failed), smallest)
    p_b = np.append(np.maximum(background @ above[:, 0], smallest), ndtr(SIGMAS))
    # a band's level moves with the toys without signal: by how much its P_sb follows, the density there tells
    slope = np.append(1.0 / p_b[0], [near(q, signal, background, level) for level in levels[1:]] / p_sb[1:])
    each = ((above | failed) - p_sb) * signal[:, None] / p_sb - (above - p_b) * background[:, None] * slope
    errors = [np.sqrt(n * part.var(axis=0) + 1.0 / n**2) for part in (each[:n], each[n:])]
    return np.log(p_sb / p_b), *errors


def near(q: Array, signal: Array, background: Array, level: float) -> float:
    """Density of q with a signal over that without, at a level: of the fiftieth of all toys that is closest."""
    closest = np.argsort(np.abs(q - level))[: max(len(q) // 50, 1)]
    return float(signal[closest].sum() / max(background[closest].sum(), np.finfo(float).tiny))


def crossing(x: Array, y: Array, errors: Array, shared: Array, level: float) -> tuple[float, float]:
    """Where a falling curve y(x) crosses a level, and the error: a local weighted parabola.

    `errors` (m,) of the points are independent, `shared` (m,) ones move them together.

    Raises
    ------
    FitError
        If it does not cross.
    """
    below = np.flatnonzero(y < level)
    if not len(below) or below[0] == 0:
        msg = f"limit: CLs of toys does not cross the level between {x[0]:g} and {x[-1]:g} events"
        raise FitError(msg)
    i = int(below[0])
    near = np.abs(y - level) < NEAR
    near[i - 1 : i + 1] = True
    centre, unit = 0.5 * (x[i - 1] + x[i]), x[i] - x[i - 1]
    t, weights = (x[near] - centre) / unit, 1.0 / errors[near]
    degree = 2 if near.sum() > 3 else 1
    columns = np.vander(t, degree + 1) * weights[:, None]
    inverse = np.linalg.inv(columns.T @ columns)
    fitted = inverse @ columns.T @ ((y[near] - level) * weights)
    roots = np.roots(fitted)
    roots = roots[np.abs(roots.imag) < 1e-9].real
    root = float(roots[np.argmin(np.abs(roots))]) if len(roots) else 0.0
    root = min(max(root, float(t[0])), float(t[-1]))
    at = np.vander([root], degree + 1)[0]
    slope = float(np.polyval(np.polyder(fitted), root))
    return float(centre + unit * root), abs(float(unit * sqrt(at @ inverse @ at + shared[i] ** 2) / slope))
