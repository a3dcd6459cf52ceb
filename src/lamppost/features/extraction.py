"""What to make of collisions: objects, and the columns of a table computed from them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from lamppost.core import Collisions, Objects
from lamppost.errors import ConfigError
from lamppost.expressions import named
from lamppost.features.collections import Candidates, Collection, candidates
from lamppost.features.constituents import padded
from lamppost.features.declaration import Features
from lamppost.features.plan import Plan
from lamppost.features.presets import expanded
from lamppost.features.reconstruction import Reconstruction, Rows
from lamppost.features.requirements import Contents, Held, copied, fields, scalars, whole
from lamppost.features.substructure import Substructure
from lamppost.spec import Spec

__all__ = ["Extraction", "Table", "jets_of"]


@dataclass(frozen=True)
class Table:
    """The features of the events that were kept.

    row (k,) int64: the row of each in its file; `columns` {name: (k,)}, float32, copied ones and whole numbers of the
    input in their own type;
    `blocks` {"constituents_j1": (k, particles, 3) float32}: pT, eta, phi of particles relative to their jet
    (`constituents.padded`). Of `n_read` events `n_lacking` lacked an object that a column or the condition speaks of.
    """

    row: NDArray[np.int64]
    columns: Mapping[str, NDArray[Any]]
    blocks: Mapping[str, NDArray[np.float32]]
    n_read: int
    n_lacking: int

    def __len__(self) -> int:
        return len(self.row)


class Extraction(Spec):
    """The tables [objects.NAME], [substructure] and [features] of a TOML file."""

    objects: dict[str, Collection] = Field(default_factory=dict, description="the objects of an event, by a short name")
    substructure: Substructure = Field(Substructure(), description="how quantities of a jet's particles are defined")
    features: Features = Field(Features(), description="which columns the table has")

    @model_validator(mode="before")
    @classmethod
    def _preset(cls, value: Any) -> Any:
        try:
            return expanded(value)
        except ConfigError as error:
            raise ValueError(str(error)) from None

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if wrong := [name for name in self.objects if not re.fullmatch("[A-Za-z]+", name)]:
            msg = f"objects.{wrong[0]}: expected a name of letters only, for {wrong[0]}1 to be its first object"
            raise ValueError(msg)
        if not self.features.columns:
            msg = "features.columns: expected at least one column, or a preset, found none"
            raise ValueError(msg)
        try:
            self._plan()
        except ConfigError as error:
            raise ValueError(str(error)) from None
        return self

    def _plan(self) -> Plan:
        return Plan.of(self.objects, self.features)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns, copied ones not among them."""
        return self.features.names

    @property
    def definitions(self) -> dict[str, str]:
        """The expression of each column."""
        return dict(named(text) for text in self.features.columns)

    @property
    def mass(self) -> str:
        """The column in which a search looks for a bump."""
        return self.features.mass or self.names[0]

    @property
    def feature_names(self) -> tuple[str, ...]:
        """What a search learns from: columns, or expressions of them."""
        if self.features.learn is not None:
            return tuple(self.features.learn)
        return tuple(name for name in self.names if name != self.mass)

    def needs(self, contents: Contents) -> tuple[tuple[str, ...], dict[str, tuple[str, ...]]]:
        """What must be read: numbers per event, and the fields of each collection.

        Raises
        ------
        ConfigError
            If a name is neither a quantity nor a number per event of the input.
        DataError
            If the input lacks a collection, a field, or a number to be copied.
        """
        plan = self._plan()
        return scalars(plan, self.features, contents), fields(plan, contents)

    def unchanged(self, contents: Contents) -> tuple[str, ...]:
        """The numbers per event that the table has in the type of the input."""
        return (*whole(self._plan(), contents), *copied(self.features, contents))

    def table(self, collisions: Collisions) -> Table:
        """The features of the events that have all objects and pass `select`; what is undefined is NaN.

        Raises
        ------
        ConfigError, DataError
            If the collisions lack what `needs` tells.
        """
        held = Held.of(collisions)
        self.needs(held)
        plan = self._plan()
        found = {name: self._candidates(name, collisions) for name in plan.collections}
        event = Reconstruction(collisions, self.objects, found, self.substructure)
        complete = event.complete(plan.members)
        rows, columns = _columns(plan, event, complete)
        columns |= {name: collisions.scalars[name][rows] for name in self.unchanged(held)}
        blocks = {
            name: padded(event.constituents(jet, rows), event.momenta(jet, rows), particles)
            for (name, jet), particles in zip(plan.jets.items(), self.features.constituents.values(), strict=True)
        }
        return Table(collisions.row[rows], columns, blocks, len(collisions), len(collisions) - len(complete))

    def _candidates(self, name: str, collisions: Collisions) -> Candidates:
        return candidates(self.objects[name], collisions.objects[self.objects[name].source])


def _columns(plan: Plan, event: Reconstruction, rows: Rows) -> tuple[Rows, dict[str, NDArray[Any]]]:
    """The events that pass, and their columns; what the condition does not need is computed for those only."""
    known: dict[str, NDArray[Any]] = {}
    if plan.select:
        known = event.values(plan.used(plan.select).values(), rows)
        passes = plan.select.values(known) != 0.0
        rows, known = rows[passes], {name: values[passes] for name, values in known.items()}
    wanted = plan.used(*plan.columns.values())
    known |= event.values([name for text, name in wanted.items() if text not in known], rows)
    with np.errstate(over="ignore"):  # beyond float32: infinite
        return rows, {name: column.values(known).astype(np.float32) for name, column in plan.columns.items()}


def jets_of(extraction: Extraction, collisions: Collisions) -> dict[str, tuple[Objects, Objects | None]]:
    """The objects of every event that columns speak of, by collection, in order: pt, eta, phi, mass, float64.

    With each, if it was clustered, its particles, one row per jet: fields pt, eta, phi, and `index`, the place of each
    among the particles of its event.
    """
    made = {}
    for name in extraction._plan().collections:
        found = extraction._candidates(name, collisions)
        made[name] = (found.ranked, found.inside(np.arange(len(found.ranked.fields["pt"]))))
    return made
