"""Comma-separated values with a header line, plain or gzipped, streamed in blocks."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.csv as pc

from lamppost.errors import DataError
from lamppost.io.reader import Chunk, Kind, Reader, damaged, unique

__all__ = ["CsvReader"]

BLOCK = 1 << 21


class CsvReader(Reader):
    """A csv file; the first line names the columns. Empty fields, NA and nan are missing values."""

    suffixes: ClassVar[tuple[str, ...]] = (".csv", ".csv.gz")

    def columns(self) -> dict[str, Kind]:
        """The columns of the header; what they hold shows when they are read."""
        names = self._open({}).schema.names
        unique(self, names)
        return dict.fromkeys(names, "unknown")

    def chunks(self, columns: Sequence[str], integers: Collection[str] = ()) -> Iterator[Chunk]:
        """Blocks of rows as numpy columns."""
        table = self._open({name: pa.int64() if name in integers else pa.float64() for name in columns})
        while True:
            with self._explained():
                batch = next(table, None)
            if batch is None:
                return
            yield {name: batch.column(name).to_numpy(zero_copy_only=False) for name in columns}

    def _open(self, types: Mapping[str, Any]) -> Any:
        read = pc.ReadOptions(use_threads=False, block_size=BLOCK)
        with self._explained():
            convert = pc.ConvertOptions(column_types=types, include_columns=list(types))
            return pc.open_csv(self.path, read_options=read, convert_options=convert)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Say in our words what arrow says about a bad value or a ragged row; it counts rows from the header, 1."""
        try:
            with damaged(self):
                yield
        except DataError as error:
            text = str(error.__cause__)
            place = re.search(r"Row #(\d+)", text)
            where = f"row {int(place[1]) - 2} (line {place[1]})" if place else "the file"
            if value := re.search(r"column #(\d+): .*conversion error to (\w+): invalid value '(.*)'", text, re.DOTALL):
                wanted = "a number" if value[2] == "double" else "a whole number"
                msg = f"{self}: column {self._name(int(value[1]))!r}, {where}: expected {wanted}, found {value[3]!r}"
                raise DataError(msg) from None
            if ragged := re.search(r"Expected (\d+) columns, got (\d+)", text):
                msg = f"{self}: {where}: expected {ragged[1]} columns as in the header, found {ragged[2]}"
                raise DataError(msg) from None
            raise

    def _name(self, position: int) -> str:
        return str(pc.open_csv(self.path).schema.names[position])
