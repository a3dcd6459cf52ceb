"""Signal shapes against numerical integration."""

import json
import tomllib
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

from lamppost.core import Array
from lamppost.errors import ConfigError, FitError
from lamppost.stats import CrystalBall, Gaussian, Signal, bin_edges, signal
from lamppost.stats.shapes.interpolation import Interpolated, Template

EDGES = bin_edges(1500.0, 8000.0, 0.03)
BOX: dict[str, Any] = {"kind": "template", "mass": 2000.0, "edges": [1800.0, 1900.0, 2050.0, 2150.0]}
ROOF: dict[str, Any] = {"kind": "template", "mass": 7500.0, "edges": [7000.0, 7400.0, 7600.0, 7800.0]}
TABLES: dict[str, dict[str, Any]] = {
    "gaussian": {},
    "crystal_ball": {"alpha_low": 0.9},
    "template": BOX | {"contents": [1.0, 6.0, 1.5]},
    "interpolated": {"templates": [BOX | {"contents": [1.0, 6.0, 1.5]}, ROOF | {"contents": [1.0, 3.0, 2.0]}]},
}


def table(kind: str, unit: float = 1.0) -> dict[str, Any]:
    """A spec of this kind, as a table; masses times `unit`."""

    def scaled(histogram: dict[str, Any]) -> dict[str, Any]:
        return histogram | {"mass": histogram["mass"] * unit, "edges": [edge * unit for edge in histogram["edges"]]}

    found = {"kind": kind} | TABLES[kind]
    if "templates" in found:
        return found | {"templates": [scaled(histogram) for histogram in found["templates"]]}
    return scaled(found) if "edges" in found else found


def narrowest(edges: Array, fractions: Array) -> float:
    """Half the shortest interval that holds 68.3 % of fine bins."""
    below = np.append(0.0, np.cumsum(fractions))
    ends = np.interp(below + 0.6826894921, below, edges, right=np.inf)
    return 0.5 * float(np.min(ends - edges))


def density(shape: Signal, t: float) -> float:
    """The shape at t = (m - M) / sigma, written from its definition."""
    if isinstance(shape, CrystalBall):
        for side, alpha, n in ((-t, shape.alpha_low, shape.n_low), (t, shape.alpha_high, shape.n_high)):
            if side > alpha:
                return float((n / alpha) ** n * np.exp(-0.5 * alpha**2) * (n / alpha - alpha + side) ** -n)
    return float(np.exp(-0.5 * t * t))


@pytest.mark.parametrize("shape", [Gaussian(), CrystalBall(), CrystalBall(resolution=0.05, n_low=1.5, alpha_high=0.4)])
@pytest.mark.parametrize("mass", [1600.0, 3000.0, 7900.0])
def test_fractions_are_integrals(shape: Signal, mass: float) -> None:
    sigma = shape.sigma(mass)
    fractions = shape.fractions(EDGES, mass)
    kinks = [mass, mass - 1.3 * sigma, mass + 1.6 * sigma, mass + 0.4 * sigma]
    exact = np.array(
        [
            quad(lambda m: density(shape, (m - mass) / sigma), a, b, points=sorted(k for k in kinks if a < k < b))[0]
            for a, b in pairwise(EDGES)
        ]
    )
    np.testing.assert_allclose(fractions, exact / exact.sum(), rtol=1e-7, atol=1e-14)


@given(
    kind=st.sampled_from(sorted(TABLES)),
    mass=st.floats(1850.0, 8000.0),
    stretch=st.floats(0.3, 3.0),
    unit=st.sampled_from([1e-3, 1.0, 1e3]),
)
def test_every_shape_adds_up_to_one_in_any_unit(kind: str, mass: float, stretch: float, unit: float) -> None:
    shape, scaled = signal(table(kind)), signal(table(kind, unit))
    fractions = shape.fractions(EDGES, mass, stretch=stretch)
    assert fractions.sum() == pytest.approx(1.0, rel=1e-12)
    assert (fractions >= 0.0).all()
    np.testing.assert_allclose(scaled.fractions(EDGES * unit, mass * unit, stretch=stretch), fractions, 1e-6, 1e-12)


