"""Spectra, binning, and conversions between p and Z."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm
from smooth_spectra import falling_masses

from lamppost.errors import FitError
from lamppost.stats import Spectrum, bin_edges, p_from_z, z_from_p
from lamppost.stats.convert import z_from_log_p

EDGES = np.array([1.0, 2.0, 3.0, 5.0])


def test_filling_with_weights() -> None:
    m, w = np.array([0.5, 1.5, 1.7, 4.0, 5.5]), np.array([9.0, 2.0, 1.0, 3.0, 9.0])
    spectrum = Spectrum.from_masses(m, EDGES, w)
    np.testing.assert_array_equal(spectrum.counts, [3.0, 0.0, 3.0])
    np.testing.assert_array_equal(spectrum.variances, [5.0, 0.0, 9.0])
    np.testing.assert_allclose(spectrum.scale, 14.0 / 6.0)  # too few events for a scale of each bin
    np.testing.assert_allclose(spectrum.effective, spectrum.counts * 6.0 / 14.0)


def test_well_filled_bins_have_their_own_scale() -> None:
    m = np.repeat([1.5, 2.5, 4.0], [200, 2, 100])
    spectrum = Spectrum.from_masses(m, EDGES, np.where(m < 3.0, 2.0, 3.0))
    np.testing.assert_allclose(spectrum.scale, [2.0, (202 * 4.0 + 100 * 9.0) / (202 * 2.0 + 100 * 3.0), 3.0])
    np.testing.assert_allclose(spectrum.effective[[0, 2]], [200.0, 100.0])


def test_unweighted_counts_are_their_own_variance() -> None:
    spectrum = Spectrum.from_masses(np.array([1.5, 1.7, 4.0]), EDGES)
    np.testing.assert_array_equal(spectrum.variances, spectrum.counts)
    np.testing.assert_array_equal(spectrum.scale, 1.0)
    assert not spectrum.counts.flags.writeable


@pytest.mark.parametrize(
    ("edges", "counts", "variances", "message"),
    [
        (EDGES, [1.0, 2.0], None, "do not match"),
        (EDGES[::-1], [1.0, 2.0, 3.0], None, "must be finite and rise"),
        (EDGES, [1.0, -2.0, 3.0], [1.0, 8.0, 3.0], r"bin 1 \[2, 3\) has a sum of weights -2 and of squared weights 8"),
        (EDGES, [1.0, np.nan, 3.0], None, "bin 1"),
        (EDGES, [1.0, 0.0, 3.0], [1.0, 2.0, 3.0], "needs both positive"),
    ],
)
def test_impossible_spectra_are_refused(edges: Any, counts: Any, variances: Any, message: str) -> None:
    with pytest.raises(FitError, match=message):
        Spectrum(edges, counts, variances)


@given(lo=st.floats(0.1, 1e4), ratio=st.floats(1.05, 30.0), resolution=st.floats(0.005, 0.2))
def test_default_bins_are_at_most_half_a_sigma(lo: float, ratio: float, resolution: float) -> None:
    edges = bin_edges(lo, lo * ratio, resolution)
    assert edges[0] == pytest.approx(lo)
    assert edges[-1] == pytest.approx(lo * ratio)
    assert np.diff(np.log(edges)).max() <= 0.5 * resolution * (1 + 1e-6)


def test_bins_of_a_width() -> None:
    np.testing.assert_allclose(bin_edges(-1.0, 1.0, 0.0, width=1.0), [-1.0, -0.5, 0.0, 0.5, 1.0])
    for wrong in ((0.0, 5.0, 0.1), (3.0, 2.0, 0.1), (1.0, 2.0, 0.0)):
        with pytest.raises(FitError, match="cannot cut"):
            bin_edges(*wrong)


def test_default_bins_lose_little_information() -> None:
    """Expected significance of a small peak: at least 99.3 % of that in bins sixteen times finer."""
    from lamppost.stats import Gaussian

    def significance(per_sigma: float) -> float:
        edges = bin_edges(2800.0, 8000.0, 0.03, per_sigma=per_sigma)
        masses = falling_masses(400_000, np.random.default_rng(1))
        fine, _ = np.histogram(masses, bin_edges(2800.0, 8000.0, 0.03, per_sigma=1.0))
        smooth = np.interp(0.5 * (edges[1:] + edges[:-1]), falling_middle, fine / falling_width) * np.diff(edges)
        return float(np.sqrt(np.sum(Gaussian().fractions(edges, 4000.0) ** 2 / smooth)))

    coarse = bin_edges(2800.0, 8000.0, 0.03, per_sigma=1.0)
    falling_middle, falling_width = 0.5 * (coarse[1:] + coarse[:-1]), np.diff(coarse)
    assert significance(2.0) / significance(32.0) > 0.993


@given(z=st.floats(-8.0, 37.0))
def test_p_and_z_are_inverse(z: float) -> None:
    assert p_from_z(z) == pytest.approx(norm.sf(z), rel=1e-12)
    assert z_from_p(p_from_z(z)) == pytest.approx(z, abs=0.1 if z < -7 else 1e-4)


def test_ends_of_the_scale_are_finite() -> None:
    assert z_from_p(0.0) == pytest.approx(38.4)
    assert z_from_p(1.0) == pytest.approx(-8.2)
    assert z_from_p(0.5) == 0.0
    assert z_from_p(0.75) < 0.0
    assert p_from_z(50.0) == 0.0
    assert z_from_log_p(-5000.0) == pytest.approx(99.95, abs=0.01)
    assert z_from_log_p(0.0) == pytest.approx(-8.2)
    with pytest.raises(ValueError, match=r"lies in \[0, 1\]"):
        z_from_p(1.5)
