"""From files of collisions to a table of features, chunk by chunk."""

import socket
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Unpack

import numpy as np
from numpy.typing import NDArray

from lamppost import __version__
from lamppost.config.extract import FeatureRun
from lamppost.errors import ConfigError, DataError, LamppostError
from lamppost.features import Extraction
from lamppost.io import CollisionReader, Input, collision_readers
from lamppost.io.files import joined_hash
from lamppost.run.arrow import arrow_features
from lamppost.run.artefacts import Store, provenance
from lamppost.run.graph import Task
from lamppost.run.running import How
from lamppost.run.table import Made, check_target, make_table
from lamppost.spec import digest

__all__ = ["describe", "run_features"]

ORIGIN = ("source_file", "source_row")
ROWS = 2048
"""Rows of a chunk: enough that fixed costs vanish, few enough that a worker needs 300 MB."""


def run_features(
    features: FeatureRun,
    out: Path,
    **how: Unpack[How],
) -> Made:
    """Compute the features of all events and write them to the parquet file `out`.

    Columns: `source_file` (number in the metadata's `sources`) and `source_row` say where an event came from, then the
    features, what is copied, and the constituents of jets. What was declared stands in the metadata.

    Raises
    ------
    LamppostError
        If the input or what is declared is at fault, before anything is written, or the file cannot be written.
    """
    check_target(out)
    _check_names(features.extraction)
    tasks, sources, kept = [], [], {}
    for number, reader in enumerate(collision_readers(features.input)):
        if out.exists() and reader.path.samefile(out):
            msg = f"{out}: is an input, expected another file to write"
            raise ConfigError(msg)
        contents = reader.contents()
        needs = _needs(features.extraction, reader)
        reader.check(*needs, features.input.select)  # what the file lacks is said before anything is written
        if contents.rows:
            kept[str(reader)] = _types(features.extraction, reader)
        hashed = joined_hash(_files(reader))
        sources.append({"path": str(reader), "rows": contents.rows, "sha256": hashed})
        tasks += _tasks(features, reader, number, hashed, needs)
    if not tasks:
        msg = f"{sources[0]['path']}: no rows, expected at least one event"
        raise DataError(msg)
    _check_types(kept)
    about = {**describe(features.extraction), "input": _plain(features.input), "sources": sources}
    return make_table(out, tasks, about, **how)


def _needs(extraction: Extraction, reader: CollisionReader) -> tuple[tuple[str, ...], dict[str, tuple[str, ...]]]:
    try:
        return extraction.needs(reader.contents())
    except LamppostError as error:
        msg = f"{reader}: {error}"
        raise type(error)(msg) from None


def _check_names(extraction: Extraction) -> None:
    for name in (*extraction.names, *(extraction.features.copied or ())):
        if name in ORIGIN:
            msg = f"features: {name!r} says where an event came from, expected another name"
            raise ConfigError(msg)


def _types(extraction: Extraction, reader: CollisionReader) -> dict[str, Any]:
    """The types of the numbers per event that the table takes over as they are."""
    nothing = reader.read(0, 0, extraction.unchanged(reader.contents()), {})
    return {name: values.dtype for name, values in nothing.scalars.items()}


def _check_types(kept: Mapping[str, Mapping[str, Any]]) -> None:
    """Refuse files whose rows would not fit into one table."""
    (first, expected), *others = kept.items()
    for where, types in others:
        for name in {**expected, **types}:
            one, found = expected.get(name, "none"), types.get(name, "none")
            if found != one:
                more = "features.copy says which numbers come along"
                msg = f"{where}: {name!r}: expected {one} as in {first}, found {found}; {more}"
                raise DataError(msg)


def describe(extraction: Extraction) -> dict[str, Any]:
    """What the metadata of a table say of its features: how each is made, which is the mass."""
    return {
        "schema": 1,
        "lamppost": __version__,
        "definition": extraction.model_dump(mode="json", by_alias=True, exclude_none=True),
        "columns": dict(extraction.definitions),
        "mass": extraction.mass,
        "features": list(extraction.feature_names),
    }


def _tasks(features: FeatureRun, reader: CollisionReader, number: int, hashed: str, needs: Any) -> list[Task]:
    one = features.input.model_copy(update={"path": str(reader)})
    named = [hashed, reader.part, _plain(one, path=False), features.extraction, number, provenance()]
    return [
        Task(
            key=f"features-{digest('features', *named, start, stop)}.arrow",
            stage="features",
            label=f"{reader.path.name}: rows {start} to {stop}",
            function=extract,
            arguments={
                "input": one,
                "extraction": features.extraction,
                "needs": needs,
                "number": number,
                "rows": (start, stop),
                "sha256": hashed,
            },
        )
        for start, stop in reader.steps(ROWS)
    ]


def _plain(input: Input, *, path: bool = True) -> dict[str, Any]:
    return input.model_dump(mode="json", by_alias=True, exclude_none=True, exclude=set() if path else {"path"})


def _files(reader: CollisionReader) -> list[Path]:
    return [reader.path, *([reader.labels] if reader.labels else [])]


@lru_cache(maxsize=1)
def _reader(text: str, sha256: str, stamps: tuple[tuple[int, ...], ...]) -> CollisionReader:
    """Kept from one chunk to the next, as long as the files bear the same `stamps`: reading them for a hash takes long.

    Raises
    ------
    DataError
        If their content is not that of `sha256`, by which artefacts are named.
    """
    reader = collision_readers(Input.model_validate_json(text))[0]
    if joined_hash(_files(reader)) != sha256:
        msg = f"{reader}: changed since the run was planned, or is another file on {socket.gethostname()}"
        raise DataError(msg)
    return reader


def _stamp(path: Path) -> tuple[int, ...]:
    about = path.stat()
    return about.st_ino, about.st_size, about.st_mtime_ns


def extract(
    store: Store,
    key: str,
    *,
    input: Input,
    extraction: Extraction,
    needs: Any,
    number: int,
    rows: tuple[int, int],
    sha256: str,
) -> None:
    """The features of a range of rows of one file, whose hash is `sha256`."""
    stamps = tuple(_stamp(path) for path in _files(collision_readers(input)[0]))
    reader = _reader(input.model_dump_json(by_alias=True), sha256, stamps)
    scalars, objects = needs
    collisions = reader.read(*rows, scalars, objects, input.select)
    table = extraction.table(collisions)
    counts = {
        "read": rows[1] - rows[0],
        "selected": len(collisions),
        "lacking_objects": table.n_lacking,
        "kept": len(table.row),
    }
    origin: dict[str, NDArray[Any]] = {
        "source_file": np.full(len(table.row), number, np.int32),
        "source_row": table.row,
    }
    store.write_table(key, arrow_features(table, counts, origin))
