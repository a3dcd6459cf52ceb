"""The plan of a comparison: which tasks there are."""

from collections.abc import Mapping
from dataclasses import dataclass

from lamppost.config import Comparison
from lamppost.run.compare.closure import expectation_of
from lamppost.run.compare.draws import Share, check_draws
from lamppost.run.compare.tasks import Look, close_background, score_method
from lamppost.run.graph import Task
from lamppost.run.planned import Planned, plan_samples
from lamppost.run.samples import Samples

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

    def add(stage: str, name: str, look: Look) -> str:
        function, what = (score_method, "training") if stage == "train" else (close_background, "closure")
        label = f"{name}: {what}, draw {look.number}, S/B {look.strength:g}"
        arguments = {"samples": samples, "share": share, "look": look}
        return planned.add(stage, label, function, arguments, needs=samples.keys, after=(checked,), lenient=True)

    scored, closed = {}, {}
    for number in range(settings.draws):
        for name, method in comparison.methods.items():
            looks = [Look(method, comparison.decorrelated(method), number, strength) for strength in settings.strengths]
            for look in looks:
                scored[name, look.strength, number] = add("train", name, look)
            if number < settings.closure and expectation_of(method) is not None:
                closed[name, number] = add("closure", name, looks[0])
    return Plan(tuple(planned.tasks.values()), sha256, samples, checked, scored, closed)
