"""Figures of merit: efficiencies, SIC, AUC, medians and bands."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

Array = NDArray[np.float64]
FLOOR = 25
"""Background events above the loosest cut whose count is known to 20 %."""


def kept(background: Array, signal: Array) -> tuple[Array, Array]:
    """Background and signal events above every distinct cut; of cuts with equal background the loosest."""
    scores = np.concatenate([background, signal])
    order = np.argsort(-scores, kind="stable")
    is_signal = order >= len(background)
    last = np.append(np.diff(scores[order]) != 0, True)  # ties are kept or rejected together
    n_b, n_s = np.cumsum(~is_signal)[last], np.cumsum(is_signal)[last]
    loosest = np.append(np.diff(n_b) != 0, True)
    return np.append(0.0, n_b[loosest]), np.append(0.0, n_s[loosest])


def sic_at(background: Array, signal: Array, eps_b: float) -> float:
    """eps_S / sqrt(eps_B) at this background efficiency, linear between cuts."""
    n_b, n_s = kept(background, signal)
    return float(np.interp(eps_b * len(background), n_b, n_s) / len(signal) / np.sqrt(eps_b))


def sic_max(background: Array, signal: Array) -> tuple[float, float]:
    """The largest eps_S / sqrt(eps_B) with at least `FLOOR` background events, and its eps_B."""
    n_b, n_s = kept(background, signal)
    allowed = n_b >= FLOOR
    eps_b = n_b[allowed] / len(background)
    sic = n_s[allowed] / len(signal) / np.sqrt(eps_b)
    if not len(sic):
        return float("nan"), float("nan")
    return float(sic.max()), float(eps_b[np.argmax(sic)])


def auc(p: Array, q: Array) -> float:
    """Probability that an event of p scores above one of q; ties count half."""
    ranks = rankdata(np.concatenate([p, q]))
    return float((ranks[: len(p)].sum() - len(p) * (len(p) + 1) / 2) / (len(p) * len(q)))


def auc_error(n_p: int, n_q: int) -> float:
    """Standard deviation of the AUC of a score that knows nothing."""
    return float(np.sqrt((n_p + n_q + 1) / (12 * n_p * n_q)))


def band(values: Sequence[float]) -> dict[str, Any]:
    """Median and 68 % band."""
    low, median, high = np.quantile(np.asarray(values, dtype=float), [0.16, 0.5, 0.84])
    return {"median": float(median), "low": float(low), "high": float(high), "n": len(values)}


def shown(values: Sequence[float], digits: int = 2) -> str:
    """`median [low, high]`, or the value alone where there is one."""
    if not len(values):
        return ""
    found = band(values)
    if len(values) == 1:
        return f"{found['median']:.{digits}f}"
    return f"{found['median']:.{digits}f} [{found['low']:.{digits}f}, {found['high']:.{digits}f}]"
