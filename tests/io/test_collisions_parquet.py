"""Parquet files with nested columns."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from raw_events import same

import lamppost.io.parquet_objects
from lamppost.core import Collisions, Objects
from lamppost.errors import LamppostError
from lamppost.io import CollisionReader, Input, collision_readers
from nanoaod import branches, nanoaod

EVENTS = 500
GROUP = 60
MADE = nanoaod(EVENTS, np.random.default_rng(7))
SCALARS = list(MADE.scalars)
OBJECTS = {name: list(objects.fields) for name, objects in MADE.objects.items()}
FEW = {"FatJet": ["pt", "tau1"], "Muon": ["charge", "tightId"]}


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lamppost.io.parquet_objects, "BATCH", 17)


def reader(path: str | Path, **settings: Any) -> CollisionReader:
    (found,) = collision_readers(Input(path=str(path), **settings))
    return found


def complaint(act: Callable[[], Any]) -> str:
    with pytest.raises(LamppostError) as caught:
        act()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def only(collisions: Collisions, scalars: list[str], objects: dict[str, list[str]]) -> Collisions:
    made = {
        name: Objects(
            collisions.objects[name].counts, {field: collisions.objects[name].fields[field] for field in fields}
        )
        for name, fields in objects.items()
    }
    return Collisions(collisions.row, {name: collisions.scalars[name] for name in scalars}, made)


def structs() -> pa.Table:
    """Collections as list<struct>."""
    columns: dict[str, Any] = dict(MADE.scalars)
    for name, objects in MADE.objects.items():
        fields = [pa.array(values) for values in objects.fields.values()]
        inner = pa.StructArray.from_arrays(fields, list(objects.fields))
        columns[name] = pa.ListArray.from_arrays(pa.array(objects.offsets, pa.int32()), inner)
    return pa.table(columns)


def flat() -> pa.Table:
    """Collections as list columns X_field, without counters."""
    columns: dict[str, Any] = dict(MADE.scalars)
    for name, objects in MADE.objects.items():
        offsets = pa.array(objects.offsets)
        for field, values in objects.fields.items():
            columns[f"{name}_{field}"] = pa.LargeListArray.from_arrays(offsets, pa.array(values))
    return pa.table(columns)


def write_awkward(path: Path) -> None:
    ak.to_parquet(ak.Array(branches(MADE)), path, row_group_size=GROUP)


WRITERS: dict[str, Callable[[Path], None]] = {
    "structs": lambda path: pq.write_table(structs(), path, row_group_size=GROUP),
    "one group": lambda path: pq.write_table(structs(), path),
    "flat": lambda path: pq.write_table(flat(), path, row_group_size=GROUP),
    "awkward": write_awkward,
}


@pytest.fixture(params=WRITERS)
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    WRITERS[request.param](tmp_path / "t.parquet")
    return tmp_path / "t.parquet"


def test_everything(path: Path) -> None:
    found = reader(path)
    contents = found.contents()
    assert contents.rows == EVENTS
    assert {name: list(fields) for name, fields in contents.objects.items()} == OBJECTS
    assert list(contents.scalars) == SCALARS
    assert contents.objects["Muon"]["charge"] == "integer"
    assert contents.objects["Muon"]["tightId"] == "boolean"
    same(found.read(0, EVENTS, SCALARS, OBJECTS), MADE)


def test_random_ranges_in_any_order(path: Path) -> None:
    found, expected = reader(path), only(MADE, ["event"], FEW)
    rng = np.random.default_rng(3)
    for start, stop in [(0, 0), (EVENTS, EVENTS), *np.sort(rng.integers(0, EVENTS + 1, (20, 2))).tolist()]:
        same(found.read(start, stop, ["event"], FEW), expected[start:stop])


def test_steps(path: Path) -> None:
    found = reader(path)
    whole = pq.ParquetFile(path).num_row_groups == 1
    for rows in (1000, 200, 60, 25):
        steps = found.steps(rows)
        assert [start for start, _ in steps] == [0, *(stop for _, stop in steps[:-1])]
        assert steps[-1][1] == EVENTS
        assert all(0 < stop - start <= rows for start, stop in steps)
        if not whole:
            assert rows < GROUP or all(start % GROUP == 0 for start, _ in steps)
            assert rows > GROUP or all(start // GROUP == (stop - 1) // GROUP for start, stop in steps)
        parts = [found.read(*step, ["event"], FEW) for step in steps]
        for step, part in zip(steps, parts, strict=True):
            same(part, only(MADE, ["event"], FEW)[slice(*step)])


def test_only_row_groups_that_overlap_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    WRITERS["structs"](tmp_path / "t.parquet")
    read: list[tuple[int, list[str]]] = []

    class Spy(pq.ParquetFile):
        def iter_batches(self, *args: Any, row_groups: list[int], columns: list[str], **kwargs: Any) -> Any:
            read.append((row_groups[0], columns))
            return super().iter_batches(*args, row_groups=row_groups, columns=columns, **kwargs)

    monkeypatch.setattr(pq, "ParquetFile", Spy)
    found = reader(tmp_path / "t.parquet")
    found.read(70, 130, ["run"], {"Muon": ["pt"], "Jet": []})
    columns = ["run", "Muon.list.element.pt", "Jet.list.element.pt"]
    assert read == [(1, columns), (2, columns)]
    read.clear()
    found.read(130, 140, ["run"], {"Muon": ["pt"], "Jet": []})
    assert read == []  # goes on where it was
    found.read(120, 130, ["run"], {"Muon": ["pt"], "Jet": []})
    assert read == [(2, columns)]


def test_batches_end_where_the_rows_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a row group much larger than the range no more than a batch lies in memory."""
    WRITERS["one group"](tmp_path / "t.parquet")
    decoded = 0

    class Spy(pq.ParquetFile):
        def iter_batches(self, *args: Any, **kwargs: Any) -> Any:
            nonlocal decoded
            for batch in super().iter_batches(*args, **kwargs):
                decoded += batch.num_rows
                assert batch.num_rows <= 17
                yield batch

    monkeypatch.setattr(pq, "ParquetFile", Spy)
    found = reader(tmp_path / "t.parquet")
    for start, stop in found.steps(50):
        found.read(start, stop, ["run"], FEW)
        assert stop <= decoded < stop + 17


