"""What a scan found."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lamppost.core import Array
from lamppost.stats.fits.fitted import BackgroundFit
from lamppost.stats.spectrum import Spectrum

__all__ = ["JointResult", "ScanResult", "Tried"]


class Tried(NamedTuple):
    """A background that was tried: function, lower end of its range, and how well it fits the bins outside the window.

    aic = deviance + 2 parameters (+ parameters in an envelope), comparable within one range; chi2, ndf, p_value:
    Pearson. NaN where the fit did not converge.
    """

    function: str
    lo: float
    aic: float
    chi2: float
    ndf: int
    p_value: float
    converged: bool
    chosen: bool


@dataclass(frozen=True, eq=False)
class ScanResult:
    """A scanned spectrum.

    masses (k,): the hypotheses; z, p (k,): local significance sqrt(q0) and its p-value, 0 and 0.5 for a negative yield
    yields, yield_errors (k,): fitted sum of weights and its error, the spurious signal included; a negative yield ends
        where a bin would expect none
    converged (k,): whether the fit reached its minimum; where it did not, z is a lower bound
    background: the background fit, with the window masked if there is one; it chose the order
    best_mass, z_local, p_local, signal, signal_error: the hypothesis with the largest z
    p_global, z_global, p_global_method: of the largest z anywhere in the scan, from toys that repeat the choice of the
        order and all fits; None, None and "not computed" without toys
    n_toys, n_failed: toys made, and how many of them held a fit that did not converge; those count as exceedances
    n_unfitted: toys in which an order above the lowest did not converge, and so was not adopted
    tried: the families and ranges among which the background was chosen, empty if there was no choice
    p_global_error: one standard deviation of p_global, where known
    """

    masses: Array
    z: Array
    p: Array
    yields: Array
    yield_errors: Array
    converged: NDArray[np.bool_]
    background: BackgroundFit
    best_mass: float
    z_local: float
    p_local: float
    signal: float
    signal_error: float
    p_global: float | None
    z_global: float | None
    p_global_method: str
    n_toys: int
    n_failed: int
    n_unfitted: int
    tried: tuple[Tried, ...]
    spectrum: Spectrum = field(repr=False)
    p_global_error: float | None = None

    @property
    def chi2(self) -> float:
        """Pearson chi2 of the background fit."""
        return self.background.chi2

    @property
    def ndf(self) -> int:
        """Degrees of freedom of the background fit."""
        return self.background.ndf

    @property
    def p_value(self) -> float:
        """Goodness of the background fit."""
        return self.background.p_value

    @property
    def pulls(self) -> Array:
        """Pulls of the bins against the background fit (n,)."""
        return self.background.pulls

    def summary(self) -> dict[str, Any]:
        """The numbers of the result, as plain Python values that JSON can hold."""
        fit = self.background
        return {
            "function": fit.function,
            "n_parameters": fit.n_parameters,
            "fit_range": list(fit.range),
            "chi2": fit.chi2,
            "ndf": fit.ndf,
            "p_value": fit.p_value,
            "best_mass": self.best_mass,
            "z_local": self.z_local,
            "p_local": self.p_local,
            "p_global": self.p_global,
            "p_global_error": self.p_global_error,
            "signal": self.signal,
            "signal_error": self.signal_error,
            "z_global": self.z_global,
            "p_global_method": self.p_global_method,
            "n_toys": self.n_toys,
            "n_failed": self.n_failed,
            "n_unfitted": self.n_unfitted,
            "n_failed_masses": int(np.sum(~self.converged)),
        }


@dataclass(frozen=True, eq=False)
class JointResult:
    """Several nested selections of the same events, scanned together.

    results: one `ScanResult` per selection, loosest first; the p_global of each is of that selection alone
    best: index of the selection with the largest z
    p_global, z_global, p_global_method: of the largest z over all selections and masses, from the same toys
    n_toys, n_failed: toys made, and how many of them held a fit that did not converge
    p_global_error: one standard deviation of p_global, where known
    """

    results: tuple[ScanResult, ...]
    best: int
    p_global: float | None
    z_global: float | None
    p_global_method: str
    n_toys: int
    n_failed: int
    p_global_error: float | None = None
