"""The plan of a comparison: which tasks there are."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from lamppost.config import Comparison
from lamppost.core import Method
from lamppost.run.compare.closure import expectation_of
from lamppost.run.compare.draws import Share, check_draws
from lamppost.run.compare.tasks import Look, close_background, fit_method, score_method
from lamppost.run.fits import apart, keys_of
from lamppost.run.graph import Task
from lamppost.run.planned import Planned, plan_samples
from lamppost.run.samples import Samples
from lamppost.run.worker import TaskFunction

__all__ = ["Plan", "plan", "plan_labelled"]


@dataclass(frozen=True)
class Plan:
    """All tasks, and which artefacts hold what: `scored` by (method, strength, draw), `closed` by (method, draw)."""

    tasks: tuple[Task, ...]
    sha256: str
    samples: Samples
    checked: str
    scored: Mapping[tuple[str, float, int], str]
    closed: Mapping[tuple[str, int], str]


def plan_labelled(planned: Planned, comparison: Comparison) -> tuple[Samples, str]:
    """Have the labelled events and the simulated ones read, features shifted if they are to be."""
    return plan_samples(planned, comparison, labelled=True, shift=comparison.compare.shift, shifted=comparison.shifted)


def plan(comparison: Comparison) -> Plan:
    """Every task, draw after draw, so that what is wrong with a method shows in the first of them."""
    settings, planned = comparison.compare, Planned()
    samples, sha256 = plan_labelled(planned, comparison)
    share = Share(comparison.window, settings.test, settings.reference, comparison.seed)
    arguments = {"data": samples.data, "share": share, "draws": settings.draws, "strengths": settings.strengths}
    checked = planned.add("check", "checking draws", check_draws, arguments, needs=(samples.data,))

    split = apart((method, comparison.decorrelated(method)) for method in comparison.methods.values())

    def add(stage: str, what: str, function: TaskFunction, look: Look, needs: tuple[str, ...] = (), **more: Any) -> str:
        label = f"{what}, draw {look.number}, S/B {look.strength:g}"
        arguments = {"samples": samples, "share": share, "look": look, **more}
        needs = (*samples.keys, *needs)
        return planned.add(stage, label, function, arguments, needs=needs, after=(checked,), lenient=True)

    def train(name: str, look: Look) -> str:
        def fit(method: Method, members: tuple[str, ...]) -> str:
            one = replace(look, method=method)
            return add("fit", f"{name}: training {method.kind}", fit_method, one, members, members=members)

        own = keys_of(look.method, fit)[-1:] if (look.method, look.decorrelate) in split else ()
        return add("train", f"{name}: training", score_method, look, own, fitted_in=own[0] if own else None)

    scored, closed = {}, {}
    for number in range(settings.draws):
        for name, method in comparison.methods.items():
            looks = [Look(method, comparison.decorrelated(method), number, strength) for strength in settings.strengths]
            for look in looks:
                scored[name, look.strength, number] = train(name, look)
            if number < settings.closure and expectation_of(method) is not None:
                closed[name, number] = add("closure", f"{name}: closure", close_background, looks[0])
    return Plan(tuple(planned.tasks.values()), sha256, samples, checked, scored, closed)
