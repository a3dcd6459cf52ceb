"""From the paths of a configuration to readers, and the hash of what they read."""

import glob
import hashlib
from collections.abc import Sequence
from pathlib import Path

from lamppost.errors import ConfigError, DataError
from lamppost.io.reader import Reader, reader_of, split_part

__all__ = ["joined_hash", "located", "readers"]


def readers(paths: str | Sequence[str], base: Path | None = None) -> list[Reader]:
    """A reader for every file that `paths` name, globs in alphabetical order. `base`: where relative paths start.

    Raises
    ------
    ConfigError
        If a file is missing, a glob matches nothing, a suffix is unknown, or a table is named twice.
    """
    return [reader_of(path, part) for path, part in located(paths, base)]


def located(paths: str | Sequence[str], base: Path | None = None) -> list[tuple[Path, str | None]]:
    """Every file that `paths` name, and which tree or table of it; `base`: where relative paths start.

    Raises
    ------
    ConfigError
        If a file is missing, a glob matches nothing, or a table is named twice.
    """
    found: dict[tuple[Path, str | None], tuple[Path, str | None]] = {}
    for text in [paths] if isinstance(paths, str) else paths:
        name, part = split_part(text)
        for path in _matches(name, base):
            if (key := (path.resolve(), part)) in found:
                msg = f"{path}{f':{part}' if part else ''}: named twice, its events would count twice"
                raise ConfigError(msg)
            found[key] = (path, part)
    return list(found.values())


def joined_hash(paths: Sequence[Path]) -> str:
    """SHA-256 of the file, in hexadecimal; of several files that of their joined hashes, in order."""
    hashes: list[str] = []
    for path in paths:
        try:
            with path.open("rb") as file:
                hashes.append(hashlib.file_digest(file, "sha256").hexdigest())
        except OSError as error:
            msg = f"{path}: cannot be read ({error.strerror})"
            raise DataError(msg) from None
    return hashes[0] if len(hashes) == 1 else hashlib.sha256("".join(hashes).encode()).hexdigest()


def _matches(name: str, base: Path | None) -> list[Path]:
    path = (base or Path()) / Path(name).expanduser()
    if path.is_dir():
        msg = f"{path}: is a folder, expected a file or a glob such as '{name.rstrip('/')}/*.parquet'"
        raise ConfigError(msg)
    if path.exists():
        return [path]
    if not glob.has_magic(name):
        msg = f"{path}: no such file"
        raise ConfigError(msg)
    # the folder is taken as it is, whatever characters its own name has
    pattern = name if Path(name).is_absolute() or base is None else str(Path(glob.escape(str(base))) / name)
    matches = sorted(Path(match) for match in glob.glob(pattern, recursive=True) if Path(match).is_file())
    if not matches:
        msg = f"{path}: no file matches"
        raise ConfigError(msg)
    return matches
