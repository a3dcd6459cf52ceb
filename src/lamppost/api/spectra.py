"""From a plain spectrum to p-values, limits and files for others."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from lamppost.errors import ConfigError
from lamppost.stats import Background, Limit, ScanResult, Signal, Spectrum, Systematic

__all__ = ["SpectrumFit", "fit", "spectrum"]


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
        return Spectrum(found.edges, found.counts, found.variances)  # type: ignore[arg-type]
    lo, hi = range or (float(found.m.min()), float(np.nextafter(found.m.max(), np.inf)))
    return Spectrum.from_masses(found.m, bin_edges(lo, hi, resolution, width=width))


@dataclass(frozen=True)
class SpectrumFit:
    """What is fitted to a spectrum: backgrounds, signal, what may be wrong with both.

    background: one family, or several of which the smallest AIC decides; n_parameters, lower_edges: see `scan`
    signal: the shape; systematics: of limits; spurious: families whose spectra `background` may mistake for a signal
    """

    background: tuple[Background, ...]
    signal: Signal
    n_parameters: int | Literal["aic"] | None = None
    lower_edges: tuple[float, ...] = ()
    systematics: tuple[Systematic, ...] = ()
    spurious: tuple[Background, ...] = ()

    def scan(
        self,
        observed: Spectrum,
        *,
        masses: Sequence[float] | None = None,
        window: tuple[float, float] | None = None,
        toys: int = 10000,
        seed: int = 1,
    ) -> ScanResult:
        """The bump hunt, the spurious signal carried as a nuisance."""
        from lamppost.stats import mass_grid, scan

        for name, value in (("toys", toys), ("seed", seed)):
            if value < 0:
                msg = f"{name}: expected 0 or more, found {value}"
                raise ConfigError(msg)
        grid = mass_grid(observed, self.signal, window) if masses is None else np.asarray(masses, dtype=np.float64)
        return scan(
            observed,
            background=self.background,
            signal=self.signal,
            n_parameters=self.n_parameters,
            lower_edges=self.lower_edges,
            masses=None if masses is None and not self.spurious else grid,
            window=window,
            spurious=self._spurious(observed, grid),
            toys=toys,
            seed=seed,
        )

    def limits(
        self, found: ScanResult, masses: Sequence[float], *, level: float = 0.95, toys: int | None = None, seed: int = 1
    ) -> list[Limit]:
        """CLs limits at these masses, with the background and range that the scan chose."""
        from lamppost.stats import Workspace, upper_limit

        grid = np.asarray(masses, dtype=np.float64)
        spurious = self._spurious(found.spectrum, grid) if len(grid) else None
        return [
            upper_limit(
                Workspace(
                    found.spectrum,
                    float(mass),
                    background=found.background.family,
                    n_parameters=found.background.n_parameters,
                    signal=self.signal,
                    systematics=self.systematics,
                    spurious=0.0 if spurious is None else float(spurious[i]),
                ),
                level=level,
                toys=toys,
                seed=seed,
            )
            for i, mass in enumerate(grid)
        ]

    def _spurious(self, observed: Spectrum, masses: Any) -> Any:
        from lamppost.stats import choose, spurious_signal

        if not self.spurious:
            return None
        chosen = choose(observed, self.background, n_parameters=self.n_parameters, lower_edges=self.lower_edges)
        fitted = chosen.background
        found = spurious_signal(
            observed,
            fitted.family,
            self.spurious,
            signal=self.signal,
            masses=masses,
            n_parameters=fitted.n_parameters,
        )
        return found.largest


def described(table: dict[str, Any], path: str = "model") -> SpectrumFit:
    """The fit that a table describes: `background`, `signal`, `systematics`, `spurious`, `n_parameters`, `lower_edges`.

    Raises
    ------
    ConfigError
        If a key is unknown or a value makes no sense.
    """
    from lamppost.stats import background, signal, systematic

    known = {"background", "signal", "systematics", "spurious", "n_parameters", "lower_edges"}
    if unknown := sorted(set(table) - known):
        msg = f"{path}: unknown key {unknown[0]!r}, known are {', '.join(sorted(known))}"
        raise ConfigError(msg)
    order = table.get("n_parameters")
    if not (order is None or order == "aic" or (isinstance(order, int) and order > 0)):
        msg = f"{path}: n_parameters: expected a positive number or 'aic', found {order!r}"
        raise ConfigError(msg)
    return SpectrumFit(
        background=tuple(background(one) for one in _listed(table.get("background", "dijet"))),
        signal=signal(table.get("signal", "crystal_ball")),
        n_parameters=order,
        lower_edges=tuple(float(edge) for edge in table.get("lower_edges", ())),
        systematics=tuple(systematic(one) for one in table.get("systematics", ())),
        spurious=tuple(background(one) for one in _listed(table.get("spurious", ()))),
    )


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


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
    families = [{"kind": kind, **scale} for kind in _listed(function)]
    shape = {"kind": signal, "resolution": resolution, "width": width}
    what = described({"background": families, "signal": shape, "n_parameters": n_parameters})
    observed = spectrum(
        path, column=column, range=range, bins=bins, weighted=weighted, resolution=resolution, width=width
    )
    return what.scan(observed, masses=masses, window=window, toys=toys, seed=seed)
