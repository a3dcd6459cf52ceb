"""Raw events of the LHC Olympics."""

import gzip
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin
import numpy as np
import pytest
from raw_events import Matrix, naive, raw, same, write_raw, write_table

from lamppost.core import Collisions
from lamppost.errors import ConfigError, DataError, LamppostError
from lamppost.io import CollisionReader, Input, collision_readers

SHARED = Path(__file__).parents[3] / "shared" / "data"
shared = pytest.mark.skipif(not SHARED.is_dir(), reason="the shared sample files are not beside the repository")
ALL = {"particles": ["pt", "eta", "phi"]}
EVENTS = 300


def reader(path: str | Path, **settings: Any) -> CollisionReader:
    (found,) = collision_readers(Input(path=str(path), **settings))
    return found


def load(path: str | Path, start: int = 0, stop: int = EVENTS, *, select: str | None = None, **more: Any) -> Collisions:
    found = reader(path, **more)
    return found.read(start, stop, [*found.contents().scalars], ALL, select)


def complaint(*arguments: Any, **settings: Any) -> str:
    with pytest.raises(LamppostError) as caught:
        load(*arguments, **settings)
    assert "\n" not in str(caught.value)
    return str(caught.value)


STORAGE: dict[str, Callable[[Path, Matrix], str]] = {
    "contiguous": write_raw,
    "blosc": lambda path, matrix: write_raw(path, matrix, chunks=(15, matrix.shape[1]), **hdf5plugin.Blosc()),
    "by column": lambda path, matrix: write_raw(path, matrix, by_row=False, chunks=True),
    "two blocks": lambda path, matrix: write_raw(path, matrix[:, :-1], matrix[:, -1:].astype(matrix.dtype)),
    "table": write_table,
}


@pytest.mark.parametrize("write", STORAGE.values(), ids=STORAGE)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("label", [True, False])
def test_every_layout(write: Callable[[Path, Matrix], str], dtype: Any, label: bool, tmp_path: Path) -> None:
    matrix = raw(EVENTS, dtype=dtype, label=label)
    path = write(tmp_path / "t.h5", matrix)
    contents = reader(path).contents()
    assert contents.rows == EVENTS
    assert contents.scalars == ({"label": "integer"} if label else {})
    assert contents.objects == {"particles": {"pt": "float", "eta": "float", "phi": "float"}}
    whole = naive(matrix)
    assert set(whole.objects["particles"].counts) == set(range(13))
    same(load(path), whole)
    rng = np.random.default_rng(5)
    for _ in range(20):
        start, stop = np.sort(rng.integers(0, EVENTS + 1, 2)).tolist()
        same(load(path, start, stop), whole[start:stop])


def test_whole_numbers_beside_floats(tmp_path: Path) -> None:
    matrix = raw(EVENTS, dtype=np.float32)
    path = write_raw(tmp_path / "t.h5", matrix[:, -1:].astype(np.int64), matrix[:, :-1])
    with h5py.File(path, "a") as file:  # the label is the last column wherever its block stands
        for i, items in enumerate(([matrix.shape[1] - 1], np.arange(matrix.shape[1] - 1))):
            del file[f"df/block{i}_items"]
            file[f"df/block{i}_items"] = items
    found, expected = load(path), naive(matrix)
    np.testing.assert_array_equal(found.scalars["label"], expected.scalars["label"])
    for name, values in expected.objects["particles"].fields.items():
        np.testing.assert_array_equal(found.objects["particles"].fields[name], values)


def test_only_what_is_asked_for(tmp_path: Path) -> None:
    found = reader(write_raw(tmp_path / "t.h5", matrix := raw(EVENTS)))
    assert found.read(0, 9, [], {"particles": ["phi"]}).objects["particles"].fields.keys() == {"phi"}
    counted = found.read(3, 9, [], {"particles": []}).objects["particles"]
    assert not counted.fields
    np.testing.assert_array_equal(counted.counts, naive(matrix).objects["particles"].counts[3:9])
    plain = found.read(0, 9, ["label"], {})
    assert (list(plain.scalars), plain.objects) == (["label"], {})


