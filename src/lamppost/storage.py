"""Fitted values on disk: JSON where text is enough, safetensors where there are arrays; nothing in them is ever run.

Both forms carry one header: {schema, kind, lamppost, about, sha256}, the last over everything else, arrays included.
"""

import json
import os
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from lamppost import __version__
from lamppost.errors import DataError, LamppostError
from lamppost.living import mark
from lamppost.spec import load_kinds

__all__ = [
    "SCHEMA",
    "Fitted",
    "fitted",
    "load",
    "pack",
    "pack_json",
    "restore",
    "save",
    "unpack",
    "unpack_json",
    "write_whole",
]

SCHEMA = 1
Tensors = dict[str, NDArray[Any]]


class Fitted(Protocol):
    """A value that `fit` returned."""

    def to_bytes(self) -> bytes: ...

    @classmethod
    def from_bytes(cls, data: bytes) -> Any: ...


_CLASSES: dict[str, type[Fitted]] = {}
C = TypeVar("C", bound=type[Fitted])


def fitted(kind: str) -> Callable[[C], C]:
    """Class decorator: values of this class are what `load` makes of files of that kind."""

    def register(cls: C) -> C:
        known = _CLASSES.setdefault(kind, cls)
        if (known.__module__, known.__qualname__) != (cls.__module__, cls.__qualname__):
            msg = f"fitted kind {kind!r} is defined twice: {known} and {cls}"
            raise TypeError(msg)
        return cls

    return register


def pack_json(kind: str, about: Mapping[str, Any]) -> bytes:
    """JSON text of plain finite values; what comes back has lists where there were tuples."""
    return _header(kind, about, {}).encode()


def unpack_json(data: bytes, kind: str) -> dict[str, Any]:
    """What `pack_json` was given.

    Raises
    ------
    DataError
        If the data are no such text, damaged, of another kind or of a newer schema.
    """
    return _checked(_text(data), kind, {})


def pack(kind: str, about: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]]) -> bytes:
    """A safetensors file of named arrays, whose metadata `lamppost` hold the header."""
    from safetensors.numpy import save as serialise

    arrays = {name: np.ascontiguousarray(array) for name, array in tensors.items()}
    return bytes(serialise(arrays, metadata={"lamppost": _header(kind, about, arrays)}))


def unpack(data: bytes, kind: str) -> tuple[dict[str, Any], Tensors]:
    """What `pack` was given: (about, tensors).

    Raises
    ------
    DataError
        If the data are no such file, damaged, of another kind or of a newer schema.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load as deserialise

    text = _text(data)
    try:
        tensors = dict(deserialise(data))
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise _damaged(error) from None
    return _checked(text, kind, tensors), tensors


def save(value: Fitted, path: str | Path) -> None:
    """Write a fitted value; the file is there complete or not at all.

    Raises
    ------
    LamppostError
        If it cannot be written: what was there before is still there.
    """
    try:
        write_whole(Path(path), value.to_bytes())
    except OSError as error:
        msg = f"{path}: cannot be written: {error.strerror or error}"
        raise LamppostError(msg) from None


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that it is there complete or not at all; OSError if it cannot be."""
    part = path.with_name(f".{path.name}.{mark()}.part")
    try:
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)
        raise


def load(path: str | Path) -> Any:
    """Read the fitted value that `save` wrote, of whatever kind it is.

    Raises
    ------
    DataError
        If there is no such file, or it is damaged, of an unknown kind or of a newer schema.
    """
    try:
        return restore(Path(path).read_bytes())
    except OSError as error:
        msg = f"{path}: cannot be read: {error.strerror or error}"
    except LamppostError as error:
        msg = f"{path}: {error}"
    raise DataError(msg)


def restore(data: bytes) -> Any:
    """The fitted value, of whatever kind, that these bytes of `to_bytes` are of.

    Raises
    ------
    DataError
        If they are damaged, of an unknown kind or of a newer schema.
    """
    try:
        return _class_of(_header_of(_text(data))["kind"]).from_bytes(data)
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(error) from None


def _dump(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _hash(table: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]]) -> str:
    content = sha256(_dump({key: value for key, value in table.items() if key != "sha256"}).encode())
    for name, array in sorted(tensors.items()):
        content.update(_dump([name, array.dtype.str, array.shape]).encode())
        content.update(array.tobytes())
    return content.hexdigest()


def _header(kind: str, about: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]]) -> str:
    table = {"schema": SCHEMA, "kind": kind, "lamppost": __version__, "about": dict(about)}
    return _dump({**table, "sha256": _hash(table, tensors)})


def _damaged(why: object) -> DataError:
    return DataError(f"not a fitted value of lamppost, or a damaged one ({str(why).splitlines()[0]})")


def _text(data: bytes) -> str:
    """The header's text: all of a JSON file, an entry in the metadata of a safetensors file."""
    try:
        if data[:1] == b"{":
            return data.decode()
        size = int.from_bytes(data[:8], "little")
        return str(json.loads(data[8 : 8 + size])["__metadata__"]["lamppost"])
    except (ValueError, KeyError, TypeError, IndexError, RecursionError) as error:
        raise _damaged(error or "empty") from None


def _header_of(text: str) -> dict[str, Any]:
    try:
        table = json.loads(text)
        schema, _, _, _ = int(table["schema"]), table["kind"] + "", dict(table["about"]), table["sha256"] + ""
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise _damaged(error) from None
    if schema > SCHEMA:
        msg = f"schema {schema} is newer than the {SCHEMA} that lamppost {__version__} reads: install a newer lamppost"
        raise DataError(msg)
    return cast(dict[str, Any], table)


def _checked(text: str, kind: str, tensors: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    table = _header_of(text)
    # byte for byte: a flipped bit that leaves the meaning of the text alone is damage all the same
    try:
        intact = _hash(table, tensors) == table["sha256"] and _dump(table) == text
    except (ValueError, RecursionError):  # numbers that nothing here writes
        intact = False
    if not intact:
        raise _damaged("its content does not match its sha256")
    if table["kind"] != kind:
        msg = f"holds a fitted {table['kind']!r}, expected {kind!r}"
        raise DataError(msg)
    return cast(dict[str, Any], table["about"])


def _class_of(kind: str) -> type[Fitted]:
    """The class that registered itself for this kind."""
    if kind not in _CLASSES:
        load_kinds()
    if kind not in _CLASSES:
        msg = f"unknown kind {kind!r} of fitted value, known are {', '.join(sorted(_CLASSES))}"
        raise DataError(msg)
    return _CLASSES[kind]
