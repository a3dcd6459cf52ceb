"""A mass spectrum, binned or as a list of masses, from a text file or a ROOT histogram."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from lamppost.core import Array
from lamppost.errors import DataError
from lamppost.io.histogram import Table, read_root_histogram, table_of
from lamppost.io.reader import split_part
from lamppost.io.spectrum_csv import Columns, Names, load, names_of_bins, numbers

__all__ = ["Masses", "Table", "read_spectrum", "table_of"]

MIN_BINS = 4
ROUNDING = 0.005  # of a Poisson error: what a published count may be off a whole number


class Masses(NamedTuple):
    """A list of masses m (k,) in the file's units, not binned yet."""

    m: Array


def read_spectrum(
    path: str | Path,
    *,
    bins: int | None = None,
    range: tuple[float, float] | None = None,
    column: str | None = None,
    weighted: bool = False,
) -> Table | Masses:
    """Read a spectrum from a text file (.csv, .txt, .csv.gz, ...) or from a TH1, "file.root:name".

    Columns of lower edge, upper edge and count, found by their usual names or as the first three, or of the centres of
    equal bins and the count, give a `Table`; with `range` = (lo, hi) of the bins wholly inside. A single column, or the
    one named by `column`, is a list of masses: with `bins` they are counted in so many equal bins of `range` (default:
    smallest to largest mass), without they are returned as `Masses` inside `range`. Counts are whole numbers, up to
    the rounding of published ones (0.005 of their Poisson error), unless the spectrum is `weighted`: then they are sums
    of weights, and the variances come with the histogram or from a column of sums of squared weights or of errors.
    Without one a weighted count n has the variance n.

    Raises
    ------
    DataError
        If the file is missing or cannot be read, or a column, row or bin is not what it has to be.
    """
    name, part = split_part(str(path))
    file = Path(name)
    if part is not None or file.suffix == ".root":
        refuse_masses(bins, column, str(path), "a histogram")
        table = read_root_histogram(file, part)
        check_histogram(table, str(path))
        return within(whole(table, weighted, str(path)), range, str(path))
    columns = load(file)
    names = columns.table.column_names
    if column is None and len(names) > 1:
        refuse_masses(bins, column, str(path), f"several columns ({', '.join(names)})")
        return within(whole(read_bins(columns, weighted), weighted, str(path)), range, str(path))
    if column is not None and column not in names:
        msg = f"{path}: no column {column!r}, found {', '.join(names)}"
        raise DataError(msg)
    return count(numbers(columns, column or names[0]), bins, range, str(path))


def refuse_masses(bins: int | None, column: str | None, path: str, found: str) -> None:
    """Refuse options that make sense for a list of masses only."""
    if bins is not None:
        msg = f"{path}: already binned, or several columns; `bins` needs a column of masses, found {found}"
        raise DataError(msg)
    if column is not None:
        msg = f"{path}: `column` {column!r} names a column of masses, found {found}"
        raise DataError(msg)


def read_bins(columns: Columns, weighted: bool) -> Table:
    """Adjacent bins with non-negative counts."""
    names = names_of_bins(columns)
    low, high = edges_of(columns, names)
    counts = numbers(columns, names.content)
    width = high - low
    apart = np.abs(low[1:] - high[:-1]) > 1e-6 * np.minimum(width[1:], width[:-1])
    for bad, what in (
        (width <= 0.0, "the bin's upper edge is not above its lower edge"),
        (counts < 0.0, "the count is negative"),
        (np.append(False, apart), "the bin does not start where the one before ends"),
    ):
        if bad.any():
            i = int(np.argmax(bad))
            used = ", ".join(name for name in names[:4] if name is not None)
            msg = (
                f"{columns.path}: columns {used}, line {columns.first_line + i}: {what}, "
                f"found [{low[i]:g}, {high[i]:g}) with {counts[i]:g}"
            )
            raise DataError(msg)
    return Table(np.append(low, high[-1]), counts, variances_of(columns, names) if weighted else None)


def edges_of(columns: Columns, names: Names) -> tuple[Array, Array]:
    """Lower and upper edges (n,), from their columns or from the centres of equal bins."""
    if names.low is not None and names.high is not None:
        return numbers(columns, names.low), numbers(columns, names.high)
    centre = numbers(columns, str(names.centre))
    width = (centre[-1] - centre[0]) / max(len(centre) - 1, 1)
    if not width > 0.0 or np.any(np.abs(np.diff(centre) - width) > 1e-3 * width):
        msg = (
            f"{columns.path}: column {names.centre!r}: the centres of equal bins rise in equal steps, these do not; "
            "give lower and upper edges"
        )
        raise DataError(msg)
    centre = centre[0] + width * np.arange(len(centre))
    return centre - 0.5 * width, centre + 0.5 * width


def variances_of(columns: Columns, names: Names) -> Array | None:
    """Sums of squared weights, from their column or from that of errors; None if there is neither."""
    if names.variance is not None:
        return numbers(columns, names.variance)
    return None if names.error is None else np.square(numbers(columns, names.error))


def check_histogram(table: Table, path: str) -> None:
    """Refuse negative and undefined contents."""
    bad = ~(np.isfinite(table.counts) & (table.counts >= 0.0))
    if bad.any():
        i = int(np.argmax(bad))
        msg = (
            f"{path}: bin {i + 1} [{table.edges[i]:g}, {table.edges[i + 1]:g}): "
            f"expected a count of zero or more, found {table.counts[i]:g}"
        )
        raise DataError(msg)


def whole(table: Table, weighted: bool, path: str) -> Table:
    """The table, if its counts are whole numbers or it is weighted; one that is not has no variances."""
    if weighted:
        return table
    off = np.abs(table.counts - np.round(table.counts))
    if np.any(off > ROUNDING * np.sqrt(table.counts + 1.0)):
        i = int(np.argmax(off / np.sqrt(table.counts + 1.0)))
        msg = (
            f"{path}: expected whole numbers of events, found {table.counts[i]:g} in "
            f"[{table.edges[i]:g}, {table.edges[i + 1]:g}); sums of weights need `weighted`"
        )
        raise DataError(msg)
    return Table(table.edges, table.counts)


def within(table: Table, range: tuple[float, float] | None, path: str) -> Table:
    """The bins wholly inside the range; enough of them, and not all empty."""
    edges, counts, variances = table
    if range is not None:
        slack = 1e-9 * (edges[-1] - edges[0])
        kept = np.flatnonzero((edges[:-1] >= range[0] - slack) & (edges[1:] <= range[1] + slack))
        edges, counts = edges[kept[0] : kept[-1] + 2] if len(kept) else edges[:0], counts[kept]
        variances = None if variances is None else variances[kept]
    where = "" if range is None else f" inside [{range[0]:g}, {range[1]:g}]"
    if len(counts) < MIN_BINS:
        msg = f"{path}: expected at least {MIN_BINS} bins{where}, found {len(counts)}"
        raise DataError(msg)
    if not counts.sum() > 0.0:
        msg = f"{path}: all {len(counts)} bins{where} are empty"
        raise DataError(msg)
    return Table(edges, counts, variances)


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
