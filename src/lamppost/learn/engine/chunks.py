"""Fitted models applied to any number of events in pieces of one shape: bounded memory, and nothing compiles again."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

__all__ = ["CHUNK", "in_chunks"]

CHUNK = 2048
"""Events per compiled call. Always this many: an event's value must not depend on who else is in the sample."""


def in_chunks(
    function: Callable[..., Any], models: Any, *columns: NDArray[Any], precise: bool = False
) -> list[NDArray[np.float32]]:
    """The outputs (..., n) of `function(models, *pieces)` for columns (k, n), joined along the events.

    `precise` computes in float64, for maps whose inverse has to bring every event back.
    """
    if precise:
        with jax.enable_x64(True):
            return _in_chunks(function, models, columns, np.float64)
    return _in_chunks(function, models, columns, np.float32)


def _in_chunks(
    function: Callable[..., Any], models: Any, columns: Sequence[NDArray[Any]], dtype: type[np.floating[Any]]
) -> list[NDArray[np.float32]]:
    n = columns[0].shape[-1]
    parts = []
    for start in range(0, max(n, 1), CHUNK):
        stop = min(start + CHUNK, n)
        pieces = [np.zeros((*column.shape[:-1], CHUNK), dtype) for column in columns]
        for piece, column in zip(pieces, columns, strict=True):
            piece[..., : stop - start] = column[..., start:stop]
        outputs = function(models, *pieces)
        parts.append([np.asarray(output, np.float32)[..., : stop - start] for output in outputs])
    return [np.concatenate(outputs, axis=-1) for outputs in zip(*parts, strict=True)]
