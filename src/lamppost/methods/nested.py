"""What scores made of other fitted values share: their bytes in one file, and what they ask of a fitted density."""

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from lamppost.core import Array, Bijection, Events, Rng
from lamppost.errors import DataError
from lamppost.storage import Tensors, pack, restore, unpack

__all__ = ["Ensemble", "nest", "unnest"]

_PART = "part:"


class Ensemble(Bijection, Protocol):
    """A fitted density of several members that knows the density of each, and can be stored."""

    fractions: tuple[float, ...] | None
    """What members found for the fraction next to a frozen background."""

    def member_log_probs(self, events: Events) -> Array:
        """Log density (members, n) of every member."""
        ...

    def sample_mass(self, n: int, rng: Rng) -> Array:
        """Masses (n,) of a joint density."""
        ...

    def to_bytes(self) -> bytes:
        """All there is to it."""
        ...


class _Stored(Protocol):
    def to_bytes(self) -> bytes: ...


def nest(kind: str, about: Mapping[str, Any], parts: Mapping[str, _Stored], tensors: Tensors | None = None) -> bytes:
    """One safetensors file of plain values, arrays, and the files of other fitted values."""
    files = {_PART + name: np.frombuffer(part.to_bytes(), np.uint8) for name, part in parts.items()}
    return pack(kind, about, files | (tensors or {}))


def unnest(data: bytes, kind: str) -> tuple[dict[str, Any], dict[str, Any], Tensors]:
    """What `nest` was given: (about, parts, tensors).

    Raises
    ------
    DataError
        If the data or a part are damaged, of another kind or of a newer schema.
    """
    about, arrays = unpack(data, kind)
    parts, tensors = {}, {}
    for name, array in arrays.items():
        if not name.startswith(_PART):
            tensors[name] = array
            continue
        try:
            parts[name.removeprefix(_PART)] = restore(array.tobytes())
        except DataError as error:
            msg = f"{kind}: part {name.removeprefix(_PART)!r}: {error}"
            raise DataError(msg) from None
    return about, parts, tensors
