"""Histograms of ROOT files and of memory: whatever speaks the UHI protocol becomes edges, counts and variances."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lamppost.core import Array
from lamppost.errors import DataError, optional
from lamppost.io.reader import damaged

__all__ = ["Table", "read_root_histogram", "table_of"]


class Table(NamedTuple):
    """A binned spectrum: edges (n + 1,) in the file's units, counts (n,), variances (n,) or None if unweighted."""

    edges: Array
    counts: Array
    variances: Array | None = None


def table_of(histogram: Any, name: str = "histogram") -> Table:
    """The bins of a one-dimensional histogram with the UHI protocol: `axes`, `values()`, `variances()`.

    hist, boost-histogram, uproot. Under- and overflow are left out; variances equal to the counts are those of an
    unweighted histogram and are left out too.

    Raises
    ------
    DataError
        If it is no such histogram, has several axes or one of categories, or holds means.
    """
    try:
        (axis,) = histogram.axes
        if str(getattr(histogram, "kind", "COUNT")).endswith("MEAN"):
            raise ValueError
        pairs = np.array([tuple(axis[i]) for i in range(len(axis))], dtype=np.float64)
        counts = np.asarray(histogram.values(), dtype=np.float64)
        variances = histogram.variances()
    except (AttributeError, TypeError, ValueError):
        msg = f"{name}: expected a histogram of counts on one axis of intervals, found {histogram!r:.80}"
        raise DataError(msg) from None
    edges = np.append(pairs[:, 0], pairs[-1:, 1])
    if variances is None or np.array_equal(variances, counts):
        return Table(edges, counts)
    return Table(edges, counts, np.asarray(variances, dtype=np.float64))


def read_root_histogram(path: Path, part: str | None) -> Table:
    """A TH1 of a ROOT file; `part` is its name, and may be left out where there is only one.

    Raises
    ------
    DataError
        If the file is damaged, or there is no such histogram.
    """
    uproot = optional("uproot", "root")
    if not path.is_file():
        msg = f"{path}: no such file"
        raise DataError(msg)
    with damaged(path), uproot.open(path) as file:
        kinds = {key.split(";")[0]: kind for key, kind in file.classnames().items()}
        found = [key for key, kind in kinds.items() if kind.startswith("TH1")]
        if part is None and len(found) == 1:
            part = found[0]
        if part in found:
            return table_of(file[part], f"{path}:{part}")
    listed = f"found {', '.join(found) or 'none'}"
    msg = f"{path}: no histogram {part!r}, {listed}"
    if part is None:
        msg = f'{path}: expected one histogram, {listed}; name it as in "{path.name}:mass"'
    raise DataError(msg)