def test_selection(path: Path) -> None:
    kept = MADE.scalars["HLT_PFHT1050"] & (MADE.scalars["MET_pt"] > 20)
    found, expected = reader(path), only(MADE, ["event"], FEW)
    condition = "HLT_PFHT1050 and MET_pt > 20"
    same(found.read(0, EVENTS, ["event"], FEW, condition), expected[kept])
    same(found.read(55, 333, ["event"], FEW, condition), expected[55:333][kept[55:333]])
    same(found.read(0, EVENTS, ["event"], FEW, "MET_pt < 0"), expected[:0])


def test_counted_only_and_nothing_at_all(path: Path) -> None:
    found = reader(path)
    counted = found.read(70, 99, [], {"Muon": []}).objects["Muon"]
    np.testing.assert_array_equal(counted.counts, MADE.objects["Muon"].counts[70:99])
    assert not counted.fields
    assert found.read(70, 99, [], {}).row.tolist() == list(range(70, 99))


def test_a_copy_in_another_process_opens_the_file_anew(path: Path) -> None:
    found = reader(path)
    found.read(0, 10, SCALARS, OBJECTS)
    same(pickle.loads(pickle.dumps(found)).read(3, 77, SCALARS, OBJECTS), MADE[3:77])


def test_collections_that_are_named(tmp_path: Path) -> None:
    pq.write_table(structs().append_column("leading", flat()["FatJet_pt"]), tmp_path / "t.parquet")
    named = {"j": {"pt": "leading", "phi": "FatJet.phi", "m": "FatJet.msoftdrop"}}
    read = reader(tmp_path / "t.parquet", objects=named).read(0, EVENTS, [], {"j": ["m", "pt"]}).objects["j"]
    fat = MADE.objects["FatJet"]
    np.testing.assert_array_equal(read.fields["m"], fat.fields["msoftdrop"])
    np.testing.assert_array_equal(read.fields["pt"], fat.fields["pt"])
    for column, said in (
        ("FatJet.ph", "objects.j.phi: no column 'FatJet.ph', did you mean 'FatJet.phi'?"),
        ("run", "objects.j.phi: column 'run': expected one number per object, found uint32"),
    ):
        assert said in complaint(reader(tmp_path / "t.parquet", objects={"j": {"phi": column}}).contents)


