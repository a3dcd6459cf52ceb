"""pandas frames in HDF5 files, by h5py: nothing is ever unpickled.

A "fixed" frame holds its columns in blocks of one type: block{i}_items names them, block{i}_values is (rows, columns).
A "table" frame is one array of records; its columns have names of their own only if written with data_columns=True.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamppost.errors import DataError, optional
from lamppost.io.reader import damaged

__all__ = ["PICKLED", "blocks", "by_row", "labels", "length", "open_frame", "row_bytes", "rows", "text", "what_is"]

PICKLED = "pickled objects, which are never read"


@contextmanager
def open_frame(path: Path, part: str | None) -> Iterator[Any]:
    """The open group of one frame. Not inside `damaged`, for that would take an error of the caller for the file's."""
    h5py = optional("h5py", "hdf5")
    optional("hdf5plugin", "hdf5")  # teaches HDF5 the blosc compression that PyTables uses
    with damaged(path):
        file = h5py.File(path, "r")
    with file:
        with damaged(path):
            frames: list[str] = []
            file.visititems(lambda name, item: frames.append(name) if _is_frame(item) else None)
            frame = file[_choose(path, part, frames)]
        yield frame


def blocks(frame: Any) -> list[str]:
    """The names of the blocks of a fixed frame."""
    return [f"block{i}" for i in range(int(frame.attrs["nblocks"]))]


def labels(where: object, frame: Any, key: str) -> list[str]:
    """The names of columns; integers and byte strings become text."""
    if key not in frame:
        msg = f"{where}: columns of several levels, expected plain names"
        raise DataError(msg)
    names = frame[key]
    if names.dtype.kind == "O":
        msg = f"{where}: {key} holds {PICKLED}; expected column names that are text or whole numbers"
        raise DataError(msg)
    return [] if "shape" in names.attrs else [text(name) for name in names[()]]


def what_is(values: Any) -> str | None:
    """Why the values of a block are no numbers; None if they are."""
    if values.dtype.kind == "O" or "PSEUDOATOM" in values.attrs:
        return PICKLED
    stored = text(values.attrs.get("value_type", ""))
    return stored if stored.startswith(("datetime", "timedelta")) else None  # times are stored as integers


def text(label: Any) -> str:
    """An attribute or a name, as text."""
    return label.decode() if isinstance(label, bytes) else str(label)


def by_row(values: Any) -> bool:
    """Whether the values of a block are (rows, columns), as nearly always, or (columns, rows)."""
    return bool(values.attrs.get("transposed", False))


def row_bytes(values: Any) -> int:
    """The size of a row of a block."""
    return int(values.dtype.itemsize) * int(values.shape[1] if by_row(values) else values.shape[0])


def length(values: Any) -> int:
    """How many rows a block has."""
    if "shape" in values.attrs:  # pandas stores an array without rows as a single value, and says so here
        return 0
    return int(values.shape[0] if by_row(values) else values.shape[1])


def rows(values: Any, start: int, stop: int) -> NDArray[Any]:
    """Rows [start, stop) of a block, (stop - start, columns)."""
    slab: NDArray[Any] = values[start:stop] if by_row(values) else np.transpose(values[:, start:stop])
    return slab


def _is_frame(item: Any) -> bool:
    return text(item.attrs.get("pandas_type", "")) in ("frame", "frame_table")


def _choose(path: Path, part: str | None, frames: list[str]) -> str:
    part = part.strip("/") if part else None
    if part in frames or (part is None and len(frames) == 1):
        return part or frames[0]
    found = f"found {', '.join(frames) or 'none'}"
    msg = f"{path}: no pandas frame {part!r}, {found}"
    if part is None:
        msg = f'{path}: expected one pandas frame, {found}; name it as in "{path.name}:key"'
    raise DataError(msg)