@pytest.mark.parametrize("kind", sorted(TABLES))
def test_every_shape_is_a_value(kind: str) -> None:
    """Through JSON and TOML and back, equal and with the same hash; nothing is required by its type alone."""
    shape = signal(table(kind))
    assert Signal.registry[kind] is type(shape)
    assert signal(json.loads(shape.model_dump_json())) == shape
    read_back = signal(tomllib.loads(tomli_w.dumps(shape.model_dump(mode="json", exclude_none=True))))
    assert read_back == shape
    assert hash(read_back) == hash(shape)
    fields = type(shape).model_fields
    assert [name for name, field in fields.items() if name != "kind" and not field.description] == []
    assert [name for name, field in fields.items() if field.is_required()] == []


@pytest.mark.parametrize("kind", sorted(TABLES))
def test_stretch_is_a_width(kind: str) -> None:
    """Half the shortest interval of 68.3 % grows by the stretch, but for what of the tails leaves the range."""
    shape, edges = signal(table(kind)), np.linspace(2000.0, 4400.0, 24001)
    sigma = narrowest(edges, shape.fractions(edges, 3000.0))
    assert narrowest(edges, shape.fractions(edges, 3000.0, stretch=1.3)) == pytest.approx(1.3 * sigma, rel=0.02)
    if not isinstance(shape, CrystalBall):  # the sigma of which is that of its core
        assert sigma == pytest.approx(shape.sigma(3000.0), rel=5e-3)
    with pytest.raises(FitError, match="positive number, found 0"):
        shape.fractions(edges, 3000.0, stretch=0.0)


def test_displaced_peak() -> None:
    shape = CrystalBall(offset=-0.02, width=50.0)
    plain = CrystalBall(width=50.0)
    np.testing.assert_allclose(shape.fractions(EDGES, 3000.0), plain.fractions(EDGES, 2940.0), atol=1e-14)


def test_width_replaces_resolution() -> None:
    assert signal({"kind": "gaussian", "width": 50.0}).sigma(3000.0) == 50.0
    assert signal("gaussian").sigma(3000.0) == pytest.approx(90.0)


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(FitError, match=r"mass 9000 lies outside the fit range \[1500, 8000\]"):
        Gaussian().fractions(EDGES, 9000.0)
    with pytest.raises(ConfigError, match="resolution"):
        signal({"kind": "gaussian", "resolution": -0.03})
    with pytest.raises(ConfigError, match="n_low"):
        signal({"kind": "crystal_ball", "n_low": 1.0})


def test_template_at_its_own_mass_is_what_overlaps() -> None:
    template = signal(table("template"))
    edges = np.array([1500.0, 1850.0, 1950.0, 2100.0, 3000.0])
    np.testing.assert_allclose(template.fractions(edges, 2000.0), np.array([0.5, 2.5, 4.75, 0.75]) / 8.5)
    np.testing.assert_allclose(template.fractions(1.5 * edges, 3000.0), template.fractions(edges, 2000.0))
    assert template.resolution == pytest.approx(0.5 * 0.6826894921 * 8.5 / 6.0 * 150.0 / 2000.0)


