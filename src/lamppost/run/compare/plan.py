"""The plan of a comparison: which tasks there are, named by what they depend on and nothing else."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lamppost.config.comparison import Comparison
from lamppost.io import Data, file_hash
from lamppost.run.artefacts import provenance
from lamppost.run.compare.closure import expectation_of
from lamppost.run.compare.draws import Share, check_draws, read_sample
from lamppost.run.compare.tasks import Look, Samples, close_background, score_method
from lamppost.run.graph import Task
from lamppost.run.view import MassModel
from lamppost.spec import digest
from lamppost.stats import bin_edges

__all__ = ["Plan", "plan"]


@dataclass(frozen=True)
class Plan:
    """All tasks, and which artefacts hold what: `scored` by (method, strength, draw), `closed` by (method, draw)."""

    tasks: tuple[Task, ...]
    sha256: str
    samples: Samples
    checked: str
    scored: Mapping[tuple[str, float, int], str]
    closed: Mapping[tuple[str, int], str]


def plan(comparison: Comparison) -> Plan:
    """Every task; a task's key covers what decides about its outcome, the libraries and this code.

    Draw after draw, so that what is wrong with a method shows in the first of them.
    """
    settings = comparison.compare
    builder = _Builder(comparison)
    scored, closed = {}, {}
    for number in range(settings.draws):
        for name, method in comparison.methods.items():
            looks = [Look(method, comparison.decorrelated(method), number, strength) for strength in settings.strengths]
            for look in looks:
                scored[name, look.strength, number] = builder.look("train", name, look)
            if number < settings.closure and expectation_of(method) is not None:
                closed[name, number] = builder.look("closure", name, looks[0])
    return Plan(tuple(builder.tasks.values()), builder.sha256, builder.samples, builder.checked, scored, closed)


class _Builder:
    def __init__(self, comparison: Comparison) -> None:
        self.comparison = comparison
        settings, fit = comparison.compare, comparison.fit
        self.tasks: dict[str, Task] = {}
        self.share = Share(comparison.window, settings.test, settings.reference, comparison.seed)
        self.sha256 = file_hash(comparison.data)
        data = self._read("reading events", comparison.data, self.sha256)
        paths = comparison.samples.simulation
        simulation = None if paths is None else self._sample("the simulation", paths)
        signals = comparison.samples.signals
        priors = tuple((name, self._sample(f"signal {name!r}", signals[name])) for name in sorted(signals))
        edges = fit.bins or bin_edges(*fit.range, fit.signal.resolution, width=fit.signal.width).tolist()
        self.samples = Samples(data, simulation, priors, MassModel(tuple(edges), fit.function, fit.n_parameters))
        self.checked = self._check(data)

    def _add(self, stage: str, label: str, function: Any, arguments: dict[str, Any], named: Any, needs: Any) -> str:
        ending = "parquet" if stage in ("read", "train") else "json"
        key = f"{stage}-{digest(stage, named, needs, provenance())[:32]}.{ending}"
        after = needs if stage in ("read", "check") else (*needs, self.checked)
        self.tasks.setdefault(key, Task(key, stage, label, function, arguments, after))
        return key

    def _sample(self, what: str, paths: str | list[str]) -> str:
        sample = self.comparison.sample(paths)
        return self._read(f"reading {what}", sample, file_hash(sample))

    def _read(self, label: str, data: Data, sha256: str) -> str:
        comparison = self.comparison
        arguments = {
            "data": data,
            "fit_range": comparison.fit.range,
            "shift": comparison.compare.shift,
            "shifted": comparison.shifted,
        }
        columns = data.model_dump(mode="json", exclude={"path"})  # a file that moved is the same data
        named = [sha256, columns, comparison.fit.range, comparison.compare.shift, comparison.shifted]
        return self._add("read", label, read_sample, arguments, named, ())

    def _check(self, data: str) -> str:
        settings = self.comparison.compare
        arguments = {"data": data, "share": self.share, "draws": settings.draws, "strengths": settings.strengths}
        named = [_share(self.share), settings.draws, settings.strengths]
        return self._add("check", "checking draws", check_draws, arguments, named, (data,))

    def look(self, stage: str, name: str, look: Look) -> str:
        """The task of one method at one draw and strength."""
        samples = self.samples
        arguments = {"samples": samples, "share": self.share, "look": look}
        simulated = [key for key in (samples.simulation, *(key for _, key in samples.signals)) if key is not None]
        model = [samples.masses.edges, samples.masses.function, samples.masses.n_parameters]
        named = [_share(self.share), look.method, look.decorrelate, look.number, look.strength, model, samples.signals]
        function = score_method if stage == "train" else close_background
        what = "training" if stage == "train" else "closure"
        label = f"{name}: {what}, draw {look.number}, S/B {look.strength:g}"
        return self._add(stage, label, function, arguments, named, (samples.data, *simulated))


def _share(share: Share) -> list[float]:
    return [share.window.lo, share.window.hi, share.window.reach, share.test, share.reference, share.seed]
