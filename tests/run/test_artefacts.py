"""Artefacts: what goes in comes out, and a damaged one is never taken for whole."""

from hashlib import sha256
from importlib import import_module
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from lamppost.core import Method, Ratio, Window
from lamppost.errors import LamppostError
from lamppost.run.artefacts import Store, provenance, remove_parts, write_file
from lamppost.run.compare.tasks import Look
from lamppost.run.planned import Planned
from lamppost.run.plug_ins import plug_ins

ABOUT = {"names": ["a", "b"], "n_rows": 5}


def arrays(n: int = 40) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    return {
        "id": rng.integers(0, 2**64, n, dtype=np.uint64),
        "index": np.arange(n),
        "m": rng.normal(size=n),
        "x": rng.normal(size=(n, 2)).astype(np.float32),
    }


@pytest.mark.parametrize("n", [40, 1, 0])
def test_arrays_come_back_bit_by_bit(tmp_path: Path, n: int) -> None:
    store, written = Store(tmp_path), arrays(n)
    store.write_arrays("a.parquet", written, ABOUT)
    assert store.intact("a.parquet")
    read, about = store.read_arrays("a.parquet")
    assert about == ABOUT
    assert list(read) == list(written)
    for name, values in written.items():
        assert (read[name].dtype, read[name].shape) == (values.dtype, values.shape)
        assert read[name].tobytes() == values.tobytes()


def test_values_that_are_not_finite_come_back(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write_arrays("a.parquet", {"x": np.array([np.nan, -0.0, np.inf])}, {})
    assert store.read_arrays("a.parquet")[0]["x"].tobytes() == np.array([np.nan, -0.0, np.inf]).tobytes()


def test_plain_values_come_back(tmp_path: Path) -> None:
    store, value = Store(tmp_path), {"b": [1, 2.5, None, 0.1 + 0.2], "a": {"text": "µ"}}
    store.write_json("a.json", value)
    assert store.intact("a.json")
    assert store.read_json("a.json") == value


KEYS = ["a.parquet", "a.json", "a.arrow"]


def write_all(folder: Path) -> Store:
    store = Store(folder)
    store.write_table("a.arrow", pa.table({"x": [1.0, 2.0], "n": [[1], [2, 3]]}))
    store.write_arrays("a.parquet", arrays(), ABOUT)
    store.write_json("a.json", {"values": [1.0, 2.0, 3.0], "name": "one"})
    store.write_table("a.arrow", pa.table({"pt": [[1.0, 2.0], []], "n": [1, 2]}).replace_schema_metadata({"a": "b"}))
    return store


@pytest.mark.parametrize("key", KEYS)
def test_a_changed_byte_never_changes_what_is_read(tmp_path: Path, key: str) -> None:
    """Any byte, names and types included. A byte that means nothing may pass, as long as nothing else is read."""
    store = write_all(tmp_path)
    content, correct = store.path(key).read_bytes(), repr_of(store, key)
    missed = 0
    for position in range(0, len(content), 1 if key.endswith("json") else 3):
        damaged = bytearray(content)
        damaged[position] ^= 0x11
        store.path(key).write_bytes(damaged)
        if store.intact(key):
            missed += 1
            assert repr_of(store, key) == correct, f"byte {position}"
        else:
            assert not store.path(key).exists()
    assert missed < len(content) / 3


def repr_of(store: Store, key: str) -> str:
    if key.endswith("arrow"):
        table = store.read_table(key)
        return f"{table.to_pylist()} {table.schema.metadata}"
    return repr(store.read_json(key) if key.endswith("json") else store.read_arrays(key))


@pytest.mark.parametrize("key", KEYS)
def test_a_cut_file_is_removed(tmp_path: Path, key: str) -> None:
    store = write_all(tmp_path)
    content = store.path(key).read_bytes()
    for length in (0, 1, 4, len(content) // 2, len(content) - 1):
        store.path(key).write_bytes(content[:length])
        assert not store.intact(key)
        assert not store.path(key).exists()


@pytest.mark.parametrize("key", KEYS)
def test_another_file_in_its_place_is_removed(tmp_path: Path, key: str) -> None:
    store = write_all(tmp_path)
    for content in (b"[]", b"null", b'{"value": 1}', b'{"sha256": 1, "value": 1}', b"PAR1PAR1", b"\xff" * 100):
        store.path(key).write_bytes(content)
        assert not store.intact(key)


def test_what_is_not_there_is_not_intact(tmp_path: Path) -> None:
    assert not Store(tmp_path).intact("a.json")


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    write_file(path, b"old")
    write_file(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    path = tmp_path / "nowhere" / "result.json"
    with pytest.raises(LamppostError, match=r"nowhere/result\.json: cannot be written: No such file or directory"):
        write_file(path, b"")


def test_an_old_file_outlives_a_failure(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    path.mkdir()  # a folder cannot be replaced by a file
    (path / "kept").touch()
    with pytest.raises(LamppostError, match=r"result\.json: cannot be written"):
        write_file(path, b"new")
    assert [entry.name for entry in tmp_path.iterdir()] == ["result.json"]


def test_only_left_overs_are_removed(tmp_path: Path) -> None:
    for name in (".a.json.77.part", "a.json", "notes.part", ".hidden"):
        (tmp_path / name).touch()
    remove_parts(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".hidden", "a.json", "notes.part"]


def test_names_cover_plug_ins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kind defined elsewhere names its file, however deep it is; what stands in this package names none."""
    source = tmp_path / "my_ratio.py"
    text = "from typing import Literal\nfrom lamppost.learn.boosted import Boosted\n\n\n"
    source.write_text(text + "class Mine(Boosted):\n    kind: Literal['mine'] = 'mine'\n")
    monkeypatch.syspath_prepend(tmp_path)
    mine = import_module("my_ratio").Mine()
    try:
        own, other = Method.parse("weak"), Method.parse({"kind": "weak", "ratio": mine})
        assert plug_ins({"method": own, "window": Window(1.0, 2.0, 3.0), "seed": 1}) == []
        combined = Look(Method.parse({"kind": "combination", "methods": [own, other]}), False, 0, 0.0)
        for value in (mine, [other], {"look": combined}):
            assert plug_ins(value) == [sha256(source.read_bytes()).hexdigest()]
        keys = []
        for more in ("", "# edited\n"):
            source.write_text(source.read_text() + more)
            named = (("look", own), ("look", other), ("look", combined))
            keys.append([Planned().add("train", "", print, {name: value}) for name, value in named])
        assert [one == two for one, two in zip(*keys, strict=True)] == [True, False, False]
    finally:
        Ratio.registry.pop("mine")


def test_names_cover_libraries_and_code() -> None:
    found = provenance()
    libraries = {"numpy", "scipy", "numba", "numexpr", "pyarrow", "lightgbm", "jax", "jaxlib", "optax", "equinox"}
    libraries |= {"awkward", "uproot", "h5py", "fastjet", "pythia8mc"}
    assert libraries | {"lamppost"} == found.keys()
    assert found["numpy"] == np.__version__
    assert len(found["lamppost"]) == 16
