"""Statistical models that the tests of the exports write, and their likelihood without any of the code under test."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lamppost.stats.shapes.families
import lamppost.stats.shapes.interpolation  # both register their kinds  # noqa: F401
from lamppost.core import Array
from lamppost.io.spectrum import Table, read_spectrum
from lamppost.stats import Spectrum
from lamppost.stats.limits.workspace import Workspace

REFERENCE = Path(__file__).resolve().parents[4] / "shared" / "data" / "spectra" / "reference_case.csv"
SOURCES: tuple[Any, ...] = (
    {"kind": "normalisation", "name": "luminosity (2016)", "up": 1.03},
    {"kind": "normalisation", "name": "efficiency", "up": 1.08, "down": 0.9},
    {"kind": "mass", "name": "energy scale", "size": 0.01},
    {"kind": "width", "name": "resolution", "size": 0.1},
)


def toy_spectrum(bins: int = 20, weight: float | None = None) -> Spectrum:
    """30,000 events of a falling spectrum between 1500 and 6000 with a small bump at 2500; maybe all of one weight."""
    rng = np.random.default_rng(1600)
    falling = 1500.0 * rng.random(40_000) ** (-1.0 / 5.0)
    m = np.concatenate([falling, rng.normal(2500.0, 100.0, 150)])
    spectrum = Spectrum.from_masses(m, np.geomspace(1500.0, 6000.0, bins + 1))
    if weight is None:
        return spectrum
    return Spectrum(spectrum.edges, weight * spectrum.counts, weight**2 * spectrum.counts)


def model(**options: Any) -> Workspace:
    """A workspace of the toy spectrum at a mass of 2500."""
    given: dict[str, Any] = {"background": "dijet", "n_parameters": 3, "signal": {"kind": "crystal_ball"}}
    given["signal"]["resolution"] = 0.04
    spectrum = options.pop("spectrum", None) or toy_spectrum()
    return Workspace(spectrum, 2500.0, **(given | options))


def template_source(workspace: Workspace) -> dict[str, Any]:
    """A change of the signal's shape, given by histograms."""
    up, down = workspace.moved(0.01, 0.05), workspace.moved(-0.02, 0.0)
    return {"kind": "template", "name": "shower", "up": tuple(up), "down": tuple(down)}


def reference() -> Workspace:
    """The reference case at the mass of its bump; skips the test where it is not at hand."""
    if not REFERENCE.exists():
        pytest.skip("needs spectra/reference_case.csv, which is not part of this repository")
    table = read_spectrum(REFERENCE)
    assert isinstance(table, Table)
    signal = {"kind": "crystal_ball", "resolution": 0.04}
    return Workspace(Spectrum(*table), 3000.0, n_parameters=4, signal=signal)


def background_bins(workspace: Workspace, parameters: Array) -> Array:
    """Sum of weights expected in each bin for parameters of the family, by a 20-point integral of its density."""
    spectrum = workspace.spectrum
    x, w = np.polynomial.legendre.leggauss(20)
    half, middle = 0.5 * np.diff(spectrum.edges), 0.5 * (spectrum.edges[1:] + spectrum.edges[:-1])
    m = middle + np.outer(x, half)
    design = workspace.background.design(m.ravel(), spectrum.lo, spectrum.hi)[:, : len(parameters)]
    return np.asarray((w[:, None] * half * np.exp(design @ parameters).reshape(m.shape)).sum(axis=0))


def nll(workspace: Workspace, parameters: Array, signal: float, nuisances: Mapping[str, float]) -> float:
    """-ln L of the scaled Poisson with standard normal constraints, up to a constant."""
    scale = workspace.spectrum.scale
    mu = workspace.expected(background_bins(workspace, parameters), signal, nuisances) / scale
    n = workspace.spectrum.counts / scale
    return float(np.sum(mu - n * np.log(mu)) + 0.5 * sum(nu**2 for nu in nuisances.values()))


def points(workspace: Workspace, number: int, seed: int = 1601) -> list[tuple[Array, float, dict[str, float]]]:
    """Random parameters, yields and nuisance parameters around the background fit; the first is the fit itself."""
    rng = np.random.default_rng(seed)
    fit = workspace.background_fit
    names = [source.name for source in workspace.systematics] + (["spurious"] if workspace.spurious else [])
    spread = np.linalg.cholesky(fit.covariance)
    found = [(fit.parameters, 0.0, dict.fromkeys(names, 0.0))]
    for _ in range(number - 1):
        moved = fit.parameters + spread @ rng.normal(size=fit.n_parameters)
        signal = float(rng.uniform(-0.002, 0.006) * workspace.spectrum.counts.sum())
        found.append((moved, signal, {name: float(rng.normal(0.0, 1.3)) for name in names}))
    return found
