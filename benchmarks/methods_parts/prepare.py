"""Common tables out of two simulations, so that one configuration reads them all."""

import argparse
import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from methods_parts.configs import WIDE
from methods_parts.origin import how

Columns = dict[str, NDArray[Any]]
FIRST = {"qcd": 0, "wprime": 10**8, "zprime_tt": 2 * 10**8, "reference": 3 * 10**8}
"""The first event number of each sample: one event is in the same part of a draw whatever its features."""


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Write OUT/tables, and OUT/tables/about.json: what is in them."""
    folder = options.out / "tables"
    folder.mkdir(parents=True, exist_ok=True)
    made = {
        path.name: how(path) for given in (options.tables, options.more) if given for path in given.glob("*.parquet")
    }
    about = {}
    for name, parts in plan(options.tables, options.more):
        about[name] = write(folder / f"{name}.parquet", parts) | {
            "sources": {source: made[source] for source, _ in parts}
        }
    (folder / "about.json").write_text(json.dumps(about, indent=1) + "\n")
    for name, found in about.items():
        print(f"{name:16s} {found['events']:>9,} events, {found['dropped']} dropped, of {', '.join(found['sources'])}")
    return about


def plan(tables: Path, more: Path | None) -> Iterator[tuple[str, list[tuple[str, Columns]]]]:
    """Every table that is to be written, and its parts by source."""
    own = wide_parts(more) if more else {}
    pairs = {
        "qcd": sorted(tables.glob("qcd_[0-9]*.parquet")),
        "wprime": [tables / "signal.parquet"],
        "zprime_tt": [tables / "signal_3prong.parquet"],
        "reference": [tables / "qcd_alt.parquet"],
    }
    for name, paths in pairs.items():
        parts = [(path.name, by_mass(columns_of(path))) for path in paths if path.exists()]
        parts += [(source, four(columns)) for source, columns in own.get(name, [])]
        if parts:
            yield name, parts
    for name, wide in own.items():
        yield f"wide_{name}", [(source, {column: columns[column] for column in WIDE}) for source, columns in wide]


def wide_parts(more: Path) -> dict[str, list[tuple[str, Columns]]]:
    """The tables of the preset `wide`; rows of several processes stand one process after the other."""
    found: dict[str, list[tuple[str, Columns]]] = {}
    for pattern, name in (("qcd*.parquet", "qcd"), ("ref*.parquet", "reference")):
        if paths := sorted(more.glob(pattern)):
            found[name] = [(path.name, columns_of(path)) for path in paths]
    signals = more / "signals.parquet"
    if signals.exists():
        columns, start = columns_of(signals), 0
        for name, events in processes(signals).items():
            found[name] = [(signals.name, {key: values[start : start + events] for key, values in columns.items()})]
            start += events
        if start != len(columns["mjj"]):
            raise SystemExit(f"{signals}: {len(columns['mjj'])} events, expected {start}")
    return found


def processes(path: Path) -> dict[str, int]:
    """How many events of which process `lamppost simulate` wrote."""
    about = json.loads(pq.read_schema(path).metadata[b"lamppost"])["simulation"]["processes"]
    return {name: int(process["events"]) for name, process in about.items()}


def columns_of(path: Path) -> Columns:
    table = pq.read_table(path)
    return {name: table[name].to_numpy() for name in table.column_names if name != "label"}


def by_mass(jets: Columns) -> Columns:
    """The four features of jets that are ordered by pT."""
    light = np.where(jets["mj1"] < jets["mj2"], 1, 2)
    ratio = [jets[f"tau2j{jet}"] / (jets[f"tau1j{jet}"] + 1e-5) for jet in (1, 2)]
    return {
        "mjj": jets["mjj"],
        "mj1": np.minimum(jets["mj1"], jets["mj2"]),
        "dm": np.abs(jets["mj1"] - jets["mj2"]),
        "tau21_j1": np.where(light == 1, *ratio),
        "tau21_j2": np.where(light == 1, *reversed(ratio)),
    }


def four(wide: Columns) -> Columns:
    """The four features by the same formula, of a table of the preset `wide`."""
    ratios = {f"tau21_{jet}": wide[f"tau2_{jet}"] / (wide[f"tau1_{jet}"] + 1e-5) for jet in ("j1", "j2")}
    return {**{name: wide[name] for name in ("mjj", "mj1", "dm")}, **ratios}


def write(path: Path, parts: Sequence[tuple[str, Columns]]) -> dict[str, Any]:
    """Write one table: finite rows, an event number and the label."""
    name = path.stem.removeprefix("wide_")
    columns = {column: np.concatenate([part[column] for _, part in parts]) for column in parts[0][1]}
    event = FIRST[name] + np.arange(len(columns["mjj"]), dtype=np.int64)
    finite = np.all([np.isfinite(values) for values in columns.values()], axis=0)
    label = np.full(len(event), int(name in ("wprime", "zprime_tt")), np.int8)
    made = {"event": event, **{key: values.astype(np.float32) for key, values in columns.items()}, "label": label}
    pq.write_table(pa.table({key: values[finite] for key, values in made.items()}), path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return {"events": int(finite.sum()), "dropped": int((~finite).sum()), "sha256": digest}
