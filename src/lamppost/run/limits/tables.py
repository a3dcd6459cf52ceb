"""Limits as CSV, and as a HEPData submission: every selection, and every efficiency that was measured."""

import csv
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lamppost.core import Array
from lamppost.run.artefacts import not_written
from lamppost.run.limits.points import quoted
from lamppost.stats.export import Column, ResultTable, write_hepdata

__all__ = ["csv_of", "tables_of", "write_submission"]

Json = Mapping[str, Any]
BANDS = (("minus2", 0), ("minus1", 1), ("plus1", 3), ("plus2", 4))


def write_submission(result: Json, out: Path) -> Path:
    """Write `hepdata/` with its archive into a run folder.

    Raises
    ------
    LamppostError
        If hepdata-lib is not installed, or a file cannot be written.
    """
    text = "CLs upper limits on signals injected into the data, with all selections trained anew at every injection."
    try:
        return write_hepdata(tables_of(result), out / "hepdata", abstract=text)
    except OSError as error:
        raise not_written(out / "hepdata", error) from None


def tables_of(result: Json) -> list[ResultTable]:
    """Limits by mass for every selection, then efficiency and what is excluded by injection for every signal."""
    return [*_limits(result), *_efficiencies(result)]


def _limits(result: Json) -> Iterator[ResultTable]:
    signals = dict(sorted(result["signals"].items(), key=lambda item: item[1]["mass"]))
    unit, of = result["unit"], "Limit on the cross-section" if result["unit"] == "fb" else "Limit on signal events"
    labels = dict.fromkeys(_name(row) for signal in signals.values() for row in signal["rows"])
    for label in labels:
        listed = [(name, row) for name, s in signals.items() for row in s["rows"] if _name(row) == label]
        listed = [(name, row) for name, row in listed if row["observed"] is not None]
        if not listed:
            continue
        named, found = [name for name, _ in listed], [(signals[name], row) for name, row in listed]
        scale = np.array([signal["per_event"] or 1.0 for signal, _ in found])
        expected = np.array([row["expected"] for _, row in found], dtype=np.float64)
        errors = scale * np.array([row["error"] for _, row in found])
        known = [(name, k) for name, k in BANDS if np.isfinite(expected[:, k]).all()]
        windows = [row["window"] for _, row in found if row["window"] is not None]
        columns = [Column("window", np.array(windows), "GeV", independent=True)] if windows else []
        columns += [
            Column("mass", np.array([signal["mass"] for signal, _ in found]), "GeV", independent=True),
            Column("observed", scale * _array(found, "observed"), unit, down=errors, up=errors, label="training"),
        ]
        if found[0][1]["at"] is not None:
            columns.append(Column("injected", scale * _array(found, "at"), unit))
        if np.isfinite(expected[:, 2]).all():
            columns.append(Column("expected", scale * expected[:, 2], unit))
        columns += [Column(f"expected_{name}", scale * expected[:, k], unit) for name, k in known]
        level = 100 * result["limits"]["level"]
        text = f"{of} at {level:g} % confidence level; signals, in this order: {', '.join(named)}."
        text += f" Expected from {', '.join(dict.fromkeys(row['expected_method'] for _, row in found))}."
        yield ResultTable(f"Limits {label}", text, tuple(columns))


def _array(found: list[tuple[Json, Json]], name: str) -> Array:
    return np.array([row[name] for _, row in found], dtype=np.float64)


def _name(row: Json) -> str:
    """A selection by a name that is the same for all signals, whatever their window."""
    return row["selection"] if row["efficiency"] is None else f"{row['selection']} {row['efficiency']:g}"


def _efficiencies(result: Json) -> Iterator[ResultTable]:
    for name, signal in result["signals"].items():
        scale = signal["per_event"] or 1.0
        for row in signal["rows"]:
            points = [point for point in row["points"] if point["excluded"] is not None]
            if not points:
                continue
            efficiency = np.array([point["efficiency"] for point in points])
            parts = np.array([[point["statistical"] or 0.0, point["retraining"] or 0.0] for point in points])
            errors = efficiency * np.hypot(parts[:, 0], parts[:, 1])
            columns = (
                Column("injected", scale * np.array([p["strength"] for p in points]), result["unit"], independent=True),
                Column("efficiency", efficiency, down=errors, up=errors, label="sample and training"),
                Column("n_excluded", np.array([point["n_excluded"] for point in points])),
                Column("excluded", scale * np.array([point["excluded"] for point in points]), result["unit"]),
                Column("p_injected", np.array([point["p_injected"] for point in points], dtype=np.float64)),
            )
            text = f"Efficiency for signal {name} by what was injected into the data, and what is excluded with it."
            where = "" if row["window"] is None else " {:g} to {:g}".format(*row["window"])
            yield ResultTable(f"Efficiency {name} {_name(row)}{where}", text, columns)


def csv_of(result: Json) -> str:
    """The table as CSV, a row per signal and selection; in fb if the luminosity is known, else in events."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = [f"expected_{name}" for name in ("minus2", "minus1", "median", "plus1", "plus2")]
    head = ["signal", "mass", "selection", "window_low", "window_high", "background_efficiency", "unit", "observed"]
    writer.writerow([*head, *names, "injected", "signal_efficiency", "gain_observed", "gain_expected", "crossed"])
    for name, signal in result["signals"].items():
        unit = signal["per_event"] or 1.0
        for row in signal["rows"]:
            best = quoted(row)
            gain = row["gain"] or {"observed": None, "expected": None}
            limits = [None if v is None else f"{unit * v:.6g}" for v in (row["observed"], *row["expected"])]
            cells = [name, signal["mass"], row["selection"], *(row["window"] or (None, None)), row["efficiency"]]
            more = [
                None if row["at"] is None else f"{unit * row['at']:.6g}",
                f"{best['efficiency']:.6g}",
                gain["observed"],
                gain["expected"] and gain["expected"][0],
            ]
            writer.writerow(
                [*cells, result["unit"], *limits, *more, row["bound"] is None and row["observed"] is not None]
            )
    return text.getvalue()
