"""The spectra that several sections share: published ones, and the expectations that pseudo-data are drawn from."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from lamppost.core import Array
from lamppost.io.spectrum import Table, read_spectrum
from lamppost.stats import Spectrum, fit_background, scan

__all__ = ["FAMILIES", "MASS", "MASSES", "ORDERS", "SIGNAL", "Case", "cases", "difference", "order_name", "spectrum"]

MASSES = np.arange(1800.0, 5801.0, 100.0)
MASS = 3000.0
SIGNAL = {"kind": "crystal_ball", "resolution": 0.04}
FAMILIES = {"dijet": 4, "polynomial": 5}
"""Fitted to the reference case to draw pseudo-data from; the analysis always fits the first."""
SIZES = {"65k": None, "2k": 2000.0}
ORDERS: dict[str, int | None] = {"F-test": None, "4": 4}
"""The order of the analysis: as shipped (F-test in scans, all profiled at a fixed mass), and fixed."""


class Case(NamedTuple):
    """What pseudo-data are drawn from: a family fitted to the reference case and scaled; truth (bins,)."""

    family: str
    size: str
    number: int
    edges: Array
    truth: Array

    @property
    def name(self) -> str:
        return f"{self.family}{FAMILIES[self.family]}, {self.size}"

    def draw(self, seed: int) -> Spectrum:
        """The pseudo-data of a seed; the stream also depends on which case it is."""
        return Spectrum(self.edges, np.random.default_rng([seed, self.number]).poisson(self.truth).astype(float))


def spectrum(data: Path, name: str) -> Spectrum:
    """A spectrum of the folder `spectra`."""
    table = read_spectrum(data / "spectra" / f"{name}.csv")
    if not isinstance(table, Table):
        raise SystemExit(f"{name} holds no histogram")
    return Spectrum(*table)


def cases(data: Path) -> list[Case]:
    """The four of them."""
    reference = spectrum(data, "reference_case")
    made = []
    for family, order in FAMILIES.items():
        expected = fit_background(reference, family, order).expected
        for size, events in SIZES.items():
            scale = 1.0 if events is None else events / expected.sum()
            made.append(Case(family, size, len(made), reference.edges, expected * scale))
    return made


def difference(case: Case, order: int) -> dict[str, float]:
    """What the analysis finds in the expectation itself, without fluctuations: how far its family is from the truth.

    deviance: of the background fit, by which that of pseudo-data is larger on average; largest: relative difference in
    a bin that expects at least 5; false_z: the signal of the largest size at any mass, in its own error, and at 3 TeV
    """
    found = scan(Spectrum(case.edges, case.truth), n_parameters=order, signal=SIGNAL, masses=MASSES, toys=0)
    false = found.yields / found.yield_errors
    return {
        "deviance": found.background.deviance,
        "largest": float(np.abs(found.background.expected / case.truth - 1.0)[case.truth >= 5.0].max()),
        "false_z": float(false[np.abs(false).argmax()]),
        "false_z_here": float(false[MASSES == MASS][0]),
    }


def order_name(order: str) -> str:
    """In words."""
    return "as shipped" if order == "F-test" else f"order {order}"
