"""The quantities of a chunk of collisions, each computed only for the events and objects that are asked for."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamppost.core import Array, Collisions, Objects
from lamppost.errors import ConfigError
from lamppost.features.collections import Candidates, Collection
from lamppost.features.event import COLLECTIVE, PARTICLES
from lamppost.features.kinematics import VECTOR, Momenta
from lamppost.features.naming import Member, Name
from lamppost.features.substructure import NEEDS, Jets, Substructure, compute
from lamppost.features.systems import PAIR

__all__ = ["Reconstruction", "Rows"]

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Reconstruction:
    """Collisions with their objects found; `rows` in its methods are numbers of events in the chunk."""

    collisions: Collisions
    objects: Mapping[str, Collection]
    candidates: Mapping[str, Candidates]
    options: Substructure

    def complete(self, members: Iterable[Member]) -> Rows:
        """The events that have all of these objects."""
        has = np.ones(len(self.collisions), dtype=bool)
        for member in members:
            has &= self.candidates[member.collection].ranked.counts > member.rank
        return np.flatnonzero(has)

    def field(self, member: Member, name: str, rows: Rows) -> NDArray[Any]:
        """A field of one object of each of these events."""
        found = self.candidates[member.collection]
        return found.ranked.fields[name][found.places(member.rank, rows)]

    def momenta(self, member: Member, rows: Rows) -> Momenta:
        """The four-vector of one object of each of these events."""
        found = self.candidates[member.collection]
        places = found.places(member.rank, rows)
        return Momenta.of({name: found.ranked.fields[name][places] for name in ("pt", "eta", "phi", "mass")})

    def constituents(self, member: Member, rows: Rows) -> Objects:
        """The particles of one jet of each of these events, one row per event."""
        found = self.candidates[member.collection]
        inside = found.inside(found.places(member.rank, rows))
        if inside is None:
            msg = f"{str(member)!r} is not clustered, expected a jet made of particles"
            raise ConfigError(msg)
        return inside

    def values(self, names: Iterable[Name], rows: Rows) -> dict[str, Array]:
        """What the names stand for in these events, by their texts; each (n,) float64."""
        inside: dict[Member, list[Name]] = {}
        made: dict[str, Array] = {}
        for name in names:
            if name.kind == "substructure":
                inside.setdefault(name.members[0], []).append(name)
            else:
                made[name.text] = np.asarray(self._value(name, rows), dtype=np.float64)
        for member, wanted in inside.items():
            made |= self._substructure(member, wanted, rows)
        return made

    def _value(self, name: Name, rows: Rows) -> NDArray[Any]:
        match name.kind:
            case "scalar":
                return self.collisions.scalars[name.text][rows]
            case "field":
                return self.field(name.members[0], name.quantity, rows)
            case "collective":
                return COLLECTIVE[name.quantity][1](self.candidates[name.collection].passing)[rows]
            case "particles":
                return PARTICLES[name.quantity][1](self.collisions.objects[self.objects[name.collection].source])[rows]
        parts = [self.momenta(member, rows) for member in name.members]
        if name.kind == "pair":
            return PAIR[name.quantity][1](*parts)
        return VECTOR[name.quantity][1](parts[0] if len(parts) == 1 else Momenta.total(parts))

    def _substructure(self, member: Member, names: list[Name], rows: Rows) -> dict[str, Array]:
        how = self.objects[member.collection].cluster
        wanted = {name.quantity: name.text for name in names}
        inside = self.constituents(member, rows)
        extra = {field for quantity in wanted for field in NEEDS.get(quantity, ())}
        fields = {name: inside.fields[name] for name in ("px", "py", "pz", "E", *sorted(extra))}
        jets = Jets(Objects(inside.counts, fields), radius=how.radius if how else 1.0)
        return {wanted[quantity]: values for quantity, values in compute(list(wanted), jets, self.options).items()}
