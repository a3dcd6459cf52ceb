"""Systematic uncertainties: what they do to a signal, alone and together."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from models import MASS, every_kind, observed, workspace

from lamppost.core import Array
from lamppost.errors import ConfigError, FitError
from lamppost.stats.limits.shape_table import shape_table
from lamppost.stats.limits.systematics import MassShift, Normalisation, Systematic, WidthShift, summed, systematic

nu = st.floats(-3.0, 3.0)


@given(nu=nu)
def test_normalisation_is_log_normal(nu: float) -> None:
    source = Normalisation(up=1.2, down=0.9)
    assert source.kappa(nu) == pytest.approx(1.2**nu if nu >= 0 else 0.9**-nu)
    assert Normalisation(up=1.2).kappa(nu) * Normalisation(up=1.2).kappa(-nu) == pytest.approx(1.0)


def test_efficiencies_make_a_normalisation() -> None:
    source = Normalisation.of_efficiencies("tagging", 0.4, 0.44, 0.38)
    assert (source.name, source.up, source.down) == ("tagging", pytest.approx(1.1), pytest.approx(0.95))
    with pytest.raises(ConfigError, match="systematic 'tagging': efficiencies must be positive"):
        Normalisation.of_efficiencies("tagging", 0.0, 0.1, 0.1)


@pytest.mark.parametrize("table", every_kind(observed()))
def test_a_source_survives_json_and_is_hashable(table: dict[str, object]) -> None:
    source = systematic(table)
    again = systematic(json.loads(source.model_dump_json()))
    assert again == source
    assert hash(again) == hash(source)
    assert source.name == table["name"]


def test_a_source_without_a_name_is_called_by_its_kind() -> None:
    assert systematic("mass").name == "mass"


@given(nu=nu)
def test_every_kind_moves_the_response(nu: float) -> None:
    """Written out for each kind; the shares still add up to one, the yield moves by kappa alone."""
    spectrum = observed()
    model = workspace(spectrum, *every_kind(spectrum))
    f = model.fractions

    def alone(name: str) -> Array:
        return model.response({name: nu})

    np.testing.assert_allclose(alone("luminosity"), 1.02**nu * f)
    np.testing.assert_allclose(alone("scale"), model.signal.fractions(spectrum.edges, MASS * (1.0 + 0.01 * nu)))
    np.testing.assert_allclose(alone("resolution"), model.signal.fractions(spectrum.edges, MASS, stretch=1 + 0.15 * nu))
    side = np.array(every_kind(spectrum)[4]["up" if nu >= 0 else "down"])
    np.testing.assert_allclose(alone("radiation"), f + abs(nu) * (side - f), atol=1e-14)
    assert model.response(dict.fromkeys(("scale", "resolution", "radiation"), nu)).sum() == pytest.approx(1.0)


def test_sources_add_in_quadrature() -> None:
    sources: list[Systematic] = [
        Normalisation(name="a", up=1.03),
        Normalisation(name="b", up=0.96),  # anticorrelated by convention: its size counts
        MassShift(name="c", size=0.003),
        MassShift(name="d", size=-0.004),
        WidthShift(name="e", size=0.1),
    ]
    total, mass, width = summed(sources)
    assert isinstance(total, Normalisation)
    assert isinstance(mass, MassShift)
    assert isinstance(width, WidthShift)
    expected = np.hypot(np.log(1.03), np.log(0.96))
    assert (np.log(total.up), -np.log(total.down)) == (pytest.approx(expected), pytest.approx(expected))
    assert (mass.size, width.size) == (pytest.approx(0.005), pytest.approx(0.1))
    assert summed([]) == ()


def test_the_table_of_shapes_covers_six_sigma_inside_the_range() -> None:
    spectrum = observed()
    _, axes = shape_table(workspace(spectrum, *every_kind(spectrum)))
    assert axes[0, 0] == pytest.approx(-0.06, abs=axes[0, 1])
    assert axes[1, 0] == pytest.approx(-0.8, abs=axes[1, 1])
    near_the_end = workspace(spectrum, {"kind": "mass", "size": 0.1})
    assert MASS * (1.0 + shape_table(near_the_end)[1][0, 0]) >= spectrum.lo


@pytest.mark.parametrize(
    ("systematics", "message"),
    [
        ([{"kind": "mass", "size": 0.6}], "size: Input should be less than 0.5, found 0.6"),
        ([{"kind": "normalisation", "up": -1.0}], "up: Input should be greater than 0"),
        ([{"kind": "mass"}, {"kind": "mass"}], "needs a name of its own, found mass, mass"),
        ([{"kind": "mass", "name": "spurious"}], "needs a name of its own, found spurious"),
        ([{"kind": "template", "up": (1.0, 2.0), "down": (1.0, 2.0)}], r"expected a signal in \d+ bins, found 2"),
        ([{"kind": "colour"}], "unknown kind 'colour', known are mass, normalisation, template, width"),
    ],
)
def test_impossible_sources_are_refused(systematics: list[dict[str, object]], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        workspace(None, *systematics)


def test_impossible_workspaces_are_refused() -> None:
    spectrum = observed()
    with pytest.raises(FitError, match="mass 9000 lies outside the fit range"):
        type(workspace())(spectrum, 9000.0)
    with pytest.raises(ConfigError, match="spurious signal must be zero or more"):
        workspace(spectrum, spurious=-1.0)
    with pytest.raises(ConfigError, match="unknown kind 'flat'"):
        workspace(spectrum, background="flat")
    with pytest.raises(FitError, match="dijet: 2 to 5 parameters, not 9"):
        _ = workspace(spectrum, n_parameters=9).background_fit
