"""Models that the tests of limits and systematic uncertainties share."""

from typing import Any

import numpy as np
from smooth_spectra import falling

from lamppost.stats import Gaussian, Spectrum
from lamppost.stats.limits.workspace import Workspace

SIGNAL = Gaussian(resolution=0.03)
MASS = 3500.0


def observed(events: int = 5000, signal: float = 0.0, mass: float = MASS, seed: int = 1) -> Spectrum:
    """A falling spectrum with the expectation of a signal added."""
    spectrum = falling(events, seed)
    return Spectrum(spectrum.edges, spectrum.counts + signal * SIGNAL.fractions(spectrum.edges, mass))


def workspace(spectrum: Spectrum | None = None, *systematics: dict[str, Any], **options: Any) -> Workspace:
    """A Gaussian at 3.5 TeV beside three background parameters."""
    spectrum = observed() if spectrum is None else spectrum
    chosen = {"n_parameters": 3, "signal": SIGNAL, "systematics": systematics} | options
    return Workspace(spectrum, MASS, **chosen)


def every_kind(spectrum: Spectrum) -> list[dict[str, Any]]:
    """One source of every kind; yield and template respond differently up and down."""
    wide, shifted = (SIGNAL.fractions(spectrum.edges, MASS * f, stretch=s) for f, s in ((1.0, 1.3), (1.01, 0.9)))
    return [
        {"kind": "normalisation", "name": "luminosity", "up": 1.02},
        {"kind": "normalisation", "name": "efficiency", "up": 1.15, "down": 0.92},
        {"kind": "mass", "name": "scale", "size": 0.01},
        {"kind": "width", "name": "resolution", "size": 0.15},
        {"kind": "template", "name": "radiation", "up": tuple(wide), "down": tuple(shifted)},
    ]


def draw(spectrum: Spectrum, expected: Any, seed: int) -> Spectrum:
    """A Poisson fluctuation of an expectation."""
    return Spectrum(spectrum.edges, np.random.default_rng(seed).poisson(expected))