def test_a_copy_in_another_process_opens_the_file_anew(tmp_path: Path) -> None:
    found = reader(write_raw(tmp_path / "t.h5", matrix := raw(EVENTS)))
    found.contents()
    copy = pickle.loads(pickle.dumps(found))
    same(copy.read(5, 50, ["label"], ALL), naive(matrix)[5:50])


def test_only_the_rows_asked_for_pass_through_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import lamppost.io.lhco_raw

    path, spans, rows = write_raw(tmp_path / "t.h5", raw(EVENTS)), [], lamppost.io.lhco_raw.rows

    def spy(values: Any, start: int, stop: int) -> Any:
        spans.append((start, stop))
        return rows(values, start, stop)

    monkeypatch.setattr(lamppost.io.lhco_raw, "rows", spy)
    load(path, 10, 20)
    assert spans == [(10, 20)]


def test_selection(tmp_path: Path) -> None:
    path = write_raw(tmp_path / "t.h5", matrix := raw(EVENTS))
    for select, kept in (("label == 1", matrix[:, -1] == 1), ("label > 2", np.zeros(EVENTS, bool)), ("label < 2", ...)):
        same(load(path, select=select), naive(matrix)[kept])
    found = reader(path).read(100, 200, [], ALL, "label == 1")
    assert not found.scalars
    np.testing.assert_array_equal(found.row, 100 + np.flatnonzero(matrix[100:200, -1]))
    assert "no column 'lable', did you mean 'label'?" in complaint(path, select="lable == 1")
    assert "'label ==' is neither" in complaint(path, select="label ==")


# Steps


