"""Histograms in and out: hist, boost-histogram, uproot, and the UHI protocol."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from export_models import toy_spectrum

from lamppost.errors import FitError
from lamppost.io.spectrum import Table, read_spectrum, table_of
from lamppost.stats import Spectrum
from lamppost.stats.export import from_uhi, to_hist, to_uhi, write_root

hist = pytest.importorskip("hist")
SPECTRA = {"counts": toy_spectrum(), "weights": toy_spectrum(weight=0.3)}


def same(found: Spectrum, expected: Spectrum) -> None:
    np.testing.assert_array_equal(found.edges, expected.edges)
    np.testing.assert_array_equal(found.counts, expected.counts)
    np.testing.assert_array_equal(found.variances, expected.variances)


@pytest.mark.parametrize("name", SPECTRA)
@pytest.mark.parametrize("convert", [to_uhi, to_hist])
def test_there_and_back(name: str, convert: Any) -> None:
    same(from_uhi(convert(SPECTRA[name]), weighted=name == "weights"), SPECTRA[name])


@pytest.mark.parametrize("name", SPECTRA)
def test_protocol(name: str) -> None:
    """The object without a library has what the protocol asks for, and equals that of hist."""
    plottable = pytest.importorskip("uhi.typing.plottable")
    made, known = to_uhi(SPECTRA[name]), to_hist(SPECTRA[name])
    assert isinstance(made, plottable.PlottableHistogram)
    assert str(made.kind) == known.kind == "COUNT"
    for method in ("values", "variances"):
        np.testing.assert_allclose(getattr(made, method)(), getattr(known, method)(), rtol=1e-12)
    np.testing.assert_allclose(made.counts(), toy_spectrum().counts, rtol=1e-12)  # effective entries
    (axis,), (other,) = made.axes, known.axes
    assert [tuple(pair) for pair in axis] == [tuple(pair) for pair in other]
    assert len(axis) == len(other)
    assert axis == to_uhi(SPECTRA[name]).axes[0]
    assert not axis.traits.circular
    assert not axis.traits.discrete
    with pytest.raises(IndexError, match="no bin 20"):
        axis[20]


def test_boost_histogram_of_any_storage_and_axis() -> None:
    bh = pytest.importorskip("boost_histogram")
    m = np.random.default_rng(1603).uniform(90.0, 210.0, 500)
    expected = Spectrum.from_masses(m, np.linspace(100.0, 200.0, 11))
    for storage in (bh.storage.Int64(), bh.storage.Double(), bh.storage.Weight()):
        filled = bh.Histogram(bh.axis.Regular(10, 100.0, 200.0), storage=storage)
        filled.fill(m)
        same(from_uhi(filled), expected)  # under- and overflow left out


@pytest.mark.parametrize("name", SPECTRA)
def test_root_file(tmp_path: Path, name: str) -> None:
    uproot = pytest.importorskip("uproot")
    path = write_root(tmp_path / "spectra.root", {"mass": SPECTRA[name], "other": SPECTRA["counts"]})
    with uproot.open(path) as file:
        assert file.classnames(cycle=False) == {"mass": "TH1D", "other": "TH1D"}
        same(from_uhi(file["mass"], weighted=name == "weights"), SPECTRA[name])
    table = read_spectrum(f"{path}:mass", weighted=name == "weights")
    assert isinstance(table, Table)
    same(Spectrum(*table), SPECTRA[name])


def test_what_is_no_spectrum() -> None:
    bh = pytest.importorskip("boost_histogram")
    plane = bh.Histogram(bh.axis.Regular(4, 0, 1), bh.axis.Regular(4, 0, 1))
    words = bh.Histogram(bh.axis.StrCategory(["a", "b"]))
    means = bh.Histogram(bh.axis.Regular(4, 0, 1), storage=bh.storage.Mean())
    for other in (plane, words, means, [1, 2, 3]):
        with pytest.raises(FitError, match="a histogram of counts on one axis of intervals"):
            from_uhi(other)
        with pytest.raises(Exception, match="a histogram of counts on one axis of intervals"):
            table_of(other)
    gaps = bh.Histogram(bh.axis.IntCategory([1, 2, 3]))
    with pytest.raises(FitError):
        from_uhi(gaps)
    halves = bh.Histogram(bh.axis.Regular(4, 0, 1))
    halves[...] = [1.0, 2.0, 2.5, 1.0]
    with pytest.raises(FitError, match=r"whole numbers of events, found 2.5 in bin 2"):
        from_uhi(halves)
    assert from_uhi(halves, weighted=True).counts[2] == 2.5
    negative = bh.Histogram(bh.axis.Regular(4, 0, 1))
    negative[...] = [1.0, -2.0, 2.0, 1.0]
    with pytest.raises(FitError, match="bin 1"):
        from_uhi(negative)
