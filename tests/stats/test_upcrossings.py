"""Global p-values by up-crossings: against toys, against the reference, with honest errors."""

from math import exp, sqrt
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from smooth_spectra import falling, published

from lamppost.core import Array
from lamppost.errors import FitError
from lamppost.stats import Gaussian, Spectrum, p_from_z, scan
from lamppost.stats.scans.procedure import Procedure
from lamppost.stats.scans.upcrossings import LEVELS, Upcrossings, count_upcrossings, upcrossings

NARROW = {"kind": "gaussian", "resolution": 0.03}
REFERENCE = {"signal": {"kind": "crystal_ball", "resolution": 0.04}, "masses": np.arange(1800.0, 5801.0, 100.0)}


def counted(means: Array, toys: int = 1000, q0: float = 20.0) -> Upcrossings:
    """What so many toys of these means would have given."""
    counts = np.round(means * toys).astype(np.int64)
    return Upcrossings(LEVELS, counts, counts / toys, np.sqrt(counts) / toys, toys, 0, q0)


def test_upcrossings_of_a_level() -> None:
    curves = np.array([[0.0, 2.0, 0.5, 3.0, 3.0], [2.0, 2.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0, 1.0]])
    np.testing.assert_array_equal(count_upcrossings(curves, 1.0), [2, 0, 1])
    np.testing.assert_array_equal(count_upcrossings(curves, 2.5), [1, 0, 0])
    assert count_upcrossings(np.array([0.0, np.inf, 0.0]), 9.0) == 1


def test_an_exact_law_is_extrapolated_exactly() -> None:
    """<N(u)> = 6 exp(-u / 2): every level tells the same, so the error is that of the counts alone."""
    found = counted(6.0 * np.exp(-0.5 * LEVELS), toys=10**6)
    tail = found.tail(25.0)
    assert tail.p == pytest.approx(p_from_z(5.0) + 6.0 * exp(-12.5), rel=1e-3)
    assert tail.error is not None
    assert tail.error / tail.p == pytest.approx(1.0 / sqrt(found.counts[-1]), rel=0.1)
    assert found.tail(4000.0).p == 0.0
    assert found.tail(4000.0).z == pytest.approx(63.0, abs=0.5)
    assert found.tail(0.0).p == 1.0


def test_levels_that_disagree_widen_the_error() -> None:
    """<N(u)> falls more slowly than the law: the spread between levels is part of the error."""
    tail = counted(6.0 * np.exp(-0.4 * LEVELS), toys=10**6).tail(25.0)
    assert tail.p is not None
    assert tail.error is not None
    assert tail.error / tail.p == pytest.approx(1.0 - exp(-0.1 * (LEVELS[-1] - LEVELS[-3])), rel=0.02)


def test_few_upcrossings_are_not_anchored_high() -> None:
    assert "of 1.5 sigma" in counted(6.0 * np.exp(-0.5 * LEVELS), toys=250).tail().method
    nothing = counted(np.zeros(len(LEVELS)), toys=100).tail(4.0)
    assert nothing.p == pytest.approx(p_from_z(2.0) + 0.01 * exp(-0.5 * 3.75))
    assert nothing.error is not None


def test_reference_case() -> None:
    """Toys of the whole scan give 0.0064 +- 0.0004, Gross-Vitells from the 1 sigma level 0.0082: both known."""
    found = upcrossings(published("reference_case"), n_parameters=4, toys=4000, seed=1000, **REFERENCE)
    assert found.n_failed == 0
    assert found.q0 == pytest.approx(3.4943**2, abs=0.01)
    from_one = p_from_z(sqrt(found.q0)) + found.means[1] * exp(-0.5 * (found.q0 - found.levels[1]))
    assert from_one == pytest.approx(0.0082, abs=0.0004)
    tail = found.tail()
    assert tail.p == found.p_global
    assert tail.error is not None
    assert found.p_global - 3.0 * tail.error < 0.0068
    assert 0.0056 < found.p_global < 0.0086


def test_five_sigma_from_few_toys_agrees_with_more() -> None:
    """Four counts of 500 toys each, at 5 sigma: they scatter as their errors say (4 standard deviations)."""
    found = [
        upcrossings(falling(20000), signal=NARROW, n_parameters=3, toys=500, seed=seed).tail(25.0)
        for seed in range(1000, 1004)
    ]
    p, error = (np.array([getattr(tail, name) for tail in found], dtype=float) for name in ("p", "error"))
    assert np.all(np.abs(p - p.mean()) < 4.0 * error)
    assert np.all((error > 0.02 * p) & (error < 0.5 * p))


def test_toys_agree_where_they_reach() -> None:
    """A bump of about 3 sigma in 20,000 events: up-crossings of 1,000 toys against the largest q0 of 5,000 others."""
    plain, masses = falling(20000), np.geomspace(3000.0, 7500.0, 150)
    spectrum = Spectrum(plain.edges, plain.counts + 220.0 * Gaussian().fractions(plain.edges, 3500.0))
    options: dict[str, Any] = {"signal": NARROW, "n_parameters": 3, "masses": masses}
    toys = scan(spectrum, toys=5000, seed=1005, **options)
    found = upcrossings(spectrum, toys=1000, seed=1006, **options)
    assert 2.5 < toys.z_local < 3.5
    assert found.q0 == pytest.approx(toys.z_local**2, rel=1e-9)
    tail = found.tail()
    assert toys.p_global is not None
    assert toys.p_global_error is not None
    assert tail.error is not None
    assert abs(found.p_global - toys.p_global) < 3.0 * np.hypot(tail.error, toys.p_global_error)
    assert toys.p_global_error < 0.2 * toys.p_global


def test_failed_toys_are_upcrossings(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(ready: Procedure, counts: Array, rng: np.random.Generator) -> tuple[Array, NDArray[np.bool_]]:
        curves = np.zeros((len(counts), len(ready.masses)))
        curves[:10] = np.inf
        return curves, np.zeros(len(counts), dtype=np.bool_)

    monkeypatch.setattr(Procedure, "curves", broken)
    found = upcrossings(falling(1000), signal=NARROW, n_parameters=3, toys=100)
    assert found.n_failed == 10
    np.testing.assert_array_equal(found.counts, 10)


def test_choices_are_repeated_in_toys() -> None:
    spectrum = falling(2000)
    options: dict[str, Any] = {"signal": NARROW, "window": (3300.0, 3700.0), "toys": 100}
    one = upcrossings(spectrum, n_parameters=3, **options)
    many = upcrossings(spectrum, background=["dijet", "polynomial"], spurious=5.0, **options)
    assert not np.array_equal(one.counts, many.counts)
    assert many.n_toys == 100
    same = upcrossings(spectrum, n_parameters=3, **options)
    np.testing.assert_array_equal(one.counts, same.counts)


@pytest.mark.parametrize(
    "options", [{"toys": 0}, {"masses": [3500.0]}, {"masses": [3600.0, 3500.0]}, {"masses": [3500.0, 3500.0]}]
)
def test_what_cannot_be_counted_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(FitError, match="at least one toy and two rising masses"):
        upcrossings(falling(1000), signal=NARROW, **options)