@pytest.mark.parametrize(("chunk", "rows"), [(15, 40), (15, 15), (15, 4), (15, 1), (15, 1000), (299, 100), (None, 70)])
def test_steps_follow_the_chunks_of_the_file(chunk: int | None, rows: int, tmp_path: Path) -> None:
    matrix = raw(EVENTS)
    path = write_raw(tmp_path / "t.h5", matrix, **({"chunks": (chunk, matrix.shape[1])} if chunk else {}))
    steps = reader(path).steps(rows)
    assert [start for start, _ in steps] == [0, *(stop for _, stop in steps[:-1])]
    assert steps[-1][1] == EVENTS
    assert all(0 < stop - start <= rows for start, stop in steps)
    assert steps == reader(path).steps(rows)
    if chunk and chunk <= rows:
        assert all(start % chunk == 0 for start, _ in steps)
    elif chunk:  # a chunk is cut evenly and never shares a range with the next
        assert all(start // chunk == (stop - 1) // chunk for start, stop in steps)
        assert set(range(0, EVENTS, chunk)) <= {start for start, _ in steps}


def test_no_events(tmp_path: Path) -> None:
    path = write_raw(tmp_path / "t.h5", raw(0, label=False)[:, :1].reshape(0, 1))
    with h5py.File(path, "a") as file:
        group = file["df"]
        for key in ("block0_values", "block0_items", "axis0"):
            del group[key]
        group["block0_values"] = np.zeros((1, 1), np.float32)
        group["block0_values"].attrs.update(transposed=np.uint8(1), shape=np.void(b"a pickled tuple"))
        group["axis0"] = group["block0_items"] = np.arange(37)
    found = reader(path)
    assert (found.contents().rows, found.steps(10)) == (0, [])


# Black boxes


@pytest.fixture
def box(tmp_path: Path) -> tuple[str, Matrix]:
    matrix = raw(EVENTS)
    return write_raw(tmp_path / "box.h5", matrix[:, :-1]), matrix


@pytest.mark.parametrize("form", ["0 1", "0.0 1.0", "savetxt", "gzip", "no end of line", "windows"])
def test_master_key(box: tuple[str, Matrix], form: str, tmp_path: Path) -> None:
    path, matrix = box
    words = {"0.0 1.0": ["0.0", "1.0"], "savetxt": [f"{value:.18e}" for value in (0, 1)]}.get(form, ["0", "1"])
    end = "\r\n" if form == "windows" else "\n"
    text = end.join(words[int(value)] for value in matrix[:, -1]) + ("" if form == "no end of line" else end)
    key = tmp_path / "box.masterkey"
    key.write_bytes(gzip.compress(text.encode()) if form == "gzip" else text.encode())
    (found,) = collision_readers(Input(path="box.h5", labels="box.masterkey"), tmp_path)
    assert found.contents().scalars == {"label": "integer"}
    same(found.read(40, 200, ["label"], ALL), naive(matrix)[40:200])
    same(found.read(40, 200, ["label"], ALL, "label == 1"), naive(matrix)[40:200][matrix[40:200, -1] == 1])
    assert not found.read(0, 10, [], ALL).scalars
    assert load(path).scalars == {}


def test_master_key_at_fault(box: tuple[str, Matrix], tmp_path: Path) -> None:
    path, matrix = box
    key = tmp_path / "key.txt"
    lines = ["0"] * EVENTS
    for wrong, found in (
        ("2", "'2'"),
        ("", "''"),
        ("0 1", "'0 1'"),
        ("-1", "'-1'"),
        ("nan", "'nan'"),
        ("0.5", "'0.5'"),
    ):
        key.write_text("\n".join([*lines[:6], wrong, *lines[7:]]))
        assert f"{key}: line 7: expected 0 or 1, found {found}" in complaint(path, labels=str(key))
    key.write_text("\n".join(lines[1:]))
    message = f"{key}: expected 300 lines, one for each event of {path}, found 299"
    assert message in complaint(path, labels=str(key))
    key.write_text("\n".join(lines))
    own = write_raw(tmp_path / "own.h5", matrix)
    assert f"{own}: has a label of its own, expected none beside the key {key}" in complaint(own, labels=str(key))
    key.write_bytes(gzip.compress(b"0\n" * EVENTS)[:20])
    assert f"{key}: cannot be read as a list of labels" in complaint(path, labels=str(key))
    key.unlink()
    assert f"{key}: no such file" in complaint(path, labels=str(key))
    key.write_text("\n".join(lines))
    with pytest.raises(ConfigError, match=r"input\.labels: the key '.*' is that of one file, found 2 files"):
        collision_readers(Input(path=[path, own], labels=str(key)))


# Bad input


@pytest.mark.parametrize("columns", [1, 2, 2102, 38])
def test_number_of_columns(columns: int, tmp_path: Path) -> None:
    path = write_raw(tmp_path / "t.h5", np.zeros((4, columns)))
    assert f"such as 2100 or 2101, found {columns} columns" in complaint(path)
    path = write_table(tmp_path / "t.h5", np.zeros((4, columns)))
    assert f"{path}: expected 3 for each particle" in complaint(path)


@pytest.mark.parametrize(("column", "field", "value", "found"), [(3, "pt", -1.0, "-1"), (3, "pt", np.nan, "nan")])
def test_momenta_that_make_no_sense(column: int, field: str, value: float, found: str, tmp_path: Path) -> None:
    matrix = raw(EVENTS)
    row = int(np.flatnonzero(matrix[:, 3] > 0)[50])
    matrix[row, column] = value
    path = write_raw(tmp_path / "t.h5", matrix)
    message = complaint(path, row - 5, row + 5)
    assert (
        f"{path}: row {row}: particles.{field}: expected a finite number that is not negative, found {found}" in message
    )
    assert len(load(path, 0, row)) == row
    assert len(load(path, select=f"label != {matrix[row, -1]:g}")) > 0  # events left out may hold anything


@pytest.mark.parametrize(("place", "field"), [(1, "eta"), (2, "phi")])
@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_angles_that_are_not_finite(place: int, field: str, value: float, tmp_path: Path) -> None:
    matrix = raw(EVENTS)
    full, empty = np.flatnonzero(matrix[:, 33] > 0)[3], np.flatnonzero(matrix[:, 33] == 0)[3]
    matrix[empty, 33 + place] = value  # padding
    path = write_raw(tmp_path / "t.h5", matrix)
    assert len(load(path)) == EVENTS
    matrix[full, 33 + place] = value
    path = write_raw(tmp_path / "t.h5", matrix)
    assert f"row {full}: particles.{field}: expected a finite number, found {value:g}" in complaint(path)


@pytest.mark.parametrize("value", [100.5, -999.0])
def test_directions_along_the_beam(value: float, tmp_path: Path) -> None:
    matrix = raw(EVENTS)
    row = np.flatnonzero(matrix[:, 33] > 0)[3]
    matrix[row, 34] = value
    expected = f"row {row}: particles.eta: expected a number from -100 to 100, found {value:g}"
    assert expected in complaint(write_raw(tmp_path / "t.h5", matrix))


def test_label_that_is_none(tmp_path: Path) -> None:
    matrix = raw(EVENTS)
    matrix[123, -1] = 0.5
    path = write_raw(tmp_path / "t.h5", matrix)
    assert "the label (last column), row 123: expected 0 or 1, found 0.5" in complaint(path, 100, 200)
    assert len(reader(path).read(0, EVENTS, [], ALL)) == EVENTS


def test_pickled_values(tmp_path: Path) -> None:
    path = write_raw(tmp_path / "t.h5", raw(EVENTS))
    with h5py.File(path, "a") as file:
        del file["df/block0_values"]
        values = file.create_dataset("df/block0_values", (1,), dtype=h5py.vlen_dtype(np.uint8))
        values[0] = np.frombuffer(b"cos\nsystem\n(S'false'\ntR.", dtype=np.uint8)
        values.attrs.update(CLASS=np.bytes_("VLARRAY"), PSEUDOATOM=np.bytes_("object"))
    assert "expected columns of numbers, found pickled objects, which are never read" in complaint(path)


def test_names_that_are_pickled_do_not_matter(tmp_path: Path) -> None:
    path = write_raw(tmp_path / "t.h5", matrix := raw(EVENTS))
    with h5py.File(path, "a") as file:
        for key in ("axis0", "block0_items"):
            del file["df"][key]
            file["df"].create_dataset(key, (1,), dtype=h5py.vlen_dtype(np.uint8))
    same(load(path), naive(matrix))


def test_a_feature_table_is_no_raw_file(tmp_path: Path) -> None:
    records = np.zeros(3, dtype=[("index", "i8"), ("mjj", "f8"), ("values_block_0", "f8", (2,))])
    with h5py.File(tmp_path / "t.h5", "w") as file:
        group = file.create_group("df")
        group.attrs["pandas_type"] = np.bytes_("frame_table")
        group["table"] = records
    found = complaint(tmp_path / "t.h5")
    assert "expected all columns in one block of numbers, found mjj, values_block_0" in found
    path = write_raw(tmp_path / "u.h5", np.ones((3, 15)))
    assert len(load(path, 0, 3).objects["particles"].counts) == 3
    with h5py.File(path, "a") as file:
        del file["df/axis0"]
        file["df/axis0"] = np.array(["pxj1", "pyj1", "pzj1", "mj1", *(f"tau{i}j1" for i in range(11))], dtype="S")
    assert f"{path}: is a table of features (mj1, ...), expected raw events" in complaint(path, 0, 3)


def test_damaged_chunk(tmp_path: Path) -> None:
    matrix = raw(EVENTS, slots=100, dtype=np.float64)
    path = write_raw(tmp_path / "t.h5", matrix, chunks=(50, matrix.shape[1]), **hdf5plugin.Blosc())
    with h5py.File(path) as file:
        chunk = file["df/block0_values"].id.get_chunk_info(3)
    raw_bytes = bytearray(Path(path).read_bytes())
    raw_bytes[chunk.byte_offset : chunk.byte_offset + 64] = b"\xff" * 64
    Path(path).write_bytes(raw_bytes)
    same(load(path, 0, 150), naive(matrix)[:150])
    assert f"{path}: rows 100 to 199: cannot be read, damaged" in complaint(path, 100, 200)


def test_rows_beyond_the_file(tmp_path: Path) -> None:
    path = write_raw(tmp_path / "t.h5", raw(EVENTS))
    for start, stop in ((0, 301), (-1, 5), (7, 6)):
        assert f"rows [{start}, {stop}): expected some of the file's 300" in complaint(path, start, stop)


def test_what_is_not_there(tmp_path: Path) -> None:
    found = reader(write_raw(tmp_path / "t.h5", raw(EVENTS)))
    with pytest.raises(DataError, match=r"no objects 'particle', did you mean 'particles'\?"):
        found.read(0, 1, [], {"particle": ["pt"]})
    with pytest.raises(DataError, match=r"no field 'mass' of particles .* known are pt, eta, phi"):
        found.read(0, 1, [], {"particles": ["pt", "mass"]})


def test_input_that_makes_no_sense(tmp_path: Path) -> None:
    path = write_raw(tmp_path / "t.h5", raw(EVENTS))
    assert "has particles only, expected no other objects" in complaint(path, objects={"Jet": {"pt": "jet_pt"}})
    with pytest.raises(ConfigError, match="named twice, its events would count twice"):
        collision_readers(Input(path=[path, path]))
    (tmp_path / "t.csv").touch()
    with pytest.raises(ConfigError, match=r"t\.csv: unknown suffix, expected one of .*\.h5.*, or input\.format"):
        reader(tmp_path / "t.csv")
    Path(path).rename(tmp_path / "box1")
    assert reader(tmp_path / "box1", format="lhco").contents().rows == EVENTS


# Published and simulated files


@shared
def test_official_example() -> None:
    found = reader(SHARED / "lhco_tiny" / "events_anomalydetection_tiny.h5")
    collisions = found.read(0, 1000, ["label"], ALL)
    published = np.load(SHARED / "lhco_tiny" / "lhco_tiny_1000.npz")
    there = published["particles"][:, :, 0] > 0
    objects = collisions.objects["particles"]
    np.testing.assert_array_equal(objects.counts, there.sum(axis=1))
    for i, name in enumerate(("pt", "eta", "phi")):
        np.testing.assert_array_equal(objects.fields[name].astype(np.float32), published["particles"][:, :, i][there])
    np.testing.assert_array_equal(collisions.scalars["label"], published["label"])
    for start, stop in found.steps(90):
        same(found.read(start, stop, ["label"], ALL), collisions[start:stop])


@shared
def test_simulated_events() -> None:
    found = reader(f"{SHARED}/lhco_like/raw_3000.h5:df")
    steps = found.steps(1000)
    assert steps == [(0, 990), (990, 1980), (1980, 2970), (2970, 3000)]
    parts = [found.read(start, stop, ["label"], ALL) for start, stop in steps]
    np.testing.assert_array_equal(np.concatenate([part.scalars["label"] for part in parts]), np.arange(3000) >= 2000)
    signal = found.read(0, 3000, [], {"particles": ["pt"]}, "label == 1").objects["particles"]
    assert len(signal) == 1000
    leading = signal.fields["pt"][signal.offsets[:-1]]
    assert (leading == np.maximum.reduceat(signal.fields["pt"], signal.offsets[:-1])).all()  # by falling pt
