"""CLs upper limits on a signal yield, asymptotic and by toys, with their expected bands."""

from dataclasses import dataclass
from math import log
from typing import Any

import numpy as np

from lamppost.core import Array
from lamppost.stats.asymptotics import check_level, log_cls, log_cls_band, solve
from lamppost.stats.limits.envelope import likelihood
from lamppost.stats.limits.statistic import Profile
from lamppost.stats.limits.toy_limits import ToyCLs, crossing, toy_cls
from lamppost.stats.limits.workspace import Workspace
from lamppost.stats.scans.local import FEW_EVENTS
from lamppost.stats.toys import Seed, seed_sequence

__all__ = ["BANDS", "Limit", "limit_of", "observed_limit", "upper_limit"]

BANDS = (-2.0, -1.0, 0.0, 1.0, 2.0)
TOYS = 4000  # of either hypothesis at every yield, where toys are needed


@dataclass(frozen=True, eq=False)
class Limit:
    """An upper limit on the yield (events in the fit range before any efficiency, a sum of weights).

    mass, level: the hypothesis and the confidence level of CLs
    observed, error: the limit and its statistical error from toys, 0 if asymptotic
    expected (5,): limits of background alone, at -2, -1, 0, 1, 2 standard deviations
    signal, signal_error: the fitted yield, of either sign, and its error with all nuisance parameters profiled; where
    several backgrounds are profiled as well, half the interval in which -2 ln L rises by less than one
    method: how it was found, in words
    n_toys, n_failed: toys made, and how many held a fit that did not converge; those count against exclusion
    """

    mass: float
    level: float
    observed: float
    error: float
    expected: Array
    signal: float
    signal_error: float
    method: str
    n_toys: int
    n_failed: int

    def summary(self) -> dict[str, Any]:
        """The numbers, as plain Python values that JSON can hold."""
        return {**vars(self), "expected": self.expected.tolist()}


def upper_limit(workspace: Workspace, *, level: float = 0.95, toys: int | None = None, seed: Seed = 0) -> Limit:
    """The yield that CLs excludes at the confidence `level`, and what background alone would exclude.

    The statistic is q-tilde (arXiv:1007.1727), all nuisance parameters profiled; constraints fluctuate in the toys. By
    default limits are asymptotic where enough background is under the peak, else from 4000 toys of either hypothesis
    at every yield tried; `toys` = 0 or any other number overrules that. `seed` decides every bit.

    Raises
    ------
    FitError
        If a fit to the data does not converge or no yield can be excluded.
    ConfigError
        If the level is not in [0.5, 1).
    """
    return limit_of(likelihood(workspace), level, toys, seed)


def limit_of(model: Profile, level: float = 0.95, toys: int | None = 0, seed: Seed = 0) -> Limit:
    """`upper_limit` of a likelihood at hand."""
    check_level(level)
    observed = observed_limit(model, level)

    def band(sigmas: float) -> float:
        return solve(lambda s: log_cls_band(model.q_expected(s), sigmas), level, 0.0, model.expected_error)

    expected, under = np.array([band(sigmas) for sigmas in BANDS]), model.under_peak
    method, error, n_toys, failed = "asymptotic", 0.0, 0, 0
    if toys is None:
        toys = TOYS if under < FEW_EVENTS else 0
    if toys > 0:
        observed, error, expected, n_toys, failed = by_toys(model, level, toys, seed, np.append(expected, observed))
        method = f"{n_toys} toys"
    return Limit(
        mass=model.workspace.mass,
        level=level,
        observed=observed,
        error=error,
        expected=expected,
        signal=model.quoted.signal,
        signal_error=model.error(model.quoted),
        method=model.how(method),
        n_toys=n_toys,
        n_failed=failed,
    )


def observed_limit(model: Profile, level: float, step: float | None = None) -> float:
    """The asymptotic limit alone, looked for in steps of the expected error, or of what is about as large."""
    check_level(level)
    step = step or model.expected_error
    return solve(lambda s: log_cls(model.q(s), model.q_expected(s)), level, model.positive.signal, step)


def by_toys(model: Profile, level: float, toys: int, seed: Seed, near: Array) -> tuple[float, float, Array, int, int]:
    """Limit, its error, expected limits, toys and failures; `near` (k,) are the limits to look around."""
    target, streams = log(1.0 - level), seed_sequence(seed).spawn(5)
    yields = np.linspace(0.85 * near.min(), 1.15 * near.max(), 16)
    yields = np.union1d(yields, near[-1] * np.array([0.88, 0.94, 1.0, 1.06, 1.12]))
    found = toy_cls(model, yields, toys, streams[0])
    for more in range(1, 5):
        lower, upper = np.any(found.values[0] <= target), np.any(found.values[-1] >= target)
        if not (lower or upper):
            break
        wider = np.array([0.6, 0.8]) * found.yields[0] if lower else np.array([1.15, 1.3, 1.5]) * found.yields[-1]
        found = ToyCLs.join(found, toy_cls(model, wider, toys, streams[more]))
    limits = [
        crossing(found.yields, found.values[:, k], found.errors[:, k], found.shared[:, k], target) for k in range(6)
    ]
    return limits[0][0], limits[0][1], np.array([limit for limit, _ in limits[1:]]), found.n_toys, found.n_failed
