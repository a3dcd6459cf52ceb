"""Event identifiers: 64 bits from the values of a row, the same in every format, chunk and order of rows."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["row_ids"]

_STEP = np.uint64(0x9E3779B97F4A7C15)
_ROUNDS = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB))


def row_ids(columns: Sequence[NDArray[Any]]) -> NDArray[np.uint64]:
    """One identifier per row, (n,) uint64, from the values of the columns, each (n,).

    Column by column h becomes mix((h + step) ^ bits), with the finaliser of splitmix64 (doi:10.1145/2660193.2660195)
    as mix. That is one to one for a single column, so a unique event number gives unique identifiers. Integers enter
    by their 64 bits, real numbers as float64 with -0.0 taken for 0.0.
    """
    mixed = np.zeros(len(columns[0]), dtype=np.uint64)
    for column in columns:
        mixed += _STEP
        mixed ^= _bits(column)
        for shift, factor in _ROUNDS:
            mixed ^= mixed >> np.uint64(shift)
            mixed *= np.uint64(factor)
        mixed ^= mixed >> np.uint64(31)
    return mixed


def _bits(column: NDArray[Any]) -> NDArray[np.uint64]:
    if column.dtype.kind in "iu":
        return column.astype(np.uint64)
    return (column.astype(np.float64) + 0.0).view(np.uint64)
