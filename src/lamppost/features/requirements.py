"""What must be read of an input for the columns that are declared, and what to say if the input lacks it."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from lamppost.core import Collisions
from lamppost.errors import ConfigError, DataError
from lamppost.expressions import columns_of
from lamppost.features.collections import AXES
from lamppost.features.declaration import COPIED, Features
from lamppost.features.kinematics import ENERGIES, MASSES, VECTOR
from lamppost.features.naming import likely, unknown
from lamppost.features.plan import Plan
from lamppost.features.substructure import NEEDS

__all__ = ["Contents", "Held", "copied", "fields", "scalars", "whole"]

_NUMBERS = frozenset({"float", "integer", "boolean", "unknown"})
_KINDS = {"f": "float", "i": "integer", "u": "integer", "b": "boolean"}


class Contents(Protocol):
    """What an input holds: the kind of every number per event, and of every field of every collection."""

    @property
    def scalars(self) -> Mapping[str, str]: ...

    @property
    def objects(self) -> Mapping[str, Mapping[str, str]]: ...


@dataclass(frozen=True)
class Held:
    """The contents of collisions that were read already."""

    scalars: Mapping[str, str]
    objects: Mapping[str, Mapping[str, str]]

    @classmethod
    def of(cls, collisions: Collisions) -> "Held":
        """By the types of the arrays."""
        found = {name: objects.fields for name, objects in collisions.objects.items()}
        return cls(_kinds(collisions.scalars), {name: _kinds(fields) for name, fields in found.items()})


def _kinds(arrays: Mapping[str, Any]) -> dict[str, str]:
    return {name: _KINDS.get(array.dtype.kind, str(array.dtype)) for name, array in arrays.items()}


def copied(features: Features, contents: Contents) -> tuple[str, ...]:
    """The numbers per event that are carried over."""
    if features.copied is not None:
        return tuple(features.copied)
    return tuple(n for n in COPIED if contents.scalars.get(n) in _NUMBERS and n not in features.names)


def whole(plan: Plan, contents: Contents) -> tuple[str, ...]:
    """The columns that are whole numbers of the input, such as `event`: float32 would change them."""
    return tuple(
        name
        for name, column in plan.columns.items()
        if column.expression.columns == (name,) and not column.expression.steps
        if name in plan.names and plan.names[name].kind == "scalar" and contents.scalars.get(name) == "integer"
    )


def scalars(plan: Plan, features: Features, contents: Contents) -> tuple[str, ...]:
    """The numbers per event that must be read.

    Raises
    ------
    ConfigError, DataError
        If the input has none of that name, or it is no number.
    """
    used = [name.text for name in plan.names.values() if name.kind == "scalar"]
    for text in used:
        if text not in contents.scalars:
            raise ConfigError(unknown(text, plan.objects, contents.scalars))
    both = dict.fromkeys((*used, *copied(features, contents)))
    for text in both:
        if text not in contents.scalars:
            msg = f"features.copy: the input has no number per event {text!r}{likely(text, contents.scalars)}"
            raise DataError(msg)
        if contents.scalars[text] not in _NUMBERS:
            msg = f"{text!r}: expected a number per event, found {contents.scalars[text]}"
            raise DataError(msg)
    return tuple(both)


def fields(plan: Plan, contents: Contents) -> dict[str, tuple[str, ...]]:
    """The fields of each collection of the input that must be read.

    Raises
    ------
    DataError
        If the input has no such collection or field, or it holds no numbers.
    """
    wanted: dict[str, dict[str, None]] = {}
    found = [(name.collection, ("pt", "phi")) for name in plan.names.values() if name.kind == "particles"]
    for name, asked in (*found, *((name, tuple(_asked(plan, name))) for name in plan.collections)):
        source = plan.objects[name].source
        wanted.setdefault(source, {}).update(dict.fromkeys(_there(contents, name, source, asked)))
    return {source: tuple(asked) for source, asked in wanted.items()}


def _asked(plan: Plan, collection: str) -> Iterator[str]:
    yield from AXES
    if where := plan.objects[collection].where:
        yield from (field for field in columns_of(where) if field not in VECTOR)
    for name in plan.names.values():
        if any(member.collection == collection for member in name.members):
            yield from {"field": (name.quantity,), "substructure": NEEDS.get(name.quantity, ())}.get(name.kind, ())


def _there(contents: Contents, collection: str, source: str, asked: Iterable[str]) -> Iterator[str]:
    """Those that the input has; objects without a mass have `m`, an energy, or are massless."""
    if source not in contents.objects:
        msg = f"objects.{collection}: the input has no collection {source!r}{likely(source, contents.objects)}"
        raise DataError(msg)
    known = contents.objects[source]
    instead = next((name for name in (*MASSES, *ENERGIES) if name in known), "mass")
    for field in (instead if field == "mass" else field for field in asked):
        if field not in known and field != "mass":
            msg = f"objects.{collection}: {source!r} of the input has no field {field!r}{likely(field, known)}"
            raise DataError(msg)
        if field in known and known[field] not in _NUMBERS:
            msg = f"objects.{collection}: field {field!r} of {source!r}: expected numbers, found {known[field]}"
            raise DataError(msg)
        if field in known:
            yield field
