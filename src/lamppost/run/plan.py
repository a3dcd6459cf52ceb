"""The plan of a hunt: which tasks there are, named by what they depend on and nothing else."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lamppost.config import Search
from lamppost.core import Array, Method, Window
from lamppost.io import file_hash
from lamppost.run.artefacts import provenance
from lamppost.run.graph import Task
from lamppost.run.measure import measure_inclusive, measure_window, validate_window
from lamppost.run.simulated import read_simulated
from lamppost.run.tasks import determine_mass, populated, read_events, train_fold
from lamppost.run.view import MassModel
from lamppost.spec import digest
from lamppost.stats import bin_edges

__all__ = ["CONTROL", "Looked", "Plan", "plan"]

CONTROL = "random score"
"""Name of the control: the same selections, fits and p-values with a score that knows nothing."""


@dataclass(frozen=True)
class Looked:
    """A window seen by a method: the artefacts of its folds, of its measurement, of the test whether x determines m."""

    window: Window
    method: str
    parts: tuple[str, ...]
    measured: str
    mass: str | None


@dataclass(frozen=True)
class Plan:
    """All tasks of a hunt, and which artefacts hold what."""

    tasks: tuple[Task, ...]
    sha256: str
    events: str
    claims: tuple[Looked, ...]
    validations: tuple[Looked, ...]
    controls: tuple[Looked, ...]
    inclusive: str


def plan(search: Search) -> Plan:
    """Every task of the hunt; a task's key covers its arguments, what it needs, the libraries and this code."""
    builder = _Builder(search)
    claims, validations = search.claim_windows(), search.validation_windows()
    builder.read(claims + validations)
    looked = [builder.look(w, name, method) for name, method in search.methods.items() for w in claims]
    validated = [
        builder.look(w, name, method, claim=False) for name, method in search.methods.items() for w in validations
    ]
    random = Method.parse("random")
    controls = [builder.look(window, CONTROL, random) for window in claims]
    region = (min(w.lo for w in claims), max(w.hi for w in claims))
    inclusive = builder.inclusive(region)
    return Plan(
        tuple(builder.tasks.values()),
        builder.sha256,
        builder.events,
        tuple(looked),
        tuple(validated),
        tuple(controls),
        inclusive,
    )


