"""Fitted scores one by one, each in a process of its own, kept as they finish."""

import argparse
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lamppost
from learn_parts.isolate import Task, measure

Json = dict[str, Any]


def looks(
    name: str, function: Callable[..., Json], options: argparse.Namespace, draws: int, settings: list[Json]
) -> list[Json]:
    """`function(folder, number, seed, code, **one)` for every draw and every one of `settings`."""
    common = {"folder": str(options.out), "seed": options.seed, "code": code()}
    tasks = []
    for one in settings:
        label = "_".join(f"{key}{value}" for key, value in one.items())
        for number in range(options.draws or draws):
            task = Task(name, f"{label}_{number}", function, {**common, "number": number, **one})
            tasks.append(task)
    found = measure(tasks, options.out / name)
    for one in found:
        if "error" in one:
            raise SystemExit(f"{one['name']}: {one['error']}")
    return found


def code() -> str:
    """A hash of what decides about a fitted score: a figure of another version of it is not reused."""
    (folder,) = lamppost.__path__
    parts = [path for role in ("methods", "learn", "templates") for path in sorted(Path(folder, role).rglob("*.py"))]
    return hashlib.sha256(b"".join(path.read_bytes() for path in parts)).hexdigest()[:16]
