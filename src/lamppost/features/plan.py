"""What the declared columns need: which quantities of which objects."""

from collections.abc import Mapping
from dataclasses import dataclass

from lamppost.errors import ConfigError
from lamppost.expressions import named
from lamppost.features.collections import Collection
from lamppost.features.columns import Column, columns, condition
from lamppost.features.declaration import Features
from lamppost.features.naming import Member, Name, computed, members_of, resolve

__all__ = ["Plan"]


@dataclass(frozen=True)
class Plan:
    """The columns and the condition, and all names that occur in them.

    `names`: what each name in `columns` and `select` stands for; `jets`: those whose constituents are kept, by column.
    """

    objects: Mapping[str, Collection]
    columns: Mapping[str, Column]
    select: Column | None
    names: Mapping[str, Name]
    jets: Mapping[str, Member]

    @classmethod
    def of(cls, objects: Mapping[str, Collection], features: Features) -> "Plan":
        """Resolve every name.

        Raises
        ------
        ConfigError
            If one speaks of declared objects but of nothing they have.
        """
        made = columns(features.columns)
        select = condition(features.select, made) if features.select else None
        texts = [text for column in (*made.values(), *([select] if select else [])) for text in column.quantities()]
        names = {text: resolve(text, objects) for text in texts}
        jets = {f"constituents_{text}": _jet(text, objects) for text in features.constituents}
        plan = cls(objects, made, select, names, jets)
        for member in sorted(plan.members):
            keep = objects[member.collection].keep
            if keep is not None and member.rank >= keep:
                msg = f"{str(member)!r}: objects.{member.collection} keeps {keep}, expected no more than that"
                raise ConfigError(msg)
        for text in features.columns:
            name, expression = named(text)
            if name in jets:
                msg = f"column {name!r}: this is the name of the constituents, expected another for {expression!r}"
                raise ConfigError(msg)
            if name != expression and computed(name, objects):
                msg = f"column {name!r}: this is the name of a quantity, expected another for {expression!r}"
                raise ConfigError(msg)
        return plan

    def used(self, *columns: Column) -> dict[str, Name]:
        """The names that these need."""
        return {text: self.names[text] for column in columns for text in column.quantities()}

    @property
    def members(self) -> frozenset[Member]:
        """The objects that an event must have."""
        mentioned = {member for name in self.names.values() for member in name.members}
        return frozenset({*mentioned, *self.jets.values()})

    @property
    def collections(self) -> tuple[str, ...]:
        """The declared collections of which objects must be found, in the order of declaration."""
        used = {member.collection for member in self.members}
        used |= {name.collection for name in self.names.values() if name.kind == "collective"}
        return tuple(name for name in self.objects if name in used)


def _jet(text: str, objects: Mapping[str, Collection]) -> Member:
    members = members_of(text)
    if len(members) != 1 or members[0].collection not in objects:
        msg = f"features.constituents: expected a declared object such as j1, found {text!r}"
        raise ConfigError(msg)
    if objects[members[0].collection].cluster is None:
        msg = f"features.constituents: {text!r} is not clustered, expected a jet made of particles"
        raise ConfigError(msg)
    return members[0]
