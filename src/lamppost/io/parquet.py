"""Parquet files: one row group at a time, only the columns asked for."""

from collections.abc import Collection, Iterator, Sequence
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from lamppost.io.reader import PADDED, ROWS, Chunk, Kind, Reader, damaged, unique

__all__ = ["BUFFER", "ParquetReader", "type_kind"]

BUFFER = 1 << 20
ROWS_OF_BLOCKS = 4096


class ParquetReader(Reader):
    """A parquet file of flat columns; the padded constituents of jets are blocks."""

    suffixes: ClassVar[tuple[str, ...]] = (".parquet", ".pq")

    def columns(self) -> dict[str, Kind]:
        """The kind of every column, in file order."""
        with damaged(self), pq.ParquetFile(self.path) as file:
            schema = file.schema_arrow
        unique(self, schema.names)
        return {field.name: PADDED if _shape(field) else type_kind(field.type) for field in schema}

    def chunks(self, columns: Sequence[str], integers: Collection[str] = ()) -> Iterator[Chunk]:
        """Record batches as numpy columns; a null becomes NaN."""
        # read through a buffer: otherwise a whole row group of every column lies in memory
        with damaged(self), pq.ParquetFile(self.path, buffer_size=BUFFER, pre_buffer=False) as file:
            fields = [file.schema_arrow.field(name) for name in columns]
            shapes = {field.name: shape for field in fields if (shape := _shape(field))}
            rows = ROWS_OF_BLOCKS if shapes else ROWS
            for batch in file.iter_batches(batch_size=rows, columns=list(columns), use_threads=False):
                yield {
                    name: _block(batch.column(name), *shapes[name]) if name in shapes else _numbers(batch.column(name))
                    for name in columns
                }


def _numbers(column: Any) -> NDArray[Any]:
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.int8())  # arrow would make Python objects of truth values with nulls
    values: NDArray[Any] = column.to_numpy(zero_copy_only=False)
    return values


def _shape(field: Any) -> tuple[int, int] | None:
    """Particles and columns of a block, which the metadata of the field tell; None for any other column."""
    kind, told = field.type, field.metadata or {}
    if not pa.types.is_fixed_size_list(kind) or kind.value_type != pa.float32():
        return None
    try:
        particles, columns = int(told[b"particles"]), int(told[b"columns"])
    except (KeyError, ValueError):
        return None
    return (particles, columns) if columns > 0 and particles * columns == kind.list_size else None


def _block(column: Any, particles: int, columns: int) -> NDArray[np.float32]:
    """(n, particles, columns); all of an event that is null are NaN."""
    values = np.full((len(column), particles * columns), np.nan, dtype=np.float32)
    there = column.is_valid().to_numpy(zero_copy_only=False)
    values[there] = column.flatten().to_numpy(zero_copy_only=False).reshape(-1, particles * columns)
    return values.reshape(-1, particles, columns)


def type_kind(kind: Any) -> Kind:
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
