"""Does the cut leave the background's shape alone? The kept fraction of events must not depend on m."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaincc

from lamppost.core import Array

__all__ = ["Flatness", "kept_fraction_flatness"]

_MIN_KEPT = 10.0


@dataclass(frozen=True)
class Flatness:
    """Kept and total weight per bin of m, chi2 of a constant kept fraction, its degrees of freedom and p-value."""

    edges: Array
    kept: Array
    total: Array
    fraction: Array
    error: Array
    chi2: float
    ndf: int
    p_value: float


def kept_fraction_flatness(
    m: Array, w: Array, kept: NDArray[np.bool_], edges: Array, *, min_kept: float = _MIN_KEPT
) -> Flatness:
    """Test that the kept fraction is the same in all bins of m.

    chi2 = sum over bins (f_i - f)^2 / var_i, var_i = f (1 - f) sum w^2 / (sum w)^2: the contingency test of kept and
    dropped against m, exact for unit weights up to the chi2 approximation. Neighbouring bins are merged until each
    expects `min_kept` kept events.
    """
    f = float(w[kept].sum() / w.sum()) if w.sum() > 0 else 0.0
    edges = _merged(m, w, edges, f, min_kept)
    total, squared, passed = (np.histogram(m, edges, weights=v)[0] for v in (w, w * w, np.where(kept, w, 0.0)))
    fraction = passed / np.where(total > 0, total, 1.0)
    variance = f * (1 - f) * squared / np.where(total > 0, total, 1.0) ** 2
    used = variance > 0
    chi2 = float(np.sum((fraction[used] - f) ** 2 / variance[used]))
    ndf = max(int(used.sum()) - 1, 0)
    p = float(gammaincc(ndf / 2, chi2 / 2)) if ndf > 0 else 1.0
    return Flatness(edges, passed, total, fraction, np.sqrt(variance), chi2, ndf, p)


def _merged(m: Array, w: Array, edges: Array, f: float, min_kept: float) -> Array:
    total, squared = np.histogram(m, edges, weights=w)[0], np.histogram(m, edges, weights=w * w)[0]
    effective = total**2 / np.where(squared > 0, squared, 1.0)  # unweighted events that carry the same information
    merged, held = [edges[0]], 0.0
    for i, n in enumerate(effective):
        held += f * n
        if held >= min_kept:
            merged.append(edges[i + 1])
            held = 0.0
    if len(merged) == 1 or merged[-1] < edges[-1]:
        merged = [*(merged[:-1] if len(merged) > 1 else merged), edges[-1]]
    return np.asarray(merged)
