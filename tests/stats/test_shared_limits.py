"""Limits of background alone in several selections of the same events."""

import numpy as np
import pytest

from lamppost.errors import ConfigError
from lamppost.stats import Normalisation, Spectrum, Workspace, bin_edges, shared_limits, upper_limit

TOYS = 400
EDGES = bin_edges(2800.0, 8000.0, 0.04)


def workspace(seed: int, events: int = 3000, **changes: object) -> Workspace:
    lo, hi = EDGES[0], EDGES[-1]
    m = lo * (1.0 - np.random.default_rng(seed).random(events) * (1.0 - (lo / hi) ** 6)) ** (-1.0 / 6.0)
    return Workspace(Spectrum.from_masses(m, EDGES), 3500.0, n_parameters=3, **changes)  # type: ignore[arg-type]


def test_each_selection_has_its_own_band() -> None:
    """Quantiles of the toys are the asymptotic expected limits, within the error of a quantile of as many toys."""
    models = [workspace(1), workspace(2, 1500)]
    found = shared_limits(models, np.eye(2), toys=TOYS, seed=3)
    assert found.shape == (TOYS, 2)
    assert np.isfinite(found).all()
    for limits, model in zip(found.T, models, strict=True):
        expected = upper_limit(model, toys=0).expected
        for value, level in zip(expected[1:4], (0.1587, 0.5, 0.8413), strict=True):
            below = np.mean(limits < value)
            assert abs(below - level) < 4.0 * np.sqrt(level * (1.0 - level) / TOYS)


@pytest.mark.parametrize("shared", [0.0, 0.6, 1.0])
def test_common_events_make_limits_move_together(shared: float) -> None:
    """The same spectrum twice: fully shared it has the same limits, else they are as correlated as the counts."""
    model = workspace(1)
    found = shared_limits([model, model], np.array([[1.0, shared], [shared, 1.0]]), toys=TOYS, seed=4)
    if shared == 1.0:
        np.testing.assert_array_equal(found[:, 0], found[:, 1])
    else:
        # standard deviation of a correlation coefficient: (1 - r^2) / sqrt(n); quantiles of a Poisson lose some of it
        correlation = np.corrcoef(np.log(found.T))[0, 1]
        assert abs(correlation - shared) < 4.0 * (1.0 - shared**2) / np.sqrt(TOYS) + 0.05


def test_constraints_move_together_by_name() -> None:
    """A large uncertainty of one name moves both selections; without common events nothing else does."""
    same, other = ({"systematics": (Normalisation(name=name, up=2.0),)} for name in ("luminosity", "b"))
    together = shared_limits([workspace(1, **same), workspace(2, **same)], np.eye(2), toys=TOYS, seed=5)
    apart = shared_limits([workspace(1, **same), workspace(2, **other)], np.eye(2), toys=TOYS, seed=5)
    assert np.corrcoef(np.log(together.T))[0, 1] > 0.4
    assert abs(np.corrcoef(np.log(apart.T))[0, 1]) < 4.0 / np.sqrt(TOYS)


def test_held_constraints_stay() -> None:
    """Two selections of one large uncertainty: held, it no longer moves them together."""
    same = {"systematics": (Normalisation(name="retraining", up=2.0),)}
    models = [workspace(1, **same), workspace(2, **same)]
    held = shared_limits(models, np.eye(2), toys=TOYS, seed=5, held=("retraining", "of no model"))
    assert abs(np.corrcoef(np.log(held.T))[0, 1]) < 4.0 / np.sqrt(TOYS)


def test_the_seed_decides_and_more_toys_are_added() -> None:
    few, more = (shared_limits([workspace(1)], np.eye(1), toys=n, seed=6) for n in (250, 260))
    np.testing.assert_array_equal(few, more[:250])
    assert not np.array_equal(few, shared_limits([workspace(1)], np.eye(1), toys=250, seed=7))


def test_levels_are_checked() -> None:
    with pytest.raises(ConfigError, match="lies between"):
        shared_limits([workspace(1)], np.eye(1), level=1.0)
