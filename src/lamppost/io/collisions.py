"""Readers of raw collisions: any range of a file's events, and only what is asked for. One subclass, one format."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lamppost.core import Collisions, Objects
from lamppost.errors import ConfigError, DataError
from lamppost.expressions import Expression, bind
from lamppost.io.contents import Contents
from lamppost.io.master_key import read_key
from lamppost.io.reader import NUMBERS, Chunk, Kind, known

__all__ = ["LABEL", "CollisionReader", "JaggedColumn", "Lists", "Passes", "Range"]

LABEL = "label"
MOMENTUM = ("pt", "eta", "phi", "mass", "m", "e", "E", "energy")
STEEPEST = 100.0
"""Beyond this |eta| there is no detector, and not far beyond no number for the energy."""

Lists = Mapping[str, Mapping[str, str]]
"""The objects to read, {collection: {field: column}}; the field "" is counted only."""

JaggedColumn = tuple[NDArray[np.int64], NDArray[Any]]
"""How many values each event has (n,), and all of them (counts.sum(),)."""

Passes = Callable[[Chunk], NDArray[np.bool_]]
"""Which events to keep, from their scalars: (n,)."""


class Range(NamedTuple):
    """What a format read of some rows: `scalars` of all, `kept` (n,) of them, and the `objects` of these."""

    scalars: Chunk
    kept: NDArray[np.bool_]
    objects: dict[str, Objects]


class CollisionReader(ABC):
    """One file, or one tree or table of it. Nothing is opened before it is asked for.

    Ask one reader for one range after another, in rising order: it may keep the file open.
    """

    format: ClassVar[str]
    suffixes: ClassVar[tuple[str, ...]]
    column: ClassVar[str] = "column"
    """What the format calls a column."""

    registry: ClassVar[dict[str, type["CollisionReader"]]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        CollisionReader.registry[cls.format] = cls

    def __init__(
        self,
        path: Path,
        part: str | None = None,
        labels: Path | None = None,
        objects: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:
        self.path = path
        self.part = part
        self.labels = labels
        self.objects = objects or {}

    def __str__(self) -> str:
        return f"{self.path}:{self.part}" if self.part else str(self.path)

    def __getstate__(self) -> dict[str, Any]:
        """What is open is not taken along to another process."""
        taken = ("path", "part", "labels", "objects", "_known")
        return {name: value for name, value in self.__dict__.items() if name in taken}

    def contents(self) -> Contents:
        """What can be read; found once.

        Raises
        ------
        DataError
            If the file is damaged or holds no collisions of this format, or if its master key does not fit.
        """
        return self._known

    def steps(self, rows: int) -> list[tuple[int, int]]:
        """Ranges [start, stop) that cover the file, of at most `rows` events, cut where the file's own chunks end.

        A chunk of the file that is larger than `rows` is cut into equal pieces. The file and `rows` alone decide.
        """
        edges = self._edges()
        ranges: list[tuple[int, int]] = []
        start = 0
        while start < edges[-1]:
            place = int(np.searchsorted(edges, start + rows, side="right"))
            if (stop := int(edges[place - 1])) > start:
                ranges.append((start, stop))
            else:
                stop = int(edges[place])
                pieces = np.linspace(start, stop, -(-(stop - start) // rows) + 1).astype(np.int64).tolist()
                ranges.extend(pairwise(pieces))
            start = stop
        return ranges

    def check(
        self, scalars: Sequence[str], objects: Mapping[str, Sequence[str]], select: str | None = None
    ) -> Expression | None:
        """Refuse what `read` could not read, before any event is read; the condition that `select` is.

        Raises
        ------
        ConfigError, DataError
            As `read`, for what is not there or no number.
        """
        contents = self.contents()
        condition = self._condition(select, contents)
        owners = {column: owner for owner, columns in contents.columns.items() for column in columns.values()}
        for name in [*scalars, *(condition.columns if condition else ())]:
            if name not in {**owners, **contents.scalars}:
                msg = f"{self}: no {self.column} {name!r}, {known(name, list(contents.scalars))}"
                raise DataError(msg)
            self._numbers(name, contents.scalars.get(name) or f"one for each of {owners[name]}", "event")
        for collection, fields in objects.items():
            if collection not in contents.objects:
                msg = f"{self}: no objects {collection!r}, {known(collection, list(contents.objects))}"
                raise DataError(msg)
            kinds, columns = contents.objects[collection], contents.columns[collection]
            for name in fields:
                if name not in kinds:
                    column = f"{name!r} of {collection} (such as {self.column} {collection}_{name})"
                    msg = f"{self}: no field {column}, {known(name, list(kinds))}"
                    raise DataError(msg)
                self._numbers(columns[name], kinds[name], "object")
        return condition

    def read(
        self,
        start: int,
        stop: int,
        scalars: Sequence[str],
        objects: Mapping[str, Sequence[str]],
        select: str | None = None,
    ) -> Collisions:
        """The events of rows [start, stop) that fulfil `select`, with these scalars and {collection: fields} only.

        A collection without fields is counted only. Momenta in GeV, angles in rad, in the types of the file.

        Raises
        ------
        ConfigError
            If `select` is no condition.
        DataError
            If something is not there or no number, if the momentum of an object is not finite, pt negative or eta
            beyond 100, or if the file is damaged: naming the column and the rows.
        """
        condition = self.check(scalars, objects, select)
        if not 0 <= start <= stop <= self.contents().rows:
            msg = f"{self}: rows [{start}, {stop}): expected some of the file's {self.contents().rows}"
            raise DataError(msg)
        names = list(dict.fromkeys([*scalars, *(condition.columns if condition else ())]))
        key = read_key(self.labels)[start:stop] if self.labels and LABEL in names else None

        def passes(table: Chunk) -> NDArray[np.bool_]:
            if key is not None:
                table[LABEL] = key
            return self._passes(condition, table, start, stop)

        stored = [name for name in names if key is None or name != LABEL]
        found = self._read(start, stop, stored, self._lists(objects), passes)
        row = np.arange(start, stop, dtype=np.int64)[found.kept]
        for name, collection in found.objects.items():
            self._check_momenta(name, collection, row)
        return Collisions(row, {name: found.scalars[name][found.kept] for name in scalars}, found.objects)

    def _condition(self, select: str | None, contents: Contents) -> Expression | None:
        try:
            return bind(select, contents.scalars) if select else None
        except ConfigError as error:
            msg = f"select: {error}"
            raise ConfigError(msg) from None

    @abstractmethod
    def _contents(self) -> Contents:
        """What the file itself holds."""

    @abstractmethod
    def _edges(self) -> NDArray[np.int64]:
        """Where chunks start that the file stores as one, from 0 to the number of rows."""

    @abstractmethod
    def _read(self, start: int, stop: int, scalars: Sequence[str], objects: Lists, passes: Passes) -> Range:
        """Read what is known to be there. `passes` is called once, with the scalars, before the objects are made."""

    @cached_property
    def _known(self) -> Contents:
        found = self._contents()
        if self.labels is None:
            return found
        if LABEL in found.scalars:
            msg = f"{self}: has a label of its own, expected none beside the key {self.labels}"
            raise DataError(msg)
        if (lines := len(read_key(self.labels))) != found.rows:
            msg = f"{self.labels}: expected {found.rows} lines, one for each event of {self}, found {lines}"
            raise DataError(msg)
        scalars = {**found.scalars, LABEL: "integer"}
        return Contents(found.rows, scalars, found.objects, found.columns)

    def _numbers(self, column: str, kind: Kind, per: str) -> None:
        if kind not in NUMBERS:
            msg = f"{self}: {self.column} {column!r}: expected one number per {per}, found {kind}"
            raise DataError(msg)

    def _lists(self, objects: Mapping[str, Sequence[str]]) -> Lists:
        columns = self.contents().columns
        return {
            name: {field: columns[name][field] for field in fields} or {"": next(iter(columns[name].values()))}
            for name, fields in objects.items()
        }

    def _joined(
        self, name: str, fields: Mapping[str, str], lists: Mapping[str, JaggedColumn], row: NDArray[np.int64]
    ) -> Objects:
        """One collection of the jagged columns it is made of; `row`: of each event."""
        (first, (counts, _)), *others = lists.items()
        for column, (number, _) in others:
            if (differ := counts != number).any():
                bad = int(np.argmax(differ))
                where = f"{self}: {self.column} {first!r} and {column!r} of {name}, row {row[bad]}"
                msg = f"{where}: expected the same number of objects, found {counts[bad]} and {number[bad]}"
                raise DataError(msg)
        return Objects(counts, {field: lists[column][1] for field, column in fields.items() if field})

    def _passes(self, condition: Expression | None, table: Chunk, start: int, stop: int) -> NDArray[np.bool_]:
        if condition is None:
            return np.ones(stop - start, dtype=np.bool_)
        for name in condition.columns:
            finite = np.isfinite(table[name])
            if not finite.all():
                bad = int(np.argmin(finite))
                expected = f"expected a finite number, for select {condition.text!r} needs it"
                msg = f"{self}: {self.column} {name!r}, row {start + bad}: {expected}, found {table[name][bad]:g}"
                raise DataError(msg)
        return condition.passes(table)

    def _check_momenta(self, name: str, objects: Objects, row: NDArray[np.int64]) -> None:
        for part in MOMENTUM:
            if part not in objects.fields:
                continue
            values = objects.fields[part]
            good, expected = np.isfinite(values), "a finite number"
            if part == "pt":
                good, expected = good & (values >= 0), f"{expected} that is not negative"
            if part == "eta" and good.all():
                good, expected = np.abs(values) <= STEEPEST, f"a number from {-STEEPEST:g} to {STEEPEST:g}"
            if not good.all():
                bad = int(np.argmin(good))
                where = f"row {row[objects.event[bad]]}: {name}.{part}"
                msg = f"{self}: {where}: expected {expected}, found {values[bad]:g}"
                raise DataError(msg)
