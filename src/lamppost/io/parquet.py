"""Parquet files: one row group at a time, only the columns asked for."""

from collections.abc import Collection, Iterator, Sequence
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from lamppost.io.reader import ROWS, Chunk, Kind, Reader, damaged, unique

__all__ = ["ParquetReader"]

BUFFER = 1 << 20


class ParquetReader(Reader):
    """A parquet file of flat columns."""

    suffixes: ClassVar[tuple[str, ...]] = (".parquet", ".pq")

    def columns(self) -> dict[str, Kind]:
        """The kind of every column, in file order."""
        with damaged(self), pq.ParquetFile(self.path) as file:
            schema = file.schema_arrow
        unique(self, schema.names)
        return {field.name: _kind(field.type) for field in schema}

    def chunks(self, columns: Sequence[str], integers: Collection[str] = ()) -> Iterator[Chunk]:
        """Record batches as numpy columns; a null becomes NaN."""
        # read through a buffer: otherwise a whole row group of every column lies in memory
        with damaged(self), pq.ParquetFile(self.path, buffer_size=BUFFER, pre_buffer=False) as file:
            for batch in file.iter_batches(batch_size=ROWS, columns=list(columns), use_threads=False):
                yield {name: _numbers(batch.column(name)) for name in columns}


def _numbers(column: Any) -> NDArray[Any]:
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.int8())  # arrow would make Python objects of truth values with nulls
    values: NDArray[Any] = column.to_numpy(zero_copy_only=False)
    return values


def _kind(kind: Any) -> Kind:
    """The kind of an arrow type; anything but plain numbers under arrow's own name for it."""
    if pa.types.is_floating(kind):
        return "float"
    if pa.types.is_integer(kind):
        return "integer"
    if pa.types.is_boolean(kind):
        return "boolean"
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return "text"
    return str(kind)
