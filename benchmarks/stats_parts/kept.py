"""Figures kept as they are found, so that a second start goes on where the first one stopped; and CPU seconds."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lamppost.run.artefacts import provenance

__all__ = ["cpu", "kept", "write"]

Json = dict[str, Any]


def cpu() -> float:
    """CPU seconds of this process and its children."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def kept(out: Path, name: str, work: Callable[[], Json]) -> Json:
    """What `work` finds and the CPU seconds it took: read where this version of the package found it before."""
    path = out / "parts" / provenance()["lamppost"] / f"{name}.json"
    if not path.exists():
        begin = cpu()
        found = work()
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path, {**found, "cpu_s": cpu() - begin})
    stored: Json = json.loads(path.read_text())
    return stored


def write(path: Path, found: Json) -> None:
    """A file that is there whole or not at all."""
    part = path.with_name(f".{path.name}.part")
    part.write_text(json.dumps(found, indent=1) + "\n")
    part.replace(path)
