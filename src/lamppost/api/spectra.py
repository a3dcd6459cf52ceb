"""From a plain spectrum to p-values, limits and files for others."""

import os
from collections.abc import Sequence
from typing import Literal

import numpy as np

from lamppost.api.spectrum_fit import described
from lamppost.stats import ScanResult, Spectrum

__all__ = ["fit", "spectrum"]


def spectrum(
    path: "str | os.PathLike[str]",
    *,
    column: str | None = None,
    range: tuple[float, float] | None = None,
    bins: int | None = None,
    weighted: bool = False,
    resolution: float = 0.03,
    width: float | None = None,
) -> Spectrum:
    """A histogram (low, high, count; TH1 as "file.root:name") or a list of masses, binned for this resolution.

    Raises
    ------
    DataError
        If the file, a column, row or bin is not what it has to be.
    """
    from lamppost.io.spectrum import Masses, read_spectrum
    from lamppost.stats import bin_edges

    found = read_spectrum(os.fspath(path), bins=bins, range=range, column=column, weighted=weighted)
    if not isinstance(found, Masses):
        return Spectrum(found.edges, found.counts, found.counts if found.variances is None else found.variances)
    lo, hi = range or (float(found.m.min()), float(np.nextafter(found.m.max(), np.inf)))
    return Spectrum.from_masses(found.m, bin_edges(lo, hi, resolution, width=width))


def fit(
    path: "str | os.PathLike[str]",
    *,
    column: str | None = None,
    range: tuple[float, float] | None = None,
    bins: int | None = None,
    weighted: bool = False,
    function: str | Sequence[str] = "dijet",
    n_parameters: int | Literal["aic"] | None = None,
    sqrt_s: float | None = None,
    signal: str = "crystal_ball",
    resolution: float = 0.03,
    width: float | None = None,
    masses: Sequence[float] | None = None,
    window: tuple[float, float] | None = None,
    toys: int = 10000,
    seed: int = 1,
) -> ScanResult:
    """Bump hunt on a file: a histogram (low, high, count) or a list of masses [units of m]; see `lamppost.stats.scan`.

    Raises
    ------
    LamppostError
        If the file, an option or the fit is at fault.
    """
    scale = {} if sqrt_s is None else {"sqrt_s": sqrt_s}
    shape = {"kind": signal, "resolution": resolution, "width": width}
    what = described({"background": function, **scale, "signal": shape, "n_parameters": n_parameters})
    observed = spectrum(
        path, column=column, range=range, bins=bins, weighted=weighted, resolution=resolution, width=width
    )
    return what.scan(observed, masses=masses, window=window, toys=toys, seed=seed)
