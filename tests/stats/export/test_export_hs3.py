"""HS3 documents, read back and evaluated by pyhs3."""

import json
import logging
from functools import cache
from typing import Any

import numpy as np
import pytest
from export_models import SOURCES, model, nll, points, reference, template_source, toy_spectrum

from lamppost.stats.export import to_hs3
from lamppost.stats.limits.workspace import Workspace


@cache
def pyhs3() -> Any:
    """pyhs3, whose import silences every logger there is: other tests read theirs."""
    known = [one for one in logging.root.manager.loggerDict.values() if isinstance(one, logging.Logger)]
    before = [logger.disabled for logger in known]
    module = pytest.importorskip("pyhs3")
    for logger, disabled in zip(known, before, strict=True):
        logger.disabled = disabled
    return module


def log_prob(document: dict[str, Any]) -> Any:
    """The log likelihood as a function of the parameters by name, compiled by pyhs3 from the text of the document."""
    read = pyhs3().Workspace(**json.loads(json.dumps(document)))
    from pyhs3.compile import function
    from pytensor.graph.traversal import explicit_graph_inputs

    built = read.model("bump", progress=False, mode="FAST_COMPILE")
    inputs = [variable for variable in explicit_graph_inputs([built.log_prob]) if variable.name]
    compiled = function(inputs, built.log_prob, mode="FAST_COMPILE", on_unused_input="ignore")
    names = {variable.name for variable in inputs}
    assert names == {point["name"] for point in document["parameter_points"][0]["parameters"]}
    return lambda values: float(compiled(*[np.asarray(values[variable.name]) for variable in inputs]))


def named(workspace: Workspace, point: tuple[Any, float, dict[str, float]]) -> dict[str, float]:
    """A point with the names of the document."""
    parameters, signal, nuisances = point
    plain = {
        name: name if name == "spurious" else "alpha_" + name.replace(" ", "_").replace("(", "").replace(")", "")
        for name in nuisances
    }
    values = {f"p{k}": float(value) for k, value in enumerate(parameters)} | {"signal_yield": signal}
    return values | {plain[name]: value for name, value in nuisances.items()}


def check(workspace: Workspace) -> None:
    """Differences of -ln L are those of the model; 1e-7: rounding of 15-digit numbers in sums of 30,000 events."""
    document = to_hs3(workspace)
    evaluate = log_prob(document)
    tried = points(workspace, 8)
    found = np.array([-evaluate(named(workspace, point)) for point in tried])
    expected = np.array([nll(workspace, *point) for point in tried])
    assert np.ptp(expected) > 1.0
    np.testing.assert_allclose(found - found[0], expected - expected[0], rtol=0.0, atol=1e-7)


def test_systematics_and_spurious_signal() -> None:
    workspace = model(systematics=SOURCES, spurious=15.0)
    assert not to_hs3(workspace)["misc"]["lamppost"]["approximate"]
    check(workspace)


@pytest.mark.parametrize("signal", [{"kind": "gaussian", "width": 110.0}, {"kind": "crystal_ball", "offset": 0.01}])
def test_histograms_beside_formulas(signal: dict[str, Any]) -> None:
    plain = model(signal=signal)
    check(model(signal=signal, systematics=(template_source(plain), *SOURCES[2:])))


@pytest.mark.parametrize("background", ["dijet", "polynomial", "diphoton", "ua2"])
def test_families_and_weights(background: str) -> None:
    check(model(background=background, n_parameters=4, spectrum=toy_spectrum(weight=0.3)))


def test_other_signals_move_between_histograms() -> None:
    """Exact where the nuisance parameters are 0 or one standard deviation, and said to be approximate."""
    edges = np.linspace(0.8, 1.2, 11)
    shape = {
        "kind": "template",
        "edges": tuple(edges),
        "contents": tuple(np.exp(-0.5 * ((edges[1:] - 1.0) / 0.04) ** 2)),
    }
    workspace = model(signal=shape, systematics=SOURCES[2:])
    document = to_hs3(workspace)
    assert "template signal is interpolated" in document["misc"]["lamppost"]["approximate"]
    evaluate = log_prob(document)
    fit = workspace.background_fit.parameters
    tried = [(fit, 200.0, {"energy scale": a, "resolution": b}) for a, b in ((0, 0), (1, 0), (-1, 0), (0, 1), (0, -1))]
    found = np.array([-evaluate(named(workspace, point)) for point in tried])
    expected = np.array([nll(workspace, *point) for point in tried])
    np.testing.assert_allclose(found - found[0], expected - expected[0], rtol=0.0, atol=1e-7)


def test_reference_case() -> None:
    check(reference())


def test_document_holds_the_fit() -> None:
    workspace = model()
    document = to_hs3(workspace)
    values = {point["name"]: point["value"] for point in document["parameter_points"][0]["parameters"]}
    np.testing.assert_array_equal([values[f"p{k}"] for k in range(3)], workspace.background_fit.parameters)
    assert document["data"][0]["contents"] == workspace.spectrum.counts.tolist()
    assert document["analyses"][0]["parameters_of_interest"] == ["signal_yield"]
