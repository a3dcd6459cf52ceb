"""Which objects an event has: found in the file or clustered, selected and put in order."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field, field_validator, model_validator

from lamppost.core import Array, Objects
from lamppost.expressions import columns_of, parse
from lamppost.features.clustering import Cluster, cluster
from lamppost.features.columns import checked
from lamppost.features.kinematics import VECTOR, Momenta
from lamppost.spec import Spec

__all__ = ["AXES", "Candidates", "Collection", "candidates"]

AXES = ("pt", "eta", "phi", "mass")
"""The fields that every object has; a file may have `m` or the energy for `mass`, or none: it is 0 then."""


class Collection(Spec):
    """One [objects.NAME] table; NAME1, NAME2, ... are its objects in order."""

    model_config = ConfigDict(populate_by_name=True)

    source: Annotated[str, Field(min_length=1)] = Field(
        "particles", alias="from", description="collection of the input"
    )
    cluster: Cluster | None = Field(None, description="make jets of them; default: they are the objects themselves")
    where: Annotated[str, Field(min_length=1)] | None = Field(
        None, description="condition over fields of the input and pt, eta, phi, mass, y, ... of each object"
    )
    order: Literal["pt", "mass", "rising_mass"] = Field("pt", description="what decides which is the first")
    keep: int | None = Field(
        None, ge=1, description="how many of the largest pT take part; counted and summed (n, ht) are all"
    )

    @field_validator("where")
    @classmethod
    def _condition(cls, text: str | None) -> str | None:
        return checked(text) if text else None

    @model_validator(mode="after")
    def _jets(self) -> Self:
        if self.cluster and self.where:
            known = dict.fromkeys((*VECTOR, *AXES))
            if strange := [name for name in columns_of(self.where) if name not in known]:
                msg = f"where: no {strange[0]!r} of a clustered jet, known are {', '.join(known)}"
                raise ValueError(msg)
        return self


@dataclass(frozen=True)
class Candidates:
    """The objects of one collection in a chunk of events.

    `passing`: all that pass `where`; `ranked`: those kept, in order, fields pt, eta, phi, mass (float64) and those of
    the input; of jets also `jet`, the row in `members`, whose field `particle` points into `particles`.
    """

    passing: Objects
    ranked: Objects
    members: Objects | None = None
    particles: Objects | None = None

    def places(self, rank: int, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Where the object of that rank (from 0) of each of these events stands in `ranked`."""
        return self.ranked.offsets[:-1][rows] + rank

    def inside(self, places: NDArray[np.int64]) -> Objects | None:
        """The particles of the jets at these places of `ranked`, one row per jet, in the order of the input.

        Their fields are those of the input, px, py, pz, E [GeV], and `index`, the place of each in its event.
        """
        if self.members is None or self.particles is None:
            return None
        members = self.members[self.ranked.fields["jet"][places]]
        chosen = members.fields["particle"]
        fields = {name: values[chosen] for name, values in self.particles.fields.items()}
        return Objects(members.counts, {**fields, "index": members.fields["index"]})


class _Fields(Mapping[str, NDArray[Any]]):
    """What a condition may speak of: kinematic quantities, and the fields of the input."""

    def __init__(self, fields: Mapping[str, NDArray[Any]]) -> None:
        self.fields, self.momenta = fields, Momenta.of(fields)

    def __getitem__(self, name: str) -> NDArray[Any]:
        return VECTOR[name][1](self.momenta) if name in VECTOR else self.fields[name]

    def __iter__(self) -> Iterator[str]:
        return iter({*VECTOR, *self.fields})

    def __len__(self) -> int:
        return len({*VECTOR, *self.fields})


def candidates(collection: Collection, source: Objects) -> Candidates:
    """The objects of every event of a chunk."""
    clustered = cluster(source, collection.cluster) if collection.cluster else None
    objects = clustered.jets if clustered else _axes(source)
    if collection.where:
        objects = objects.keep(parse(collection.where).passes(_Fields(objects.fields)))
    ranked = objects.ordered(objects.fields["pt"])
    if collection.keep is not None:
        rank = np.arange(len(ranked.fields["pt"])) - ranked.offsets[:-1][ranked.event]
        ranked = ranked.keep(rank < collection.keep)
    if collection.order != "pt":
        mass: Array = ranked.fields["mass"]
        ranked = ranked.ordered(mass if collection.order == "mass" else -mass)
    if clustered is None:
        return Candidates(objects, ranked)
    return Candidates(objects, ranked, clustered.members, clustered.particles)


def _axes(source: Objects) -> Objects:
    p = Momenta.of(source.fields)
    return replace(source, fields={**source.fields, **{name: getattr(p, name) for name in AXES}})
