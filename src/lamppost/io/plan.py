"""What to read of one file, and how to make events of it, a chunk at a time."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamppost.core import Array
from lamppost.errors import DataError
from lamppost.expressions import Expression
from lamppost.io.ids import row_ids
from lamppost.io.reader import NUMBERS, PADDED, Chunk, Kind, Reader, known

__all__ = ["Part", "Plan"]


@dataclass(frozen=True)
class Part:
    """The events of a chunk: id, m, w (n,), x (n, d), label (n,) if read, and their rows in the file (n,).

    `blocks` {name: (n, particles, k)}.
    """

    id: NDArray[np.uint64]
    x: NDArray[np.float32]
    m: Array
    w: Array
    row: NDArray[np.int64]
    labels: NDArray[np.int8] | None = None
    blocks: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)

    def take(self, keep: NDArray[np.bool_]) -> "Part":
        """The events that a mask (n,) keeps."""
        if keep.all():
            return self
        labels = None if self.labels is None else self.labels[keep]
        blocks = {name: values[keep] for name, values in self.blocks.items()}
        return Part(self.id[keep], self.x[keep], self.m[keep], self.w[keep], self.row[keep], labels, blocks)


@dataclass
class _Fault:
    count: int
    row: int
    value: float


@dataclass
class Plan:
    """The expressions of one file; the counts and `faults` fill up while its chunks are read."""

    reader: Reader
    mass: Expression
    features: tuple[Expression, ...]
    weight: Expression | None = None
    select: Expression | None = None
    label: Expression | None = None
    id: tuple[str, ...] = ()
    blocks: Mapping[str, Sequence[str]] = field(default_factory=dict)
    rows: int = 0
    selected: int = 0
    finite: int = 0
    dropped: int = 0
    faults: dict[str, _Fault] = field(default_factory=dict)

    def columns(self) -> list[str]:
        """Every column that is read, once."""
        return list(dict.fromkeys([*self.id, *_used(self.select), *self._checked()]))

    def check(self, kinds: Mapping[str, Kind]) -> None:
        """Refuse columns that the file does not have, and those that hold no numbers.

        Raises
        ------
        DataError
            Naming the column, and what there is instead.
        """
        for name in self.columns():
            if name not in kinds:
                msg = f"{self.reader}: no column {name!r}, {known(name, list(kinds))}"
                raise DataError(msg)
        for name in [*self.id, *_used(self.select), *self._numbers()]:
            if kinds[name] not in NUMBERS:
                msg = f"{self.reader}: column {name!r}: expected one number per row, found {kinds[name]}"
                raise DataError(msg)
        for name in self._padded():
            if kinds[name] != PADDED:
                expected = f"expected {PADDED}, as `lamppost features` writes them"
                msg = f"{self.reader}: column {name!r}: {expected}, found {kinds[name]}"
                raise DataError(msg)
        for name in self.id:
            if kinds[name] not in ("integer", "unknown"):
                msg = f"{self.reader}: id column {name!r}: expected whole numbers, found type {kinds[name]}"
                raise DataError(msg)

    def parts(self) -> Iterator[Part]:
        """The selected events with finite values, chunk by chunk.

        Raises
        ------
        DataError
            If an event has no identifier or a label other than 0 and 1. Values that are not finite are counted only.
        """
        for chunk in self.reader.chunks(self.columns(), self.id):
            row = np.arange(self.rows, self.rows + len(next(iter(chunk.values()))), dtype=np.int64)
            self.rows += len(row)
            self._check_id(chunk, row)
            if self.select:
                chunk, row = self._finite(chunk, row, _used(self.select))
                chunk, row = _take(chunk, row, self.select.passes(chunk))
            self.selected += len(row)
            part = self._part(*self._finite(chunk, row, self._checked()))
            self.finite += len(part.row)
            yield part

    def refuse(self) -> None:
        """Raise a DataError if values that are not finite were met: the first column, how many, the first row."""
        for what, fault in self.faults.items():
            values = f"{fault.count} {'values' if fault.count > 1 else 'value'} that cannot be used"
            why = "too large for float32" if np.isfinite(fault.value) else f"{fault.value:g}"
            remedy = 'expected finite numbers (or missing = "drop")'
            msg = f"{self.reader}: {what} has {values}, the first in row {fault.row} is {why}; {remedy}"
            raise DataError(msg)

    def _checked(self) -> list[str]:
        """The columns that must be finite in the selected rows."""
        return list(dict.fromkeys([*self._numbers(), *self._padded()]))

    def _numbers(self) -> list[str]:
        """The columns that mass, features, weight and label are made of."""
        return [name for used in (self.mass, *self.features, self.weight, self.label) for name in _used(used)]

    def _padded(self) -> list[str]:
        """The columns that blocks are made of."""
        return [name for columns in self.blocks.values() for name in columns]

    def _part(self, chunk: Chunk, row: NDArray[np.int64]) -> Part:
        m = self.mass.values(chunk)
        w = self.weight.values(chunk) if self.weight else np.ones(len(row))
        x = np.empty((len(row), len(self.features)), dtype=np.float32)
        good = self._good(self.mass, m, m, row)
        if self.weight:
            good &= self._good(self.weight, w, w, row)
        with np.errstate(over="ignore"):
            for j, feature in enumerate(self.features):
                values = feature.values(chunk)
                x[:, j] = values
                good &= self._good(feature, x[:, j], values, row)
        self.dropped += len(row) - int(np.count_nonzero(good))
        labels = self._labels(chunk, row)
        return Part(self._ids(chunk), x, m, w, row, labels, self._blocks(chunk)).take(good)

    def _blocks(self, chunk: Chunk) -> dict[str, NDArray[np.float32]]:
        """The particles of the columns of each block behind one another."""
        for block, columns in self.blocks.items():
            if len(widths := {chunk[name].shape[2] for name in columns}) > 1:
                found = f"found {', '.join(map(str, sorted(widths)))}"
                msg = f"{self.reader}: block {block!r}: expected as many values per particle in each column, {found}"
                raise DataError(msg)
        return {
            block: np.concatenate([chunk[name] for name in columns], axis=1) for block, columns in self.blocks.items()
        }

    def _finite(self, chunk: Chunk, row: NDArray[np.int64], names: Sequence[str]) -> tuple[Chunk, NDArray[np.int64]]:
        """The rows in which all these columns are finite; the others are counted."""
        good = np.ones(len(row), dtype=np.bool_)
        for name in names:
            values = chunk[name] if chunk[name].ndim == 1 else np.abs(chunk[name]).max(axis=(1, 2), initial=0.0)
            finite = np.isfinite(values)
            if not finite.all():
                self._count(f"column {name!r}", finite, values, row)
                good &= finite
        self.dropped += len(row) - int(np.count_nonzero(good))
        return _take(chunk, row, good)

    def _good(
        self, expression: Expression, kept: NDArray[Any], values: Array, row: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        finite: NDArray[np.bool_] = np.isfinite(kept)
        if not finite.all():
            what = "expression" if expression.steps else "column"
            self._count(f"{what} {expression.text!r}", finite, values, row)
        return finite

    def _count(self, what: str, finite: NDArray[np.bool_], values: NDArray[Any], row: NDArray[np.int64]) -> None:
        first = int(np.argmin(finite))
        fault = self.faults.setdefault(what, _Fault(0, int(row[first]), float(values[first])))
        fault.count += len(finite) - int(np.count_nonzero(finite))

    def _check_id(self, chunk: Chunk, row: NDArray[np.int64]) -> None:
        for name in self.id:
            if chunk[name].dtype.kind not in "iu":  # readers make a float of a whole number that is missing
                first = row[int(np.argmin(np.isfinite(chunk[name])))]
                msg = f"{self.reader}: id column {name!r} has no value in row {first}"
                raise DataError(msg)

    def _ids(self, chunk: Chunk) -> NDArray[np.uint64]:
        if self.id:
            return row_ids([chunk[name] for name in self.id])
        measured = {name for used in (self.mass, *self.features) for name in _used(used)}
        return row_ids([chunk[name].astype(np.float64) for name in sorted(measured)])

    def _labels(self, chunk: Chunk, row: NDArray[np.int64]) -> NDArray[np.int8] | None:
        if self.label is None:
            return None
        values = self.label.values(chunk)
        wrong = (values != 0) & (values != 1)
        if wrong.any():
            first = int(np.argmax(wrong))
            found = f"{values[first]:g} in row {row[first]}"
            msg = f"{self.reader}: label {self.label.text!r}: expected 0 or 1, found {found}"
            raise DataError(msg)
        return values.astype(np.int8)


def _used(expression: Expression | None) -> tuple[str, ...]:
    return expression.columns if expression else ()


def _take(chunk: Chunk, row: NDArray[np.int64], keep: NDArray[np.bool_]) -> tuple[Chunk, NDArray[np.int64]]:
    if keep.all():
        return chunk, row
    return {name: values[keep] for name, values in chunk.items()}, row[keep]
