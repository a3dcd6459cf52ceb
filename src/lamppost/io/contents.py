"""What a file of raw collisions holds: collections of objects, found from the names of its columns."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from lamppost.errors import DataError
from lamppost.io.reader import NUMBERS, Kind, known

__all__ = ["Contents", "Leaf", "arrange"]


@dataclass(frozen=True)
class Contents:
    """What can be read of a file of `rows` events.

    `scalars` {name: kind}, one value per event; `objects` {collection: {field: kind}}; `columns` {collection: {field:
    column}}, where the file keeps them. A kind that is not among `NUMBERS` says what there is instead.
    """

    rows: int
    scalars: Mapping[str, Kind]
    objects: Mapping[str, Mapping[str, Kind]]
    columns: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


class Leaf(NamedTuple):
    """A column of a file: `kind` of its values, as many as an event has objects (`jagged`) or one; `type` as stored."""

    kind: Kind
    jagged: bool
    type: str


def arrange(
    where: object, rows: int, leaves: Mapping[str, Leaf], explicit: Mapping[str, Mapping[str, str]]
) -> Contents:
    """Sort the columns of a file into scalars and collections.

    A jagged column "X.f" or "X_f" is the field f of the collection X. Which of several underscores parts them says the
    counter nX beside it, as in CMS NanoAOD; without one it is the last. `explicit` {collection: {field: column}} adds
    to that and goes before it.

    Raises
    ------
    DataError
        If a column that `explicit` names is not there, or is not jagged numbers.
    """
    usable = {name for name, leaf in leaves.items() if leaf.jagged and leaf.kind in NUMBERS}
    counted = [name[1:] for name, leaf in leaves.items() if name.startswith("n") and leaf[:2] == ("integer", False)]
    parted = {name: parts for name in leaves if (parts := _part(name, counted))}
    columns: dict[str, dict[str, str]] = {}
    for name, (collection, key) in parted.items():
        if name in usable:
            columns.setdefault(collection, {})[key] = name
    for name, (collection, key) in parted.items():
        # one of another type that bears the name of a field is kept, so that messages can say so
        if name not in usable and collection in columns and (collection in counted or leaves[name].kind not in NUMBERS):
            columns[collection].setdefault(key, name)
    for collection, fields in explicit.items():
        for key, name in fields.items():
            _check(where, f"objects.{collection}.{key}", name, leaves)
            columns.setdefault(collection, {})[key] = name
    kinds = {
        name: leaf.kind if name in usable else leaf.type if leaf.jagged else f"one {leaf.type} per event"
        for name, leaf in leaves.items()
    }
    objects = {name: {key: kinds[column] for key, column in fields.items()} for name, fields in columns.items()}
    taken = {column for fields in columns.values() for column in fields.values()}
    scalars = {
        name: leaf.type if leaf.jagged else leaf.kind
        for name, leaf in leaves.items()
        if name not in taken or (leaf.kind in NUMBERS and not leaf.jagged)
    }
    return Contents(rows, scalars, objects, columns)


def _part(name: str, counted: list[str]) -> tuple[str, str] | None:
    """The collection and the field in the name of a column."""
    owners = [owner for owner in counted if name.startswith(f"{owner}_")]
    collection = max(owners, key=len) if owners else name.rpartition("." if "." in name else "_")[0]
    return (collection, name[len(collection) + 1 :]) if collection else None


def _check(where: object, key: str, name: str, leaves: Mapping[str, Leaf]) -> None:
    if name not in leaves:
        msg = f"{where}: {key}: no column {name!r}, {known(name, list(leaves))}"
        raise DataError(msg)
    if not leaves[name].jagged or leaves[name].kind not in NUMBERS:
        msg = f"{where}: {key}: column {name!r}: expected one number per object, found {leaves[name].type}"
        raise DataError(msg)
