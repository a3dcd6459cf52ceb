"""The truth of a black box, published apart from its events: a text file of 0 and 1, one line per event."""

import gzip
import zlib
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lamppost.errors import DataError

__all__ = ["read_key"]

_VALUES = {b"0": 0, b"1": 1, b"0.0": 0, b"1.0": 1}


def read_key(path: Path) -> NDArray[np.int8]:
    """The labels (lines,) of a key, plain or gzipped; 0 and 1 may be written in any way, as 1.000e+00.

    Raises
    ------
    DataError
        If the file is missing or damaged, or a line holds anything else.
    """
    try:
        return _read(path, path.stat().st_mtime_ns)
    except (OSError, EOFError, zlib.error) as error:
        msg = f"{path}: cannot be read as a list of labels ({' '.join(str(error).split())})"
        raise DataError(msg) from None


@lru_cache(maxsize=2)
def _read(path: Path, changed: int) -> NDArray[np.int8]:
    # remembered, for every range of rows asks for it
    raw = path.read_bytes()
    lines = (gzip.decompress(raw) if raw.startswith(b"\x1f\x8b") else raw).rstrip().splitlines()
    values = [_value(line.strip()) for line in lines]
    if -1 in values:
        bad = values.index(-1)
        msg = f"{path}: line {bad + 1}: expected 0 or 1, found {lines[bad][:40].decode(errors='replace')!r}"
        raise DataError(msg)
    key = np.array(values, dtype=np.int8)
    key.flags.writeable = False
    return key


def _value(text: bytes) -> int:
    """The label; -1 for anything else."""
    if text in _VALUES:
        return _VALUES[text]
    try:
        number = float(text)
    except ValueError:
        return -1
    return int(number) if number in (0.0, 1.0) else -1
