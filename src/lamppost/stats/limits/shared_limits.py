"""Limits that background alone gives in several selections of the same events, together."""

from collections.abc import Sequence

import numpy as np
from scipy.special import ndtr, pdtr, pdtrik

from lamppost.core import Array, Rng
from lamppost.errors import FitError
from lamppost.stats.asymptotics import check_level
from lamppost.stats.limits.envelope import likelihood
from lamppost.stats.limits.limits import observed_limit
from lamppost.stats.limits.statistic import Profile
from lamppost.stats.limits.workspace import Workspace
from lamppost.stats.toys import BLOCK, Seed, block_rng, seed_sequence

__all__ = ["shared_limits"]


def shared_limits(
    workspaces: Sequence[Workspace],
    correlation: Array,
    *,
    level: float = 0.95,
    toys: int = 500,
    seed: Seed = 0,
    held: Sequence[str] = (),
) -> Array:
    """Asymptotic CLs limits (toys, k) of k selections in pseudo-spectra of background alone; NaN where a fit failed.

    Each spectrum is drawn from its own fit without a signal. Counts of one bin in two selections are correlated as
    `correlation` (k, k) says, which for selections of n_1 and n_2 events with n_12 in common is n_12 / sqrt(n_1 n_2):
    Poisson quantiles of correlated normal numbers (few events per bin follow them less). The constraints of sources of
    one name move together in all selections; those of the sources `held` stay where they are.

    Raises
    ------
    FitError
        If a fit to the data does not converge.
    ConfigError
        If the level is not in [0.5, 1).
    """
    check_level(level)
    models, root = [likelihood(workspace) for workspace in workspaces], seed_sequence(seed)
    values, vectors = np.linalg.eigh(np.asarray(correlation, dtype=np.float64))
    mixing = vectors * np.sqrt(np.maximum(values, 0.0))
    sizes = np.diff([*range(0, toys, BLOCK), toys])
    return np.concatenate(
        [_block(models, mixing, level, held, int(n), block_rng(root, block)) for block, n in enumerate(sizes)]
    )


def _block(models: Sequence[Profile], mixing: Array, level: float, held: Sequence[str], toys: int, rng: Rng) -> Array:
    bins = len(models[0].n)
    normal = np.einsum("jk,tbk->jtb", mixing, rng.standard_normal((toys, bins, len(models))))
    names = list(dict.fromkeys(name for model in models for name in model.names))
    pulls = dict(zip(names, rng.standard_normal((len(names), toys)), strict=True))
    pulls |= {name: np.zeros(toys) for name in held}
    found = np.empty((toys, len(models)))
    for j, model in enumerate(models):
        counts = _quantile(ndtr(normal[j]), model.expected(model.null))
        moved = model.moves * np.stack([pulls[name] for name in model.names], axis=1)
        found[:, j] = _limits(model, counts, model.nuisances(model.null) + moved, level)
    return found


def _quantile(levels: Array, mu: Array) -> Array:
    """Quantiles (toys, bins) of Poisson numbers of means mu (bins,)."""
    counts = np.ceil(pdtrik(levels, mu))  # solved numerically: one too many where a level is met exactly
    lower = np.maximum(counts - 1.0, 0.0)
    return np.asarray(np.where(pdtr(lower, mu) >= levels, lower, counts))


def _limits(model: Profile, counts: Array, centres: Array, level: float) -> Array:
    found = np.full(len(counts), np.nan)
    for toy, (n, moved) in enumerate(zip(counts, centres, strict=True)):
        try:
            found[toy] = observed_limit(model.with_data(n, moved), level, model.expected_error)
        except FitError:
            continue
    return found
