"""Every format keeps the same contract."""

import re
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from formats import FORMATS, Table, events, write_fixed

from lamppost.errors import DataError, LamppostError
from lamppost.io import Data, Sample, read
from lamppost.io.reader import NUMBERS, Reader, reader_of, split_part

Writer = Callable[[Path, Table], str]
ROWS = 1234
TABLE = events(ROWS)
DATA = {
    "mass": "mjj",
    "features": ["pt 1", "pt2", "ratio = `pt 1` / mjj"],
    "weight": "w",
    "select": "pt2 > -0.002",
    "label": "label",
    "groups": {"first": ["pt 1", "ratio"]},
}


@pytest.fixture(params=FORMATS)
def write(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[Table], str]:
    name, writer = FORMATS[request.param]
    return lambda table: writer(tmp_path / name, table)


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("parquet", "root"):
        monkeypatch.setattr(f"lamppost.io.{module}.ROWS", 57)
    monkeypatch.setattr("lamppost.io.lhco.SLAB", 3000)
    monkeypatch.setattr("lamppost.io.csv.BLOCK", 4000)


def open_reader(text: str) -> Reader:
    name, part = split_part(text)
    return reader_of(Path(name), part)


def same(one: Sample, other: Sample) -> None:
    for name in ("id", "x", "m", "w"):
        assert getattr(one.events, name).tobytes() == getattr(other.events, name).tobytes(), name
    assert one.events.names == other.events.names
    assert one.events.groups == other.events.groups
    np.testing.assert_array_equal(one.index, other.index)
    assert (one.n_rows, one.n_dropped) == (other.n_rows, other.n_dropped)


def test_columns_are_numbers(write: Callable[[Table], str]) -> None:
    known = open_reader(write(TABLE)).columns()
    assert sorted(set(known) - {"index"}) == sorted(TABLE)
    assert set(known.values()) <= NUMBERS


@pytest.mark.usefixtures("small_chunks")
def test_chunks_hold_the_columns_asked_for_and_all_rows(write: Callable[[Table], str]) -> None:
    chunks = list(open_reader(write(TABLE)).chunks(["w", "event", "pt 1"], {"event"}))
    assert len(chunks) > 3
    assert all(list(chunk) == ["w", "event", "pt 1"] for chunk in chunks)
    assert all(chunk["event"].dtype.kind in "iu" for chunk in chunks)
    for name in ("w", "event", "pt 1"):
        np.testing.assert_array_equal(np.concatenate([chunk[name] for chunk in chunks]), TABLE[name])


def test_every_format_gives_the_same_events(write: Callable[[Table], str]) -> None:
    sample = read(Data(path=write(TABLE), **DATA), labels=True)
    keep = TABLE["pt2"] > -0.002
    assert 0 < keep.sum() < ROWS
    expected = np.stack([TABLE["pt 1"], TABLE["pt2"], TABLE["pt 1"] / TABLE["mjj"]], axis=1).astype(np.float32)[keep]
    assert sample.events.x.tobytes() == expected.tobytes()
    assert sample.events.m.tobytes() == TABLE["mjj"][keep].tobytes()
    assert sample.events.w.tobytes() == TABLE["w"][keep].tobytes()
    np.testing.assert_array_equal(sample.index, np.flatnonzero(keep))
    assert sample.labels is not None
    np.testing.assert_array_equal(sample.labels, TABLE["label"][keep])
    assert sample.n_rows == ROWS


def test_identifiers_do_not_depend_on_the_format(write: Callable[[Table], str], tmp_path: Path) -> None:
    reference = write_fixed(tmp_path / "reference.h5", TABLE)
    text = write(TABLE)
    same(read(Data(path=text, **DATA)), read(Data(path=reference, **DATA)))
    same(read(Data(path=text, id=["run", "event"], **DATA)), read(Data(path=reference, id=["run", "event"], **DATA)))


@pytest.mark.usefixtures("small_chunks")
def test_chunks_do_not_show(write: Callable[[Table], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = write(TABLE)
    one = read(Data(path=text, **DATA), mass_range=(60.0, 300.0))
    monkeypatch.undo()
    same(one, read(Data(path=text, **DATA), mass_range=(60.0, 300.0)))


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_missing_values_are_refused_or_dropped(write: Callable[[Table], str], bad: float) -> None:
    values = TABLE["pt2"].copy()
    values[[401, 500, 1200]] = bad
    text = write({**TABLE, "pt2": values})
    data = Data(path=text, mass="mjj", features=["pt2", "w"])
    with pytest.raises(DataError, match=rf"{re.escape(text)}.*column 'pt2' has 3 values .* row 401 is {bad:g};"):
        read(data)
    sample = read(data.model_copy(update={"missing": "drop"}))
    assert (sample.n_rows, sample.n_dropped, len(sample.events)) == (ROWS, 3, ROWS - 3)
    assert not np.isin([401, 500, 1200], sample.index).any()


def test_no_rows(write: Callable[[Table], str]) -> None:
    text = write({name: values[:0] for name, values in TABLE.items()})
    with pytest.raises(DataError, match="empty, expected at least one row"):
        read(Data(path=text, mass="mjj", features=["pt2"]))


def test_unknown_column(write: Callable[[Table], str]) -> None:
    with pytest.raises(DataError, match=r"no column 'pt3', did you mean 'pt2'\? Known are .*mjj"):
        read(Data(path=write(TABLE), mass="mjj", features=["pt3"]))


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9])
def test_truncated_file(write: Callable[[Table], str], share: float) -> None:
    text = write(TABLE)
    path = Path(split_part(text)[0])
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(DataError) as caught:
        read(Data(path=text, mass="mjj", features=["pt2"], weight="label", id=["event"]))
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_rubbish(write: Callable[[Table], str]) -> None:
    text = write(TABLE)
    Path(split_part(text)[0]).write_bytes(np.random.default_rng(1).bytes(5000))
    with pytest.raises(DataError, match=re.escape(split_part(text)[0])):
        read(Data(path=text, mass="mjj", features=["pt2"]))


@pytest.mark.parametrize(("suffix", "extra"), [(".root", "root"), (".h5", "hdf5")])
def test_library_that_is_not_installed(
    suffix: str, extra: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("uproot", "h5py"):
        monkeypatch.setitem(sys.modules, name, None)
    path = tmp_path / f"t{suffix}"
    path.touch()
    with pytest.raises(LamppostError, match=rf"pip install 'lamppost\[{extra}\]'"):
        read(Data(path=str(path), mass="m", features=["x"]))
