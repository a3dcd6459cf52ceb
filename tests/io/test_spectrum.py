"""Spectra from CSV files, and what is said about broken ones."""

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lamppost.errors import DataError
from lamppost.io.spectrum import Masses, Table, read_spectrum

BINS = "".join(f"{i},{i + 1},{10 - i}\n" for i in range(1, 7))
CORRECT = Table(np.arange(1.0, 8.0), np.arange(9.0, 3.0, -1.0))


def write(folder: Path, text: str, name: str = "spectrum.csv") -> Path:
    path = folder / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith("gz") else text.encode())
    return path


@pytest.mark.parametrize(
    "header",
    ["", "low,high,count\n", "a,b,c\n", "bin_low_GeV,bin_high_GeV,n_events\n", "mjj_low_GeV,mjj_high_GeV,Events\n"],
)
@pytest.mark.parametrize("name", ["s.csv", "s.csv.gz"])
def test_names_of_columns(tmp_path: Path, header: str, name: str) -> None:
    table = read_spectrum(write(tmp_path, header + BINS, name))
    assert isinstance(table, Table)
    np.testing.assert_array_equal(table.edges, CORRECT.edges)
    np.testing.assert_array_equal(table.counts, CORRECT.counts)


def test_counts_are_preferred_to_published_values(tmp_path: Path) -> None:
    text = "y[pb/TeV],bin_low_GeV,bin_high_GeV,y_err_up,n_events\n"
    text += "".join(f"0.{i},{i},{i + 1},,{i}.25\n" for i in range(5))
    table = read_spectrum(write(tmp_path, text), weighted=True)
    assert isinstance(table, Table)
    np.testing.assert_array_equal(table.counts, np.arange(5) + 0.25)
    assert table.variances is None
    without = read_spectrum(write(tmp_path, text.replace("n_events", "other")), weighted=True)
    assert isinstance(without, Table)
    np.testing.assert_allclose(without.counts, 0.1 * np.arange(5))


@pytest.mark.parametrize(
    "header",
    [
        "x_lo,x_hi,N",
        "lower edge,upper edge,Number of events",
        "bin_left,bin_right,hits",
        "xmin,xmax,data_obs",
        "BinLow,BinHigh,nEvents",
        "edge_min [GeV],edge_max [GeV],bin content",
        '"m [GeV] LOW","m [GeV] HIGH","Events"',
    ],
)
def test_usual_names(tmp_path: Path, header: str) -> None:
    table = read_spectrum(write(tmp_path, f"{header}\n{BINS}"))
    assert isinstance(table, Table)
    np.testing.assert_array_equal(table.edges, CORRECT.edges)
    np.testing.assert_array_equal(table.counts, CORRECT.counts)


@pytest.mark.parametrize("separator", [";", "\t", " "])
@pytest.mark.parametrize("comment", ["", "#: name: Table 1\n#: location: Figure 2\n\n"])
def test_separators_and_comments(tmp_path: Path, separator: str, comment: str) -> None:
    """HEPData's CSV files start with comments, numpy's text files separate by blanks."""
    text = f"low,high,count\n{BINS}".replace(",", separator)
    table = read_spectrum(write(tmp_path, comment + text, "spectrum.txt"))
    assert isinstance(table, Table)
    np.testing.assert_array_equal(table.edges, CORRECT.edges)
    np.testing.assert_array_equal(table.counts, CORRECT.counts)
    with pytest.raises(DataError, match=f"line {6 if comment else 3}: the count is negative"):
        read_spectrum(write(tmp_path, comment + text.replace(f"{separator}8\n", f"{separator}-8\n"), "spectrum.txt"))


@pytest.mark.parametrize("name", ["centre", "bin_center", "m", "mass [GeV]"])
def test_centres_of_equal_bins(tmp_path: Path, name: str) -> None:
    text = f"{name},events\n" + "".join(f"{i + 0.5},{10 - i}\n" for i in range(1, 7))
    table = read_spectrum(write(tmp_path, text))
    assert isinstance(table, Table)
    np.testing.assert_allclose(table.edges, CORRECT.edges, rtol=1e-12)
    np.testing.assert_array_equal(table.counts, CORRECT.counts)
    with pytest.raises(DataError, match="the centres of equal bins rise in equal steps, these do not"):
        read_spectrum(write(tmp_path, text.replace("6.5", "6.9")))


