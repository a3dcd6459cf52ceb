"""Shape parameters from signal events: known truth, weights, several masses, pulls."""

from typing import Any

import numpy as np
import pytest

from lamppost.core import Array
from lamppost.errors import ConfigError, FitError
from lamppost.stats import CrystalBall, Gaussian
from lamppost.stats.shapes.interpolation import Interpolated
from lamppost.stats.shapes.signal_fit import ShapeFit, at_limit, fit_signal_shape
from lamppost.stats.shapes.signals import Peak

TRUTH = CrystalBall(resolution=0.04, offset=-0.02)


def draw(shape: Peak, events: int, rng: np.random.Generator) -> Array:
    """Masses in units of M of a shape, cut at 0.5 and 1.5."""
    r = np.linspace(0.5, 1.5, 20001)
    below = np.append(0.0, np.cumsum(shape.integrals((r - 1.0 - shape.offset) / shape.resolution)))
    return np.interp(rng.random(events) * below[-1], below, r)


def pulls(fit: ShapeFit, truth: Peak) -> Array:
    return (fit.values - np.array([getattr(truth, name) for name in fit.names])) / fit.errors


@pytest.mark.parametrize("kind", ["weights", "negative weights", "binned weights"])
def test_pulls_of_every_parameter(kind: str) -> None:
    """Forty samples of 6,000 events: means of the pulls within four standard errors of 0, spreads within four of 1.

    The standard error of a spread from 40 samples is 11 %. The powers of the tails are not normal at this size.
    """
    found = []
    for seed in range(1000, 1040):
        rng = np.random.default_rng(seed)
        r = draw(TRUTH, 6000, rng)
        w = (
            np.where(rng.random(len(r)) < 0.1, -1.0, 1.0)
            if kind == "negative weights"
            else rng.exponential(size=len(r))
        )
        fit = fit_signal_shape(3000.0 * r, w, 3000.0, edges=np.linspace(0.5, 1.5, 201) if "binned" in kind else None)
        assert fit.converged
        assert fit.signal.resolution == fit.values[fit.names.index("resolution")]
        found.append(pulls(fit, TRUTH)[:4])
    assert fit.names == ("offset", "resolution", "alpha_low", "alpha_high", "n_low", "n_high")
    assert np.abs(np.mean(found, axis=0)).max() < 4.0 / np.sqrt(40)
    np.testing.assert_allclose(np.std(found, axis=0), 1.0, atol=0.45)


def test_one_shape_for_several_masses() -> None:
    rng = np.random.default_rng(1100)
    mass = np.repeat([2000.0, 3000.0, 5000.0], 5000)
    truth = Gaussian(resolution=0.05, offset=0.01)
    fit = fit_signal_shape(mass * draw(truth, 15000, rng), None, mass, "gaussian")
    assert fit.names == ("offset", "resolution")
    assert np.abs(pulls(fit, truth)).max() < 4.0
    # of n normal masses: sigma / sqrt(n) and sigma / sqrt(2 n)
    np.testing.assert_allclose(fit.errors, 0.05 / np.sqrt([15000.0, 30000.0]), rtol=0.05)
    assert fit.events == pytest.approx(15000.0)
    assert fit.p_value > 1e-3


def test_weight_two_is_the_event_twice() -> None:
    r = draw(TRUTH, 3000, np.random.default_rng(1101))
    twice = fit_signal_shape(np.append(r, r), None, 1.0)
    weighted = fit_signal_shape(r, np.full(3000, 2.0), 1.0)
    once = fit_signal_shape(r, None, 1.0)
    np.testing.assert_allclose(weighted.values, twice.values, rtol=2e-3, atol=2e-5)
    np.testing.assert_allclose(weighted.errors, once.errors, rtol=1e-2)  # but says no more than the event once
    assert weighted.events == pytest.approx(3000.0)


def test_wrong_shape_shows_in_the_goodness() -> None:
    r = draw(TRUTH, 20000, np.random.default_rng(1102))
    assert fit_signal_shape(r, None, 1.0, "gaussian").p_value < 1e-6
    assert fit_signal_shape(r, None, 1.0, "crystal_ball").p_value > 1e-3


def test_goodness_is_a_p_value() -> None:
    """Of 100 samples of the shape, p is below 0.1 in about a tenth: between 1 % and 20 % (three sigma)."""
    truth, rng = Gaussian(resolution=0.04), np.random.default_rng(1103)
    found = [fit_signal_shape(draw(truth, 2000, rng), None, 1.0, "gaussian").p_value for _ in range(100)]
    assert 0.01 < np.mean(np.array(found) < 0.1) < 0.2


def test_tails_that_are_not_there() -> None:
    """They begin where hardly an event is left, and a parameter at the end of its range is named."""
    fit = fit_signal_shape(1.0 + 0.03 * np.random.default_rng(1104).normal(size=5000), None, 1.0)
    assert fit.signal.resolution == pytest.approx(0.03, rel=0.05)
    assert min(fit.values[2:4]) > 1.5
    ends = [("n_low", 59.99), ("alpha_high", 0.1), ("n_low", 4.0), ("resolution", 1e-3), ("offset", 0.0)]
    assert [at_limit(name, value) for name, value in ends] == [True, True, False, False, False]


def test_window() -> None:
    r = draw(TRUTH, 5000, np.random.default_rng(1105))
    fit = fit_signal_shape(r, None, 1.0, window=(0.9, 1.1))
    assert fit.left_out == pytest.approx(np.mean((r < 0.9) | (r >= 1.1)))
    assert np.abs(pulls(fit, TRUTH))[:2].max() < 4.0


GOOD = np.linspace(0.9, 1.1, 200)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((GOOD[:20], None, 1.0), "20.0 equivalent events, 50 are needed"),
        ((GOOD, None, 100.0), "0.0 equivalent events"),
        ((GOOD, None, -1.0), "one positive mass"),
        ((GOOD, None, np.ones(3)), r"of each of 200 events, found \(3,\)"),
        ((np.append(GOOD, np.nan), None, 1.0), "expected finite masses"),
        ((GOOD, np.ones(3), 1.0), "a weight of each"),
        ((GOOD, -np.ones(200), 1.0), "0.0 equivalent events"),
    ],
)
def test_impossible_samples_are_refused(arguments: Any, message: str) -> None:
    with pytest.raises(FitError, match=message):
        fit_signal_shape(*arguments)


def test_impossible_fits_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="unknown kind"):
        fit_signal_shape(GOOD, None, 1.0, "voigt")
    with pytest.raises(FitError, match="must lie around 1"):
        fit_signal_shape(GOOD, None, 1.0, window=(1.1, 1.4))
    monkeypatch.setattr("lamppost.stats.shapes.signal_fit.Signal.parse", lambda _: Interpolated.model_construct())
    with pytest.raises(FitError, match="has no parameters to fit"):
        fit_signal_shape(GOOD, None, 1.0)
