"""Which files outside of this package decide what a task makes."""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from pydantic import BaseModel

__all__ = ["plug_ins"]


def plug_ins(value: Any) -> list[str]:
    """SHA-256 of every source file, in order, that defines a spec in `value` outside this package.

    Part of the names of artefacts, so that an edited plug-in makes its results again. What such a file imports is not
    followed, and what was typed at a prompt has no file.
    """
    modules = {kind.__module__ for spec in _specs(value) for kind in type(spec).__mro__ if issubclass(kind, BaseModel)}
    others = (name for name in modules if name.partition(".")[0] not in ("lamppost", "pydantic"))
    paths = [Path(path) for name in others if (path := getattr(sys.modules.get(name), "__file__", None))]
    return sorted(sha256(path.read_bytes()).hexdigest() for path in paths if path.is_file())


def _specs(value: Any) -> Iterator[BaseModel]:
    """The specs in a value, however deep."""
    inside: Any = ()
    if isinstance(value, BaseModel):
        yield value
        inside = (getattr(value, name) for name in type(value).model_fields)
    elif is_dataclass(value):
        inside = (getattr(value, field.name) for field in fields(value))
    elif isinstance(value, Mapping):
        inside = value.values()
    elif isinstance(value, list | tuple):
        inside = value
    for one in inside:
        yield from _specs(one)
