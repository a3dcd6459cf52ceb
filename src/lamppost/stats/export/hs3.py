"""A workspace in HS3, the HEP Statistics Serialization Standard: the parametric model, exact."""

from typing import Any

import numpy as np

from lamppost.core import Array
from lamppost.stats.export.binned import Binned, changes_yield, has_formula, moves_shape
from lamppost.stats.export.formulas import number, peak_functions, ramp, sum_of
from lamppost.stats.limits.systematics import Systematic
from lamppost.stats.limits.workspace import SPURIOUS, Workspace

__all__ = ["to_hs3"]

VERSION = "0.2"
REACH = 10.0  # standard deviations that parameters may move
CHANNEL, LIKELIHOOD, POI = "spectrum", "likelihood", "signal_yield"


def to_hs3(workspace: Workspace) -> dict[str, Any]:
    """The workspace as an HS3 document (hep-statistics-serialization-standard), a plain JSON object.

    A channel of binned data whose background follows the family's own parameters p0, p1, ...: every bin scales with a
    function, the integral of exp(sum_k p_k B_k(m)) by quadrature. Shifts and stretches of a Gaussian or Crystal Ball
    are formulas too, log-normal factors are normsys (code 1), constraints standard normal. With another signal they
    interpolate linearly between the histograms at nominal, +1 and -1 sigma: then `misc` says "approximate". Bins
    hold equivalent events of a weighted spectrum. Analysis "bump", likelihood "likelihood", parameter points "fit":
    the background fitted alone, no signal. `pyhs3.Workspace(**to_hs3(workspace))` reads it.

    Raises
    ------
    FitError
        If the background fit does not converge.
    """
    binned = Binned(workspace)
    shapes = [source for source in workspace.systematics if moves_shape(source, workspace)]
    functions = background_functions(binned)
    if shapes:
        functions += signal_functions(binned, shapes)
    constraints = [parameter(source, binned) for source in shapes]
    constraints += [SPURIOUS] if workspace.spurious > 0.0 else []
    axes = [{"name": "m", "edges": binned.edges.tolist()}]
    channel = {"name": CHANNEL, "type": "histfactory_dist", "axes": axes, "samples": samples(binned, bool(shapes))}
    likelihood = {"name": LIKELIHOOD, "distributions": [CHANNEL], "data": ["observed"]}
    if constraints:
        likelihood["aux_distributions"] = [f"constraint_{name}" for name in constraints]
    analysis = {"name": "bump", "likelihood": LIKELIHOOD, "domains": ["domain"], "parameters_of_interest": [POI]}
    values = ranges(binned)
    return {
        "metadata": {"hs3_version": VERSION, "description": f"bump hunt at m = {workspace.mass:g}, by lamppost"},
        "distributions": [channel, *(constraint(name) for name in constraints)],
        "functions": functions,
        "data": [{"name": "observed", "type": "binned", "contents": binned.observed.tolist(), "axes": axes}],
        "likelihoods": [likelihood],
        "domains": [domain(values)],
        "parameter_points": [{"name": "fit", "parameters": [{"name": n, "value": v} for n, (v, *_) in values.items()]}],
        "analyses": [analysis],
        "misc": {"lamppost": {"approximate": approximate(workspace)}},
    }


def approximate(workspace: Workspace) -> str:
    """What is approximate, in words; empty if nothing is."""
    moved = any(source.shift(1.0) or source.stretch(1.0) for source in workspace.systematics)
    if moved and not has_formula(workspace):
        return f"the {workspace.signal.kind} signal is interpolated linearly between nominal, +1 and -1 sigma"
    return ""


def background_functions(binned: Binned) -> list[dict[str, Any]]:
    """The background of each bin as a function of the family's parameters."""
    weight, design = binned.quadrature()

    def node(q: int, i: int) -> tuple[str, str]:
        terms = ((number(factor), f"p{k}") for k, factor in enumerate(design[q, :, i]))
        return number(weight[q, i]), f"exp({sum_of(terms)})"

    return [function(f"background_{i}", sum_of(node(q, i) for q in range(len(weight)))) for i in range(weight.shape[1])]