def test_weights_have_variances(tmp_path: Path) -> None:
    rows = [(i, i + 1, 2.5 * i, 0.5 * i) for i in range(1, 7)]
    text = "".join(f"{lo},{hi},{n},{error}\n" for lo, hi, n, error in rows)
    for header, power in (("error", 2), ("count_err", 2), ("sumw2", 1)):
        path = write(tmp_path, f"low,high,count,{header}\n{text}")
        with pytest.raises(DataError, match=r"whole numbers of events, found 2.5 in \[1, 2\); sums of weights need"):
            read_spectrum(path)
        table = read_spectrum(path, weighted=True, range=(2.0, 7.0))
        assert isinstance(table, Table)
        np.testing.assert_allclose(table.variances, [(0.5 * i) ** power for i in range(2, 7)])


def test_rounded_counts_of_publications(tmp_path: Path) -> None:
    """1580501.9871 is a count that went through a cross section; 12.4 is a sum of weights."""
    text = "low,high,count\n1,2,1580501.9871\n2,3,73488.9756\n3,4,187.998\n4,5,0\n"
    table = read_spectrum(write(tmp_path, text))
    assert isinstance(table, Table)
    np.testing.assert_array_equal(table.counts, [1580501.9871, 73488.9756, 187.998, 0.0])
    with pytest.raises(DataError, match=r"found 12\.4"):
        read_spectrum(write(tmp_path, text.replace("187.998", "12.4")))


def write_histograms(path: Path, **contents: Any) -> Path:
    """A ROOT file of histograms with six bins from 1 to 7."""
    hist = pytest.importorskip("hist")
    uproot = pytest.importorskip("uproot")
    with uproot.recreate(path) as file:
        for name, (counts, variances) in contents.items():
            storage = hist.storage.Double() if variances is None else hist.storage.Weight()
            data = counts if variances is None else np.stack([counts, variances], axis=-1)
            file[name] = hist.Hist(hist.axis.Regular(6, 1.0, 7.0), storage=storage, data=data)
        file["text"] = "not a histogram"
    return path


def test_root_histograms(tmp_path: Path) -> None:
    counts = CORRECT.counts
    one = write_histograms(tmp_path / "one.root", mass=(counts, None))
    for name in (one, f"{one}:mass"):
        table = read_spectrum(name, range=(2.0, 6.0))
        assert isinstance(table, Table)
        np.testing.assert_array_equal(table.edges, [2.0, 3.0, 4.0, 5.0, 6.0])
        np.testing.assert_array_equal(table.counts, counts[1:5])
        assert table.variances is None
    two = write_histograms(tmp_path / "two.root", mass=(counts, None), scaled=(0.5 * counts, 0.25 * counts))
    table = read_spectrum(f"{two}:scaled", weighted=True)
    assert isinstance(table, Table)
    np.testing.assert_allclose(table.variances, 0.25 * counts)
    for name, message in (
        (str(two), r"expected one histogram, found mass, scaled; name it as in \"two.root:mass\""),
        (f"{two}:none", "no histogram 'none', found mass, scaled"),
        (f"{two}:scaled", r"expected whole numbers of events, found 2\.5"),
        (f"{tmp_path}/none.root:mass", "no such file"),
    ):
        with pytest.raises(DataError, match=message) as caught:
            read_spectrum(name)
        assert "\n" not in str(caught.value)


def test_broken_root_files(tmp_path: Path) -> None:
    counts = np.array([3.0, -1.0, 2.0, 2.0, 2.0, 2.0])
    path = write_histograms(tmp_path / "s.root", mass=(counts, None))
    with pytest.raises(DataError, match=r"bin 2 \[2, 3\): expected a count of zero or more, found -1"):
        read_spectrum(path)
    with pytest.raises(DataError, match="`column` 'm' names a column of masses, found a histogram"):
        read_spectrum(path, column="m")
    with pytest.raises(DataError, match="already binned"):
        read_spectrum(path, bins=5)
    path.write_bytes(b"no root file")
    with pytest.raises(DataError, match="damaged or not what its suffix says"):
        read_spectrum(path)


