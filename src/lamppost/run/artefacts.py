"""Artefacts: files named by the hash of what made them, written whole or not at all, checked when read."""

import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from shutil import rmtree
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamppost.errors import LamppostError
from lamppost.living import mark, owner_lives
from lamppost.storage import write_whole

__all__ = [
    "Store",
    "bytes_written",
    "left_overs",
    "not_written",
    "provenance",
    "remove_dead_parts",
    "remove_parts",
    "write_file",
]

_LIBRARIES = (
    *("numpy", "scipy", "numba", "numexpr", "pyarrow", "lightgbm", "jax", "jaxlib", "optax", "equinox"),
    *("awkward", "uproot", "h5py", "fastjet", "pythia8mc"),
)
_DIGEST = 32
_FORGOTTEN = 7 * 86_400.0
"""Seconds after which an unfinished file is a dead process's, if nothing else tells."""
_written = 0


@cache
def provenance() -> dict[str, str]:
    """Versions of the numerical libraries and a digest of this package's own source: part of every artefact's name."""
    found = {}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "absent"
    source = sha256()
    root = Path(__file__).parents[1]
    for path in sorted(root.rglob("*.py")):
        if path.relative_to(root).parts[0] != "report":  # how a page looks does not change a number
            source.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return {**found, "lamppost": source.hexdigest()[:16]}


def write_file(path: Path, content: bytes) -> None:
    """Write a file so that it is there complete or not at all, whatever happens.

    Raises
    ------
    LamppostError
        If it cannot be written: what was there before is still there, and the run can be started again.
    """
    global _written
    try:
        write_whole(path, content)
    except OSError as error:
        raise not_written(path, error) from None
    _written += len(content)


def bytes_written() -> int:
    """Bytes that this process has written so far with `write_file`."""
    return _written


def not_written(path: Path, error: OSError) -> LamppostError:
    """What to tell the user of a full disk or a folder without permission."""
    why = error.strerror or error
    return LamppostError(f"{path}: cannot be written: {why}; what is finished is kept, start again to go on")


def left_overs(folder: Path) -> list[Path]:
    """Unfinished files and scratch folders whose process is dead: of this machine, or a week old."""
    found = [*folder.glob(".*.part"), *folder.glob("*.work")]
    return [path for path in found if not (owner_lives(path.name) or _recent(path))]


def _recent(path: Path) -> bool:
    """Whether an unfinished file may be a living process's of another machine."""
    if owner_lives(path.name) is not None:
        return False
    try:
        return time.time() - path.stat().st_mtime < _FORGOTTEN
    except OSError:  # finished, and renamed
        return True


def remove_parts(folder: Path) -> None:
    """Remove everything that is half-made, in a folder that no other process writes into."""
    _remove([*folder.glob(".*.part"), *folder.glob("*.work")])


def remove_dead_parts(folder: Path) -> None:
    """Remove what dead processes of this machine left half-written in a folder that holds other things as well."""
    _remove([path for path in folder.glob(".*.part") if owner_lives(path.name) is False])


def _remove(paths: list[Path]) -> None:
    for path in paths:
        if path.is_dir():
            rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


