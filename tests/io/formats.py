"""Writes one table in every format that lamppost reads. Files of pandas are laid out by hand, as pandas does."""

import gzip
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import uproot
from numpy.typing import NDArray

Table = Mapping[str, NDArray[Any]]


def events(n: int, seed: int = 1) -> dict[str, NDArray[Any]]:
    """A table with whole numbers, both precisions, zeros of both signs and names that are no words."""
    rng = np.random.default_rng(seed)
    mass = rng.exponential(100.0, n) + 50.0
    return {
        "run": rng.integers(1, 5, n).astype(np.int32),
        "event": np.arange(n, dtype=np.int64) * 7919 + 2**40,
        "mjj": mass,
        "pt 1": rng.normal(0.0, 1.0, n).astype(np.float32),
        "pt2": np.where(rng.random(n) < 0.2, -0.0, rng.normal(0.0, 1e-3, n)),
        "w": rng.normal(1.0, 0.5, n),
        "label": (rng.random(n) < 0.3).astype(np.int64),
    }


def write_parquet(path: Path, table: Table) -> str:
    pq.write_table(pa.table(dict(table)), path, row_group_size=100)
    return str(path)


def csv_text(table: Table) -> str:
    rows = zip(*(values.tolist() for values in table.values()), strict=True)
    return "\n".join([",".join(table), *(",".join(map(repr, row)) for row in rows)]) + "\n"


def write_csv(path: Path, table: Table) -> str:
    path.write_text(csv_text(table))
    return str(path)


def write_gzip(path: Path, table: Table) -> str:
    path.write_bytes(gzip.compress(csv_text(table).encode()))
    return str(path)


def write_tree(path: Path, table: Table) -> str:
    """Several baskets, so that entries are read across their edges."""
    with uproot.recreate(path) as file:
        tree = file.mktree("events", {name: values.dtype for name, values in table.items()})
        for start in range(0, len(table["mjj"]), 70):
            tree.extend({name: values[start : start + 70] for name, values in table.items()})
    return f"{path}:events"


def write_ntuple(path: Path, table: Table) -> str:
    with uproot.recreate(path) as file:
        file.mkrntuple("events", dict(table))
    return f"{path}:events"


def write_fixed(path: Path, table: Table, key: str = "df", **compression: Any) -> str:
    """pandas' fixed format: a block for every type, column names as bytes."""
    rows = len(next(iter(table.values())))
    with h5py.File(path, "a") as file:
        group = file.create_group(key)
        types = sorted({values.dtype.str for values in table.values()})
        group.attrs.update(pandas_type=np.bytes_("frame"), nblocks=len(types), encoding=np.bytes_("UTF-8"))
        _names(group, "axis0", list(table))
        group.create_dataset("axis1", data=np.arange(rows))
        for i, kind in enumerate(types):
            columns = {name: values for name, values in table.items() if values.dtype.str == kind}
            _names(group, f"block{i}_items", list(columns))
            block = np.stack(list(columns.values()), axis=1)
            if rows:
                values = group.create_dataset(f"block{i}_values", data=block, **compression)
                values.attrs["transposed"] = np.uint8(1)
            else:
                values = group.create_dataset(f"block{i}_values", data=np.zeros((1, 1), block.dtype))
                values.attrs.update(value_type=np.bytes_(block.dtype.name), shape=np.void(b"a pickled tuple"))
    return f"{path}:{key}"


def write_blosc(path: Path, table: Table) -> str:
    return write_fixed(path, table, **hdf5plugin.Blosc()) if len(table["mjj"]) else write_fixed(path, table)


def write_records(path: Path, table: Table) -> str:
    """pandas' table format with data_columns=True."""
    rows = len(table["mjj"])
    records = np.empty(rows, dtype=[("index", np.int64), *((name, values.dtype) for name, values in table.items())])
    records["index"] = np.arange(rows)
    for name, values in table.items():
        records[name] = values
    with h5py.File(path, "w") as file:
        group = file.create_group("df")
        group.attrs["pandas_type"] = np.bytes_("frame_table")
        group.create_dataset("table", data=records, chunks=(64,), maxshape=(None,))
    return f"{path}:df"


def _names(group: Any, key: str, names: list[str]) -> None:
    dataset = group.create_dataset(key, data=np.array([name.encode() for name in names]))
    dataset.attrs["kind"] = np.bytes_("string")


FORMATS: dict[str, tuple[str, Callable[[Path, Table], str]]] = {
    "parquet": ("t.parquet", write_parquet),
    "csv": ("t.csv", write_csv),
    "csv.gz": ("t.csv.gz", write_gzip),
    "tree": ("t.root", write_tree),
    "ntuple": ("t.root", write_ntuple),
    "fixed": ("t.h5", write_fixed),
    "blosc": ("t.hdf5", write_blosc),
    "records": ("t.h5", write_records),
}