def test_master_key_of_any_format(tmp_path: Path) -> None:
    pq.write_table(structs(), tmp_path / "t.parquet")
    labels = np.arange(EVENTS) % 2
    (tmp_path / "key.txt").write_text("\n".join(map(str, labels)))
    found = reader(tmp_path / "t.parquet", labels=str(tmp_path / "key.txt"))
    read = found.read(7, 100, ["label", "run"], {"Muon": ["pt"]}, "label == 1 and MET_pt > 20")
    kept = 7 + np.flatnonzero((labels == 1)[7:100] & (MADE.scalars["MET_pt"][7:100] > 20))
    np.testing.assert_array_equal(read.row, kept)
    assert set(read.scalars["label"]) == {1}
    np.testing.assert_array_equal(read.scalars["run"], MADE.scalars["run"][kept])


# Bad input


def small(**columns: Any) -> pa.Table:
    """Ten events, the fifth of which (row 4) has a null in one place."""
    base = {"met": [1.0] * 10, "j": [[{"pt": 1.0, "eta": 0.5}] * (i % 3) for i in range(10)]}
    return pa.table(base | columns)


def test_nulls(tmp_path: Path) -> None:
    lists = [[{"pt": 1.0, "eta": 0.5}] * (i % 3) for i in range(10)]
    no_list: list[Any] = [*lists[:4], None, *lists[5:]]
    no_struct: list[Any] = [*lists[:4], [None], *lists[5:]]
    no_number: list[Any] = [*lists[:4], [{"pt": None, "eta": 1.0}], *lists[5:]]
    for column, said in (
        (no_list, "column 'j', row 4: expected a list, found none"),
        (no_struct, "column 'j.pt', row 4: expected a number for each object, found none"),
        (no_number, "column 'j.pt', row 4: expected a number for each object, found none"),
    ):
        pq.write_table(small(j=column), tmp_path / "t.parquet")
        found = reader(tmp_path / "t.parquet")
        assert f"{tmp_path}/t.parquet: {said}" in complaint(lambda f=found: f.read(2, 8, [], {"j": ["pt"]}))
        assert len(found.read(5, 10, ["met"], {"j": ["pt", "eta"]})) == 5
    pq.write_table(small(j=no_number), tmp_path / "t.parquet")
    assert len(reader(tmp_path / "t.parquet").read(0, 10, [], {"j": ["eta"]})) == 10


def test_nulls_in_scalars(tmp_path: Path) -> None:
    gap = [1.0] * 4 + [None] + [1.0] * 5
    whole = [None if value is None else 2**60 + 1 for value in gap]
    truth = [None if value is None else True for value in gap]
    pq.write_table(small(met=gap, run=whole, hlt=truth), tmp_path / "t.parquet")
    found = reader(tmp_path / "t.parquet")
    met = found.read(0, 10, ["met"], {}).scalars["met"]
    assert np.flatnonzero(np.isnan(met)).tolist() == [4]
    for name in ("run", "hlt"):
        assert f"column {name!r}, row 4: expected a value, found none" in complaint(
            lambda name=name: found.read(2, 8, [name], {})
        )
    assert found.read(5, 10, ["run"], {}).scalars["run"].tolist() == [2**60 + 1] * 5
    assert "column 'met', row 4: expected a finite number, for select 'met > 0' needs it" in complaint(
        lambda: found.read(2, 8, [], {}, "met > 0")
    )


