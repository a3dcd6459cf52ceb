"""A calibration in its run folder: pseudo-experiments, their judgement, the certificate."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Unpack

import numpy as np

from lamppost import __version__
from lamppost.config import Search
from lamppost.errors import FitError
from lamppost.run.artefacts import provenance
from lamppost.run.calibrate.certificate import certificate
from lamppost.run.calibrate.experiment import Null, pseudo_experiment
from lamppost.run.calibrate.judged import LEAST, covered, power, uniformity
from lamppost.run.collect import origin
from lamppost.run.graph import Task
from lamppost.run.planned import Planned, plan_samples
from lamppost.run.quantities import about
from lamppost.run.samples import Stored, load
from lamppost.run.view import MassModel
from lamppost.run.work import Clock, How, Json, Work, work_in

__all__ = ["run_calibration"]


@dataclass(frozen=True)
class Plan:
    """All tasks; the artefacts of pseudo-experiments by strength, 0 being no signal; that of the data."""

    tasks: tuple[Task, ...]
    sha256: str
    events: str
    experiments: Mapping[int, tuple[str, ...]]


def plan(search: Search) -> Plan:
    """Every pseudo-experiment: those of a strength in the same background as the first ones without signal."""
    planned, settings = Planned(), search.calibrate
    search = search.model_copy(update={"blind": None})  # in pseudo-data there is nothing to hide
    samples, sha256 = plan_samples(planned, search)
    null = Null(samples.data, MassModel.of(search.fit), settings.neighbours, settings.events)
    signals = dict(samples.signals)
    signal = signals.get(settings.signal or next(iter(signals), ""))
    unnamed: Any = {"data": {"path"}, "samples": True, "calibrate": True, "limits": True}
    named = search.model_dump(mode="json", exclude=unnamed)

    def experiment(number: int, injected: int) -> str:
        arguments = {"search": search, "samples": samples, "null": null, "number": number}
        arguments |= {"signal": signal if injected else None, "injected": injected}
        what = f"pseudo-experiment {number}" + (f", {injected} signal events" if injected else "")
        return planned.add(
            "hunt", what, pseudo_experiment, arguments, needs=samples.keys, named={"search": named}, lenient=True
        )

    counts = {0: settings.experiments, **dict.fromkeys(settings.strengths, settings.injected)}
    made = {strength: tuple(experiment(i, strength) for i in range(n)) for strength, n in counts.items()}
    return Plan(tuple(planned.tasks.values()), sha256, samples.data, made)


def run_calibration(search: Search, out: Path, **how: Unpack[How]) -> Json:
    """Run the pseudo-experiments that are not done yet and write `calibration.json` and `certificate.json`.

    Raises
    ------
    LamppostError
        If the input or the configuration is at fault, or the folder cannot be written.
    """
    clock = Clock()
    planned = plan(search)

    def make(work: Work) -> Json:
        work.do(planned.tasks)
        found = {k: [work.store.read_json(key) for key in keys] for k, keys in planned.experiments.items()}
        result = result_of(search, planned, load(work.store, planned.events), found)
        work.write("certificate.json", result["certificate"])
        return result

    return work_in(out, search, planned.sha256, planned.tasks, "calibration.json", make, clock, **how)


def result_of(search: Search, planned: Plan, stored: Stored, found: Mapping[int, Sequence[Json]]) -> Json:
    """The content of `calibration.json`, times apart; FitError if not one hunt could be made."""
    ended = {strength: [one for one in each if "failed" not in one] for strength, each in found.items()}
    if not ended[0]:
        msg = f"every pseudo-experiment failed; the first: {found[0][0]['failed']}"
        raise FitError(msg)
    data = origin(search, stored, planned.sha256, counted=search.blind is None)
    events = float(np.mean([one["events"] - one["injected"] for each in ended.values() for one in each]))
    if search.blind is not None:  # less those outside, which are told, it is what the closed windows hold
        data["events"] = int(about(data["events"]))
        events = about(events) if search.calibrate.events is None else events
    result: Json = {
        "schema": 1,
        "lamppost": __version__,
        "seed": search.seed,
        "data": data,
        "events": events,
        "calibrate": search.calibrate.model_dump(mode="json"),
        "windows": [[w.lo, w.hi] for w in search.claim_windows()],
        "null": _null(found[0], ended[0], len(search.claim_windows()), len(search.methods)),
        "power": [_power(strength, found[strength], ended[strength]) for strength in search.calibrate.strengths],
        "definitions": DEFINITIONS,
        "versions": provenance(),
    }
    return {**result, "warnings": _warnings(found, result), "certificate": certificate(search, result)}


DEFINITIONS = {
    "events": "of a pseudo-experiment, on average; with [blind] these, if they are as many as those of the data, and "
    "those of the data are told to 5 %",
    "pseudo-experiment": "m from a smooth fit of the data, features of an event drawn from data events near in m; then "
    "the whole hunt: decorrelation, trainings, thresholds, choices of the fit, toys, windows",
    "valid": f"there are at least {LEAST}, the 95 % interval of the share of p <= 0.05 reaches down to 5 %, and no "
    "Kolmogorov-Smirnov test (p > 0.01) finds small p too frequent",
    "uniform": "that interval holds 5 %, and a Kolmogorov-Smirnov test finds p uniform (p > 0.01)",
    "failed": "a hunt whose fit failed, or that refused a claim; it counts as p = 0",
    "coverage": "share of best windows whose fitted yield is within one or two errors of the injected events that the "
    "cut keeps, at the mass of the largest excess",
}


def _null(every: Sequence[Json], ended: Sequence[Json], windows: int, methods: int) -> Json:
    """Are p-values uniform where nothing is injected? A single window sees no excess at all, p = 1, too often."""
    return {
        "global": uniformity([one.get("p_global") for one in every], atom=windows * methods == 1),
        "window": uniformity([row["p_window"] for one in ended for row in one["windows"]], atom=True),
        "inclusive": uniformity([one["inclusive"]["p_global"] for one in ended], atom=True),
        "random score": uniformity([one["control"]["p_global"] for one in ended], atom=windows == 1),
        "sculpting": uniformity([row["sculpting_p"] for one in ended for row in one["windows"]]),
        "z_local": sorted(max(row["z_local"] for row in one["windows"]) for one in ended),
    }


def _power(strength: int, every: Sequence[Json], ended: Sequence[Json]) -> Json:
    best = [one["windows"][one["best_window"]] for one in ended]
    return {
        "events": strength,
        "global": power([one.get("z_global") for one in every]),
        "inclusive": power([one["inclusive"]["z_global"] for one in ended]),
        "coverage": covered(best),
        "kept": float(np.mean([row["injected_kept"] for row in best])) if best else None,
    }


def _warnings(found: Mapping[int, Sequence[Json]], result: Json) -> list[str]:
    warnings = []
    for strength, each in found.items():
        failed = [one["failed"] for one in each if "failed" in one]
        refused = sum(one.get("p_global") is None and "failed" not in one for one in each)
        where = f"with {strength} signal events" if strength else "without signal"
        if failed:
            warnings.append(f"{len(failed)} of {len(each)} hunts {where} failed, the first: {failed[0]}")
        if refused:
            warnings.append(f"{refused} of {len(each)} hunts {where} refused a claim: the features determine m")
    null = result["null"]["global"]
    if null["n"] < LEAST:
        warnings.append(f"{null['n']} pseudo-experiments certify nothing, expected at least {LEAST}")
    elif not null["valid"]:
        share, low, high = null["below"]["0.05"]
        warnings.append(
            f"small global p-values are too frequent: {share:.3f} [{low:.3f}, {high:.3f}] are 0.05 or less, "
            f"Kolmogorov-Smirnov p = {null['ks_small']:.2g}"
        )
    return warnings
