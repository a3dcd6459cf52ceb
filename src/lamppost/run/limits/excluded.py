"""What one injection excludes: the limit on selected events, divided by the efficiency, uncertainties profiled."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lamppost.config import Fit
from lamppost.errors import FitError
from lamppost.run.artefacts import Store
from lamppost.run.tasks import plain
from lamppost.stats import Normalisation, Signal, Spectrum, Systematic, Workspace, significance, upper_limit

__all__ = ["RETRAINING", "Question", "efficiency_of", "exclude", "workspace_of"]

Json = dict[str, Any]
RETRAINING = "retraining"
"""Name of the uncertainty that the spread of efficiencies over trainings is."""


@dataclass(frozen=True)
class Question:
    """What a limit is about beside the selection: the fit, the mass, the level, uncertainties of the signal.

    number: which of the nested selections; summed: whether sources of a kind are added in quadrature; p_values: whether
    the injection is looked at, too
    """

    number: int
    fit: Fit
    mass: float
    level: float
    systematics: tuple[Systematic, ...]
    summed: bool
    p_values: bool = True


def exclude(store: Store, key: str, *, selections: tuple[str, ...], question: Question) -> None:
    """The limit at one injection from its repeated trainings, as `excluded` and `expected`, signal events in range.

    Each training has its selected data, its limit N on selected events and its efficiency eps; excluded is mean N over
    mean eps, both of the trainings `used`: those that could be fitted. The statistical error of the efficiency and its
    spread over trainings are nuisances of every N. Where no training could be fitted, or none keeps any signal, nothing
    is excluded: None, and `failed` says why.
    """
    every = [_selection(store, one, question.number) for one in selections]
    failed = [one["failed"] for one in every if "failed" in one]
    used = [number for number, one in enumerate(every) if "failed" not in one]
    about, rows = efficiency_of([]), list[Json]()
    while used:
        # the spread of efficiencies is part of every fit: without the trainings that fail it is another one
        about = efficiency_of([every[number] for number in used])
        limits = [_limit(every[number], question, about) for number in used]
        if all("failed" not in one for one in limits):
            rows = [one | _p_values(every[n], question, about) for n, one in zip(used, limits, strict=True)]
            break
        failed += [one["failed"] for one in limits if "failed" in one]
        used = [number for number, one in zip(used, limits, strict=True) if "failed" not in one]
    found = {**about, **_joined(rows, about["efficiency"]), "used": used}
    store.write_json(key, {**found, "trainings": rows, "failed": failed})


def _selection(store: Store, key: str, number: int) -> Json:
    about = store.read_arrays(key)[1]
    if "failed" in about:
        return dict(about)
    return {**about["selections"][number], "whole": about["whole"], "peak": about["peak"]}


def efficiency_of(found: Sequence[Mapping[str, Any]]) -> Json:
    """Mean efficiency of trainings, relative statistical error and relative spread over trainings; None of nothing.

    The signal events that measure it are the same for all trainings: their error does not shrink with the number of
    these. The spread is that of one training: the data are trained on once. Of a single one it is that of its folds.
    """
    efficiencies = np.array([one["efficiency"] for one in found])
    mean = float(efficiencies.mean()) if len(found) else 0.0
    if not mean > 0.0:
        return {"efficiency": mean, "statistical": None, "retraining": None}
    each = efficiencies if len(found) > 1 else np.array(found[0]["folds"])
    spread = float(each.std(ddof=1)) / mean if len(each) > 1 else 0.0
    error = float(np.sqrt(np.mean([one["efficiency_error"] ** 2 for one in found])))
    return {"efficiency": mean, "statistical": error / mean, "retraining": spread}


def workspace_of(selection: Mapping[str, Any], question: Question, about: Mapping[str, Any]) -> Workspace:
    """The model of a selected spectrum of the data without what was injected."""
    return _workspace(selection["spectrum"], selection["shape"], selection["spurious"], question, about)


def _workspace(spectrum: Json, shape: Json, spurious: float, question: Question, about: Mapping[str, Any]) -> Workspace:
    fit, errors = question.fit, {"signal sample": about["statistical"], RETRAINING: about["retraining"]}
    own = tuple(Normalisation(name=name, up=1.0 + size) for name, size in errors.items() if size)
    counts, variances = (np.array(spectrum[name]) for name in ("counts", "variances"))
    family, *others = fit.function
    # of several families no order can be chosen on the data: they are all profiled then
    order = fit.n_parameters if isinstance(fit.n_parameters, int) else None
    model = Workspace(
        Spectrum(fit.edges, counts, variances),
        question.mass,
        background=family,
        alternatives=tuple(others),
        n_parameters=order,
        signal=Signal.parse(shape),
        systematics=question.systematics,
        spurious=spurious,
    )
    model = model.summed() if question.summed else model
    return replace(model, systematics=(*model.systematics, *own))


def _limit(one: Json, question: Question, about: Mapping[str, Any]) -> Json:
    """N of one training."""
    try:
        limit = upper_limit(workspace_of(one, question, about), level=question.level, toys=0)
    except FitError as error:
        return {"failed": str(error)}
    return {
        "efficiency": one["efficiency"],
        "folds": one["folds"],
        "events": one["n"],
        "sculpting_p": one["sculpting_p"],
        "observed": limit.observed,
        "expected": limit.expected.tolist(),
        "signal": limit.signal,
        "signal_error": limit.signal_error,
        "method": limit.method,
    }


def _p_values(one: Json, question: Question, about: Mapping[str, Any]) -> Json:
    """The significance of what a training sees with the injection in: of the cut, and of all events; None if no fit."""
    spectra = {
        "injected": (one["injected"], one["shape"], one["spurious"]),
        "inclusive": (one["whole"], one["peak"], 0.0),
    }
    found: Json = {"p_failed": []}
    for name, spectrum in spectra.items():
        found |= {f"p_{name}": None, f"z_{name}": None}
        if not question.p_values:
            continue
        try:
            seen = significance(_workspace(*spectrum, question, about), toys=0)
        except FitError as error:
            found["p_failed"].append(str(error))
        else:
            found |= {f"p_{name}": seen.p, f"z_{name}": seen.z}
    return found


def _joined(rows: Sequence[Json], efficiency: float) -> Json:
    if not rows or not efficiency > 0.0:
        nothing = {"n_excluded": None, "excluded": None, "expected": None, "spread": None}
        return {**nothing, "p_injected": None, "p_inclusive": None}
    observed = np.array([row["observed"] for row in rows])
    each = observed / np.array([max(row["efficiency"], 1e-3 * efficiency) for row in rows])
    medians = {name: _median([row[name] for row in rows]) for name in ("p_injected", "p_inclusive")}
    return {
        "n_excluded": float(observed.mean()),
        "excluded": float(observed.mean()) / efficiency,
        "spread": float(each.std(ddof=1) / each.mean()) if len(each) > 1 else None,
        **plain({"expected": np.mean([row["expected"] for row in rows], axis=0) / efficiency}),
        **medians,
    }


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.median(known)) if known else None
