"""Signal shapes against numerical integration."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

from lamppost.errors import ConfigError, FitError
from lamppost.spec import kinds
from lamppost.stats import CrystalBall, Gaussian, Signal, bin_edges, signal

EDGES = bin_edges(1500.0, 8000.0, 0.03)


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
    kind=st.sampled_from(sorted(kinds(Signal))),
    mass=st.floats(1500.0, 8000.0),
    resolution=st.floats(0.002, 0.3),
    unit=st.sampled_from([1e-3, 1.0, 1e3]),
)
def test_every_shape_adds_up_to_one_in_any_unit(kind: str, mass: float, resolution: float, unit: float) -> None:
    shape = signal({"kind": kind, "resolution": resolution})
    fractions = shape.fractions(EDGES, mass)
    assert fractions.sum() == pytest.approx(1.0, rel=1e-12)
    assert (fractions >= 0.0).all()
    np.testing.assert_allclose(shape.fractions(EDGES * unit, mass * unit), fractions, rtol=1e-6, atol=1e-12)


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
