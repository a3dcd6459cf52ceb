"""What scores made of other fitted values share: their bytes in one file, and what they ask of a fitted density."""

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import numpy as np

from lamppost.core import Array, Bijection, Conditional, Events
from lamppost.errors import ConfigError, DataError
from lamppost.storage import Tensors, pack, restore, unpack

__all__ = ["Ensemble", "ensemble", "nest", "unnest"]

_PART = "part:"


@runtime_checkable
class Ensemble(Bijection, Protocol):
    """A fitted density of several members that knows the density of each, and can be stored."""

    def member_log_probs(self, events: Events) -> Array:
        """Log density (members, n) of every member."""
        ...

    def to_bytes(self) -> bytes:
        """All there is to it."""
        ...


def ensemble(kind: str, density: Conditional) -> Ensemble:
    """The density itself; ConfigError if the method `kind` cannot work with it."""
    if not isinstance(density, Ensemble):
        msg = (
            f"method {kind!r} needs a density with encode, decode and member_log_probs, found {type(density).__name__}"
        )
        raise ConfigError(msg)
    return density


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
