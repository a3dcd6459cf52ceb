"""The background that limits are set in."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

__all__ = ["FIT", "background", "signal"]

FIT = {"range": [2800, 8000], "function": "dijet", "sqrt_s": 13000}


def background(tables: Path, events: int, path: Path) -> Path:
    """Write the first so many events of the fit range, in the order of the files."""
    if path.exists():
        return path
    lo, hi = FIT["range"]  # type: ignore[misc]
    parts, left = [], events
    for table in map(pq.read_table, sorted(tables.glob("qcd_[0-9]*.parquet"))):
        m = table["mjj"].to_numpy()
        rows = np.flatnonzero((m >= lo) & (m < hi))[:left]
        parts.append(table.take(rows))
        left -= len(rows)
        if left == 0:
            break
    if left:
        raise SystemExit(f"{tables}: {events - left} background events from {lo} to {hi}, expected {events}")
    part = path.with_suffix(".part")
    pq.write_table(pa.concat_tables(parts), part)
    part.replace(path)
    return path


def signal(tables: Path, events: int, path: Path) -> Path:
    """Write the first so many signal events."""
    if not path.exists():
        part = path.with_suffix(".part")
        pq.write_table(pq.read_table(tables / "signal.parquet").slice(0, events), part)
        part.replace(path)
    return path
