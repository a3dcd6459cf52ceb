"""What every file format offers: its columns, and some of them in chunks. One subclass, one file, one format."""

import difflib
import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from lamppost.errors import ConfigError, DataError, LamppostError

__all__ = ["NUMBERS", "PADDED", "Chunk", "Kind", "Reader", "damaged", "known", "reader_of", "split_part", "unique"]

Chunk = dict[str, NDArray[Any]]
Kind = Literal["float", "integer", "boolean", "unknown"] | str
"""What a column holds. `unknown`: the format does not say (csv); any other text says why it is not a number."""

PADDED: Kind = "padded particles"
"""A column of (particles, values) for every row."""

NUMBERS: frozenset[str] = frozenset({"float", "integer", "boolean", "unknown"})
ROWS = 65536

_SHOWN = 12


class Reader(ABC):
    """One file, or one tree or table of it. Nothing is opened before `columns` or `chunks` is called."""

    suffixes: ClassVar[tuple[str, ...]]
    part_name: ClassVar[str | None] = None
    """What `file:part` names in this format; None where a file holds one table."""

    registry: ClassVar[dict[str, type["Reader"]]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        Reader.registry.update(dict.fromkeys(cls.suffixes, cls))

    def __init__(self, path: Path, part: str | None = None) -> None:
        self.path = path
        self.part = part

    def __str__(self) -> str:
        return f"{self.path}:{self.part}" if self.part else str(self.path)

    @abstractmethod
    def columns(self) -> dict[str, Kind]:
        """The kind of every column, in file order.

        Raises
        ------
        DataError
            If the file is damaged, empty, or holds no table of this format.
        """

    @abstractmethod
    def chunks(self, columns: Sequence[str], integers: Collection[str] = ()) -> Iterator[Chunk]:
        """The rows in file order, some thousand at a time: {column: (rows,) numbers}, NaN where there is none.

        Padded particles come as (rows, particles, values).

        Only `columns` are read. Those in `integers` keep an integer type; the others may have any numeric type.

        Raises
        ------
        DataError
            If the file is damaged, or a value is not a number (naming column and row).
        """


def reader_of(path: Path, part: str | None = None) -> Reader:
    """The reader for a file, by its suffix.

    Raises
    ------
    ConfigError
        If no format has this suffix, or the format has no parts and one is asked for.
    """
    name = path.name.lower()
    for suffix in sorted(Reader.registry, key=len, reverse=True):
        if name.endswith(suffix):
            return Reader.registry[suffix](path, part)
    msg = f"{path}: unknown suffix, expected one of {', '.join(Reader.registry)}"
    raise ConfigError(msg)


def split_part(text: str) -> tuple[str, str | None]:
    """Split "file.root:tree" into file and tree, for the formats of which a file holds several tables."""
    suffixes = "|".join(re.escape(suffix) for suffix, kind in Reader.registry.items() if kind.part_name)
    found = re.fullmatch(rf"(.+(?:{suffixes})):([^:]+)", text, flags=re.IGNORECASE)
    return (found[1], found[2]) if found else (text, None)


def unique(where: object, names: Sequence[str]) -> None:
    """Refuse a table with two columns of one name: which of them is meant cannot be known."""
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        msg = f"{where}: column {twice[0]!r} appears twice"
        raise DataError(msg)


def known(name: str, names: Sequence[str]) -> str:
    """The end of a message about a name that is none of these: which was meant, which there are."""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    listed = (", ".join(names[:_SHOWN]) or "none") + more
    if close := difflib.get_close_matches(name, names, n=1):
        return f"did you mean {close[0]!r}? Known are {listed}"
    return f"known are {listed}"


@contextmanager
def damaged(where: object) -> Iterator[None]:
    """Turn whatever a library makes of a damaged file into one line that names the file.

    On damaged input they raise anything from OSError to struct.error, hence the broad net.
    """
    try:
        yield
    except (LamppostError, MemoryError):
        raise
    except Exception as error:
        what = " ".join(str(error).split())[:200] or type(error).__name__
        msg = f"{where}: cannot be read, damaged or not what its suffix says ({what})"
        raise DataError(msg) from error


def kind_of(dtype: np.dtype[Any]) -> Kind:
    """The kind of a numpy type."""
    return {"f": "float", "i": "integer", "u": "integer", "b": "boolean"}.get(dtype.kind, str(dtype))
