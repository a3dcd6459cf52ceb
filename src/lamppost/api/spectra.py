"""From a plain spectrum to a p-value."""

import os
from pathlib import Path

from lamppost.errors import ConfigError
from lamppost.stats import ScanResult

__all__ = ["fit"]


def fit(
    spectrum: "str | os.PathLike[str]",
    *,
    column: str | None = None,
    range: tuple[float, float] | None = None,
    bins: int | None = None,
    function: str = "dijet",
    n_parameters: int | None = None,
    sqrt_s: float | None = None,
    signal: str = "crystal_ball",
    resolution: float = 0.03,
    width: float | None = None,
    masses: "list[float] | None" = None,
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
    import numpy as np

    from lamppost.io.spectrum import Masses, read_spectrum
    from lamppost.stats import Spectrum, bin_edges, scan
    from lamppost.stats import signal as signal_shape

    for name, value in (("toys", toys), ("seed", seed)):
        if value < 0:
            msg = f"{name}: expected 0 or more, found {value}"
            raise ConfigError(msg)
    shape = signal_shape({"kind": signal, "resolution": resolution, "width": width})
    background = {"kind": function} if sqrt_s is None else {"kind": function, "sqrt_s": sqrt_s}
    found = read_spectrum(Path(spectrum), bins=bins, range=range, column=column)
    if isinstance(found, Masses):
        lo, hi = range or (float(found.m.min()), float(np.nextafter(found.m.max(), np.inf)))
        binned = Spectrum.from_masses(found.m, bin_edges(lo, hi, resolution, width=width))
    else:
        binned = Spectrum(found.edges, found.counts)
    grid = None if masses is None else np.asarray(masses, dtype=np.float64)
    return scan(
        binned,
        background=background,
        signal=shape,
        n_parameters=n_parameters,
        masses=grid,
        window=window,
        toys=toys,
        seed=seed,
    )
