"""From an event of a hunt back to the collision that its features were made of."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from pydantic import ValidationError

from lamppost.errors import DataError, LamppostError, optional
from lamppost.features import Extraction
from lamppost.io import CollisionReader, Input, collision_readers
from lamppost.io.files import located
from lamppost.io.reader import damaged
from lamppost.report.collision import collision_display, without_labels
from lamppost.report.event import Display
from lamppost.run.table import metadata_of

if TYPE_CHECKING:
    from lamppost.config.extract import FeatureRun

__all__ = ["display_of", "displays"]

_ROWS = 4096
_PRECISION = 1e-4


class _Origin(NamedTuple):
    """Where a row of a table of features comes from, and its values."""

    table: Path
    reader: CollisionReader
    extraction: Extraction
    row: int
    values: Mapping[str, float]


def displays(
    paths: str | Sequence[str], events: Sequence[Mapping[str, float]], rows: Sequence[int], base: Path | None = None
) -> list[Display] | str:
    """The collisions behind some rows of a hunt's input, or in one line why they are not to be had.

    Parameters
    ----------
    paths
        The input of the hunt: parquet tables that `lamppost features` wrote say where each of their rows came from.
    events
        The values that the hunt knows of each event, by column.
    rows
        The row of each event in the input, all files joined.
    base
        Where relative paths start.

    Only the rows asked for are read, and no label. Columns are computed again: a table or a file of collisions that
    changed since does not give the values that the hunt saw, and is not drawn.
    """
    try:
        origins = _origins(paths, rows, base)
        return [_checked(origin, known) for origin, known in zip(origins, events, strict=True)]
    except (LamppostError, OSError) as error:
        return str(error)


def display_of(features: "FeatureRun", row: int) -> str:
    """One event of files of collisions as SVG; rows count from 0 through all files.

    Raises
    ------
    LamppostError
        If there is no such row, a file is damaged or lacks what the objects need, or matplotlib is not installed.
    """
    for library in ("matplotlib", "mplhep"):
        optional(library, "report")
    from lamppost.report.display import draw

    extraction, start = without_labels(features.extraction), 0
    readers = collision_readers(features.input.model_copy(update={"labels": None}))
    for reader in readers:
        size = reader.contents().rows
        if 0 <= row - start < size:
            display, values = collision_display(reader, extraction, row - start)
            facts = [f"{extraction.mass} = {values[extraction.mass]:.5g}"] if extraction.mass in values else []
            return draw(replace(display, facts=facts))
        start += size
    where = f"{readers[0]} and {len(readers) - 1} more" if len(readers) > 1 else str(readers[0])
    msg = f"{where}: expected a row from 0 to {start - 1}, found {row}"
    raise DataError(msg)


def _origins(paths: str | Sequence[str], rows: Sequence[int], base: Path | None) -> Iterator[_Origin]:
    tables = [(path, _about(path)) for path, _ in located(paths, base)]
    starts = np.cumsum([0, *(about["rows"] for _, about in tables)])

    @cache
    def reader(table: int, number: int) -> CollisionReader:
        path, about = tables[table]
        source = Path(about["sources"][number]["path"])
        known = {**about.get("input", {}), "path": str(source), "labels": None}
        return collision_readers(Input.model_validate(known), path.parent)[0]

    for row in rows:
        table = int(np.searchsorted(starts, row, side="right")) - 1
        if not 0 <= table < len(tables):
            msg = f"{tables[-1][0]}: has changed since the hunt: row {row} expected, found {starts[-1]} rows"
            raise DataError(msg)
        path, about = tables[table]
        extraction: Extraction = about["extraction"]
        values = _row(path, row - int(starts[table]), ("source_file", "source_row", *extraction.features.names))
        number, place = int(values.pop("source_file")), int(values.pop("source_row"))
        yield _Origin(path, reader(table, number), extraction, place, values)


def _about(path: Path) -> dict[str, Any]:
    """What a table says of its making, with the extraction that made it."""
    about = metadata_of(path) if path.suffix == ".parquet" else None
    if about is None or not about.get("sources") or "definition" not in about:
        msg = f"{path} does not say which collisions it was made of, as tables written by `lamppost features` do"
        raise DataError(msg)
    try:
        return {**about, "extraction": without_labels(Extraction.model_validate(about["definition"]))}
    except ValidationError:
        msg = f"{path}: made by lamppost {about.get('lamppost')}, whose definition of the features is not understood"
        raise DataError(msg) from None


def _row(path: Path, row: int, names: Sequence[str]) -> dict[str, float]:
    """Some columns of one row of a parquet file; one row group is read, in pieces."""
    import pyarrow.parquet as pq

    with damaged(path), pq.ParquetFile(path, buffer_size=1 << 20, pre_buffer=False) as file:
        ends = np.cumsum([file.metadata.row_group(group).num_rows for group in range(file.metadata.num_row_groups)])
        group = int(np.searchsorted(ends, row, side="right"))
        left = row - (int(ends[group - 1]) if group else 0)
        for batch in file.iter_batches(_ROWS, row_groups=[group], columns=list(names), use_threads=False):
            if left < batch.num_rows:
                return {name: batch.column(name)[left].as_py() for name in names}
            left -= batch.num_rows
    msg = f"{path}: row {row}: expected, not found"
    raise DataError(msg)


def _checked(origin: _Origin, known: Mapping[str, float]) -> Display:
    """The display of an event, if the table has what the hunt knew, and the collision gives what the table has."""
    display, values = collision_display(origin.reader, origin.extraction, origin.row)
    shared = {name: value for name, value in known.items() if name in origin.values}
    for what, since, before, now in (
        (origin.table, "the hunt", shared, origin.values),
        (origin.reader, f"{origin.table.name} was made of it", origin.values, values),
    ):
        for name, value in before.items():
            if name not in now or not np.isclose(now[name], value, rtol=_PRECISION, atol=_PRECISION, equal_nan=True):
                found = f"{now[name]:.6g}" if name in now else "no such event"
                msg = f"{what} has changed since {since}: expected {name} = {value:.6g} of an event, found {found}"
                raise DataError(msg)
    return display