class Store:
    """A folder of artefacts: arrays as parquet, tables as arrow, the rest as JSON, with a hash of what they hold."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, key: str) -> Path:
        """Where the artefact of that key is."""
        return self.folder / key

    def remove_parts(self) -> None:
        """Remove what processes that were killed have left half-made; not what living ones are making."""
        _remove(left_overs(self.folder))

    @contextmanager
    def temporary(self, key: str) -> Iterator[Path]:
        """A folder for what the task of that key makes and does not keep; gone at the end, in any case.

        Raises
        ------
        LamppostError
            If it cannot be made.
        """
        folder = self.folder / f".{Path(key).stem}.{mark()}.work"
        try:
            folder.mkdir()
        except OSError as error:
            raise not_written(folder, error) from None
        try:
            yield folder
        finally:
            rmtree(folder, ignore_errors=True)

    def write_json(self, key: str, value: Any) -> None:
        """Store plain values."""
        text = json.dumps(value, sort_keys=True)
        wrapped = {"sha256": sha256(text.encode()).hexdigest(), "value": value}
        write_file(self.path(key), json.dumps(wrapped, sort_keys=True).encode())

    def read_json(self, key: str) -> Any:
        """What `write_json` stored; an exception of some sort if the file was damaged."""
        wrapped = json.loads(self.path(key).read_bytes())
        text = json.dumps(wrapped["value"], sort_keys=True)
        if sha256(text.encode()).hexdigest() != wrapped["sha256"]:
            msg = f"{self.path(key)}: content does not match its hash"
            raise ValueError(msg)
        return wrapped["value"]

    def write_arrays(self, key: str, arrays: Mapping[str, NDArray[Any]], about: Mapping[str, Any]) -> None:
        """Store named arrays (n,) or (n, k) of equal length and what there is to say about them."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        columns = {name: pa.array(a) if a.ndim == 1 else _rows(a) for name, a in arrays.items()}
        text = json.dumps(about, sort_keys=True)
        # the checksums of parquet cover its pages, not names and types
        table = pa.table(columns).replace_schema_metadata({"about": text, "sha256": _hash_of(arrays, text)})
        sink = pa.BufferOutputStream()
        # scores and features hardly compress; a dictionary would only cost time
        pq.write_table(table, sink, use_dictionary=False, compression="zstd")
        write_file(self.path(key), sink.getvalue().to_pybytes())

    def read_arrays(self, key: str) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """What `write_arrays` stored; an exception of some sort if the file was damaged."""
        import pyarrow.parquet as pq

        table = pq.read_table(self.path(key), memory_map=False)
        arrays = {}
        for name in table.column_names:
            column = table[name].combine_chunks()
            if hasattr(column.type, "list_size"):
                arrays[name] = np.asarray(column.flatten()).reshape(len(column), column.type.list_size)
            else:
                arrays[name] = np.asarray(column)
        text = table.schema.metadata[b"about"].decode()
        if _hash_of(arrays, text) != table.schema.metadata[b"sha256"].decode():
            msg = f"{self.path(key)}: content does not match its hash"
            raise ValueError(msg)
        return arrays, json.loads(text)

    def write_table(self, key: str, table: Any) -> None:
        """Store an arrow table, nested columns and metadata included."""
        import pyarrow as pa

        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
            writer.write_table(table.combine_chunks())
        content = sink.getvalue().to_pybytes()
        write_file(self.path(key), sha256(content).digest() + content)

    def read_table(self, key: str) -> Any:
        """What `write_table` stored; an exception of some sort if the file was damaged."""
        import pyarrow as pa

        stored = self.path(key).read_bytes()
        if sha256(stored[_DIGEST:]).digest() != stored[:_DIGEST]:
            msg = f"{self.path(key)}: content does not match its hash"
            raise ValueError(msg)
        return pa.ipc.open_stream(stored[_DIGEST:]).read_all()

    def read_about(self, key: str) -> dict[str, Any]:
        """What the metadata of a stored arrow table say about it, under `about`; its rows stay where they are."""
        import pyarrow as pa

        with self.path(key).open("rb") as file:
            file.seek(_DIGEST)
            metadata = pa.ipc.open_stream(file).schema.metadata or {}
        return dict(json.loads(metadata.get(b"about", b"{}")))

    def intact(self, key: str) -> bool:
        """Whether the artefact exists and is whole; a damaged one is removed, to be made again.

        One that is whole counts as used now.
        """
        path = self.path(key)
        while (before := _stamp(path)) is not None:
            try:
                self._read(key)
            except Exception:  # readers make anything of damaged bytes
                if _stamp(path) == before:  # else another run has made it again meanwhile
                    path.unlink(missing_ok=True)
                    return False
            else:
                with suppress(OSError):  # another user's
                    os.utime(path)
                return True
        return False

    def _read(self, key: str) -> None:
        if key.endswith(".json"):
            self.read_json(key)
        elif key.endswith(".arrow"):
            self.read_table(key)
        else:
            self.read_arrays(key)


def _stamp(path: Path) -> tuple[int, int, int] | None:
    """What tells a file from one that has taken its name since; None if there is none."""
    try:
        about = path.stat()
    except OSError:
        return None
    return about.st_ino, about.st_size, about.st_mtime_ns


def _hash_of(arrays: Mapping[str, NDArray[Any]], about: str) -> str:
    content = sha256(about.encode())
    for name, array in arrays.items():
        content.update(json.dumps([name, array.dtype.str, array.shape]).encode())
        content.update(np.ascontiguousarray(array).data)
    return content.hexdigest()


def _rows(array: NDArray[Any]) -> Any:
    import pyarrow as pa

    return pa.FixedSizeListArray.from_arrays(pa.array(np.ascontiguousarray(array).ravel()), array.shape[1])
