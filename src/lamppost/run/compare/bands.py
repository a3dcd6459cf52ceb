"""Medians and 68 % bands over draws, of figures and of their paired ratios."""

from collections.abc import Sequence
from math import inf, isfinite

import numpy as np

__all__ = ["band", "ratio_band", "ratios"]


def band(values: Sequence[float | None]) -> list[float] | None:
    """Median and 68 % band [median, low, high] of what is known; None if nothing is."""
    known = [value for value in values if value is not None]
    if not known:
        return None
    median, low, high = np.quantile(known, [0.5, 0.16, 0.84])
    return [float(median), float(low), float(high)]


def ratio_band(values: Sequence[float | None]) -> list[float | None] | None:
    """The `band` of ratios, some of which may be infinite: None in place of a quantile that is."""
    known = [value for value in values if value is not None]
    if not known:
        return None
    above = np.quantile(known, [0.5, 0.16, 0.84], method="higher")
    top = max((value for value in known if isfinite(value)), default=0.0)
    finite = band([min(value, top) for value in known]) or []  # between finite values this changes nothing
    return [value if isfinite(limit) else None for value, limit in zip(finite, above, strict=True)]


def ratios(values: Sequence[float | None], reference: Sequence[float | None]) -> list[float | None]:
    """Draw by draw; infinite where only the reference found nothing, None where neither did, or one is not known."""

    def ratio(value: float | None, other: float | None) -> float | None:
        if value is None or other is None or value == other == 0:
            return None
        return value / other if other else inf

    return [ratio(value, other) for value, other in zip(values, reference, strict=True)]
