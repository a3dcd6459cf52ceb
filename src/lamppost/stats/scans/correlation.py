"""How correlated searches of the same events are: a Poisson bootstrap of the identifiers of events."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamppost.core import Array, uniform_of
from lamppost.errors import DataError, FitError
from lamppost.stats.fits.fit import Order, unmasked
from lamppost.stats.scans.search import prepare, yield_noise
from lamppost.stats.shapes.background import background as parse_background
from lamppost.stats.shapes.signals import Signal
from lamppost.stats.shapes.signals import signal as parse_signal
from lamppost.stats.spectrum import Spectrum

__all__ = ["Correlation", "bootstrap_correlation", "poisson_weights"]

REPLICA = 2**32  # keys per seed

# P(N <= k) for N Poisson with mean 1, up to where it is 1
BELOW = np.cumsum(np.exp(-1.0) / np.cumprod(np.append(1.0, np.arange(1.0, 20.0))))


@dataclass(frozen=True, eq=False)
class Correlation:
    """Correlations of the signed local Z of several selections.

    matrix, errors (s, s): correlation coefficients and their standard deviations from the number of replicas
    masses (s,): the hypothesis of each selection; z (s,): its signed local Z in the data
    replicas: how often the events were drawn anew
    """

    matrix: Array
    errors: Array
    masses: Array
    z: Array
    replicas: int

    def lowered(self) -> Array:
        """The matrix (s, s) with every correlation one standard deviation lower."""
        return np.where(np.eye(len(self.matrix)) > 0.0, 1.0, np.maximum(self.matrix - self.errors, -1.0))


def poisson_weights(ids: NDArray[np.uint64], replica: int, seed: int = 0) -> Array:
    """How often each event (n,) occurs in a replica: Poisson with mean 1, decided by its id, replica and seed alone."""
    uniform = uniform_of(np.asarray(ids, dtype=np.uint64), seed * REPLICA + replica)
    return np.searchsorted(BELOW, uniform, side="right").astype(np.float64)


def bootstrap_correlation(
    ids: NDArray[np.uint64],
    m: Array,
    kept: NDArray[np.bool_],
    edges: Array,
    *,
    masses: Array | Sequence[float],
    w: Array | None = None,
    background: object = "dijet",
    signal: object = "crystal_ball",
    n_parameters: Order | Sequence[Order] = None,
    replicas: int = 400,
    seed: int = 0,
) -> Correlation:
    """Correlation matrix of the signed local Z of selections of the same events: windows, methods, thresholds.

    ids (n,) uint64 name the events, m (n,) are their masses, w (n,) weights; kept (s, n) says which a selection keeps,
    and `masses` (s,) at which hypothesis it is judged. Each replica gives every event a Poisson weight that its id
    decides, the same in all selections, which are filled into the bins of `edges`. `background` and `n_parameters` are
    those of all selections, or lists of s, one for each. Their Z is that of the fitted yield to first order about the
    background fit of the data: Z = sum_i g_i (n_i - b_i) / sqrt(b_i), g the part of f / sqrt(b) that no change of the
    background can imitate, of unit length.

    For correlations only: replicas fluctuate about the data, not about the background. They assume selections that do
    not change with the events in them; what training again on them would add is not seen.

    Raises
    ------
    DataError
        If shapes do not match, a mass is not finite, an id occurs twice, or fewer than two replicas are asked for.
    FitError
        If a selection cannot be fitted, or a mass lies outside the range.
    """
    kept = np.atleast_2d(np.asarray(kept, dtype=np.bool_))
    hypotheses = np.atleast_1d(np.asarray(masses, dtype=np.float64))
    check(ids, m, kept, hypotheses, w, replicas)
    families, orders = of_each("background", background, len(kept)), of_each("n_parameters", n_parameters, len(kept))
    weights = np.ones(len(m)) if w is None else np.asarray(w, dtype=np.float64)
    inside = (m >= edges[0]) & (m <= edges[-1]) & kept.any(axis=0)
    ids, m, weights, kept = ids[inside], m[inside], weights[inside], kept[:, inside]
    shape = parse_signal(signal)
    judges = [
        judge(Spectrum.from_masses(m[rows], edges, None if w is None else weights[rows]), family, shape, mass, order)
        for rows, family, mass, order in zip(kept, families, hypotheses, orders, strict=True)
    ]
    bins = np.clip(np.searchsorted(edges, m, side="right") - 1, 0, len(edges) - 2)
    places = [np.flatnonzero(rows) for rows in kept]

    def significances(repeats: Array) -> list[float]:
        spectra = [np.bincount(bins[at], weights=repeats[at], minlength=len(edges) - 1) for at in places]
        return [float(row @ counts - offset) for (row, offset), counts in zip(judges, spectra, strict=True)]

    z = np.array([significances(weights * poisson_weights(ids, replica, seed)) for replica in range(replicas)])
    matrix = np.atleast_2d(np.corrcoef(z, rowvar=False))
    return Correlation(
        matrix, (1.0 - matrix**2) / np.sqrt(replicas - 1.0), hypotheses, np.array(significances(weights)), replicas
    )


def of_each(name: str, value: Any, selections: int) -> list[Any]:
    """What every selection has: the same, or its own of a list."""
    if isinstance(value, str) or not isinstance(value, Sequence):
        return [value] * selections
    if len(value) != selections:
        msg = f"bootstrap: expected one {name} for all selections, or one for each of {selections}, found {len(value)}"
        raise DataError(msg)
    return list(value)


def judge(
    spectrum: Spectrum, background: object, shape: Signal, mass: float, n_parameters: Order
) -> tuple[Array, float]:
    """What turns the sums of weights of the bins (n,) into a signed Z: a row (n,), and what to subtract."""
    every = unmasked(spectrum, None)
    search = prepare(spectrum, parse_background(background), shape, np.array([mass]), every, n_parameters)
    if not (search.expected > 0.0).all():
        i = int(np.argmin(search.expected))
        msg = f"bootstrap: the fit expects nothing in [{spectrum.edges[i]:g}, {spectrum.edges[i + 1]:g})"
        raise FitError(f"{msg}: leave out bins without events")
    size = search.background.n_parameters
    row = yield_noise(search.model, search.starts[size, :size], search.expected, search.fractions)[0]
    row = row / np.sqrt(search.expected)
    return row / spectrum.scale, float(row @ search.expected)


def check(
    ids: NDArray[np.uint64], m: Array, kept: NDArray[np.bool_], masses: Array, w: Array | None, replicas: int
) -> None:
    """Refuse arrays that do not match."""
    n = len(m)
    if len(ids) != n or kept.shape != (len(masses), n) or (w is not None and len(w) != n):
        msg = (
            f"bootstrap: {len(ids)} ids, {n} masses of events, selections {kept.shape} and {len(masses)} hypotheses do "
            "not match; expected one row of `kept` per hypothesis and one column per event"
        )
        raise DataError(msg)
    if not np.isfinite(m).all():
        msg = f"bootstrap: {int(np.sum(~np.isfinite(m)))} of {n} masses of events are not finite"
        raise DataError(msg)
    if len(np.unique(ids)) != n:
        msg = f"bootstrap: {n - len(np.unique(ids))} of {n} event ids occur more than once"
        raise DataError(msg)
    if replicas < 2:
        msg = f"bootstrap: at least two replicas are needed, found {replicas}"
        raise DataError(msg)