def signal_functions(binned: Binned, shapes: list[Systematic]) -> list[dict[str, Any]]:
    """The signal of each bin per unit of yield as a function of the nuisance parameters, and what leads to it."""
    workspace = binned.workspace
    moved = [source for source in shapes if source.shift(1.0) or source.stretch(1.0)]
    exact = has_formula(workspace)
    functions: list[dict[str, Any]] = []
    if moved and exact:
        formulas, terms = peak_functions(workspace, {parameter(source, binned): source for source in moved})
        functions += [function(name, text) for name, text in formulas.items()]
        nominal = [f"({term}) * {number(1.0 / scale)}" for term, scale in zip(terms, binned.scale, strict=True)]
    else:
        nominal = [number(value) for value in binned.fractions]
    stepped = shapes if not exact else [source for source in shapes if source not in moved]
    sides = [(parameter(source, binned), *binned.responses(source)) for source in stepped]
    for i, text in enumerate(nominal):
        steps = [ramp(name, up[i] - binned.fractions[i], down[i] - binned.fractions[i]) for name, up, down in sides]
        functions.append(function(f"signal_{i}", " + ".join([text, *steps])))
    return functions


def samples(binned: Binned, moving: bool) -> list[dict[str, Any]]:
    """Background and signal of the channel, and the spurious signal if there is one."""
    bins = len(binned.observed)
    workspace = binned.workspace
    changes = [normsys(source, parameter(source, binned)) for source in workspace.systematics if changes_yield(source)]
    if moving:
        changes.append({"name": "shape", "type": "shapefactor", "parameters": [f"signal_{i}" for i in range(bins)]})
    shape = np.ones(bins) if moving else binned.fractions
    background = {"name": "shape", "type": "shapefactor", "parameters": [f"background_{i}" for i in range(bins)]}
    found = [
        sample("background", np.ones(bins), [background]),
        sample("signal", shape, [{"name": POI, "type": "normfactor", "parameter": POI}, *changes]),
    ]
    if workspace.spurious > 0.0:
        free = {"name": SPURIOUS, "type": "normfactor", "parameter": SPURIOUS}
        found.append(sample("spurious_signal", workspace.spurious * shape, [free, *changes]))
    return found


def sample(name: str, contents: Array, modifiers: list[dict[str, Any]]) -> dict[str, Any]:
    """A sample without statistical errors of its own."""
    data = {"contents": contents.tolist(), "errors": [0.0] * len(contents)}
    return {"name": name, "data": data, "modifiers": modifiers}


def parameter(source: Systematic, binned: Binned) -> str:
    """The nuisance parameter of a source, named as HistFactory does."""
    return f"alpha_{binned.names[source.name]}"


def normsys(source: Systematic, name: str) -> dict[str, Any]:
    """The factor of a source on the yield, with its constraint."""
    data = {"hi": source.kappa(1.0), "lo": source.kappa(-1.0), "interpolation": "code1"}
    return {"name": name, "type": "normsys", "parameter": name, "constraint": "Gauss", "data": data}


def constraint(name: str) -> dict[str, Any]:
    """A standard normal distribution of a nuisance parameter."""
    return {"name": f"constraint_{name}", "type": "gaussian_dist", "x": name, "mean": 0.0, "sigma": 1.0}


def function(name: str, expression: str) -> dict[str, Any]:
    """A function given by a formula."""
    return {"name": name, "type": "generic_function", "expression": expression}


def ranges(binned: Binned) -> dict[str, tuple[float, float, float]]:
    """Value at the background fit, lowest and highest value of every parameter."""
    errors = np.sqrt(np.diag(binned.workspace.background_fit.covariance))
    top = max(binned.yield_guess, 0.0) + REACH * binned.yield_error
    found = {POI: (0.0, -top, top)}
    for k, (value, error) in enumerate(zip(binned.parameters, errors, strict=True)):
        found[f"p{k}"] = (float(value), float(value - REACH * error), float(value + REACH * error))
    names = [parameter(source, binned) for source in binned.workspace.systematics]
    names += [SPURIOUS] if binned.workspace.spurious > 0.0 else []
    return found | dict.fromkeys(names, (0.0, -REACH, REACH))


def domain(values: dict[str, tuple[float, float, float]]) -> dict[str, Any]:
    """Where the parameters may lie."""
    axes = [{"name": name, "min": low, "max": high} for name, (_, low, high) in values.items()]
    return {"name": "domain", "type": "product_domain", "axes": axes}
