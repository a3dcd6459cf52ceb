"""TOML files: read, checked, with paths that start at the file's own folder."""

import tomllib
from collections.abc import Mapping, Sequence
from glob import escape, has_magic
from pathlib import Path
from typing import Any

from lamppost.errors import ConfigError

__all__ = ["read_toml", "rooted"]


def read_toml(path: Path) -> dict[str, Any]:
    """The tables of a TOML file.

    Raises
    ------
    ConfigError
        If there is no such file, or it is no TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        msg = f"{path}: no such configuration file"
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        msg = f"{path}: cannot be read as TOML: {error}"
    raise ConfigError(msg)


def rooted(table: dict[str, Any], folder: Path, where: str = "data") -> dict[str, Any]:
    """The tables with absolute paths in the one named `where`, relative ones being relative to `folder`."""
    named = table.get(where)
    if not isinstance(named, Mapping):
        return table
    absolute = {key: _absolute(named[key], folder) for key in ("path", "labels", "certificate") if key in named}
    return {**table, where: {**named, **absolute}}


def _absolute(paths: Any, folder: Path) -> Any:
    if isinstance(paths, str):
        return _absolute_path(paths, folder)
    if isinstance(paths, Sequence) and all(isinstance(path, str) for path in paths):
        return [_absolute_path(path, folder) for path in paths]
    return paths


def _absolute_path(path: str, folder: Path) -> str:
    below = Path(path).expanduser()
    if has_magic(path) and not (folder / below).exists():  # a glob; the folder's own name is none
        return str(Path(escape(str(folder))) / below)
    return str(folder / below)