def test_samples_of_a_gaussian_are_interpolated() -> None:
    """Widths of 5 % and 3 % at 2 and 3 TeV: in between a Gaussian of the width in between, to four sigma."""
    rng = np.random.default_rng(1001)
    mass = np.repeat([2000.0, 3000.0, 4000.0], 20000)
    m = mass * (1.0 + rng.normal(size=mass.size) * np.repeat([0.05, 0.03, 0.03], 20000))
    w = rng.exponential(size=mass.size)
    shape = Interpolated.from_events(m, w, mass)
    for at, width in ((2000.0, 0.05), (2250.0, 0.045), (2500.0, 0.04), (3700.0, 0.03), (4300.0, 0.03)):
        expected = Gaussian(resolution=width).fractions(EDGES, at)
        np.testing.assert_allclose(shape.fractions(EDGES, at), expected, atol=4.0 * np.sqrt(expected.max() / 10000))
        assert expected[:8] == pytest.approx(shape.fractions(EDGES, at)[:8], abs=1e-3)
        assert shape.sigma(at) == pytest.approx(width * at, rel=0.04)
    assert shape.resolution == pytest.approx(0.03, rel=0.04)
    with pytest.raises(FitError, match="mass 5000 is too far from the samples, which reach from 2000 to 4000"):
        shape.fractions(EDGES, 5000.0)


def test_interpolation_moves_what_is_split() -> None:
    """Two boxes with a gap between them: halfway between the samples, boxes and gap lie halfway."""
    low = {"kind": "template", "mass": 1000.0, "edges": [900.0, 950.0, 1050.0, 1100.0], "contents": [1.0, 0.0, 1.0]}
    high = {"kind": "template", "mass": 2000.0, "edges": [1600.0, 1700.0, 2300.0, 2400.0], "contents": [1.0, 0.0, 1.0]}
    shape = signal({"kind": "interpolated", "templates": [low, high]})
    edges = 1500.0 * np.array([0.5, 0.85, 0.9, 1.1, 1.15, 1.5])
    np.testing.assert_allclose(shape.fractions(edges, 1500.0), [0.0, 0.5, 0.0, 0.5, 0.0], atol=1e-12)


def test_negative_weights_of_a_generator() -> None:
    rng = np.random.default_rng(1002)
    m = 3000.0 + 90.0 * rng.normal(size=40000)
    w = np.where(rng.random(40000) < 0.2, -1.0, 1.0)
    expected = Gaussian().fractions(EDGES, 3000.0)
    found = Template.from_events(m, w, 3000.0, bins=40).fractions(EDGES, 3000.0)
    np.testing.assert_allclose(found, expected, atol=0.05 * expected.max())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"edges": [], "contents": []}, "0 edges and 0 contents make no histogram"),
        ({"contents": [1.0, 2.0]}, "4 edges and 2 contents make no histogram"),
        ({"edges": [1800.0, 2000.0, 1900.0, 2100.0]}, "expected rising edges"),
        ({"contents": [1.0, -2.0, 3.0]}, "found -2 as the smallest"),
        ({"contents": [0.0, 0.0, 0.0]}, "a positive sum"),
        ({"contents": [1.0, float("nan"), 3.0]}, "contents.1"),
        ({"resolution": 0.2}, "leave it out"),
        ({"mass": -5.0}, "mass"),
    ],
)
def test_impossible_templates_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        signal(table("template") | change)


def test_impossible_samples_are_refused() -> None:
    m = np.linspace(2900.0, 3100.0, 15)
    with pytest.raises(ConfigError, match=r"expected histograms of rising mass, found masses \[\]"):
        signal("interpolated")
    with pytest.raises(FitError, match=r"mass 3000: 15.0 equivalent events are too few"):
        Template.from_events(m, None, 3000.0)
    with pytest.raises(FitError, match="1 bins do not all hold a positive sum"):
        Template.from_events(np.full(100, 3000.0), None, 3000.0)
    with pytest.raises(FitError, match="expected finite masses"):
        Template.from_events(np.append(m, np.nan), None, 3000.0)
    with pytest.raises(FitError, match="the simulated mass of every event"):
        Interpolated.from_events(m, None, np.array([3000.0]))
    with pytest.raises(FitError, match="nothing of mass 8000 lies inside the fit range"):
        signal(table("template") | {"edges": [2100.0, 2150.0, 2180.0, 2200.0]}).fractions(EDGES, 8000.0)
