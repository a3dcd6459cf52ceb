"""Raw events in the layout of the LHC Olympics, and what a plain reading of them gives."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from lamppost.core import Collisions, Objects

Matrix = NDArray[Any]


def raw(n: int, slots: int = 12, *, label: bool = True, dtype: Any = np.float32, seed: int = 1) -> Matrix:
    """(n, 3 slots + 1): particles by falling pt, zero padded, some events empty and some full, and the label."""
    rng = np.random.default_rng(seed)
    number = rng.integers(0, slots + 1, n)
    there = np.arange(slots) < number[:, np.newaxis]
    pt = -np.sort(-rng.exponential(50.0, (n, slots)) - 0.5, axis=1)
    particles = np.stack([pt, rng.normal(0.0, 1.0, (n, slots)), rng.uniform(-3.0, 3.0, (n, slots))], axis=2)
    flat = np.where(there[:, :, np.newaxis], particles, 0.0).reshape(n, 3 * slots)
    labels = (rng.random((n, 1)) < 0.3) if label else np.empty((n, 0))
    return np.concatenate([flat, labels], axis=1).astype(dtype)


def naive(matrix: Matrix) -> Collisions:
    """Event by event."""
    slots = matrix.shape[1] // 3
    events = [[matrix[i, 3 * j : 3 * j + 3] for j in range(slots) if matrix[i, 3 * j] != 0] for i in range(len(matrix))]
    flat = np.array([particle for event in events for particle in event], dtype=matrix.dtype).reshape(-1, 3)
    fields = {name: flat[:, i] for i, name in enumerate(("pt", "eta", "phi"))}
    counts = np.array([len(event) for event in events], dtype=np.int64)
    scalars = {"label": matrix[:, -1].astype(np.int8)} if matrix.shape[1] % 3 else {}
    return Collisions(np.arange(len(matrix)), scalars, {"particles": Objects(counts, fields)})


def write_raw(path: Path, *blocks: Matrix, by_row: bool = True, **storage: Any) -> str:
    """pandas' fixed format: the columns of each block behind those of the one before."""
    edges = np.cumsum([0, *(block.shape[1] for block in blocks)])
    with h5py.File(path, "w") as file:
        group = file.create_group("df")
        group.attrs.update(pandas_type=np.bytes_("frame"), nblocks=len(blocks))
        group["axis0"] = np.arange(edges[-1])
        for i, block in enumerate(blocks):
            group[f"block{i}_items"] = np.arange(edges[i], edges[i + 1])
            data = block if by_row else block.T.copy()
            values = group.create_dataset(f"block{i}_values", data=data, **storage)
            if by_row:
                values.attrs["transposed"] = np.uint8(1)
    return str(path)


def write_table(path: Path, matrix: Matrix) -> str:
    """pandas' table format without data_columns."""
    records = np.empty(len(matrix), dtype=[("index", np.int64), ("values_block_0", matrix.dtype, (matrix.shape[1],))])
    records["index"], records["values_block_0"] = np.arange(len(matrix)), matrix
    with h5py.File(path, "w") as file:
        group = file.create_group("df")
        group.attrs["pandas_type"] = np.bytes_("frame_table")
        group.create_dataset("table", data=records, chunks=(16,), maxshape=(None,))
    return str(path)


def same(one: Collisions, other: Collisions) -> None:
    """Refuse any difference, of types too."""
    np.testing.assert_array_equal(one.row, other.row)
    assert {**one.scalars}.keys() == {**other.scalars}.keys()
    assert {**one.objects}.keys() == {**other.objects}.keys()
    for name, values in one.scalars.items():
        assert (values.dtype, values.tobytes()) == (other.scalars[name].dtype, other.scalars[name].tobytes()), name
    for name, objects in one.objects.items():
        np.testing.assert_array_equal(objects.counts, other.objects[name].counts)
        assert list(objects.fields) == list(other.objects[name].fields)
        for field, values in objects.fields.items():
            there = other.objects[name].fields[field]
            assert (values.dtype, values.tobytes()) == (there.dtype, there.tobytes()), (name, field)
