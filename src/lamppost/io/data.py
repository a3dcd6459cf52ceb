"""The [data] table of a configuration, and the events it stands for."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator, model_validator

from lamppost.core import Array, Events
from lamppost.errors import ConfigError, DataError
from lamppost.expressions import bind, named, opposed
from lamppost.io.files import joined_hash, readers
from lamppost.io.plan import Part, Plan
from lamppost.io.reader import Reader
from lamppost.spec import Spec

__all__ = ["Data", "Sample", "file_hash", "read"]

_IN_BLOCKS = "blocks."

Name = Annotated[str, Field(min_length=1)]


class Data(Spec):
    """Which columns of which files make events.

    `mass`, `features`, `weight`, `select` and `label` are columns or arithmetic expressions of columns. `select`
    decides first, on rows where its own columns are finite; values that are missing in rows it rejects do not matter.
    Rows in messages count from 0.
    """

    path: Name | Annotated[list[Name], Field(min_length=1)] = Field(
        description='parquet, csv, csv.gz, ROOT "file.root:tree", LHC Olympics HDF5; several files or globs'
    )
    mass: Name = Field(description="the variable in which the background is smooth: a column or an expression")
    features: Annotated[list[Name], Field(min_length=1)] = Field(
        description='columns or expressions; "name = expression" has that name, any other is named by its text'
    )
    weight: Name | None = Field(None, description="event weight, a column or an expression; default: 1")
    id: list[Name] = Field(
        default_factory=list,
        description="columns of whole numbers that name an event; default: a hash of its mass and features",
    )
    select: Name | None = Field(None, description="condition for a row to take part")
    invert: bool = Field(
        False, description="the control region: the rows that `select` rejects, instead of those that it keeps"
    )
    label: Name | None = Field(None, description="1 for signal, 0 for background; read by labelled comparisons only")
    missing: Literal["refuse", "drop"] = Field("refuse", description="what to do about NaN and infinities")
    groups: dict[str, list[str]] = Field(default_factory=dict, description="named sets of features, one per object")
    blocks: dict[str, Annotated[list[Name], Field(min_length=1)]] = Field(
        default_factory=dict,
        description="columns of padded constituents, as `lamppost features` writes them, joined under one name each",
    )

    @field_validator("features", "id")
    @classmethod
    def _once(cls, texts: list[str]) -> list[str]:
        names = [named(text)[0] for text in texts]
        if twice := [name for name in names if names.count(name) > 1]:
            msg = f"{twice[0]!r} is named twice"
            raise ValueError(msg)
        return texts

    @model_validator(mode="after")
    def _blind(self) -> Self:
        if self.label and self.label in (self.mass, self.weight, *(named(text)[1] for text in self.features)):
            msg = f"label {self.label!r} is the truth, expected it in no feature, mass or weight"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _inverts_something(self) -> Self:
        if self.invert and self.select is None:
            msg = "invert: expected a select whose rejected rows are the control region, found none"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _grouped(self) -> Self:
        for group, members in self.groups.items():
            if unknown := [name for name in members if name not in self.names]:
                msg = f"groups.{group}: no feature {unknown[0]!r}, known are {', '.join(self.names)}"
                raise ValueError(msg)
            if twice := [name for name in members if members.count(name) > 1]:
                msg = f"groups.{group}: feature {twice[0]!r} is listed twice"
                raise ValueError(msg)
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the features, in order."""
        return tuple(named(text)[0] for text in self.features)

    @property
    def region(self) -> str | None:
        """The condition that rows fulfil, in words."""
        return f"not ({self.select})" if self.invert else self.select


@dataclass(frozen=True)
class Sample:
    """What was read, in the order of the input.

    `index` (n,): the row of each event in the input, all files joined, before any row was left out; `labels` (n,) 0 or
    1 if asked for; `sha256`: of the file, or of the joined hashes of several, in order; `n_rows` of the input, of which
    `n_dropped` had values that are not finite.
    """

    events: Events
    index: NDArray[np.int64]
    labels: NDArray[np.int8] | None
    paths: tuple[str, ...]
    sha256: str
    n_rows: int
    n_dropped: int


