"""Raw events of the LHC Olympics: 700 x (pt, eta, phi) per event, zero padded, and perhaps a label.

pandas frames in HDF5 (arXiv:2101.08320); nothing is ever unpickled.
"""

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from lamppost.core import Objects
from lamppost.errors import DataError
from lamppost.io.collisions import LABEL, CollisionReader, Lists, Passes, Range
from lamppost.io.contents import Contents
from lamppost.io.frames import blocks, by_row, labels, length, open_frame, rows, what_is
from lamppost.io.reader import Chunk, damaged, kind_of

__all__ = ["LhcoCollisions"]

PARTICLES = "particles"
FIELDS = ("pt", "eta", "phi")
_ONLY = "values_block_0"
_FEATURE = b"mj1"


class LhcoCollisions(CollisionReader):
    """A frame of 3 N columns, or of 3 N + 1 with the label as the last; those with pt = 0 are no particles."""

    format: ClassVar[str] = "lhco"
    suffixes: ClassVar[tuple[str, ...]] = (".h5", ".hdf5", ".hdf")

    def _contents(self) -> Contents:
        with open_frame(self.path, self.part) as frame, damaged(self):
            matrix = _Matrix(self, frame)
            scalars = {LABEL: "integer"} if matrix.columns % 3 else {}
            objects = {PARTICLES: dict.fromkeys(FIELDS, "float")}
            return Contents(matrix.rows, scalars, objects, {PARTICLES: {name: name for name in FIELDS}})

    def _edges(self) -> NDArray[np.int64]:
        with open_frame(self.path, self.part) as frame, damaged(self):
            matrix = _Matrix(self, frame)
            return np.append(np.arange(0, matrix.rows, matrix.chunk), matrix.rows)

    def _read(self, start: int, stop: int, scalars: Sequence[str], objects: Lists, passes: Passes) -> Range:
        with open_frame(self.path, self.part) as frame, damaged(f"{self}: rows {start} to {stop - 1}"):
            values = _Matrix(self, frame).read(start, stop)
        table: Chunk = {LABEL: self._label(values[:, -1], start)} if LABEL in scalars else {}
        kept = passes(table)
        slots = values.shape[1] // 3
        particles = (values if kept.all() else values[kept])[:, : 3 * slots].reshape(-1, slots, 3)
        made = {name: _objects(particles, fields) for name, fields in objects.items()}
        return Range(table, kept, made)

    def _label(self, values: NDArray[Any], start: int) -> NDArray[np.int8]:
        wrong = (values != 0) & (values != 1)
        if wrong.any():
            bad = int(np.argmax(wrong))
            msg = f"{self}: the label (last column), row {start + bad}: expected 0 or 1, found {values[bad]:g}"
            raise DataError(msg)
        return values.astype(np.int8)


class _Matrix:
    """All columns of a frame as one array (rows, columns), whatever blocks pandas made of them."""

    def __init__(self, where: object, frame: Any) -> None:
        self.record = "table" in frame
        if self.record:
            self._records(where, frame["table"])
        else:
            self._blocks(where, frame)
        if self.columns < 3 or self.columns % 3 == 2:
            expected = "3 for each particle (pt, eta, phi) and at most one for the label, such as 2100 or 2101"
            msg = f"{where}: expected {expected}, found {self.columns} columns"
            raise DataError(msg)

    def _records(self, where: object, table: Any) -> None:
        names = [name for name in table.dtype.names if name != "index"]
        if names != [_ONLY] or kind_of(table.dtype[_ONLY].base) not in ("float", "integer"):
            msg = f"{where}: expected all columns in one block of numbers, found {', '.join(names)}"
            raise DataError(msg)
        self.rows, self.columns = int(table.shape[0]), int(np.prod(table.dtype[_ONLY].shape))
        self.chunk = table.chunks[0] if table.chunks else 1
        self.parts = [(table, slice(None))]

    def _blocks(self, where: object, frame: Any) -> None:
        parts = [frame[f"{block}_values"] for block in blocks(frame)]
        for values in parts:
            if what := what_is(values) or (None if values.dtype.kind in "fiub" else str(values.dtype)):
                msg = f"{where}: expected columns of numbers, found {what}"
                raise DataError(msg)
        self.rows = min((length(values) for values in parts), default=0)
        first = parts[0] if parts else None
        _refuse_features(where, frame)
        self.chunk = first.chunks[0] if first is not None and first.chunks and by_row(first) else 1
        places: list[Any] = [slice(None)]
        if len(parts) == 1 and self.rows:  # names do not matter
            self.columns = int(parts[0].shape[1] if by_row(parts[0]) else parts[0].shape[0])
        else:
            order = {name: i for i, name in enumerate(labels(where, frame, "axis0"))}
            places = [[order[name] for name in labels(where, frame, f"{block}_items")] for block in blocks(frame)]
            self.columns = len(order)
        self.parts = list(zip(parts, places, strict=True))

    def read(self, start: int, stop: int) -> NDArray[Any]:
        if self.record:
            block: NDArray[Any] = self.parts[0][0].fields(_ONLY)[start:stop]
            return block.reshape(stop - start, self.columns)
        if len(self.parts) == 1:
            return rows(self.parts[0][0], start, stop)
        whole = np.empty((stop - start, self.columns), np.result_type(*(values.dtype for values, _ in self.parts)))
        for values, columns in self.parts:
            whole[:, columns] = rows(values, start, stop)
        return whole


def _refuse_features(where: object, frame: Any) -> None:
    """The published features of these events have the form of the events themselves, and 15 columns."""
    names = frame.get("axis0")
    if names is not None and names.dtype.kind == "S" and _FEATURE in names[()]:
        msg = f"{where}: is a table of features ({_FEATURE.decode()}, ...), expected raw events, (pt, eta, phi) columns"
        raise DataError(msg)


def _objects(particles: NDArray[Any], fields: Iterable[str]) -> Objects:
    """particles (n, slots, 3) without the padding."""
    there = particles[:, :, 0] != 0
    counts = np.count_nonzero(there, axis=1).astype(np.int64)
    return Objects(counts, {name: particles[:, :, FIELDS.index(name)][there] for name in fields if name})