class _Builder:
    def __init__(self, search: Search) -> None:
        self.search = search
        self.tasks: dict[str, Task] = {}
        self.sha256 = file_hash(search.data)
        self.events = ""
        self.checked: tuple[str, ...] = ()
        self.simulation: str | None = None
        self.signals: tuple[tuple[str, str], ...] = ()
        fit = search.fit
        self.masses = MassModel(tuple(spectrum_edges(search).tolist()), fit.function, fit.n_parameters)

    def _add(
        self,
        stage: str,
        label: str,
        function: Any,
        named: Sequence[Any],
        *,
        arguments: dict[str, Any],
        needs: tuple[str, ...],
    ) -> str:
        ending = "json" if stage in ("claim", "validate", "check") else "parquet"
        key = f"{stage}-{digest(stage, list(named), needs, provenance())[:32]}.{ending}"
        self.tasks.setdefault(key, Task(key, stage, label, function, arguments, (*needs, *self.checked)))
        return key

    def read(self, windows: Sequence[Window]) -> None:
        data, fit_range = self.search.data, self.search.fit.range
        columns = data.model_dump(mode="json", exclude={"path"})  # a file that moved is the same data
        arguments = {"data": data, "fit_range": fit_range}
        named = [self.sha256, columns, fit_range]
        self.events = self._add("read", "reading events", read_events, named, arguments=arguments, needs=())
        about = {"events": self.events, "windows": windows}
        edges = [(w.lo, w.hi, w.reach) for w in windows]
        needs = (self.events,)
        self.checked = (self._add("check", "checking windows", populated, edges, arguments=about, needs=needs),)
        samples = self.search.samples
        if samples.simulation is not None:
            self.simulation = self.simulated("the simulation", samples.simulation)
        self.signals = tuple(
            (name, self.simulated(f"signal {name!r}", paths)) for name, paths in sorted(samples.signals.items())
        )

    def simulated(self, what: str, paths: str | list[str]) -> str:
        sample, fit_range = self.search.sample(paths), self.search.fit.range
        arguments = {"data": sample, "fit_range": fit_range}
        named = [file_hash(sample), sample.model_dump(mode="json", exclude={"path"}), fit_range]
        return self._add("read", f"reading {what}", read_simulated, named, arguments=arguments, needs=())

    def look(self, window: Window, name: str, method: Method, *, claim: bool = True) -> Looked:
        parts = tuple(self._train(window, name, method, fold) for fold in range(self.search.scan.folds))
        measured = self._measure(window, name, parts) if claim else self._validate(window, name, parts)
        mass = None if method.kind == "random" else self._mass(window, self.search.decorrelated(method))
        return Looked(window, name, parts, measured, mass)

    def _train(self, window: Window, name: str, method: Method, fold: int) -> str:
        arguments = {
            "events": self.events,
            "method": method,
            "window": window,
            "fold": fold,
            "folds": self.search.scan.folds,
            "decorrelate": self.search.decorrelated(method) if method.kind != "random" else False,
            "seed": self.search.seed,
            "masses": self.masses,
            "simulation": self.simulation,
            "signals": self.signals,
        }
        needs = (self.events, *filter(None, [self.simulation]), *(key for _, key in self.signals))
        label = f"{name}: training, window {window}, fold {fold}"
        return self._add("train", label, train_fold, _named(arguments), arguments=arguments, needs=needs)

    def _mass(self, window: Window, decorrelate: bool) -> str:
        arguments = {"events": self.events, "window": window, "decorrelate": decorrelate}
        label = f"do the features determine m? window {window}"
        return self._add("check", label, determine_mass, _named(arguments), arguments=arguments, needs=(self.events,))

    def _fit(self) -> dict[str, Any]:
        fit = self.search.fit
        return {
            "edges": spectrum_edges(self.search),
            "function": fit.function,
            "n_parameters": fit.n_parameters,
            "signal": fit.signal,
            "toys": fit.toys,
            "seed": self.search.seed,
        }

    def _measure(self, window: Window, name: str, parts: tuple[str, ...]) -> str:
        arguments = {
            "events": self.events,
            "parts": parts,
            "window": window,
            "efficiencies": self.search.scan.efficiency,
            "name": name,
            **self._fit(),
        }
        label = f"{name}: fit and toys, window {window}"
        return self._add("claim", label, measure_window, _named(arguments), arguments=arguments, needs=parts)

    def _validate(self, window: Window, name: str, parts: tuple[str, ...]) -> str:
        efficiencies = self.search.scan.efficiency
        arguments = {
            "events": self.events,
            "parts": parts,
            "window": window,
            "efficiencies": efficiencies,
            "name": name,
        }
        label = f"{name}: validation, window {window}"
        return self._add("validate", label, validate_window, _named(arguments), arguments=arguments, needs=parts)

    def inclusive(self, region: tuple[float, float]) -> str:
        arguments = {"events": self.events, "region": region, **self._fit()}
        label = "inclusive fit and toys"
        named = _named(arguments)
        return self._add("claim", label, measure_inclusive, named, arguments=arguments, needs=(self.events,))


def spectrum_edges(search: Search) -> Array:
    """The bins of the spectrum: those given, or half a resolution wide over the fit range."""
    fit = search.fit
    if fit.bins is not None:
        return np.asarray(fit.bins, dtype=np.float64)
    return bin_edges(*fit.range, fit.signal.resolution, width=fit.signal.width)


def _named(arguments: dict[str, Any]) -> list[Any]:
    """The arguments in a form that `digest` takes."""

    def plain(value: Any) -> Any:
        if isinstance(value, Window):
            return [value.lo, value.hi, value.reach]
        if isinstance(value, MassModel):
            return [value.edges, value.function, value.n_parameters]
        return value.tolist() if hasattr(value, "tolist") else value

    return [[name, plain(value)] for name, value in sorted(arguments.items())]
