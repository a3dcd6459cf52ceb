"""The columns of a CSV file that holds a spectrum, found by their usual names."""

import gzip
import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv

from lamppost.core import Array
from lamppost.errors import DataError

__all__ = ["Columns", "Names", "load", "names_of_bins", "numbers"]

LOW = {"low", "lo", "left", "min", "lower", "start", "begin", "xlow", "xlo", "xmin"}
HIGH = {"high", "hi", "right", "max", "upper", "end", "stop", "xhigh", "xhi", "xmax", "up"}
CENTRE = {"center", "centre", "mid", "middle", "midpoint", "centers", "centres", "x", "m", "mass"}
ERROR = {"err", "error", "errors", "unc", "uncertainty", "sigma", "stat", "sys", "syst"}
COUNTS = (
    *("n_events", "nevents", "num_events", "number_of_events", "n_obs", "nobs", "n_observed", "n_data", "ndata"),
    *("observed_events", "events_observed", "data_events", "events", "events_bin", "events_per_bin", "event_count"),
    *("counts", "count", "entries", "observed", "observation", "obs", "data", "data_obs", "contents", "content"),
    *("bin_content", "bin_contents", "bincontent", "bincontents", "bin_count", "bin_counts", "yield", "yields"),
    *("hits", "frequency", "sumw", "sum_w", "values", "value", "number", "num", "n", "y"),
)  # best first
VARIANCES = ("variance", "variances", "sumw2", "sum_w2", "w2", "sum_of_squared_weights")
ERRORS = ("error", "errors", "err", "sigma", "uncertainty", "unc", "stat", "stat_error", "count_error", "count_err")


class Columns(NamedTuple):
    """The columns of a file, and the line its first row is on."""

    path: Path
    table: Any
    first_line: int


class Names(NamedTuple):
    """Which columns hold the bins: lower and upper edge, or the centre; the count; its variance or its error."""

    low: str | None
    high: str | None
    centre: str | None
    content: str
    variance: str | None
    error: str | None


def load(path: Path) -> Columns:
    """The columns of a text file, separated by commas, semicolons, tabs or blanks; leading lines with # are skipped.

    A first line of numbers is data, not a header.

    Raises
    ------
    DataError
        If the file is missing, no CSV, or has no rows.
    """
    if not path.is_file():
        msg = f"{path}: no such file"
        raise DataError(msg)
    try:
        skip, first = preamble(path)
        delimiter = next((mark for mark in (",", ";", "\t") if mark in first), " " if " " in first.strip() else ",")
        if all(is_number(cell) for cell in first.strip().split(delimiter)):
            read = pacsv.ReadOptions(skip_rows=skip, autogenerate_column_names=True)
        else:
            read = pacsv.ReadOptions(skip_rows=skip)
        bare = read.autogenerate_column_names
        table = pacsv.read_csv(path, read_options=read, parse_options=pacsv.ParseOptions(delimiter=delimiter))
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        msg = f"{path}: cannot be read as CSV: {str(error).splitlines()[0]}"
        raise DataError(msg) from None
    if not table.num_rows:
        msg = f"{path}: no rows"
        raise DataError(msg)
    return Columns(path, table, skip + (1 if bare else 2))


def preamble(path: Path) -> tuple[int, str]:
    """How many comments and empty lines a file starts with, and the line after them ("" if there is none)."""
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
        for number, line in enumerate(file):
            if line.strip() and not line.startswith("#"):
                return number, line
    return 0, ""


def is_number(text: object) -> bool:
    """Whether a cell holds a number."""
    try:
        float(str(text))
    except ValueError:
        return False
    return True


def numbers(columns: Columns, name: str) -> Array:
    """A column as finite numbers.

    Raises
    ------
    DataError
        If a cell is empty or no finite number, with its line.
    """
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


def words_of(name: str) -> list[str]:
    """The words of a name in lower case: "binLow" is bin, low."""
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    return re.findall(r"[a-z0-9]+", apart.lower())


def names_of_bins(columns: Columns) -> Names:
    """Which columns hold the bins, by their usual names or as the first three.

    Raises
    ------
    DataError
        If they cannot be told.
    """
    names = columns.table.column_names
    words = {name: words_of(name) for name in names}
    plain = [name for name in names if not ERROR & {*words[name]}]
    low = next((name for name in plain if LOW & {*words[name]}), None)
    high = next((name for name in plain if HIGH & {*words[name]}), None)
    known = {"_".join(words[name]): name for name in reversed(names)}
    count = next((known[name] for name in COUNTS if name in known), None)
    count = count or next((name for name in plain if words[name][:1] == ["y"]), None)
    variance = next((known[name] for name in VARIANCES if name in known), None)
    own = [f"{'_'.join(words[count])}_{word}" for word in ("err", "error")] if count else []
    error = next((known[name] for name in (*own, *ERRORS) if name in known), None)
    if low and high and count:
        return Names(low, high, None, count, variance, error)
    centre = next((name for name in plain if CENTRE & {*words[name]} and name != count), None)
    if centre and count and not (low or high):
        return Names(None, None, centre, count, variance, error)
    if len(names) < 3 or low or high:
        msg = f"{columns.path}: expected columns low, high and count, or one column of masses; found {', '.join(names)}"
        raise DataError(msg)
    return Names(names[0], names[1], None, names[2], variance, error)
