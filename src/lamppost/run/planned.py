"""The tasks of a run, named by what they depend on and nothing else."""

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

from lamppost.config import Setup
from lamppost.io import Data, file_hash
from lamppost.run.artefacts import provenance
from lamppost.run.blind.hushed import hushed
from lamppost.run.graph import Task
from lamppost.run.plug_ins import plug_ins
from lamppost.run.samples import Samples, read_sample
from lamppost.run.tasks import attempt
from lamppost.run.view import MassModel
from lamppost.run.worker import TaskFunction
from lamppost.spec import digest

__all__ = ["Planned", "plan_samples"]

_ARRAYS = ("read", "draw", "fit", "train", "select", "pseudo")
"""Stages whose artefacts hold arrays."""


class Planned:
    """The tasks so far, by key."""

    def __init__(self) -> None:
        self.tasks: dict[str, Task] = {}

    def add(
        self,
        stage: str,
        label: str,
        function: TaskFunction,
        arguments: Mapping[str, Any],
        *,
        needs: Sequence[str] = (),
        after: Sequence[str] = (),
        named: Mapping[str, Any] | None = None,
        lenient: bool = False,
        hush: bool = False,
    ) -> str:
        """Add a task, unless it is there; return its key.

        The key covers the arguments, or what `named` has in place of some, what the task needs, the libraries, this
        code and that of plug-ins; not what it merely comes `after`. `lenient`: a fit that fails is stored as failed,
        where it would end the run. `hush`: errors tell no numbers; what is made is the same.
        """
        about = [_plain({**arguments, **(named or {})}), needs, provenance(), *plug_ins(arguments)]
        if lenient:
            function, arguments = attempt, {**arguments, "function": function}
            about.append("lenient")
        if hush:
            function, arguments = hushed, {**arguments, "function": function}
        key = f"{stage}-{digest(stage, *about)[:32]}.{'parquet' if stage in _ARRAYS else 'json'}"
        self.tasks.setdefault(key, Task(key, stage, label, function, arguments, (*needs, *after)))
        return key


def _plain(value: Any) -> Any:
    """A value in a form that `digest` takes."""
    if is_dataclass(value):
        return [_plain(getattr(value, field.name)) for field in fields(value)]
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list | tuple) else value


def plan_samples(
    planned: Planned, setup: Setup, *, labelled: bool = False, shift: float = 0.0, shifted: tuple[str, ...] = ()
) -> tuple[Samples, str]:
    """Have everything read that the setup names; the artefacts, and the SHA-256 of the data."""

    def add(what: str, label: str, data: Data, sha256: str) -> str:
        arguments = {"data": data, "what": what, "fit_range": setup.fit.range, "shift": shift, "shifted": shifted}
        arguments["sha256"] = sha256
        columns = data.model_dump(mode="json", exclude={"path"})  # a file that moved is the same data
        return planned.add("read", f"reading {label}", read_sample, arguments, named={"data": [sha256, columns]})

    def simulated(label: str, paths: str | list[str]) -> str:
        data = setup.sample(paths)
        return add("simulated", label, data, file_hash(data))

    simulation, signals = setup.samples.simulation, setup.samples.signals
    sha256 = file_hash(setup.data)
    samples = Samples(
        data=add("labelled" if labelled else "data", "events", setup.data, sha256),
        simulation=None if simulation is None else simulated("the simulation", simulation),
        signals=tuple((name, simulated(f"signal {name!r}", signals[name])) for name in sorted(signals)),
        masses=MassModel.of(setup.fit),
    )
    return samples, sha256
