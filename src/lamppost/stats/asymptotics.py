"""Asymptotic CLs of a yield (arXiv:1007.1727): from q-tilde in the data and in the background-only Asimov data set."""

from collections.abc import Callable
from math import log, sqrt

from scipy.special import log_ndtr

from lamppost.errors import ConfigError, FitError

__all__ = ["check_level", "log_cls", "log_cls_band", "solve"]

PRECISION = 1e-5  # of a limit, relative


def log_cls(q: float, asimov: float) -> float:
    """ln CLs from q-tilde observed and in the Asimov data set: the ratio of P(q >= observed) with s + b and with b."""
    if not asimov > 0.0:
        return 0.0
    middle = sqrt(asimov)
    if q <= asimov:
        return float(log_ndtr(-sqrt(q)) - log_ndtr(middle - sqrt(q)))
    return float(log_ndtr(-0.5 * (q + asimov) / middle) - log_ndtr(-0.5 * (q - asimov) / middle))


def log_cls_band(asimov: float, sigmas: float) -> float:
    """ln CLs that background alone gives where it fluctuates up by so many standard deviations."""
    return float(log_ndtr(sigmas - sqrt(asimov)) - log_ndtr(sigmas))


def check_level(level: float) -> None:
    """Refuse a confidence level outside [0.5, 1); ConfigError."""
    if not 0.5 <= level < 1.0:
        msg = f"limit: a confidence level lies between 0.5 and 1, found {level!r}"
        raise ConfigError(msg)


def solve(curve: Callable[[float], float], level: float, lowest: float, step: float) -> float:
    """The yield above `lowest` at which ln CLs falls to ln(1 - level), to 1e-5; brackets grow from `step`.

    Raises
    ------
    FitError
        If no yield is excluded.
    """
    from scipy.optimize import brentq

    target = log(1.0 - level)
    lo, hi = lowest, lowest + step
    for _ in range(60):
        if curve(hi) < target:
            return float(brentq(lambda s: curve(s) - target, lo, hi, xtol=1e-9 * step, rtol=PRECISION))
        lo, hi = hi, lowest + 2.0 * (hi - lowest)
    msg = f"limit: not even {lo:g} events can be excluded"
    raise FitError(msg)
