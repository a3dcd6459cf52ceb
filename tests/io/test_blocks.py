"""Padded constituents of jets beside the features: `[data] blocks`."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from formats import FORMATS, events
from numpy.typing import NDArray
from pydantic import ValidationError

import lamppost.io.parquet
from lamppost.errors import ConfigError, DataError
from lamppost.io import Data, Sample, read

ROWS = 300
TABLE = events(ROWS)
SIZES = {"constituents_j1": 5, "constituents_j2": 8}


def constituents(particles: int, seed: int, rows: int = ROWS) -> NDArray[np.float32]:
    """(rows, particles, 3): relative pt, eta, phi; zero where there is no particle."""
    rng = np.random.default_rng(seed)
    values = rng.normal(0.0, 0.3, (rows, particles, 3)).astype(np.float32)
    values[..., 0] = rng.uniform(0.01, 1.0, (rows, particles))
    values[np.arange(particles) >= rng.integers(0, particles + 1, (rows, 1))] = 0.0
    return values


def column(values: NDArray[np.float32], kind: Any = None) -> pa.Array:
    _, particles, width = values.shape
    return pa.FixedSizeListArray.from_arrays(pa.array(values.ravel(), kind or pa.float32()), particles * width)


def write(path: Path, blocks: dict[str, NDArray[np.float32]], **more: Any) -> str:
    arrays = {name: pa.array(values[: len(next(iter(blocks.values())))]) for name, values in TABLE.items()}
    arrays |= {name: column(values) for name, values in blocks.items()} | more
    schema = []
    for name, array in arrays.items():
        told = None
        if name in blocks:
            told = {b"particles": str(blocks[name].shape[1]).encode(), b"columns": str(blocks[name].shape[2]).encode()}
        schema.append(pa.field(name, array.type, metadata=told))
    pq.write_table(pa.table(list(arrays.values()), schema=pa.schema(schema)), path, row_group_size=70)
    return str(path)


BLOCKS = {name: constituents(size, seed) for seed, (name, size) in enumerate(SIZES.items())}
BOTH = np.concatenate(list(BLOCKS.values()), axis=1)


def load(path: str | list[str], columns: Any = tuple(SIZES), **settings: Any) -> Sample:
    options = {"mass": "mjj", "features": ["pt2"], "blocks": {"constituents": list(columns)}, **settings}
    mass_range = options.pop("mass_range", None)
    return read(Data(path=path, **options), mass_range=mass_range)


@pytest.fixture(params=[None, 37])
def path(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param:
        monkeypatch.setattr(lamppost.io.parquet, "ROWS_OF_BLOCKS", request.param)
    return write(tmp_path / "t.parquet", BLOCKS)


def test_particles_of_several_jets_behind_one_another(path: str) -> None:
    values, mask = load(path).events.blocks["constituents"]
    assert (values.shape, values.dtype) == ((ROWS, 13, 3), np.float32)
    np.testing.assert_array_equal(values, BOTH)
    np.testing.assert_array_equal(mask, BOTH[:, :, 0] > 0)
    assert 0.3 < mask.mean() < 0.7


def test_order_and_names_are_those_of_the_configuration(path: str) -> None:
    sample = load(path, blocks={"j2": ["constituents_j2"], "all": ["constituents_j2", "constituents_j1"]})
    np.testing.assert_array_equal(sample.events.blocks["j2"][0], BLOCKS["constituents_j2"])
    np.testing.assert_array_equal(sample.events.blocks["all"][0][:, 8:], BLOCKS["constituents_j1"])


def test_rows_that_are_left_out(path: str) -> None:
    sample = load(path, select="pt2 > 0", mass_range=(60.0, 200.0))
    assert 20 < len(sample.events) < 200
    np.testing.assert_array_equal(sample.events.blocks["constituents"][0], BOTH[sample.index])
    some = sample.events[sample.events.m > 100]
    np.testing.assert_array_equal(some.blocks["constituents"][0], BOTH[sample.index[sample.events.m > 100]])


def test_several_files_are_joined(tmp_path: Path) -> None:
    halves = [{name: values[part] for name, values in BLOCKS.items()} for part in (slice(100), slice(100, 200))]
    paths = [write(tmp_path / f"{i}.parquet", half) for i, half in enumerate(halves)]
    np.testing.assert_array_equal(load(paths).events.blocks["constituents"][0], BOTH[:200])
    small = {name: values[:, :3] for name, values in BLOCKS.items()}
    with pytest.raises(DataError, match=r"block 'constituents': expected as many .* found 6 x 3 and 13 x 3"):
        load([paths[0], write(tmp_path / "small.parquet", small)])


def test_other_values_do_not_change(path: str) -> None:
    with_blocks, without = load(path).events, load(path, blocks={}).events
    for name in ("id", "x", "m", "w"):
        assert getattr(with_blocks, name).tobytes() == getattr(without, name).tobytes()
    assert without.blocks == {}


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_particles_that_are_not_finite(bad: float, tmp_path: Path) -> None:
    values = BLOCKS["constituents_j2"].copy()
    values[[123, 200], 7, 1] = bad
    path = write(tmp_path / "t.parquet", {**BLOCKS, "constituents_j2": values})
    with pytest.raises(DataError, match=rf"column 'constituents_j2' has 2 values .* in row 123 is {bad:g}"):
        load(path)
    sample = load(path, missing="drop")
    assert (len(sample.events), sample.n_dropped) == (ROWS - 2, 2)
    np.testing.assert_array_equal(sample.events.blocks["constituents"][0], BOTH[sample.index])
    assert len(load(path, ["constituents_j1"]).events) == ROWS


def test_events_without_a_value(tmp_path: Path) -> None:
    listed: list[Any] = BLOCKS["constituents_j1"].reshape(ROWS, -1).tolist()
    listed[33] = None
    listed[44][3] = None
    path = write(tmp_path / "t.parquet", BLOCKS, constituents_j1=pa.array(listed, pa.list_(pa.float32(), 15)))
    with pytest.raises(DataError, match=r"column 'constituents_j1' has 2 values .* in row 33 is nan"):
        load(path)
    sample = load(path, missing="drop")
    assert not np.isin([33, 44], sample.index).any()
    np.testing.assert_array_equal(sample.events.blocks["constituents"][0], BOTH[sample.index])


def test_columns_that_are_no_blocks(tmp_path: Path) -> None:
    more = {
        "double": column(BLOCKS["constituents_j1"], pa.float64()),
        "untold": column(BLOCKS["constituents_j1"]),
        "listed": pa.array([[1.0]] * ROWS),
    }
    path = write(tmp_path / "t.parquet", BLOCKS, **more)
    for name, found in (("pt2", "float"), ("double", "fixed_size"), ("untold", "fixed_size"), ("listed", "list")):
        expected = rf"column '{name}': expected padded particles, as `lamppost features` writes them, found {found}"
        with pytest.raises(DataError, match=expected):
            load(path, [name])
    with pytest.raises(DataError, match="no column 'constituents_j3', did you mean 'constituents_j"):
        load(path, ["constituents_j3"])
    with pytest.raises(DataError, match="'constituents_j1': expected one number per row, found padded particles"):
        load(path, features=["constituents_j1"])
    wide = write(tmp_path / "wide.parquet", {**BLOCKS, "constituents_j2": BLOCKS["constituents_j2"][:, :, :2]})
    with pytest.raises(DataError, match=r"block 'constituents': expected as many values per particle .* found 2, 3"):
        load(wide)


@pytest.mark.parametrize("name", sorted(set(FORMATS) - {"parquet"}))
def test_other_formats_have_none(name: str, tmp_path: Path) -> None:
    file, writer = FORMATS[name]
    with pytest.raises(DataError, match=r"column 'pt2': expected padded particles, .*, found"):
        load(writer(tmp_path / file, TABLE), ["pt2"])


def test_blocks_of_nothing() -> None:
    with pytest.raises((ValidationError, ConfigError), match="at least 1 item"):
        Data(path="t.parquet", mass="mjj", features=["pt2"], blocks={"constituents": []})