@pytest.mark.parametrize("value", [np.nan, np.inf, -1.0])
def test_momenta_that_make_no_sense(value: float, tmp_path: Path) -> None:
    lists = [[{"pt": 1.0, "eta": 0.5}] * (i % 3) for i in range(10)]
    lists[5] = [{"pt": 1.0, "eta": 0.5}, {"pt": value, "eta": 0.5}]
    pq.write_table(small(j=lists), tmp_path / "t.parquet")
    said = f"{tmp_path}/t.parquet: row 5: j.pt: expected a finite number that is not negative, found {value:g}"
    assert said in complaint(lambda: reader(tmp_path / "t.parquet").read(4, 8, [], {"j": ["eta", "pt"]}))


def test_numbers_of_objects_that_differ(tmp_path: Path) -> None:
    columns = {"j_pt": [[1.0, 2.0]] * 10, "j_eta": [[0.0, 0.0]] * 7 + [[0.0]] * 3}
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    found = reader(tmp_path / "t.parquet")
    said = "column 'j_pt' and 'j_eta' of j, row 7: expected the same number of objects, found 2 and 1"
    assert said in complaint(lambda: found.read(2, 10, [], {"j": ["pt", "eta"]}))


def test_columns_of_another_type(tmp_path: Path) -> None:
    strange = {
        "j_pt": [[1.0]] * 10,
        "j_eta": [["a"]] * 10,
        "j_phi": [[[1.0]]] * 10,
        "word": ["a"] * 10,
        "pair": pa.FixedSizeListArray.from_arrays(pa.array(np.ones(20)), 2),
    }
    table = pa.table({name: strange[name] for name in strange})
    pq.write_table(table, tmp_path / "t.parquet")
    found = reader(tmp_path / "t.parquet")
    assert found.contents().objects["j"]["pt"] == "float"
    for fields, said in (
        (["eta"], "column 'j_eta': expected one number per object, found list<element: string>"),
        (["phi"], "column 'j_phi': expected one number per object, found list<element: list<element: double>>"),
        (["mass"], "no field 'mass' of j (such as column j_mass), known are pt, eta, phi"),
    ):
        assert said in complaint(lambda fields=fields: found.read(0, 1, [], {"j": fields}))
    for name, said in (
        ("word", "column 'word': expected one number per event, found text"),
        ("pair", "column 'pair': expected one number per event, found fixed_size_list<"),
        ("j_pt", "column 'j_pt': expected one number per event, found one for each of j"),
        ("wort", "no column 'wort', did you mean 'word'?"),
    ):
        assert said in complaint(lambda name=name: found.read(0, 1, [name], {}))


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_truncated_file(path: Path, share: float) -> None:
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    assert f"{path}: cannot be read, damaged" in complaint(lambda: reader(path).contents())


def test_damaged_page(tmp_path: Path) -> None:
    WRITERS["structs"](tmp_path / "t.parquet")
    file = tmp_path / "t.parquet"
    column = next(
        chunk
        for chunk in (pq.ParquetFile(file).metadata.row_group(3).column(i) for i in range(100))
        if chunk.path_in_schema.startswith("FatJet") and chunk.path_in_schema.endswith("tau1")
    )
    content = bytearray(file.read_bytes())
    start = column.data_page_offset
    content[start : start + 60] = b"\xff" * 60
    file.write_bytes(content)
    found = reader(file)
    assert f"{file}: rows 100 to 249: cannot be read, damaged" in complaint(lambda: found.read(100, 250, [], FEW))
    same(found.read(0, 180, [], FEW), only(MADE, [], FEW)[:180])
