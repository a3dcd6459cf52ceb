"""Tests of a model: signals injected into toys, what the fit finds, and how often the limit covers them."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log

import numpy as np

from lamppost.core import Array
from lamppost.errors import FitError
from lamppost.stats.asymptotics import check_level, log_cls
from lamppost.stats.limits.envelope import likelihood
from lamppost.stats.limits.limits import observed_limit
from lamppost.stats.limits.statistic import Profile
from lamppost.stats.limits.workspace import Workspace
from lamppost.stats.toys import Seed, block_rng, seed_sequence

__all__ = ["BiasTest", "Coverage", "bias_test", "coverage"]

STRENGTHS = (0.0, 2.0, 5.0)  # injected, in expected errors of a yield of zero


@dataclass(frozen=True, eq=False)
class BiasTest:
    """Fits of toys with one injected signal.

    strength: injected, in expected errors of a yield of zero; injected: as a sum of weights
    signals, errors (n,): fitted yields of either sign and their errors, of the fits that converged; where several
    backgrounds are profiled, of the one that fits best
    pulls (n,): sign(signal - injected) sqrt(2 ln L(best) / L(injected)): (signal - injected) / error where the
    likelihood is a parabola, and normal also where few events make it asymmetric
    n_failed: toys whose fit failed, in none of the arrays
    """

    strength: float
    injected: float
    signals: Array
    errors: Array
    pulls: Array
    n_failed: int

    @property
    def mean(self) -> float:
        """Mean pull: the bias in units of the error."""
        return float(self.pulls.mean())

    @property
    def mean_error(self) -> float:
        """Standard deviation of `mean`."""
        return float(self.pulls.std() / np.sqrt(len(self.pulls)))

    @property
    def width(self) -> float:
        """Standard deviation of the pulls: 1 if the errors are right."""
        return float(self.pulls.std())


@dataclass(frozen=True, eq=False)
class Coverage:
    """How often the asymptotic CLs limit lies above the injected yield, for one strength.

    covered: share of toys; error: its standard deviation; limits (n,): of the toys, if asked for; asimov: the limit
    of the expectation of background alone; n_failed: toys without a limit, counted as not covered
    """

    strength: float
    injected: float
    covered: float
    error: float
    limits: Array
    asimov: float
    n_failed: int

    @property
    def median(self) -> float:
        """Median limit of the toys."""
        return float(np.median(self.limits)) if len(self.limits) else float("nan")


def bias_test(
    workspace: Workspace,
    strengths: Sequence[float] = STRENGTHS,
    *,
    truth: Array | None = None,
    toys: int = 1000,
    seed: Seed = 0,
) -> tuple[BiasTest, ...]:
    """Inject signals into toys and fit them with the yield free to be negative.

    Toys come from the background fitted to the observation, or from `truth` (bins,), a sum of weights per bin, e.g. the
    fit of another family; the constraints fluctuate. The nominal signal is injected.

    Raises
    ------
    FitError
        If the fit to the observation does not converge, or `truth` does not fit the bins.
    """
    model = likelihood(workspace)
    unit, root = model.expected_error, seed_sequence(seed)
    results = []
    for j, strength in enumerate(strengths):
        injected = strength * unit
        counts, centres = inject(model, injected, truth, toys, block_rng(root, j))
        rows = model.fit_toys(counts, centres, model.null, injected)
        failed = rows[:, 3] > 0
        signals, errors, rise = rows[~failed, :3].T
        away = signals - injected
        results.append(
            BiasTest(
                strength=float(strength),
                injected=injected,
                signals=signals,
                errors=errors,
                pulls=np.sign(away) * np.sqrt(rise),
                n_failed=int(np.sum(failed)),
            )
        )
    return tuple(results)


def coverage(
    workspace: Workspace,
    strengths: Sequence[float] = (0.0, 1.0, 2.0, 3.0, 5.0),
    *,
    level: float = 0.95,
    truth: Array | None = None,
    toys: int = 1000,
    limits: bool = False,
    seed: Seed = 0,
) -> tuple[Coverage, ...]:
    """How often CLs, asymptotic, does not exclude the yield that was injected; toys as in `bias_test`.

    With `limits` the limit of every toy is found as well, which takes several times as long.

    Raises
    ------
    FitError
        If the fit to the observation does not converge, or `truth` does not fit the bins.
    ConfigError
        If the level is not in [0.5, 1).
    """
    check_level(level)
    model = likelihood(workspace)
    unit, root = model.expected_error, seed_sequence(seed)
    expected = model.with_data(true_background(model, truth), np.zeros_like(model.centres))
    asimov = observed_limit(expected, level)
    results = []
    for j, strength in enumerate(strengths):
        injected = strength * unit
        covered, found, failed = 0, [], 0
        for n, centres in zip(*inject(model, injected, truth, toys, block_rng(root, j)), strict=True):
            toy = model.with_data(n, centres)
            try:
                kept = covers(toy, injected, level)
                if limits:
                    found.append(observed_limit(toy, level, unit))
                covered += kept
            except FitError:
                failed += 1
        share = covered / toys
        error = float(np.sqrt(max(share * (1.0 - share), 1.0 / toys) / toys))
        results.append(Coverage(float(strength), injected, share, error, np.array(found), asimov, failed))
    return tuple(results)


def covers(model: Profile, signal: float, level: float) -> bool:
    """Whether asymptotic CLs of the data does not exclude a yield."""
    return signal == 0.0 or log_cls(model.q(signal), model.q_expected(signal)) >= log(1.0 - level)


def inject(
    model: Profile, signal: float, truth: Array | None, toys: int, rng: np.random.Generator
) -> tuple[Array, Array]:
    """Toys (toys, bins) in equivalent events with a nominal signal, and centres of the constraints (toys, K + 1)."""
    signal_bins = signal * model.workspace.fractions / model.workspace.spectrum.scale
    mu = true_background(model, truth) + signal_bins
    counts = rng.poisson(mu, size=(toys, len(mu))).astype(np.float64)
    return counts, model.moves * rng.standard_normal((toys, len(model.moves)))


def true_background(model: Profile, truth: Array | None) -> Array:
    """Equivalent events (bins,) of the true background, by default of the fit to the observation."""
    spectrum = model.workspace.spectrum
    background = np.array(model.workspace.background_fit.expected if truth is None else truth, dtype=np.float64)
    if background.shape != spectrum.counts.shape or not np.all(np.isfinite(background) & (background >= 0.0)):
        msg = f"bias test: the true background needs {len(spectrum.counts)} finite bins, found {background.shape}"
        raise FitError(msg)
    return np.asarray(background / spectrum.scale)