def read(
    data: Data, *, mass_range: tuple[float, float] | None = None, labels: bool = False, base: Path | None = None
) -> Sample:
    """Read the events, holding little more in memory than what is kept.

    Parameters
    ----------
    mass_range
        Keep masses in [lo, hi) only, in the units of the mass; checked for finite values are all selected rows.
    labels
        Read the label column as well, which no method may see.
    base
        Where relative paths start: the folder of the configuration file.

    Raises
    ------
    ConfigError
        If a file is missing, a suffix is unknown, or an expression is none.
    DataError
        If a file is damaged, lacks a column, holds text or values that are not finite where numbers are expected, if
        no event is left or if the weights do not sum to more than zero.
    """
    if labels and data.label is None:
        msg = "data.label: expected the column that tells signal (1) from background (0), found none"
        raise ConfigError(msg)
    if mass_range and not mass_range[0] < mass_range[1]:
        msg = f"mass range: expected lo < hi, found [{mass_range[0]:g}, {mass_range[1]:g})"
        raise ConfigError(msg)
    sources = readers(data.path, base)
    plans: list[Plan] = []
    parts: list[Part] = []
    start = 0
    for source in sources:
        plans.append(plan := _plan(data, source, labels))
        parts.extend(_placed(part, start, mass_range) for part in plan.parts())
        start += plan.rows
        if data.missing == "refuse":
            plan.refuse()
    _check_size(data, parts, plans, mass_range)
    _check_blocks(parts, sources)
    joined = _join(parts)
    _check_weights(data, joined.w, sources)
    groups = {group: tuple(members) for group, members in data.groups.items()}
    blocks = {name: (values, values[:, :, 0] > 0) for name, values in joined.blocks.items()}
    return Sample(
        events=Events(id=joined.id, x=joined.x, m=joined.m, w=joined.w, names=data.names, groups=groups, blocks=blocks),
        index=joined.row,
        labels=joined.labels,
        paths=tuple(str(source) for source in sources),
        sha256=joined_hash([source.path for source in sources]),
        n_rows=start,
        n_dropped=sum(plan.dropped for plan in plans),
    )


def file_hash(data: Data, base: Path | None = None) -> str:
    """SHA-256 of the input file, in hexadecimal; of several files that of their joined hashes, in order.

    Raises
    ------
    ConfigError
        If a file is missing.
    """
    return joined_hash([source.path for source in readers(data.path, base)])


def _plan(data: Data, source: Reader, labels: bool) -> Plan:
    known = source.columns()
    extra = (data.weight, data.label if labels else None)
    weight, label = (bind(text, known) if text else None for text in extra)
    select = (opposed if data.invert else bind)(data.select, known) if data.select else None
    features = tuple(bind(named(text)[1], known) for text in data.features)
    plan = Plan(source, bind(data.mass, known), features, weight, select, label, tuple(data.id), data.blocks)
    plan.check(known)
    return plan


def _placed(part: Part, start: int, mass_range: tuple[float, float] | None) -> Part:
    """The part with rows counted from the first file on, and only masses in range."""
    part = replace(part, row=part.row + start)
    if mass_range is None:
        return part
    return part.take((part.m >= mass_range[0]) & (part.m < mass_range[1]))


def _join(parts: list[Part]) -> Part:
    """All parts as one; each is let go once copied, so that no more than one is held twice."""
    size = sum(len(part.row) for part in parts)
    joined = {name: np.empty((size, *a.shape[1:]), a.dtype) for name, a in _arrays(parts[0]).items()}
    parts.reverse()
    start = 0
    while parts:
        part = _arrays(parts.pop())
        stop = start + len(part["row"])
        for name, values in joined.items():
            values[start:stop] = part[name]
        start = stop
    blocks = {name.removeprefix(_IN_BLOCKS): joined.pop(name) for name in [*joined] if name.startswith(_IN_BLOCKS)}
    return Part(**joined, blocks=blocks)


def _arrays(part: Part) -> dict[str, NDArray[Any]]:
    """Every array of a part by name."""
    plain = {field.name: getattr(part, field.name) for field in fields(Part) if field.name != "blocks"}
    found = plain | {_IN_BLOCKS + name: values for name, values in part.blocks.items()}
    return {name: values for name, values in found.items() if values is not None}


def _check_size(data: Data, parts: list[Part], plans: list[Plan], mass_range: tuple[float, float] | None) -> None:
    if any(len(part.row) for part in parts):
        return
    rows, selected = sum(plan.rows for plan in plans), sum(plan.selected for plan in plans)
    finite = sum(plan.finite for plan in plans)
    where = _files([plan.reader for plan in plans])
    if not rows:
        msg = f"{where}: empty, expected at least one row"
    elif not selected:
        msg = f"{where}: select {data.region!r} keeps none of {rows} rows, expected at least one"
    elif not finite:
        msg = f"{where}: none of {selected} selected rows has finite values"
    else:
        lo, hi = mass_range or (0.0, 0.0)
        msg = f"{where}: none of {finite} events has {data.mass} in [{lo:g}, {hi:g})"
    raise DataError(msg)


def _check_blocks(parts: list[Part], sources: Sequence[Reader]) -> None:
    for name in parts[0].blocks:
        shapes = sorted({part.blocks[name].shape[1:] for part in parts})
        if len(shapes) > 1:
            found = " and ".join(f"{particles} x {values}" for particles, values in shapes)
            msg = f"{_files(sources)}: block {name!r}: expected as many particles in each file, found {found}"
            raise DataError(msg)


def _check_weights(data: Data, w: Array, sources: Sequence[Reader]) -> None:
    total = float(w.sum())
    if total <= 0:
        found = "all are 0" if not w.any() else f"they sum to {total:g}"
        more = "expected weights that sum to more than 0"
        msg = f"{_files(sources)}: weight {data.weight!r}: {more}, {found} over {len(w)} events"
        raise DataError(msg)


def _files(sources: Sequence[Reader]) -> str:
    return f"{sources[0]} and {len(sources) - 1} more" if len(sources) > 1 else str(sources[0])
