"""A mass spectrum, binned or as a list of masses, from a CSV file."""

import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv

from lamppost.core import Array
from lamppost.errors import DataError

__all__ = ["Masses", "Table", "read_spectrum"]

MIN_BINS = 4
LOW, HIGH = {"low", "lo", "left", "min"}, {"high", "hi", "right", "max"}
COUNTS = ("n_events", "nevents", "events", "counts", "count", "entries", "observed", "data", "n")  # best first


class Table(NamedTuple):
    """A binned spectrum: edges (n + 1,) in the file's units, counts (n,)."""

    edges: Array
    counts: Array


class Masses(NamedTuple):
    """A list of masses m (k,) in the file's units, not binned yet."""

    m: Array


class Columns(NamedTuple):
    """The columns of a file, and the line its first row is on."""

    path: Path
    table: Any
    first_line: int


def read_spectrum(
    path: str | Path,
    *,
    bins: int | None = None,
    range: tuple[float, float] | None = None,
    column: str | None = None,
) -> Table | Masses:
    """Read a spectrum from a CSV file (.csv, .csv.gz), with or without a header line.

    Columns of lower edge, upper edge and count, found by their usual names or as the first three, give a `Table`; with
    `range` = (lo, hi) of the bins wholly inside. A single column, or the one named by `column`, is a list of masses:
    with `bins` they are counted in so many equal bins of `range` (default: smallest to largest mass), without they are
    returned as `Masses` inside `range`. Counts need not be whole numbers: published ones are scaled by luminosity.

    Raises
    ------
    DataError
        If the file is missing or no CSV, or a column, row or bin is not what it has to be.
    """
    columns = load(Path(path))
    names = columns.table.column_names
    if column is None and len(names) > 1:
        if bins is not None:
            msg = (
                f"{path}: already binned, or several columns; `bins` needs a column of masses (have {', '.join(names)})"
            )
            raise DataError(msg)
        return within(read_bins(columns), range, str(path))
    if column is not None and column not in names:
        msg = f"{path}: no column {column!r}, found {', '.join(names)}"
        raise DataError(msg)
    m = numbers(columns, column or names[0])
    return count(m, bins, range, str(path))


def load(path: Path) -> Columns:
    """The columns of a CSV file; a first line of numbers is data, not a header."""
    if not path.is_file():
        msg = f"{path}: no such file"
        raise DataError(msg)
    try:
        table = pacsv.read_csv(path)
        bare = all(is_number(name) for name in table.column_names)
        if bare:
            table = pacsv.read_csv(path, read_options=pacsv.ReadOptions(autogenerate_column_names=True))
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        msg = f"{path}: cannot be read as CSV: {str(error).splitlines()[0]}"
        raise DataError(msg) from None
    if not table.num_rows:
        msg = f"{path}: no rows"
        raise DataError(msg)
    return Columns(path, table, 1 if bare else 2)


def is_number(text: object) -> bool:
    """Whether a cell holds a number."""
    try:
        float(str(text))
    except ValueError:
        return False
    return True


def numbers(columns: Columns, name: str) -> Array:
    """A column as finite numbers."""
    cells = columns.table.column(name)
    kind = cells.type
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        values = cells.to_pylist()
        bad = next((i for i, value in enumerate(values) if not is_number(value)), 0)
        where = f"{columns.path}: column {name!r}, line {columns.first_line + bad}"
        msg = f"{where}: expected a number, found {values[bad]!r}"
        raise DataError(msg)
    array = np.asarray(cells.to_numpy(), dtype=np.float64)
    if not np.isfinite(array).all():
        bad = int(np.argmin(np.isfinite(array)))
        found = "nothing or NaN" if cells[bad].as_py() is None else f"{array[bad]}"
        where = f"{columns.path}: column {name!r}, line {columns.first_line + bad}"
        msg = f"{where}: expected a finite number, found {found}"
        raise DataError(msg)
    return array


def names_of_bins(columns: Columns) -> tuple[str, str, str]:
    """Which columns hold lower edge, upper edge and count."""
    names = columns.table.column_names
    words = {name: [word for word in re.split(r"[^a-z0-9]+", name.lower()) if word] for name in names}
    low = next((name for name in names if LOW & {*words[name]} and "err" not in words[name]), None)
    high = next((name for name in names if HIGH & {*words[name]} and "err" not in words[name]), None)
    known = {"_".join(words[name]): name for name in reversed(names)}
    content = next((known[name] for name in COUNTS if name in known), None)
    content = content or next((name for name in names if words[name][:1] == ["y"] and "err" not in words[name]), None)
    if low and high and content:
        return low, high, content
    if len(names) < 3 or low or high:
        msg = f"{columns.path}: expected columns low, high and count, or one column of masses; found {', '.join(names)}"
        raise DataError(msg)
    return names[0], names[1], names[2]


def read_bins(columns: Columns) -> Table:
    """Adjacent bins with non-negative counts."""
    names = names_of_bins(columns)
    low, high, counts = (numbers(columns, name) for name in names)
    width = high - low
    apart = np.abs(low[1:] - high[:-1]) > 1e-6 * np.minimum(width[1:], width[:-1])
    for bad, what in (
        (width <= 0.0, "the bin's upper edge is not above its lower edge"),
        (counts < 0.0, "the count is negative"),
        (np.append(False, apart), "the bin does not start where the one before ends"),
    ):
        if bad.any():
            i = int(np.argmax(bad))
            msg = (
                f"{columns.path}: columns {', '.join(names)}, line {columns.first_line + i}: {what}, "
                f"found [{low[i]:g}, {high[i]:g}) with {counts[i]:g}"
            )
            raise DataError(msg)
    return Table(np.append(low, high[-1]), counts)


def within(table: Table, range: tuple[float, float] | None, path: str) -> Table:
    """The bins wholly inside the range; enough of them, and not all empty."""
    edges, counts = table
    if range is not None:
        slack = 1e-9 * (edges[-1] - edges[0])
        kept = np.flatnonzero((edges[:-1] >= range[0] - slack) & (edges[1:] <= range[1] + slack))
        edges, counts = edges[kept[0] : kept[-1] + 2] if len(kept) else edges[:0], counts[kept]
    where = "" if range is None else f" inside [{range[0]:g}, {range[1]:g}]"
    if len(counts) < MIN_BINS:
        msg = f"{path}: expected at least {MIN_BINS} bins{where}, found {len(counts)}"
        raise DataError(msg)
    if not counts.sum() > 0.0:
        msg = f"{path}: all {len(counts)} bins{where} are empty"
        raise DataError(msg)
    return Table(edges, counts)


def count(m: Array, bins: int | None, range: tuple[float, float] | None, path: str) -> Table | Masses:
    """Masses in the range, counted in `bins` equal bins if asked for."""
    lo, hi = (float(m.min()), float(m.max())) if range is None else range
    kept = m[(m >= lo) & (m <= hi)]
    if not len(kept) or not lo < hi:
        msg = f"{path}: no masses in [{lo:g}, {hi:g}], they reach from {m.min():g} to {m.max():g}"
        raise DataError(msg)
    if bins is None:
        return Masses(kept)
    if bins < MIN_BINS:
        msg = f"{path}: expected at least {MIN_BINS} bins, asked for {bins}"
        raise DataError(msg)
    counts, edges = np.histogram(kept, bins=bins, range=(lo, hi))
    return Table(edges, counts.astype(np.float64))
