"""How the spectra of a hunt are fitted and scanned: what [fit] asks for, and what a row of the result says of it."""

from collections.abc import Sequence
from math import isfinite
from typing import Any

import numpy as np

from lamppost.config import Fit
from lamppost.core import Array
from lamppost.stats import (
    BackgroundFit,
    Choice,
    JointResult,
    ScanResult,
    Spectrum,
    choose,
    fit_background,
    joint_scan,
    mass_grid,
    spurious_signal,
)

__all__ = ["Region", "background_row", "false_signal", "fit_row", "needed_orders", "scan_spectra"]

Region = tuple[float, float]


def scan_spectra(
    spectra: Sequence[Spectrum],
    whole: Spectrum,
    fit: Fit,
    region: Region,
    seed: np.random.SeedSequence,
    *,
    at_least: Sequence[int] | None = None,
    masked: Region | None = None,
) -> tuple[JointResult, list[Array | None]]:
    """Scan nested selections of a whole spectrum over the masses (k,) of a region.

    Backgrounds are chosen without the bins in `masked`. Returned are the scan and, if `fit` asks for them, the spurious
    signals (k,) of each selection.

    Raises
    ------
    FitError
        If a spectrum cannot be fitted, or no family of `fit.spurious` describes the whole.
    """
    masses = mass_grid(spectra[0], fit.signal, region)
    spurious = None
    if fit.spurious:
        chosen = [
            choose(
                one,
                fit.function,
                n_parameters=fit.n_parameters,
                at_least=at_least,
                criterion=fit.criterion,
                masked=masked,
            )
            for one in spectra
        ]
        spurious = np.stack([false_signal(one.spectrum, one.background, whole, fit, masses) for one in chosen])
    joint = joint_scan(
        spectra,
        background=fit.function,
        signal=fit.signal,
        n_parameters=fit.n_parameters,
        at_least=at_least,
        criterion=fit.criterion,
        masses=masses,
        window=masked,
        spurious=spurious,
        toys=fit.toys,
        seed=seed,
    )
    return joint, [None] * len(spectra) if spurious is None else list(spurious)


def false_signal(spectrum: Spectrum, chosen: BackgroundFit, whole: Spectrum, fit: Fit, masses: Array) -> Array:
    """What the chosen background may mistake for a signal at each mass (k,), in the weights of a selection.

    Found in the whole spectrum and scaled down: the selection has its shape, but cannot tell which of the other
    families are too stiff for it.
    """
    options: dict[str, Any] = {"signal": fit.signal, "masses": masses, "n_parameters": chosen.n_parameters}
    found = spurious_signal(whole, chosen.family, fit.spurious, **options)
    return np.asarray(found.largest * (spectrum.counts.sum() / whole.counts.sum()))


def needed_orders(whole: Spectrum, fit: Fit) -> tuple[int, ...] | None:
    """The number of parameters that each family needs for the spectrum of all events; None if it is set.

    The kept events have the same shape, but a hundred times fewer of them cannot tell: a choice of the order by them
    alone takes too stiff a function, and what it cannot follow looks like a signal.
    """
    if isinstance(fit.n_parameters, int):
        return None
    return tuple(fit_background(whole, family, fit.n_parameters).n_parameters for family in fit.function)


def fit_row(found: ScanResult, spurious: Array | None) -> dict[str, Any]:
    """The numbers of a scan that every row of the result holds."""
    row: dict[str, Any] = {
        "p_local": found.p_local,
        "z_local": found.z_local,
        "best_mass": found.best_mass,
        "signal": found.signal,
        "signal_error": found.signal_error,
        "fit": background_row(found),
    }
    if spurious is not None:
        row["spurious"] = float(spurious[found.masses == found.best_mass][0])
    return row


def background_row(found: ScanResult | Choice) -> dict[str, Any]:
    """The background that was fitted, and what it was chosen from."""
    fit = found.background
    row: dict[str, Any] = {
        "function": fit.function,
        "n_parameters": fit.n_parameters,
        "chi2": fit.chi2,
        "ndf": fit.ndf,
        "p_value": fit.p_value,
        "converged": bool(fit.converged),
    }
    if len(found.tried) > 1:
        row["tried"] = [
            {"function": one.function, "aic": one.aic if isfinite(one.aic) else None} for one in found.tried
        ]
    return row
