"""Fitted models applied to any number of events in pieces of one shape: bounded memory, and nothing compiles again."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["CHUNK", "in_chunks"]

CHUNK = 8192
"""Events per compiled call. Always this many: an event's value must not depend on who else is in the sample."""


def in_chunks(function: Callable[..., Any], models: Any, *columns: NDArray[Any]) -> list[NDArray[np.float32]]:
    """The outputs (..., n) of `function(models, *pieces)` for columns (k, n), joined along the events."""
    n = columns[0].shape[-1]
    parts = []
    for start in range(0, max(n, 1), CHUNK):
        stop = min(start + CHUNK, n)
        pieces = [np.zeros((*column.shape[:-1], CHUNK), np.float32) for column in columns]
        for piece, column in zip(pieces, columns, strict=True):
            piece[..., : stop - start] = column[..., start:stop]
        parts.append([np.asarray(output)[..., : stop - start] for output in function(models, *pieces)])
    return [np.concatenate(outputs, axis=-1) for outputs in zip(*parts, strict=True)]
