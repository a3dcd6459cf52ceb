"""Discrete profiling: the choice of the background as a nuisance of the fit, which nothing decides beforehand."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lamppost.core import Array
from lamppost.errors import FitError

if TYPE_CHECKING:
    from lamppost.stats.scans.procedure import Candidate
    from lamppost.stats.scans.search import Search

__all__ = ["PENALTY", "envelope", "profiled"]

PENALTY = 1.0  # of every parameter, added to the deviance


def envelope(candidates: "Sequence[Candidate]", counts: Array) -> tuple[Array, NDArray[np.bool_]]:
    """q0 (toys, masses) of spectra (toys, bins) in which background alone and signal each take their best candidate.

    With D the deviance and P the number of parameters (arXiv:1408.6865):
    q0 = min_c (D_c(0) + P_c) - min_c (D_c(s) + P_c), s >= 0. A fit that fails is no candidate; where all do, q0 is
    infinite. Second is whether any did (toys,).
    """
    alone, beside = [], []
    for candidate in candidates:
        null, q0 = deviances(candidate.search, candidate.cut(counts))
        alone.append(null)
        beside.append(null[:, None] - q0)
    lowest, failed = np.min(alone, axis=0), np.isinf(alone)
    q0 = np.full((len(counts), beside[0].shape[1]), np.inf)
    kept = np.isfinite(lowest)
    q0[kept] = lowest[kept, None] - np.min(beside, axis=0)[kept]
    return np.maximum(q0, 0.0), np.asarray(failed.any(axis=0))


def deviances(search: "Search", counts: Array) -> tuple[Array, Array]:
    """Deviance and penalty of background alone (toys,), and by how much a signal lowers it (toys, masses).

    Infinite and 0 where a fit failed.
    """
    from lamppost.stats.fits import kernel

    model, size = search.model, search.background.n_parameters
    table = kernel.fit_toys(
        search.seen(counts), model.basis, model.weight, search.starts, size, size, search.part.critical, False
    )  # fmt: skip
    q0 = search.repeat(counts).q0
    failed = (table[:, 1] > 0) | np.isinf(q0).any(axis=1)
    null = np.where(failed, np.inf, 2.0 * table[:, 2] + PENALTY * size)
    return null, np.where(failed[:, None], 0.0, q0)


def profiled(candidates: "Sequence[Candidate]", best: "Candidate", data: Array) -> "Search":
    """The search of the best candidate with the q0 of all; yields at each mass are those of the best fit with a signal.

    Their errors grow to yield / sqrt(q0), for a fit that does not know its function knows the yield no better.

    Raises
    ------
    FitError
        If all candidates fail.
    """
    q0 = envelope(candidates, data[None])[0][0]
    if not np.isfinite(q0).all():
        msg = f"envelope: none of {len(candidates)} backgrounds converges at every mass"
        raise FitError(msg)
    found = np.stack([candidate.search.found for candidate in candidates])
    null = np.array([deviances(one.search, one.cut(data[None]))[0][0] for one in candidates])
    pick = (null[:, None] - found[:, :, 0]).argmin(axis=0)
    chosen = found[pick, np.arange(found.shape[1])]
    chosen[:, 0] = q0
    seen = chosen[:, 0] > 0.0
    chosen[seen, 2] = np.maximum(chosen[seen, 2], np.abs(chosen[seen, 1]) / np.sqrt(chosen[seen, 0]))
    return replace(best.search, found=chosen)
