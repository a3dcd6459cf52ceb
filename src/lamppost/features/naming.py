"""What a name in a column or condition stands for: `pt_j1`, `m_j1j2`, `n_j`, `met`, a field or a number of the file."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal

from lamppost.errors import ConfigError
from lamppost.features.collections import AXES, Collection
from lamppost.features.event import COLLECTIVE, PARTICLES
from lamppost.features.kinematics import VECTOR
from lamppost.features.substructure import quantities as substructure
from lamppost.features.systems import PAIR

__all__ = ["Member", "Name", "computed", "likely", "members_of", "resolve", "unknown"]

Kind = Literal["vector", "pair", "field", "substructure", "collective", "particles", "scalar"]
_MEMBER = re.compile(r"([A-Za-z]+)([1-9][0-9]*)")


@dataclass(frozen=True, order=True)
class Member:
    """One object of an event: j1 has rank 0 in collection j."""

    collection: str
    rank: int

    def __str__(self) -> str:
        return f"{self.collection}{self.rank + 1}"


@dataclass(frozen=True)
class Name:
    """A name and what it stands for: a quantity (or field) of `members`, of a collection, of the event, or a scalar."""

    text: str
    kind: Kind
    quantity: str
    members: tuple[Member, ...] = ()
    collection: str = ""


def members_of(text: str) -> tuple[Member, ...]:
    """The objects that "j1", "j1j2", "mu1j2" speak of; none if it is anything else."""
    found = [Member(name, int(digits) - 1) for name, digits in _MEMBER.findall(text)]
    return tuple(found) if "".join(map(str, found)) == text else ()


def resolve(text: str, objects: Mapping[str, Collection]) -> Name:
    """What a name stands for, given the declared objects; what speaks of none of them is a scalar of the input.

    Raises
    ------
    ConfigError
        If it speaks of declared objects but of no quantity they have.
    """
    head, _, tail = text.rpartition("_")
    members = members_of(tail)
    if head and members and all(member.collection in objects for member in members):
        if len(set(members)) < len(members):
            msg = f"{text!r}: expected different objects, found {tail!r}"
            raise ConfigError(msg)
        return Name(text, _kind(text, head, members, objects), head, members)
    if head in COLLECTIVE and tail in objects:
        return Name(text, "collective", head, collection=tail)
    if text in PARTICLES and (jets := [name for name, found in objects.items() if found.cluster]):
        return Name(text, "particles", text, collection=jets[0])
    return Name(text, "scalar", text)


def computed(text: str, objects: Mapping[str, Collection]) -> bool:
    """Whether a name means a quantity that is computed, which no column of another meaning may be called."""
    try:
        return resolve(text, objects).kind not in ("scalar", "field")
    except ConfigError:
        return False


def _kind(text: str, head: str, members: tuple[Member, ...], objects: Mapping[str, Collection]) -> Kind:
    if head in VECTOR:
        return "vector"
    if len(members) > 1:
        if head in PAIR and len(members) == 2:
            return "pair"
        known = [*VECTOR, *(PAIR if len(members) == 2 else ())]
        msg = f"no quantity {head!r} of {len(members)} objects{likely(head, known)}"
        raise ConfigError(f"{text!r}: {msg}")
    collection = objects[members[0].collection]
    if collection.cluster is None or head in AXES:
        return "field"
    if head in substructure():
        return "substructure"
    msg = f"{text!r}: no quantity {head!r} of a clustered jet{likely(head, [*VECTOR, *substructure()])}"
    raise ConfigError(msg)


def unknown(text: str, objects: Mapping[str, Collection], scalars: Iterable[str]) -> str:
    """What to say of a name that the input has no scalar for."""
    if text in PARTICLES:
        return f"{text!r} is made of the particles of jets, expected an [objects.NAME] with a cluster, found none"
    head, _, tail = text.rpartition("_")
    strange = [member.collection for member in members_of(tail) if member.collection not in objects]
    if head and strange:
        known = ", ".join(objects) or "none"
        return f"{text!r}: no [objects.{strange[0]}] is declared, known are {known}; nor is it a number per event"
    names = [*scalars, *(f"{head}_{name}" for head in COLLECTIVE for name in objects), *PARTICLES]
    names += [f"{quantity}_{tail}" for quantity in (*VECTOR, *PAIR) if members_of(tail)]
    what = f"{text!r} is neither a quantity of the declared objects nor a number per event of the input"
    return what + likely(text, names)


def likely(text: str, known: Iterable[str]) -> str:
    """The known name that is most like a text, as a question; else all that are known."""
    names = list(known)
    if near := get_close_matches(text, names, 1):
        return f"; did you mean {near[0]!r}?"
    return f", known are {', '.join(names)}" if names else ""
