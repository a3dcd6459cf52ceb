"""What pseudo-experiments say of p-values: are they uniform, and are small ones too frequent?"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.stats import binomtest, kstest

from lamppost.core import Array

__all__ = ["LEAST", "LEVELS", "covered", "power", "share", "uniformity"]

Json = dict[str, Any]
LEVELS = (0.5, 0.3173, 0.1, 0.05, 0.01)
"""p-values whose frequency is quoted."""
Z = (2.0, 3.0, 4.0, 5.0)
"""Significances whose frequency with injected signal is quoted."""
LEAST_KS = 0.01
LEAST = 50
"""Fewer pseudo-experiments than this tell nothing of p-values of 0.05."""


def share(n: int, of: int) -> list[float] | None:
    """[n / of, low, high], the 95 % interval of Clopper and Pearson; None of nothing."""
    if of == 0:
        return None
    interval = binomtest(n, of).proportion_ci(0.95, method="exact")
    return [n / of, float(interval.low), float(interval.high)]


def uniformity(values: Sequence[float | None], *, atom: bool = False) -> Json:
    """How p-values without signal are spread: `n` of them, None being a hunt that failed, which counts as p = 0.

    ks: of Kolmogorov and Smirnov that they are uniform, with `atom` those below 0.5 (a p is 1 where no excess is
    found); ks_small: the same for small ones being too frequent only
    below: by level the share of p that are as small, with its interval
    valid: there are enough, and small ones are not too frequent; uniform: nor too rare
    """
    p: Array = np.array([0.0 if value is None else value for value in values])
    tested, top = (p[p < 0.5], 0.5) if atom else (p, 1.0)
    ks, small = (
        float(kstest(tested / top, "uniform", alternative=side).pvalue) if len(tested) else 0.0
        for side in ("two-sided", "greater")
    )
    below = {f"{level:g}": share(int(np.sum(p <= level)), len(p)) for level in LEVELS}
    low, high = (below["0.05"] or [0.0, 0.0, 1.0])[1:]
    return {
        "n": len(p),
        "failed": sum(value is None for value in values),
        "ks": ks,
        "ks_small": small,
        "below": below,
        "smallest": float(p.min()) if len(p) else None,
        "valid": bool(len(p) >= LEAST and low <= 0.05 and small > LEAST_KS),
        "uniform": bool(len(p) >= LEAST and low <= 0.05 <= high and ks > LEAST_KS),
        "values": [float(value) for value in np.sort(p)],
    }


def power(z: Sequence[float | None]) -> Json:
    """Median and 68 % band of the significance, and how often it is large; a hunt without a claim has Z = 0."""
    values = np.array([value or 0.0 for value in z])
    return {
        "n": len(values),
        "without_claim": sum(value is None for value in z),
        "z": [float(value) for value in np.quantile(values, [0.5, 0.16, 0.84])],
        "seen": {f"{level:g}": share(int(np.sum(values >= level)), len(values)) for level in Z},
        "values": [float(value) for value in values],
    }


def covered(rows: Sequence[Mapping[str, Any]]) -> Json:
    """How often a fitted yield is within one and two errors of the injected events in the spectrum: 68 %, 95 %."""
    pulls = [(row["signal"] - row["injected_kept"]) / row["signal_error"] for row in rows if row["signal_error"] > 0.0]
    found: Array = np.array(pulls)
    return {
        "n": len(found),
        "pull": [float(found.mean()), float(found.std())] if len(found) else None,
        "within": {f"{k}": share(int(np.sum(np.abs(found) <= k)), len(found)) for k in (1, 2)},
    }
