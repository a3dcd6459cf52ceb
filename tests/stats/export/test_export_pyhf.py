"""pyhf workspaces, read back by pyhf: the same limit within 3 %."""

import json
from typing import Any

import numpy as np
import pytest
from export_models import SOURCES, background_bins, model, points, reference, template_source, toy_spectrum

from lamppost.errors import ConfigError
from lamppost.stats.export import to_pyhf
from lamppost.stats.limits.limits import upper_limit
from lamppost.stats.limits.workspace import Workspace

pytestmark = pytest.mark.filterwarnings("ignore:jsonschema.RefResolver:DeprecationWarning")

pyhf = pytest.importorskip("pyhf")
pytest.importorskip("iminuit")


def read_back(workspace: Workspace) -> tuple[Any, Any]:
    """pyhf's model and data from the text of the workspace; pyhf checks it against its schema."""
    read = pyhf.Workspace(json.loads(json.dumps(to_pyhf(workspace))))
    built = read.model()
    return built, read.data(built)


def pyhf_limit(built: Any, data: Any) -> tuple[float, list[float]]:
    """Observed and expected CLs limits of pyhf, asymptotic."""
    from pyhf.infer.intervals.upper_limits import upper_limit as limit

    pyhf.set_backend("numpy", pyhf.optimize.minuit_optimizer(strategy=1, tolerance=1e-3))
    observed, expected = limit(data, built, rtol=3e-3)
    return float(observed), [float(value) for value in expected]


@pytest.mark.parametrize("case", ["plain", "systematics", "weighted"])
def test_limits_agree(case: str) -> None:
    options: dict[str, Any] = {"plain": {}, "weighted": {"spectrum": toy_spectrum(weight=0.3)}}.get(case, {})
    if case == "systematics":
        spectrum = toy_spectrum(12)
        sources = (*SOURCES[1:], template_source(model(spectrum=spectrum)))
        options = {"spectrum": spectrum, "systematics": sources, "spurious": 30.0}
    workspace = model(**options)
    observed, expected = pyhf_limit(*read_back(workspace))
    own = upper_limit(workspace, toys=0)
    assert observed == pytest.approx(own.observed, rel=0.03)
    assert expected[2] == pytest.approx(own.expected[2], rel=0.03)


def test_reference_case() -> None:
    """Local significance 3.494 and limit 235 of the parametric model."""
    workspace = reference()
    built, data = read_back(workspace)
    observed, _ = pyhf_limit(built, data)
    assert observed == pytest.approx(235.0, rel=0.03)
    from scipy.stats import norm

    p = float(pyhf.infer.hypotest(0.0, data, built, test_stat="q0"))
    assert norm.isf(p) == pytest.approx(3.494, abs=0.03)


def test_background_is_exact_at_its_fit_and_linear_around() -> None:
    workspace = model()
    built, _ = read_back(workspace)
    inits = np.array(built.config.suggested_init())
    inits[built.config.poi_index] = 0.0
    fit = workspace.background_fit
    np.testing.assert_allclose(built.expected_data(inits), fit.expected, rtol=1e-8)
    # second-order terms of half a standard deviation in n events are some 1 / n of them
    spread = np.abs([background_bins(workspace, point[0]) / fit.expected - 1.0 for point in points(workspace, 30)[1:]])
    for k in range(fit.n_parameters):
        moved = inits.copy()
        moved[built.config.par_order.index(f"background_{k + 1}")] = 1.0
        change = built.expected_data(moved) / fit.expected - 1.0
        assert 0.0 < np.max(np.abs(change)) < 2.0 * spread.max()


def test_marked_approximate_and_names_are_plain() -> None:
    found = to_pyhf(model(systematics=SOURCES))
    assert "approximate" in found["measurements"][0]["name"]
    names = {modifier["name"] for modifier in found["channels"][0]["samples"][0]["modifiers"]}
    assert names == {"signal_yield", "luminosity_2016", "efficiency", "energy_scale", "resolution"}


def test_names_that_become_the_same_are_refused() -> None:
    twins = tuple({"kind": "normalisation", "name": name, "up": 1.1} for name in ("jet scale", "jet-scale"))
    with pytest.raises(ConfigError, match="differ in letters and digits"):
        to_pyhf(model(systematics=twins))
