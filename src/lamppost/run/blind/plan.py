"""The plans of a hunt that is blind: with its windows closed, and once they are open."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from lamppost.config import Search
from lamppost.core import Method, Window
from lamppost.run.blind.tasks import (
    close_window,
    determine_beside,
    measure_all_outside,
    measure_outside,
    take_outside,
)
from lamppost.run.compare.closure import expectation_of
from lamppost.run.graph import Task
from lamppost.run.plan import CONTROL, Hunt, Looked, Plan, plan_in
from lamppost.run.planned import Planned, plan_samples
from lamppost.run.samples import Samples
from lamppost.run.worker import TaskFunction

__all__ = ["BlindPlan", "plan_blind", "plan_open"]


@dataclass(frozen=True)
class BlindPlan:
    """All tasks while the windows are closed, and which artefacts hold what.

    outside: the events outside; validations, controls: whole searches in windows of these alone; closures: of each
    validation, None where the method expects no events; inclusive: the fit to all of them; selections: what is trained
    in closed windows, judged outside
    """

    tasks: tuple[Task, ...]
    sha256: str
    events: str
    outside: str
    validations: tuple[Looked, ...]
    closures: tuple[str | None, ...]
    controls: tuple[Looked, ...]
    inclusive: str
    selections: tuple[Looked, ...]


def plan_blind(search: Search) -> BlindPlan:
    """Every task that the hunt may do before its windows are opened."""
    planned = Planned()
    samples, sha256 = plan_samples(planned, search)
    beside = _Outside(planned, search, samples)
    arguments = {"events": beside.samples.data, "fit": search.fit.single, "hidden": search.hidden}
    needs = (beside.samples.data,)
    inclusive = planned.add("claim", "background fit outside the windows", measure_all_outside, arguments, needs=needs)
    validations = beside.validations()
    closures = tuple(beside.closure(one.window, one.method) for one in validations)
    controls = tuple(beside.hunt.look(w, CONTROL, Method.parse("random")) for w in search.validation_windows())
    selections = beside.selections() if search.blind is not None and search.blind.train else ()
    tasks = tuple(planned.tasks.values())
    return BlindPlan(
        tasks,
        sha256,
        samples.data,
        beside.samples.data,
        validations,
        closures,
        controls,
        inclusive,
        selections,
    )


def plan_open(search: Search) -> Plan:
    """Every task of the hunt with its windows open; what was trained and tested while blind is not done again."""
    planned = Planned()
    samples, sha256 = plan_samples(planned, search)
    validated = _Outside(planned, search, samples).validations()
    return plan_in(planned, search, samples, sha256, validated)


class _Outside:
    """Adds what is made of the events outside all windows; `hunt` is one in the validation windows, of these alone."""

    def __init__(self, planned: Planned, search: Search, samples: Samples) -> None:
        self.planned, self.search, self.whole = planned, search, samples
        arguments = {"events": samples.data, "hidden": search.hidden}
        outside = planned.add("draw", "events outside the windows", take_outside, arguments, needs=(samples.data,))
        self.samples = replace(samples, data=outside, masses=replace(samples.masses, hidden=search.hidden))
        chosen = "" if search.scan.validation else " (chosen, since none is given)"
        windows = {f"scan.validation{chosen}": search.validation_windows()}
        self.hunt = Hunt(planned, search, self.samples, "validation: ", windows=windows)

    def validations(self) -> tuple[Looked, ...]:
        """Every method in every validation window: trainings, selection, fit, toys."""
        named = self.search.methods.items()
        return tuple(self.hunt.look(w, name, method) for name, method in named for w in self._windows())

    def closure(self, window: Window, name: str) -> str | None:
        """Whether the background that a method expects is the one there is; None if it expects no events."""
        method = self.search.methods[name]
        if expectation_of(method) is None:
            return None
        arguments = {
            "samples": self.samples,
            "window": window,
            "method": method,
            "decorrelate": self.search.decorrelated(method),
            "seed": self.search.seed,
        }
        label = f"validation: {name}: closure, window {window}"
        return self._after("check", label, close_window, arguments, self.samples.keys)

    def selections(self) -> tuple[Looked, ...]:
        """Every method in every closed window: trained as it will be used, and judged by the events outside."""
        hunt = Hunt(self.planned, self.search, self.whole, "closed: ", scored=self.samples.data)
        found = []
        for name, method in self.search.methods.items():
            for window in self.search.claim_windows():
                parts, fits = hunt.trained(window, name, method)
                judged = self._judged(window, name, parts)
                found.append(Looked(window, name, parts, judged, self._mass(window, method), fits))
        return tuple(found)

    def _judged(self, window: Window, name: str, parts: Sequence[str]) -> str:
        arguments = {
            "events": self.samples.data,
            "parts": tuple(parts),
            "window": window,
            "efficiencies": self.search.scan.efficiency,
            "fit": self.search.fit.single,
            "name": name,
            "hidden": self.search.hidden,
        }
        label = f"closed: {name}: selection outside, window {window}"
        return self._after("claim", label, measure_outside, arguments, (self.samples.data, *parts))

    def _mass(self, window: Window, method: Method) -> str:
        arguments = self.hunt.determining(window, method)
        label = f"closed: do the features determine m? window {window}"
        return self._after("check", label, determine_beside, arguments, (self.samples.data,))

    def _after(
        self, stage: str, label: str, function: TaskFunction, arguments: Mapping[str, Any], needs: Sequence[str]
    ) -> str:
        return self.planned.add(stage, label, function, arguments, needs=needs, after=(self.hunt.checked,))

    def _windows(self) -> list[Window]:
        return self.search.validation_windows()
