"""Numbers of published spectra and of other programs, reproduced."""

import numpy as np
import pytest
from smooth_spectra import dimuon_masses, published

from lamppost.stats import Spectrum, bin_edges, fit_background, scan

SIGNAL = {"kind": "crystal_ball", "resolution": 0.04}
GRID = np.arange(1800.0, 5801.0, 100.0)


@pytest.mark.parametrize(
    ("name", "parameters", "chi2", "ndf"),
    [
        ("cms_dijet", 3, 33.1, 36),  # arXiv:1911.03947
        ("cms_dijet", 4, 33.1, 35),
        ("atlas_dijet_1910.08447", 4, 103.6, 80),
        ("atlas_dijet_1910.08447", 5, 99.9, 79),
        ("cms_dijet_pair", 4, 45.2, 29),  # arXiv:2206.09997
        ("cms_trijet", 3, 43.1, 39),  # arXiv:2310.14023
        ("cms_diphoton", 3, 75.9, 90),  # arXiv:2405.09320
        ("cms_dimuon", 2, 13.0, 13),  # arXiv:2307.08708
    ],
)
def test_chi2_of_published_spectra(name: str, parameters: int, chi2: float, ndf: int) -> None:
    fit = fit_background(published(name), "dijet", parameters)
    assert fit.converged
    assert fit.function == f"dijet{parameters}"
    assert fit.chi2 == pytest.approx(chi2, abs=0.1)
    assert fit.ndf == ndf


def test_deviance_of_28_million_events() -> None:
    fit = fit_background(published("atlas_dijet_1910.08447"), "dijet", 5)
    assert fit.deviance == pytest.approx(118.5, abs=0.1)
    assert fit.p_value == pytest.approx(0.056, abs=0.001)
    assert fit.expected.sum() == pytest.approx(28619185, rel=1e-9)


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("cms_dijet", "dijet3"),
        ("atlas_dijet_1910.08447", "dijet5"),
        ("cms_trijet", "dijet3"),
        ("cms_diphoton", "dijet3"),
        ("cms_dimuon", "dijet2"),
    ],
)
def test_f_test_on_published_spectra(name: str, function: str) -> None:
    assert fit_background(published(name)).function == function


def test_reference_case_local() -> None:
    """Local Z by hand and by zfit with hepstats: 3.4943; 3.70 on a grid in steps of 0.5 %."""
    result = scan(published("reference_case"), signal=SIGNAL, n_parameters=4, masses=GRID, toys=0)
    assert result.best_mass == 3000.0
    assert result.z_local == pytest.approx(3.4943, abs=0.001)
    assert result.signal == pytest.approx(158, abs=1)
    assert result.p_global is None
    fine = np.exp(np.arange(np.log(1800.0), np.log(5800.0), 0.005))
    assert scan(
        published("reference_case"), signal=SIGNAL, n_parameters=4, masses=fine, toys=0
    ).z_local == pytest.approx(3.70, abs=0.01)


def test_reference_case_global() -> None:
    """Template scan with toys: 0.0064 +- 0.0004; 60,000 toys add a statistical error of 0.0003."""
    result = scan(published("reference_case"), signal=SIGNAL, n_parameters=4, masses=GRID, toys=60000)
    assert result.p_global == pytest.approx(0.0064, abs=0.001)
    assert result.n_toys == 60000
    assert result.n_failed <= 5
    assert result.p_global_method.startswith("toys, ")


@pytest.mark.parametrize(
    ("name", "lo", "hi", "resolution", "mass"),
    [
        ("peakdata4", 0.91, 1.12, 0.010, 1.01946),  # phi
        ("peakdata6", 3.5, 3.9, 0.010, 3.68610),  # psi(2S)
        ("peakdata3", 9.0, 9.7, 0.010, 9.46040),  # Upsilon(1S)
        ("Zmumu_Run2011A_masses", 60.0, 120.0, 0.020, 91.1880),  # Z: its natural width added
    ],
)
def test_resonances_in_real_collisions(name: str, lo: float, hi: float, resolution: float, mass: float) -> None:
    spectrum = Spectrum.from_masses(dimuon_masses(name), bin_edges(lo, hi, resolution))
    signal = {"kind": "crystal_ball", "resolution": resolution}
    result = scan(spectrum, background="polynomial", signal=signal, toys=0)
    assert result.converged.all()
    assert result.z_local > 8.0
    assert result.best_mass == pytest.approx(mass, rel=0.003)
