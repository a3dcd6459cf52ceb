"""The bump hunt: a signal at every mass beside a profiled background, and what looking elsewhere costs."""

from collections.abc import Sequence
from itertools import pairwise
from math import ceil, log

import numpy as np
from numpy.typing import NDArray

from lamppost.core import Array
from lamppost.errors import FitError
from lamppost.stats.fits.fit import Order
from lamppost.stats.scans.choices import AtLeast, Criterion, plan
from lamppost.stats.scans.procedure import procedure
from lamppost.stats.scans.result import JointResult, ScanResult
from lamppost.stats.shapes.signals import Signal
from lamppost.stats.shapes.signals import signal as parse_signal
from lamppost.stats.spectrum import Spectrum
from lamppost.stats.toys import BLOCK, Seed, block_rng, draw_nested, run_blocks, seed_sequence, tail_probability

__all__ = ["joint_scan", "mass_grid", "scan"]

STEPS = 6.0  # mass hypotheses per sigma


def scan(
    spectrum: Spectrum,
    *,
    background: object = "dijet",
    signal: object = "crystal_ball",
    n_parameters: Order = None,
    at_least: AtLeast = None,
    criterion: Criterion = "aic",
    lower_edges: Sequence[float] = (),
    masses: Array | None = None,
    window: tuple[float, float] | None = None,
    spurious: Array | float | None = None,
    toys: int = 10000,
    seed: Seed = 0,
) -> ScanResult:
    """Hunt for a bump: one-sided q0 (arXiv:1007.1727) on a grid of masses, local and global p-values.

    The signal-plus-background fit covers the whole range, nothing masked. With `window` = (lo, hi) the hypotheses are
    those inside it, and the background is chosen with the window masked. `background` and `signal` are kind names,
    tables or specs; `masses` (k,) defaults to steps of a sixth of the resolution (`mass_grid`). The order is
    `n_parameters`, or for "aic" that of the smallest deviance + 2 parameters; by default the F-test raises it from
    `at_least` parameters, a number or one for each background. Of a list of backgrounds the best by `criterion` is
    taken, and with `lower_edges` the widest range that it fits: see `choose`. `spurious`, a number or an array (k,) in
    the weights of the spectrum, is the standard deviation of a false signal that the background may hold at each mass
    (`spurious_signal`): q0 then compares with the best background that has one.

    With the criterion "envelope" nothing is chosen: all orders of all backgrounds compete in the fit without a signal
    and, separately, in each fit with one (discrete profiling, arXiv:1408.6865). Local p-values then hold at a mass
    fixed beforehand, where a choice that looks at the data leaves them too small.

    The global p-value is the chance of a larger z anywhere in the scan, from at most `toys` toys of the fitted
    background; each repeats every choice, the background fit and all signal fits, and draws the measurement of the
    spurious signal anew, correlated between masses as the fitted yields are. Toys stop early once 400 of them exceed
    the data, and where fewer than 10 do the tail is extrapolated: `p_global_method` says what was done. The result
    depends on `seed` alone, to the last bit.

    Raises
    ------
    FitError
        If there is nothing to fit, the window or a mass lies outside the range, or the background fit of the data does
        not converge.
    ConfigError
        If the background or the signal is not a known kind.
    """
    joint = joint_scan(
        [spectrum],
        background=background,
        signal=signal,
        n_parameters=n_parameters,
        at_least=at_least,
        criterion=criterion,
        lower_edges=lower_edges,
        masses=masses,
        window=window,
        spurious=spurious,
        toys=toys,
        seed=seed,
    )
    return joint.results[0]


