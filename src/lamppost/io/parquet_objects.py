"""Raw collisions in parquet files with nested columns, as awkward and `lamppost simulate` write them."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from lamppost.errors import DataError
from lamppost.io.collisions import CollisionReader, JaggedColumn, Lists, Passes, Range
from lamppost.io.contents import Contents, Leaf, arrange
from lamppost.io.parquet import BUFFER, type_kind
from lamppost.io.reader import damaged, unique

__all__ = ["ParquetCollisions"]

BATCH = 1024
"""Rows decoded at once: a row of a thousand particles takes some ten kilobytes."""


class ParquetCollisions(CollisionReader):
    """list<struct> columns X are collections X, list columns X_field belong to X, flat columns are scalars.

    Within a row group arrow reads forward only: ranges are cheap if one reader takes them in rising order.
    """

    format: ClassVar[str] = "parquet"
    suffixes: ClassVar[tuple[str, ...]] = (".parquet", ".pq")

    _stream: "_Stream | None" = None

    def _contents(self) -> Contents:
        with damaged(self), pq.ParquetFile(self.path) as file:
            schema, rows = file.schema_arrow, file.metadata.num_rows
        unique(self, schema.names)
        leaves = {name: leaf for field in schema for name, leaf in _leaves(field.name, field.type)}
        return arrange(self, rows, leaves, self.objects)

    def _edges(self) -> NDArray[np.int64]:
        with damaged(self), pq.ParquetFile(self.path) as file:
            sizes = [file.metadata.row_group(i).num_rows for i in range(file.metadata.num_row_groups)]
        return np.cumsum([0, *sizes], dtype=np.int64)

    def _read(self, start: int, stop: int, scalars: Sequence[str], objects: Lists, passes: Passes) -> Range:
        wanted = tuple(dict.fromkeys([*scalars, *(leaf for leaves in objects.values() for leaf in leaves.values())]))
        with damaged(f"{self}: rows {start} to {stop - 1}"):
            table = self._table(start, stop, wanted)
        flat = {name: self._scalar(table, name, start) for name in scalars}
        kept = passes(flat)
        if objects and not kept.all():
            table = table.filter(pa.array(kept))
        rows = start + np.flatnonzero(kept)
        made = {
            name: self._joined(name, leaves, {leaf: self._list(table, leaf, rows) for leaf in leaves.values()}, rows)
            for name, leaves in objects.items()
        }
        return Range(flat, kept, made)

    def _table(self, start: int, stop: int, leaves: tuple[str, ...]) -> Any:
        """Some columns of rows [start, stop), as an arrow table."""
        batches: list[Any] = []
        for group, (low, high) in enumerate(pairwise(self._edges())):
            if leaves and max(start, low) < min(stop, high):
                first = max(start, low) - low
                if self._stream is None or self._stream.key != (group, leaves) or self._stream.at > first:
                    self._stream = _Stream(self.path, group, leaves)
                batches += self._stream.take(first, min(stop, high) - low)
        if batches:
            return pa.Table.from_batches(batches)
        with pq.ParquetFile(self.path) as file:
            return file.schema_arrow.empty_table()

    def _scalar(self, table: Any, name: str, start: int) -> NDArray[Any]:
        column = table.column(name).combine_chunks()
        if column.null_count and not pa.types.is_floating(column.type):
            msg = f"{self}: column {name!r}, row {start + _first_null(column)}: expected a value, found none"
            raise DataError(msg)
        return _numpy(column)

    def _list(self, table: Any, leaf: str, rows: NDArray[np.int64]) -> JaggedColumn:
        """How many values each event has, and all of them."""
        name, field = (leaf, "") if leaf in table.column_names else (leaf.rpartition(".")[0], leaf.rpartition(".")[2])
        column = table.column(name).combine_chunks()
        if column.null_count:
            msg = f"{self}: column {name!r}, row {rows[_first_null(column)]}: expected a list, found none"
            raise DataError(msg)
        counts = _numpy(pc.list_value_length(column)).astype(np.int64)
        listed = column.flatten()
        values = listed.field(field) if field else listed
        for found in (listed, values):
            if found.null_count:
                bad = int(np.searchsorted(np.cumsum(counts), _first_null(found), side="right"))
                msg = f"{self}: column {leaf!r}, row {rows[bad]}: expected a number for each object, found none"
                raise DataError(msg)
        return counts, _numpy(values)


class _Stream:
    """The batches of one row group from its first row on, some columns only."""

    def __init__(self, path: Path, group: int, leaves: tuple[str, ...]) -> None:
        self.key = (group, leaves)
        self.at = 0
        # read through a buffer: otherwise the whole row group lies in memory
        file = pq.ParquetFile(path, buffer_size=BUFFER, pre_buffer=False)
        columns = [path for leaf in leaves for path in _paths(file, leaf)]
        self._batches: Iterator[Any] = file.iter_batches(BATCH, row_groups=[group], columns=columns, use_threads=False)
        self._rest: Any = None

    def take(self, first: int, stop: int) -> list[Any]:
        """Rows [first, stop) of the group; none before `at` can be had any more."""
        taken: list[Any] = []
        while self.at < stop:
            if not self._rest:
                self._rest = next(self._batches)
            skip, end = max(0, first - self.at), min(self._rest.num_rows, stop - self.at)
            if skip < end:
                taken.append(self._rest.slice(skip, end - skip))
            self._rest = self._rest.slice(end)
            self.at += end
        return taken


def _paths(file: Any, leaf: str) -> list[str]:
    """Where the values of a leaf are: a field of a list of structs lies deeper, below names that writers differ in."""
    paths = [file.schema.column(i).path for i in range(len(file.schema))]
    if leaf in file.schema_arrow.names:
        return [path for path in paths if path == leaf or path.startswith(f"{leaf}.")]
    name, _, field = leaf.rpartition(".")
    return [path for path in paths if path.startswith(f"{name}.") and path.endswith(f".{field}")]


def _leaves(name: str, kind: Any) -> Iterator[tuple[str, Leaf]]:
    listed = pa.types.is_list(kind) or pa.types.is_large_list(kind)
    if listed and pa.types.is_struct(kind.value_type):
        for field in kind.value_type:
            yield f"{name}.{field.name}", Leaf(type_kind(field.type), True, f"list<{field.type}>")
    else:
        yield name, Leaf(type_kind(kind.value_type if listed else kind), listed, str(kind))


def _first_null(column: Any) -> int:
    return int(np.argmin(column.is_valid().to_numpy(zero_copy_only=False)))


def _numpy(column: Any) -> NDArray[Any]:
    values: NDArray[Any] = column.to_numpy(zero_copy_only=False)
    return values
