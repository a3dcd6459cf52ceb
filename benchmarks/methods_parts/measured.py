"""Fitted scores one by one, each in a process of its own, kept as they finish."""

import argparse
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from lamppost.run.artefacts import provenance
from learn_parts.isolate import Task, measure

Json = dict[str, Any]


def looks(
    name: str, function: Callable[..., Json], options: argparse.Namespace, draws: int, settings: list[Json]
) -> list[Json]:
    """`function(folder, number, seed, **one)` for every draw and every one of `settings`."""
    common = {"folder": str(options.out), "seed": options.seed, "origin": origin(options.out)}
    tasks = []
    for one in settings:
        label = "_".join(f"{key}{value}" for key, value in one.items())
        for number in range(options.draws or draws):
            arguments = {**common, "number": number, **one}
            tasks.append(Task(name, f"{label}_{number}", partial(called, function), arguments))
    found = measure(tasks, options.out / name)
    for one in found:
        if "error" in one:
            raise SystemExit(f"{one['name']}: {one['error']}")
    return found


def called(function: Callable[..., Json], *, origin: Json, **settings: Any) -> Json:
    """What `function` finds: `origin` only tells figures of other events or of another version from these."""
    return function(**settings)


def origin(out: Path) -> Json:
    """The package's source and the tables that a fitted score depends on, as hashes."""
    about = json.loads((out / "tables" / "about.json").read_text())
    return {"lamppost": provenance()["lamppost"], **{name: about[name]["sha256"] for name in ("qcd", "wprime")}}
