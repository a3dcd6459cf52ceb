"""The [input] table of a configuration, and the readers of its files."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from lamppost.errors import ConfigError
from lamppost.io.collisions import CollisionReader
from lamppost.io.files import located
from lamppost.spec import Spec

__all__ = ["Input", "collision_readers"]

Name = Annotated[str, Field(min_length=1)]


class Input(Spec):
    """The `[input]` table: files of raw collisions."""

    path: Name | Annotated[list[Name], Field(min_length=1)] = Field(
        description='files or globs; "file.root:tree" and "file.h5:key" name one table of several'
    )
    format: Literal["auto", "lhco", "root", "parquet"] = Field(
        "auto", description="lhco: 700 x (pt, eta, phi) in a pandas HDF5 frame; auto: what the suffix says"
    )
    labels: str | None = Field(
        None, description="text file of 0 and 1, one line per event: the master key of a black box, read as `label`"
    )
    select: str | None = Field(
        None, description="condition over values of which an event has one; decides before any object is read"
    )
    objects: dict[str, Annotated[dict[str, str], Field(min_length=1)]] = Field(
        default_factory=dict,
        description="collection = {field = column}, where the names of the columns do not say it (X_field or X.field)",
    )


def collision_readers(input: Input, base: Path | None = None) -> list[CollisionReader]:
    """A reader for every file of the input, globs in alphabetical order. `base`: where relative paths start.

    Raises
    ------
    ConfigError
        If a file is missing or named twice, a suffix is unknown, or the input makes no sense for the format.
    """
    files = located(input.path, base)
    labels: Path | None = None
    if input.labels is not None:
        if len(files) > 1:
            msg = f"input.labels: the key {input.labels!r} is that of one file, found {len(files)} files"
            raise ConfigError(msg)
        labels = (base or Path()) / Path(input.labels).expanduser()
        if not labels.is_file():
            msg = f"{labels}: no such file"
            raise ConfigError(msg)
    whole = {path.resolve() for path, part in files if part is None}
    if twice := [f"{path}:{part}" for path, part in files if part is not None and path.resolve() in whole]:
        msg = f"{twice[0]}: is named without {twice[0].rpartition(':')[2]!r} as well, its events would count twice"
        raise ConfigError(msg)
    readers = [_kind(input, path)(path, part, labels, input.objects) for path, part in files]
    for reader in readers:
        if reader.format == "lhco" and input.objects:
            msg = f"input.objects: {reader} has particles only, expected no other objects"
            raise ConfigError(msg)
    return readers


def _kind(input: Input, path: Path) -> type[CollisionReader]:
    kinds = CollisionReader.registry
    if input.format != "auto":
        return kinds[input.format]
    for kind in kinds.values():
        if path.name.lower().endswith(kind.suffixes):
            return kind
    suffixes = ", ".join(suffix for kind in kinds.values() for suffix in kind.suffixes)
    msg = f"{path}: unknown suffix, expected one of {suffixes}, or input.format"
    raise ConfigError(msg)
