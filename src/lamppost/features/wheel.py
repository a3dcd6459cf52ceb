"""The fastjet wheel: loaded when first needed, without its banner, fed from numpy arrays without a copy."""

from functools import cache
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamppost.core import Array
from lamppost.errors import optional

__all__ = ["fastjet", "momenta"]


@cache
def fastjet() -> ModuleType:
    """The fastjet library (arXiv:1111.6097). Its banner would go to standard output, which is for results.

    Raises
    ------
    LamppostError
        If it is not installed, with the command that installs it.
    """
    module = optional("fastjet", "features")
    # a static method of every sequence, left out of the Python class `ClusterSequence` alone
    module.ClusterSequenceArea.set_fastjet_banner_stream(None)
    return module


def momenta(px: Array, py: Array, pz: Array, energy: Array, offsets: NDArray[np.int64]) -> Any:
    """Four-vectors (k,) [GeV] of n events, `offsets` (n + 1,), as the awkward array `fastjet.ClusterSequence` takes."""
    awkward = optional("awkward", "features")
    contents = awkward.contents
    columns = [contents.NumpyArray(column) for column in (px, py, pz, energy)]
    record = contents.RecordArray(columns, ["px", "py", "pz", "E"])
    return awkward.Array(contents.ListOffsetArray(awkward.index.Index64(offsets), record))
