"""Spectra that the tests of the fits share: published ones where they are at hand, and made-up ones."""

from pathlib import Path

import numpy as np
import pytest

from lamppost.core import Array
from lamppost.io.spectrum import Masses, Table, read_spectrum
from lamppost.stats import Spectrum, bin_edges

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"


def shared(path: str) -> Path:
    """A file of the shared data; skips the test where there is none."""
    file = DATA / path
    if not file.exists():
        pytest.skip(f"needs {path}, which is not part of this repository")
    return file


def published(name: str) -> Spectrum:
    """A published spectrum."""
    table = read_spectrum(shared(f"spectra/{name}.csv"))
    assert isinstance(table, Table)
    return Spectrum(*table)


def dimuon_masses(name: str) -> Array:
    """Dimuon masses [GeV] of real collisions."""
    masses = read_spectrum(shared(f"cms_open_dimuon/{name}.csv.gz"), column="M")
    assert isinstance(masses, Masses)
    return masses.m


def falling_masses(events: int, rng: np.random.Generator) -> Array:
    """Masses [GeV] from a power law m^-7 between 2800 and 8000."""
    low, high = 2800.0**-6, 8000.0**-6
    return (low + (high - low) * rng.random(events)) ** (-1.0 / 6.0)


def falling(events: int, seed: int = 1, resolution: float = 0.03) -> Spectrum:
    """A spectrum of `falling_masses` in the default bins."""
    masses = falling_masses(events, np.random.default_rng(seed))
    return Spectrum.from_masses(masses, bin_edges(2800.0, 8000.0, resolution))
