"""pandas-HDF5 feature files, as the LHC Olympics publish them, read by h5py: nothing is ever unpickled.

A "fixed" frame holds its columns in blocks of one type: block{i}_items names them, block{i}_values is (rows, columns).
A "table" frame is one array of records; its columns have names of their own only if written with data_columns=True.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from lamppost.errors import DataError, optional
from lamppost.io.reader import Chunk, Kind, Reader, damaged, kind_of, unique

__all__ = ["HdfReader"]

SLAB = 1 << 24
"""Bytes held of a block at a time: rows are stored whole, so all their columns pass through memory."""

_PICKLED = "pickled objects, which are never read"


class HdfReader(Reader):
    """A frame of a pandas HDF5 file, "file.h5:key"; the key may be left out where the file holds exactly one."""

    suffixes: ClassVar[tuple[str, ...]] = (".h5", ".hdf5", ".hdf")
    part_name: ClassVar[str | None] = "key"

    def columns(self) -> dict[str, Kind]:
        """The kind of every column; whole numbers as names become their digits."""
        with self._frame() as frame, damaged(self):
            if "table" in frame:
                return self._record_columns(frame["table"])
            kinds = {name: kind for block in self._blocks(frame) for name, kind in self._block_columns(frame, block)}
            order = self._labels(frame, "axis0")
            unique(self, order)
            return {name: kinds[name] for name in order}

    def chunks(self, columns: Sequence[str], integers: Collection[str] = ()) -> Iterator[Chunk]:
        """Slabs of rows as numpy columns."""
        with self._frame() as frame, damaged(self):
            slabs = self._record_slabs(frame["table"], columns) if "table" in frame else self._slabs(frame, columns)
            yield from slabs

    def _record_columns(self, table: Any) -> dict[str, Kind]:
        kinds: dict[str, Kind] = {}
        for name in table.dtype.names:
            dtype = table.dtype[name]
            if name.startswith("values_block_"):
                msg = (
                    f"{self}: {name} keeps its column names as {_PICKLED}; expected format='fixed' or data_columns=True"
                )
                raise DataError(msg)
            kinds[name] = "text" if dtype.kind == "S" else kind_of(dtype)
        return kinds

    def _record_slabs(self, table: Any, columns: Sequence[str]) -> Iterator[Chunk]:
        step = max(1, SLAB // table.dtype.itemsize)
        for start in range(0, table.shape[0], step):
            records = table[start : start + step]
            yield {name: records[name] for name in columns}

    def _block_columns(self, frame: Any, block: str) -> list[tuple[str, Kind]]:
        values = frame[f"{block}_values"]
        kind = kind_of(values.dtype)
        if values.dtype.kind == "O" or "PSEUDOATOM" in values.attrs:
            kind = _PICKLED
        elif (stored := _text(values.attrs.get("value_type", ""))).startswith(("datetime", "timedelta")):
            kind = stored  # times are stored as integers
        return [(name, kind) for name in self._labels(frame, f"{block}_items")]

    def _slabs(self, frame: Any, columns: Sequence[str]) -> Iterator[Chunk]:
        places = self._places(frame, columns)
        blocks = {block: frame[f"{block}_values"] for block, _ in places.values()}
        rows = min(_length(values) for values in blocks.values())
        step = max(1, SLAB // max(1, sum(_row_bytes(values) for values in blocks.values())))
        for start in range(0, rows, step):
            slabs = {block: _rows(values, start, min(start + step, rows)) for block, values in blocks.items()}
            yield {name: slabs[block][:, column] for name, (block, column) in places.items()}

    def _places(self, frame: Any, columns: Sequence[str]) -> Mapping[str, tuple[str, int]]:
        """The block of each column, and its position there."""
        items = {block: self._labels(frame, f"{block}_items") for block in self._blocks(frame)}
        found = {
            name: (block, labels.index(name)) for block, labels in items.items() for name in columns if name in labels
        }
        return {name: found[name] for name in columns}

    def _blocks(self, frame: Any) -> list[str]:
        return [f"block{i}" for i in range(int(frame.attrs["nblocks"]))]

    def _labels(self, frame: Any, key: str) -> list[str]:
        """The names of columns; integers and byte strings become text."""
        if key not in frame:
            msg = f"{self}: columns of several levels, expected plain names"
            raise DataError(msg)
        labels = frame[key]
        if labels.dtype.kind == "O":
            msg = f"{self}: {key} holds {_PICKLED}; expected column names that are text or whole numbers"
            raise DataError(msg)
        return [] if "shape" in labels.attrs else [_text(label) for label in labels[()]]

    @contextmanager
    def _frame(self) -> Iterator[Any]:
        """The open group. Not inside `damaged`, for that would take an error of the caller for one of the file."""
        h5py = optional("h5py", "hdf5")
        optional("hdf5plugin", "hdf5")  # teaches HDF5 the blosc compression that PyTables uses
        with damaged(self):
            file = h5py.File(self.path, "r")
        with file:
            with damaged(self):
                frames: list[str] = []
                file.visititems(lambda name, item: frames.append(name) if _is_frame(item) else None)
                frame = file[self._choose(frames)]
            yield frame

    def _choose(self, frames: list[str]) -> str:
        part = self.part.strip("/") if self.part else None
        if part in frames or (part is None and len(frames) == 1):
            return part or frames[0]
        found = f"found {', '.join(frames) or 'none'}"
        msg = f"{self.path}: no pandas frame {part!r}, {found}"
        if part is None:
            msg = f'{self.path}: expected one pandas frame, {found}; name it as in "{self.path.name}:key"'
        raise DataError(msg)


def _is_frame(item: Any) -> bool:
    return _text(item.attrs.get("pandas_type", "")) in ("frame", "frame_table")


def _text(label: Any) -> str:
    return label.decode() if isinstance(label, bytes) else str(label)


def _row_bytes(values: Any) -> int:
    return int(values.dtype.itemsize) * int(values.shape[1] if _by_row(values) else values.shape[0])


def _by_row(values: Any) -> bool:
    return bool(values.attrs.get("transposed", False))


def _length(values: Any) -> int:
    if "shape" in values.attrs:  # pandas stores an array without rows as a single value, and says so here
        return 0
    return int(values.shape[0] if _by_row(values) else values.shape[1])


def _rows(values: Any, start: int, stop: int) -> NDArray[Any]:
    slab: NDArray[Any] = values[start:stop] if _by_row(values) else np.transpose(values[:, start:stop])
    return slab
