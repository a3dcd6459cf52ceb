"""pandas HDF5: what is read, and what is never unpickled."""

from pathlib import Path

import h5py
import numpy as np
import pytest
from formats import events, write_fixed, write_records

from lamppost.errors import DataError
from lamppost.io import Data, read

TABLE = events(50)


def load(text: str) -> int:
    return len(read(Data(path=text, mass="mjj", features=["pt2"])).events)


def complaint(text: str) -> str:
    with pytest.raises(DataError) as caught:
        load(text)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write_fixed(tmp_path / "t.h5", TABLE)
    return tmp_path / "t.h5"


def pickled(group: h5py.Group, key: str) -> None:
    """Replace a dataset by what PyTables makes of Python objects: one pickle in an array of bytes."""
    del group[key]
    values = group.create_dataset(key, (1,), dtype=h5py.vlen_dtype(np.uint8))
    values[0] = np.frombuffer(b"cos\nsystem\n(S'false'\ntR.", dtype=np.uint8)
    values.attrs.update(CLASS=np.bytes_("VLARRAY"), PSEUDOATOM=np.bytes_("object"))


def test_key_may_be_left_out(path: Path) -> None:
    assert load(str(path)) == load(f"{path}:df") == load(f"{path}:/df") == 50


def test_key_of_several(path: Path) -> None:
    write_fixed(path, TABLE, key="more/second")
    assert load(f"{path}:more/second") == 50
    assert 'expected one pandas frame, found df, more/second; name it as in "t.h5:key"' in complaint(str(path))
    assert "no pandas frame 'third', found df, more/second" in complaint(f"{path}:third")


def test_file_without_frame(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "t.h5", "w") as file:
        file["mjj"] = np.ones(3)
    assert "expected one pandas frame, found none" in complaint(str(tmp_path / "t.h5"))


def test_pickled_block(path: Path) -> None:
    with h5py.File(path, "a") as file:
        block = next(key for key in file["df"] if key.endswith("items") and b"pt2" in file["df"][key][()])
        pickled(file["df"], block.replace("items", "values"))
    assert "column 'mjj': expected one number per row, found pickled objects, which are never read" in complaint(
        str(path)
    )


def test_pickled_names(path: Path) -> None:
    with h5py.File(path, "a") as file:
        pickled(file["df"], "axis0")
    assert "axis0 holds pickled objects, which are never read; expected column names that are" in complaint(str(path))


def test_a_pickled_block_beside_is_no_matter(path: Path) -> None:
    with h5py.File(path, "a") as file:
        group = file["df"]
        n = int(group.attrs["nblocks"])
        group.attrs["nblocks"] = n + 1
        names = [*group["axis0"][()].tolist(), b"remark"]
        del group["axis0"]
        group["axis0"], group[f"block{n}_items"], group[f"block{n}_values"] = np.array(names), np.array([b"remark"]), 0
        pickled(group, f"block{n}_values")
    assert load(str(path)) == 50


def test_several_levels_of_columns(path: Path) -> None:
    with h5py.File(path, "a") as file:
        file["df"].move("axis0", "axis0_level0")
    assert "columns of several levels, expected plain names" in complaint(str(path))


def test_whole_numbers_as_names(path: Path) -> None:
    with h5py.File(path, "w") as file:
        group = file.create_group("df")
        group.attrs.update(pandas_type=np.bytes_("frame"), nblocks=1)
        group["axis0"] = group["block0_items"] = np.arange(3)
        group["block0_values"] = np.arange(15.0).reshape(3, 5)  # not transposed: a row for every column
    sample = read(Data(path=str(path), mass="1", features=["`2` - `0`"]))
    assert sample.events.m.tolist() == [5, 6, 7, 8, 9]
    assert sample.events.x[:, 0].tolist() == [10] * 5


def test_times_are_no_numbers(path: Path) -> None:
    with h5py.File(path, "a") as file:
        for key, values in file["df"].items():
            if key.endswith("values"):
                values.attrs["value_type"] = np.bytes_("datetime64")
    assert "column 'mjj': expected one number per row, found datetime64" in complaint(str(path))


def test_table_whose_names_are_pickled(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "t.h5", "w") as file:
        group = file.create_group("df")
        group.attrs["pandas_type"] = np.bytes_("frame_table")
        group["table"] = np.zeros(3, dtype=[("index", "i8"), ("values_block_0", "f8", (2,))])
    assert "values_block_0 keeps its column names as pickled objects" in complaint(str(tmp_path / "t.h5"))


def test_text_in_a_table(tmp_path: Path) -> None:
    text = write_records(tmp_path / "t.h5", {**TABLE, "pt2": np.full(50, b"abc")})
    assert "column 'pt2': expected one number per row, found text" in complaint(text)