def test_a_range_keeps_bins_wholly_inside(tmp_path: Path) -> None:
    table = read_spectrum(write(tmp_path, BINS), range=(1.5, 6.0))
    assert isinstance(table, Table)
    np.testing.assert_array_equal(table.edges, [2.0, 3.0, 4.0, 5.0, 6.0])
    np.testing.assert_array_equal(table.counts, [8.0, 7.0, 6.0, 5.0])


@pytest.mark.parametrize("text", ["mass\n1\n2\n2.5\n4\n", "1\n2\n2.5\n4\n", "id,mass\n7,1\n8,2\n9,2.5\n9,4\n"])
def test_masses(tmp_path: Path, text: str) -> None:
    path = write(tmp_path, text)
    column = "mass" if "," in text else None
    masses = read_spectrum(path, column=column)
    assert isinstance(masses, Masses)
    np.testing.assert_array_equal(masses.m, [1.0, 2.0, 2.5, 4.0])
    inside = read_spectrum(path, column=column, range=(1.5, 3.0))
    assert isinstance(inside, Masses)
    np.testing.assert_array_equal(inside.m, [2.0, 2.5])
    table = read_spectrum(path, column=column, bins=4, range=(0.0, 4.0))
    assert isinstance(table, Table)
    np.testing.assert_array_equal(table.edges, [0.0, 1.0, 2.0, 3.0, 4.0])
    np.testing.assert_array_equal(table.counts, [0.0, 1.0, 2.0, 1.0])


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("", {}, "cannot be read as CSV"),
        ("low,high,count\n", {}, "no rows"),
        ("low,high,count\n1,2\n", {}, "cannot be read as CSV"),
        ("low,high,count\n1,2,3\n2,3,four\n", {}, "column 'count', line 3: expected a number, found 'four'"),
        (
            "low,high,count\n1,2,3\n2,3,nan\n",
            {},
            "column 'count', line 3: expected a finite number, found nothing or NaN",
        ),
        ("low,high,count\n1,2,3\n2,,4\n", {}, "column 'high', line 3: expected a finite number, found nothing or NaN"),
        ("low,high,count\n1,2,3\n2,inf,4\n", {}, "column 'high', line 3: expected a finite number, found inf"),
        ("low,high,count\n1,2,3\n2,3,-1\n", {}, r"line 3: the count is negative, found \[2, 3\) with -1"),
        ("1,2,3\n2.5,3,1\n", {}, r"line 2: the bin does not start where the one before ends, found \[2.5, 3\)"),
        ("1,2,3\n1.5,3,1\n", {}, "line 2: the bin does not start where the one before ends"),
        ("1,2,3\n2,2,1\n", {}, "line 2: the bin's upper edge is not above its lower edge"),
        ("1,2,3\n2,3,1\n", {}, "expected at least 4 bins, found 2"),
        (BINS, {"range": (2.0, 4.0)}, r"expected at least 4 bins inside \[2, 4\], found 2"),
        (BINS, {"range": (20.0, 40.0)}, r"expected at least 4 bins inside \[20, 40\], found 0"),
        ("1,2,0\n2,3,0\n3,4,0\n4,5,0\n", {}, "all 4 bins are empty"),
        (BINS, {"bins": 5}, "already binned, or several columns"),
        ("a,b\n1,2\n", {}, "expected columns low, high and count, or one column of masses; found a, b"),
        ("low,high,zig\n1,2,3\n", {}, "expected columns low, high and count"),
        ("m\n1\nx\n", {}, "column 'm', line 3: expected a number, found 'x'"),
        ("m\n1\n2\n", {"column": "q"}, "no column 'q', found m"),
        ("m\n1\n2\n", {"range": (5.0, 6.0)}, r"no masses in \[5, 6\], they reach from 1 to 2"),
        ("m\n1\n2\n", {"bins": 2}, "expected at least 4 bins, asked for 2"),
    ],
)
def test_broken_files_are_named(tmp_path: Path, text: str, options: dict[str, Any], message: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(DataError, match=message) as caught:
        read_spectrum(path, **options)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_missing_and_garbled_files(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        read_spectrum(tmp_path / "none.csv")
    (tmp_path / "s.csv.gz").write_bytes(b"not gzip at all")
    with pytest.raises(DataError, match="cannot be read as CSV"):
        read_spectrum(tmp_path / "s.csv.gz")
