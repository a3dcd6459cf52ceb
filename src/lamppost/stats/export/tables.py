"""Results as tables: columns with units and errors, ready for CSV files and HEPData."""

import csv
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lamppost.core import Array
from lamppost.errors import DataError
from lamppost.stats.fits.fit import BackgroundFit
from lamppost.stats.scans.result import ScanResult
from lamppost.stats.spectrum import Spectrum

if TYPE_CHECKING:
    from lamppost.stats.limits.limits import Limit

__all__ = ["Column", "ResultTable", "limit_table", "scan_table", "spectrum_table", "write_csv"]


@dataclass(frozen=True, eq=False)
class Column:
    """A column: values (n,), or intervals (n, 2) of bins, with absolute errors down and up (n,) where there are any.

    independent: one of the variables that the others depend on
    units: of the values; "" for pure numbers
    label: what the errors are
    """

    name: str
    values: Array
    units: str = ""
    independent: bool = False
    down: Array | None = None
    up: Array | None = None
    label: str = ""


@dataclass(frozen=True, eq=False)
class ResultTable:
    """A named table of columns of one length.

    Raises
    ------
    DataError
        If the columns do not have the same length, or share a name.
    """

    name: str
    description: str
    columns: tuple[Column, ...]
    keywords: dict[str, list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len({len(column.values) for column in self.columns}) != 1:
            msg = f"table {self.name!r}: columns of {[len(column.values) for column in self.columns]} rows do not match"
            raise DataError(msg)
        names = [column.name for column in self.columns]
        if len(set(names)) < len(names):
            msg = f"table {self.name!r}: every column needs a name of its own, found {', '.join(names)}"
            raise DataError(msg)


def spectrum_table(
    spectrum: Spectrum, fit: BackgroundFit, *, units: str = "GeV", name: str = "Spectrum"
) -> ResultTable:
    """Events seen and expected in every bin, and their pulls; the error of the fit comes from its covariance."""
    errors = np.array([fit.expected_in(lo, hi)[1] for lo, hi in pairwise(spectrum.edges)])
    seen = np.sqrt(spectrum.variances)
    columns = (
        Column("m", np.stack([spectrum.edges[:-1], spectrum.edges[1:]], axis=1), units, independent=True),
        Column("n_events", spectrum.counts, down=seen, up=seen, label="stat"),
        Column("background", fit.expected, down=errors, up=errors, label="fit"),
        Column("pull", fit.pulls),
    )
    text = f"Observed events and the fitted background {fit.function}, chi2 = {fit.chi2:.1f}/{fit.ndf}."
    return ResultTable(name, text, columns)


def scan_table(result: ScanResult, *, units: str = "GeV", name: str = "Local significance") -> ResultTable:
    """Local p-value, significance and signal yield of every mass hypothesis."""
    columns = (
        Column("mass", result.masses, units, independent=True),
        Column("p_local", result.p),
        Column("z_local", result.z),
        Column("signal", result.yields, down=result.yield_errors, up=result.yield_errors, label="total"),
    )
    text = f"Largest excess at {result.best_mass:g} {units}: local {result.z_local:.2f} standard deviations"
    if result.p_global is not None:
        text += f", global p = {result.p_global:.3g} ({result.p_global_method})"
    return ResultTable(name, text + ".", columns)


def limit_table(
    limits: "Sequence[Limit]", *, units: str = "GeV", quantity: str = "signal", name: str = "Upper limits"
) -> ResultTable:
    """Observed and expected upper limits by mass.

    Raises
    ------
    DataError
        If there are no limits, or their confidence levels differ.
    """
    levels = sorted({limit.level for limit in limits})
    if len(levels) != 1:
        msg = f"limits: expected some of one confidence level, found levels {levels}"
        raise DataError(msg)
    expected = np.array([limit.expected for limit in limits])
    columns = [
        Column("mass", np.array([limit.mass for limit in limits]), units, independent=True),
        Column(f"{quantity}_observed", np.array([limit.observed for limit in limits])),
        Column(f"{quantity}_expected", expected[:, 2]),
    ]
    for sigma, low, high in ((1, 1, 3), (2, 0, 4)):
        columns += [
            Column(f"{quantity}_expected_minus{sigma}", expected[:, low]),
            Column(f"{quantity}_expected_plus{sigma}", expected[:, high]),
        ]
    text = f"CLs upper limits at {100 * levels[0]:g} % confidence level, observed and expected from background alone."
    return ResultTable(name, text, tuple(columns))


def write_csv(table: ResultTable, path: "str | os.PathLike[str]") -> Path:
    """Write a table as CSV: intervals as NAME_low, NAME_high, errors as NAME_err or NAME_err_down, NAME_err_up."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    cells: dict[str, Array] = {}
    for column in table.columns:
        if column.values.ndim == 2:
            cells |= {f"{column.name}_low": column.values[:, 0], f"{column.name}_high": column.values[:, 1]}
        else:
            cells[column.name] = column.values
        if column.down is None or column.up is None:
            continue
        if np.array_equal(column.down, column.up):
            cells[f"{column.name}_err"] = column.up
        else:
            cells |= {f"{column.name}_err_down": column.down, f"{column.name}_err_up": column.up}
    with target.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(cells)
        writer.writerows([f"{value:.12g}" for value in row] for row in zip(*cells.values(), strict=True))
    return target
