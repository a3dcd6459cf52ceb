"""From a run folder to its page: a pure function of the files in it, the same bytes every time."""

import json
import os
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lamppost.errors import DataError, LamppostError

if TYPE_CHECKING:
    from lamppost.report.drawing import Draw
    from lamppost.report.event import Display

__all__ = ["Part", "config_of", "drawing", "read_json", "replace_file", "write_hunt", "write_page"]

Part = Mapping[str, Any]
"""An object of JSON."""


def write_hunt(folder: Path, *, pdf: bool = False) -> Path:
    """Write `folder/report.html` from `result.json`, `details.json` and `config.toml`; return its path.

    Only `result.json` must be there: what else is missing leaves a note in the page. For the rest see `write_page`.
    """

    def page_of(result: Part, config: str | None, draw: "Draw") -> str:
        from lamppost.report.page import render

        events = partial(_events_of, result, config, folder)
        return render(result, read_json(folder / "details.json") or {}, config, draw, events)

    return write_page(folder, "result.json", "a run", "report.html", page_of, pdf=pdf)


def write_page(
    folder: Path, result: str, what: str, page: str, render: "Callable[[Part, str | None, Draw], str]", *, pdf: bool
) -> Path:
    """Write the page that `render(result, configuration, draw)` makes of the file `result`; return its path.

    With `pdf` every figure is written to `folder/figures` as well.

    Raises
    ------
    LamppostError
        If matplotlib or mplhep (the extra `report`) is not installed.
    DataError
        If there is no result, `what` says of what, or a file does not hold the JSON it should.
    """
    found = read_json(folder / result)
    if found is None:
        msg = f"{folder / result}: no such file, expected the folder of {what}"
        raise DataError(msg)
    with drawing(folder, pdf=pdf) as draw:
        text = render(found, config_of(folder), draw)
    return replace_file(folder / page, text)


def config_of(folder: Path) -> str | None:
    """The configuration that stands beside a result, None if there is none."""
    config = folder / "config.toml"
    return config.read_text(encoding="utf-8", errors="replace") if config.exists() else None


@contextmanager
def drawing(folder: Path, *, pdf: bool) -> "Iterator[Draw]":
    """What turns figures into SVG, with `pdf` into files as well; LamppostError if matplotlib is not installed."""
    try:
        from lamppost.report.drawing import studio
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] not in ("matplotlib", "mplhep"):
            raise
        msg = f'a report needs {error.name}: pip install "lamppost[report]"'
        raise LamppostError(msg) from None
    with studio(folder / "figures" if pdf else None) as draw:
        yield draw


def _events_of(result: Part, config: str | None, folder: Path, events: Sequence[Part]) -> "Sequence[Display] | str":
    """The collisions behind some events of the hunt, found by the paths in its configuration."""
    from lamppost.report.originals import displays

    try:
        paths = tomllib.loads(config or "")["data"]["path"]
        rows = [int(event["index"]) for event in events]
    except (tomllib.TOMLDecodeError, KeyError, TypeError):
        return "config.toml or the table of events does not say where they came from"
    mass = (result.get("data") or {}).get("mass")
    values = [{**(event.get("features") or {}), mass: event.get("m")} for event in events]
    numbers = [{name: value for name, value in one.items() if isinstance(value, float)} for one in values]
    return displays(paths, numbers, rows, folder)


def read_json(path: Path) -> Part | None:
    """The JSON object in a file, None if there is no file."""
    if not path.exists():
        return None
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        msg = f"{path}: not JSON: {error}"
        raise DataError(msg) from None
    if not isinstance(value, dict) or value.get("schema", 1) != 1:
        found = f"schema {value.get('schema')!r}" if isinstance(value, dict) else f"a {type(value).__name__}"
        msg = f"{path}: expected an object of schema 1, found {found}"
        raise DataError(msg)
    return value


def replace_file(path: Path, text: str) -> Path:
    """Write the file in one step: who opens it sees the old page or the new one, never half of one."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        partial.write_bytes(text.encode("utf-8", errors="replace"))
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return path
