"""pandas-HDF5 feature files, as the LHC Olympics publish them: one column, one number per event."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, ClassVar

from lamppost.errors import DataError
from lamppost.io.frames import PICKLED, blocks, labels, length, open_frame, row_bytes, rows, what_is
from lamppost.io.reader import Chunk, Kind, Reader, damaged, kind_of, unique

__all__ = ["HdfReader"]

SLAB = 1 << 24
"""Bytes held of a block at a time: rows are stored whole, so all their columns pass through memory."""


class HdfReader(Reader):
    """A frame of a pandas HDF5 file, "file.h5:key"; the key may be left out where the file holds exactly one."""

    suffixes: ClassVar[tuple[str, ...]] = (".h5", ".hdf5", ".hdf")
    part_name: ClassVar[str | None] = "key"

    def columns(self) -> dict[str, Kind]:
        """The kind of every column; whole numbers as names become their digits."""
        with open_frame(self.path, self.part) as frame, damaged(self):
            if "table" in frame:
                return self._record_columns(frame["table"])
            kinds = {name: kind for block in blocks(frame) for name, kind in self._block_columns(frame, block)}
            order = labels(self, frame, "axis0")
            unique(self, order)
            return {name: kinds[name] for name in order}

    def chunks(self, columns: Sequence[str], integers: Collection[str] = ()) -> Iterator[Chunk]:
        """Slabs of rows as numpy columns."""
        with open_frame(self.path, self.part) as frame, damaged(self):
            slabs = self._record_slabs(frame["table"], columns) if "table" in frame else self._slabs(frame, columns)
            yield from slabs

    def _record_columns(self, table: Any) -> dict[str, Kind]:
        kinds: dict[str, Kind] = {}
        for name in table.dtype.names:
            dtype = table.dtype[name]
            if name.startswith("values_block_"):
                msg = (
                    f"{self}: {name} keeps its column names as {PICKLED}; expected format='fixed' or data_columns=True"
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
        kind = what_is(values) or kind_of(values.dtype)
        return [(name, kind) for name in labels(self, frame, f"{block}_items")]

    def _slabs(self, frame: Any, columns: Sequence[str]) -> Iterator[Chunk]:
        places = self._places(frame, columns)
        values = {block: frame[f"{block}_values"] for block, _ in places.values()}
        end = min(length(block) for block in values.values())
        step = max(1, SLAB // max(1, sum(row_bytes(block) for block in values.values())))
        for start in range(0, end, step):
            slabs = {name: rows(block, start, min(start + step, end)) for name, block in values.items()}
            yield {name: slabs[block][:, column] for name, (block, column) in places.items()}

    def _places(self, frame: Any, columns: Sequence[str]) -> Mapping[str, tuple[str, int]]:
        """The block of each column, and its position there."""
        items = {block: labels(self, frame, f"{block}_items") for block in blocks(frame)}
        found = {
            name: (block, names.index(name)) for block, names in items.items() for name in columns if name in names
        }
        return {name: found[name] for name in columns}
