"""Fitted values on disk: what comes back is what went in, and anything else is a clear error."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

import lamppost
from lamppost.errors import DataError, LamppostError
from lamppost.learn.boosted import BoostedScore
from lamppost.methods.random import RandomScore
from lamppost.storage import SCHEMA, fitted, load, pack, pack_json, save, unpack, unpack_json

ABOUT = {"widths": [64, 64], "name": "mä", "scale": 1e-5, "nothing": None}
TENSORS: dict[str, NDArray[Any]] = {
    "weights": np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4).T,
    "ids": np.array([0, 2**64 - 1], dtype=np.uint64),
    "scalar": np.array(3.5),
    "mask": np.array([True, False]),
    "empty": np.empty((0, 2)),
}
TEXT, FILE = pack_json("toy", ABOUT), pack("toy", ABOUT, TENSORS)
READERS: list[tuple[bytes, Callable[[bytes, str], Any]]] = [(TEXT, unpack_json), (FILE, unpack)]
both = pytest.mark.parametrize(("data", "read"), READERS, ids=["json", "safetensors"])


def test_round_trip() -> None:
    assert unpack_json(TEXT, "toy") == ABOUT
    about, tensors = unpack(FILE, "toy")
    assert about == ABOUT
    assert tensors.keys() == TENSORS.keys()
    for name, array in TENSORS.items():
        assert tensors[name].dtype == array.dtype
        np.testing.assert_array_equal(tensors[name], array)


def test_same_value_same_bytes() -> None:
    backwards = dict(reversed(TENSORS.items()))
    assert pack("toy", dict(reversed(ABOUT.items())), backwards) == FILE
    assert pack_json("toy", dict(reversed(ABOUT.items()))) == TEXT


def test_the_file_is_plain_safetensors() -> None:
    from safetensors.numpy import load as plain

    np.testing.assert_array_equal(plain(FILE)["weights"], TENSORS["weights"])


@both
@given(draw=st.data())
def test_truncation_is_noticed(data: bytes, read: Callable[[bytes, str], Any], draw: st.DataObject) -> None:
    kept = draw.draw(st.integers(0, len(data) - 1))
    with pytest.raises(DataError, match="damaged"):
        read(data[:kept], "toy")


@both
def test_every_flipped_bit_is_noticed(data: bytes, read: Callable[[bytes, str], Any]) -> None:
    for k in range(8 * len(data)):
        damaged = bytearray(data)
        damaged[k // 8] ^= 1 << k % 8
        with pytest.raises(DataError, match=r"damaged|newer"):
            read(bytes(damaged), "toy")


@given(st.binary(max_size=200))
def test_any_other_bytes_are_refused_in_one_line(data: bytes) -> None:
    for _, read in READERS:
        with pytest.raises(DataError) as refused:
            read(data, "toy")
        assert "\n" not in str(refused.value)


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b'{"schema": 1}', b"{" * 100_000, b"\x80\x04N.", b"\x00" * 64])
def test_no_fitted_value(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"file: not a fitted value of lamppost, or a damaged one"):
        load(path)


@both
def test_another_kind(data: bytes, read: Callable[[bytes, str], Any]) -> None:
    with pytest.raises(DataError, match="holds a fitted 'toy', expected 'boosted'"):
        read(data, "boosted")


def test_text_for_arrays_and_the_reverse() -> None:
    with pytest.raises(DataError, match="damaged"):
        unpack(TEXT, "toy")
    with pytest.raises(DataError, match="damaged"):
        unpack_json(FILE, "toy")


def test_a_newer_schema() -> None:
    table = json.loads(TEXT)
    newer = json.dumps({**table, "schema": SCHEMA + 1, "another": True}).encode()
    with pytest.raises(DataError, match="schema 2 is newer than the 1"):
        unpack_json(newer, "toy")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_json_does_not_have(value: float) -> None:
    with pytest.raises(ValueError, match="JSON"):
        pack_json("toy", {"value": value})


@pytest.mark.parametrize("value", [RandomScore(2**62 + 1), BoostedScore(("text of a tree",), ("a", "b"), True)])
def test_save_and_load(value: Any, tmp_path: Path) -> None:
    path = tmp_path / "model"
    lamppost.save(value, path)
    assert lamppost.load(path) == value
    assert [file.name for file in tmp_path.iterdir()] == ["model"]


def test_load_of_arrays(tmp_path: Path) -> None:
    @fitted("test arrays")
    class Arrays:
        def __init__(self, values: NDArray[Any]) -> None:
            self.values = values

        def to_bytes(self) -> bytes:
            return pack("test arrays", {}, {"values": self.values})

        @classmethod
        def from_bytes(cls, data: bytes) -> "Arrays":
            return cls(unpack(data, "test arrays")[1]["values"])

    save(Arrays(np.arange(5)), tmp_path / "arrays")
    np.testing.assert_array_equal(load(tmp_path / "arrays").values, np.arange(5))


def test_errors_name_the_file(tmp_path: Path) -> None:
    path = tmp_path / "model"
    with pytest.raises(DataError, match=r"model: cannot be read: No such file"):
        load(path)
    path.write_bytes(pack_json("surely not", {}))
    with pytest.raises(DataError, match=r"model: unknown kind 'surely not' of fitted value, known are .*boosted"):
        load(path)
    path.write_bytes(RandomScore(1).to_bytes()[:-1])
    with pytest.raises(DataError, match=r"model: not a fitted value of lamppost, or a damaged one"):
        load(path)


def test_what_cannot_be_written_leaves_what_was_there(tmp_path: Path) -> None:
    with pytest.raises(LamppostError, match="cannot be written"):
        save(RandomScore(1), tmp_path / "absent" / "model")
    (tmp_path / "folder").mkdir()
    with pytest.raises(LamppostError, match="cannot be written"):
        save(RandomScore(1), tmp_path / "folder")
    assert [file.name for file in tmp_path.iterdir()] == ["folder"]


def test_one_kind_one_class() -> None:
    with pytest.raises(TypeError, match="defined twice"):
        fitted("random")(BoostedScore)


def test_numbers_that_nothing_writes_are_damage(tmp_path: Path) -> None:
    text = pack_json("random", {"seed": 1}).decode()
    for spoiled in (text.replace('"seed":1', '"seed":1e999'), text.replace('"schema":1', '"schema":Infinity')):
        assert spoiled != text
        path = tmp_path / "score.json"
        path.write_text(spoiled)
        with pytest.raises(DataError, match=r"score\.json: not a fitted value of lamppost, or a damaged one"):
            load(path)


def test_whole_files_of_wrong_content_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "score.json"
    path.write_bytes(pack_json("boosted", {"given_m": False}))
    with pytest.raises(DataError, match=r"score\.json: "):
        load(path)