def joint_scan(
    spectra: Sequence[Spectrum],
    *,
    background: object = "dijet",
    signal: object = "crystal_ball",
    n_parameters: Order = None,
    at_least: AtLeast = None,
    criterion: Criterion = "aic",
    lower_edges: Sequence[float] = (),
    masses: Array | None = None,
    window: tuple[float, float] | None = None,
    spurious: Array | float | None = None,
    toys: int = 10000,
    seed: Seed = 0,
) -> JointResult:
    """Scan nested selections of the same events, loosest first, in the same bins; options as in `scan`.

    The statistic is the largest z over selections and masses. In a toy the loosest spectrum is Poisson and every
    tighter one a binomial thinning of the one before, so that the selections are as correlated as in the data.

    Raises
    ------
    FitError
        As `scan`; or if the spectra do not share their bins, or a selection holds more than the one before.
    ConfigError
        If the background or the signal is not a known kind.
    """
    check_nested(spectra)
    shape, chosen = parse_signal(signal), plan(background, n_parameters, at_least, criterion, lower_edges)
    grid = mass_grid(spectra[0], shape, window) if masses is None else inside(np.asarray(masses, dtype=float), window)
    widths = spurious_widths(spurious, len(spectra), len(grid))
    searches = [procedure(spectra[i], chosen, shape, grid, window, widths[i]) for i in range(len(spectra))]
    observed = max(search.largest for search in searches)
    root = seed_sequence(seed)
    unfitted: list[NDArray[np.bool_]] = []

    def block(number: int) -> Array:
        rng = block_rng(root, number)
        drawn = draw_nested(rng, [search.expected for search in searches], BLOCK)
        repeats = [search.repeat(counts, rng) for search, counts in zip(searches, drawn, strict=True)]
        unfitted.append(np.stack([skipped for _, skipped in repeats], axis=1))
        return np.stack([values for values, _ in repeats], axis=1)

    values = run_blocks(toys, observed, block) if toys > 0 else np.empty((0, len(searches)))
    skipped = np.concatenate([np.empty((0, len(searches)), dtype=np.bool_), *unfitted])[: len(values)]
    results = tuple(search.result(values[:, i], skipped[:, i]) for i, search in enumerate(searches))
    best = int(np.argmax([search.largest for search in searches]))
    tail = tail_probability(values.max(axis=1), observed)
    failed = int(np.isinf(values).any(axis=1).sum())
    return JointResult(results, best, tail.p, tail.z, tail.method, len(values), failed, tail.error)


def spurious_widths(spurious: Array | float | None, selections: int, masses: int) -> list[Array | None]:
    """Spurious signals (masses,) of every selection, for a number or an array (masses,) or (selections, masses)."""
    if spurious is None:
        return [None] * selections
    widths = np.asarray(spurious, dtype=np.float64)
    if widths.shape not in ((), (masses,), (selections, masses)):
        msg = f"spurious: expected a number or one value for each of {masses} masses, found an array {widths.shape}"
        raise FitError(msg)
    if not (np.isfinite(widths).all() and (widths >= 0.0).all()):
        msg = "spurious: a standard deviation is finite and not negative"
        raise FitError(msg)
    return list(np.array(np.broadcast_to(widths, (selections, masses))))


def check_nested(spectra: Sequence[Spectrum]) -> None:
    """Refuse spectra that cannot be selections of the same events, loosest first."""
    if not spectra:
        msg = "scan: no spectrum given"
        raise FitError(msg)
    for i, (looser, tighter) in enumerate(pairwise(spectra), start=1):
        if not np.array_equal(looser.edges, tighter.edges):
            msg = f"scan: selections {i - 1} and {i} do not share their bins"
            raise FitError(msg)
        if np.any(tighter.counts > looser.counts * (1.0 + 1e-9)):
            msg = f"scan: selection {i} holds more than selection {i - 1}; they must be nested, loosest first"
            raise FitError(msg)


def inside(masses: Array, window: tuple[float, float] | None) -> Array:
    """The mass hypotheses inside the window, if there is one; FitError if there are none."""
    kept = masses if window is None else masses[(masses >= window[0]) & (masses <= window[1])]
    if not len(kept):
        msg = "scan: no mass hypothesis" + ("" if window is None else f" inside [{window[0]:g}, {window[1]:g})")
        raise FitError(msg)
    return kept


def mass_grid(spectrum: Spectrum, signal: Signal, window: tuple[float, float] | None = None) -> Array:
    """Mass hypotheses (k,) in steps of at most sigma / 6, over the window or all but two sigma of the range.

    Closer to an end of the range half of a peak is outside and the rest hard to tell from the background.

    Raises
    ------
    FitError
        If the window is not inside the range, or the range is narrower than four sigma.
    """
    lo, hi = spectrum.lo + 2.0 * signal.sigma(spectrum.lo), spectrum.hi - 2.0 * signal.sigma(spectrum.hi)
    if window is not None:
        lo, hi = window
    if not spectrum.lo <= lo < hi <= spectrum.hi:
        what = "four sigma do" if window is None else f"the window [{lo:g}, {hi:g}) does"
        msg = f"scan: {what} not fit into the range [{spectrum.lo:g}, {spectrum.hi:g}]"
        raise FitError(msg)
    if signal.width is not None:
        return np.linspace(lo, hi, ceil(STEPS * (hi - lo) / signal.width) + 1)
    return np.asarray(np.geomspace(lo, hi, ceil(STEPS * log(hi / lo) / signal.resolution) + 1))
