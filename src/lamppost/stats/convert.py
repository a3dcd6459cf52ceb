"""Between one-sided p-values and significances Z: p = 1 - Phi(Z), in logarithms where p underflows."""

from math import log

from scipy.special import log_ndtr, ndtr, ndtri, ndtri_exp

__all__ = ["p_from_z", "z_from_log_p", "z_from_p"]

LOWEST, HIGHEST = -8.2, 38.4  # significances of the largest p below 1 and the smallest above 0 in double precision


def p_from_z(z: float) -> float:
    """The one-sided p-value of a significance: 0.5 at Z = 0, zero (underflow) above about 38."""
    return float(ndtr(-z))


def z_from_p(p: float) -> float:
    """The significance of a one-sided p-value, negative above 0.5; p = 0 and p = 1 give the ends, 38.4 and -8.2.

    Raises
    ------
    ValueError
        If p is not in [0, 1].
    """
    if not 0.0 <= p <= 1.0:
        msg = f"a p-value lies in [0, 1], found {p!r}"
        raise ValueError(msg)
    if p < 0.5:
        return HIGHEST if p == 0.0 else z_from_log_p(log(p))
    return max(LOWEST, float(-ndtri(p)))


def z_from_log_p(log_p: float) -> float:
    """The significance of exp(log_p), exact far below the smallest double."""
    return max(LOWEST, float(-ndtri_exp(min(log_p, 0.0))))


def log_p_from_z(z: float) -> float:
    """ln of the one-sided p-value of a significance."""
    return float(log_ndtr(-z))
