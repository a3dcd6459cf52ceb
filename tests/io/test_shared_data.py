"""Simulated and recorded events, where they lie beside the repository."""

from pathlib import Path

import numpy as np
import pytest

from lamppost.errors import DataError
from lamppost.io import Data, read

SHARED = Path(__file__).parents[3] / "shared" / "data"
pytestmark = pytest.mark.skipif(not SHARED.is_dir(), reason="the shared sample files are not beside the repository")
FEATURES = ["mj1", "dm = abs(mj1 - mj2)", "tau21_1 = where(tau1j1 > 0, tau2j1 / tau1j1, 0)"]


def test_lhco_like_parquet() -> None:
    data = Data(
        path=["lhco_like/qcd_0.parquet", "lhco_like/signal.parquet"], mass="mjj", features=FEATURES, label="label"
    )
    sample = read(data, base=SHARED, labels=True, mass_range=(3000.0, 4000.0))
    assert sample.n_rows == 280_000
    assert sample.labels is not None
    np.testing.assert_array_equal(sample.labels, sample.index >= 200_000)
    assert ((sample.events.m >= 3000) & (sample.events.m < 4000)).all()
    assert len(np.unique(sample.events.id)) == len(sample.events)
    signal = sample.events[sample.labels == 1]
    assert abs(np.median(signal.m) - 3500) < 100
    assert abs(np.median(signal.x[:, 1]) - 400) < 20  # m_X - m_Y


def test_ratio_of_vanishing_columns_is_refused() -> None:
    data = Data(path="lhco_like/qcd_[0-9].parquet", mass="mjj", features=["tau2j1 / tau1j1"])
    with pytest.raises(DataError, match=r"expression 'tau2j1 / tau1j1' has \d+ values? that cannot be used, the first"):
        read(data, base=SHARED)


def test_three_columns_of_2101() -> None:
    data = Data(path="lhco_like/raw_3000.h5:df", mass="0", features=["1", "`0` * sinh(`1`)"], label="2100")
    sample = read(data, base=SHARED, labels=True)
    assert sample.labels is not None
    np.testing.assert_array_equal(sample.labels, np.arange(3000) >= 2000)
    assert (sample.events.m > 0).all()
    assert abs(sample.events.x[:, 0]).max() < 3


def test_official_lhco_example() -> None:
    sample = read(Data(path="lhco_tiny/*.h5", mass="0", features=["1", "2"], label="2100"), base=SHARED, labels=True)
    assert len(sample.events) == 1000
    assert sample.labels is not None
    assert 0 < sample.labels.sum() < 1000


def test_recorded_dimuons() -> None:
    mass = "sqrt((E1 + E2)**2 - (px1 + px2)**2 - (py1 + py2)**2 - (pz1 + pz2)**2)"
    data = Data(
        path="cms_open_dimuon/peakdata3.csv.gz",
        mass="M",
        features=["abs(eta1 - eta2)", f"m = {mass}", "dphi = (phi1 - phi2 + 3.14159265) % 6.2831853 - 3.14159265"],
        id=["Run", "Event"],
        select="Q1 * Q2 < 0",
    )
    sample = read(data, base=SHARED)
    assert 0 < len(sample.events) <= sample.n_rows
    np.testing.assert_allclose(sample.events.x[:, 1], sample.events.m, rtol=5e-3)
    assert abs(sample.events.x[:, 2]).max() <= 3.1416


def test_text_in_csv() -> None:
    data = Data(path="cms_open_dimuon/peakdata3.csv.gz", mass="M", features=["Type1"])
    with pytest.raises(DataError, match=r"column 'Type1', row 0 \(line 2\): expected a number, found 'G'"):
        read(data, base=SHARED)
