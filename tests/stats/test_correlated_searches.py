"""Correlations of searches on the same events, and what the best of them is worth."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import ndtr
from scipy.stats import norm
from smooth_spectra import falling_masses

from lamppost.core import Array
from lamppost.errors import DataError, FitError
from lamppost.stats import Dijet, Gaussian, Spectrum, bin_edges, p_from_z, scan
from lamppost.stats.fits.fit import unmasked
from lamppost.stats.scans.combine import combine
from lamppost.stats.scans.correlation import Correlation, bootstrap_correlation, poisson_weights
from lamppost.stats.scans.search import prepare, yield_noise

EDGES = bin_edges(2800.0, 8000.0, 0.03)
IDS = np.arange(20000, dtype=np.uint64) * np.uint64(7919)
MASSES = falling_masses(20000, np.random.default_rng(1000))
SCORE = np.random.default_rng(1001).random(20000)
OPTIONS: dict[str, Any] = {"signal": {"kind": "gaussian", "resolution": 0.03}, "n_parameters": 3}


def test_weights_of_a_replica_are_poisson() -> None:
    w = np.concatenate([poisson_weights(IDS, replica) for replica in range(10)])
    error = 1.0 / np.sqrt(len(w))
    assert w.mean() == pytest.approx(1.0, abs=4 * error)
    assert w.var() == pytest.approx(1.0, abs=4 * np.sqrt(3.0) * error)  # the fourth central moment is 4
    assert np.mean(w == 0.0) == pytest.approx(np.exp(-1.0), abs=2 * error)


def test_weights_depend_on_id_replica_and_seed_alone() -> None:
    w, order = poisson_weights(IDS, 3), np.random.default_rng(1002).permutation(len(IDS))
    np.testing.assert_array_equal(poisson_weights(IDS[order], 3), w[order])
    for other in (poisson_weights(IDS, 4), poisson_weights(IDS, 3, seed=1)):
        assert abs(np.corrcoef(w, other)[0, 1]) < 4.0 / np.sqrt(len(w))


def test_nested_and_disjoint_selections() -> None:
    """Selections of the same shape are correlated by the square root of their overlap, disjoint ones not at all."""
    kept = np.stack([SCORE >= 0.0, SCORE < 0.5, SCORE < 0.25, SCORE >= 0.5])
    found = bootstrap_correlation(IDS, MASSES, kept, EDGES, masses=[3500.0] * 4, **OPTIONS)
    half = np.sqrt(0.5)
    expected = np.array([[1, half, 0.5, half], [half, 1, half, 0], [0.5, half, 1, 0], [half, 0, 0, 1]])
    off = ~np.eye(4, dtype=bool)
    assert np.all(np.abs(found.matrix - expected)[off] < 4.0 * found.errors[off])
    assert np.all(found.errors[off] < 1.1 / np.sqrt(399))
    np.testing.assert_allclose(found.matrix, found.matrix.T)
    assert np.all(found.lowered()[off] < found.matrix[off])


def test_different_masses_in_one_selection() -> None:
    """As correlated as the fitted yields are: scalar products of what no background can imitate."""
    masses = np.array([3500.0, 3600.0, 4500.0])
    found = bootstrap_correlation(IDS, MASSES, np.ones((3, len(IDS))) > 0, EDGES, masses=masses, **OPTIONS)
    spectrum = Spectrum.from_masses(MASSES, EDGES)
    search = prepare(spectrum, Dijet(), Gaussian(resolution=0.03), masses, unmasked(spectrum, None), 3)
    rows = yield_noise(search.model, search.starts[3, :3], search.expected, search.fractions)
    np.testing.assert_allclose(found.matrix, rows @ rows.T, atol=4.0 / np.sqrt(found.replicas - 1))
    assert found.matrix[0, 1] > 0.5


def test_z_of_the_data_is_that_of_the_fit() -> None:
    bump = np.append(MASSES, np.full(40, 3500.0))
    ids = np.arange(len(bump), dtype=np.uint64)
    found = bootstrap_correlation(ids, bump, np.ones(len(bump)) > 0, EDGES, masses=[3500.0], replicas=2, **OPTIONS)
    fit = scan(Spectrum.from_masses(bump, EDGES), masses=np.array([3500.0]), toys=0, **OPTIONS)
    assert fit.z[0] > 1.0
    assert found.z[0] == pytest.approx(fit.z[0], abs=0.1)


def test_every_selection_has_its_own_background() -> None:
    """As where all have the same, pair by pair; the background decides what of a peak it cannot imitate."""
    kept, ranges = np.stack([SCORE < 0.5, SCORE < 0.7]), {"masses": [3500.0, 3600.0], "replicas": 20}
    signal = OPTIONS["signal"]

    def z(background: Any, order: Any) -> Array:
        return bootstrap_correlation(
            IDS, MASSES, kept, EDGES, background=background, n_parameters=order, signal=signal, **ranges
        ).z

    own = z(["dijet", {"kind": "polynomial"}], [3, 5])
    np.testing.assert_array_equal(own, [z("dijet", 3)[0], z("polynomial", 5)[1]])
    assert abs(z("dijet", 3)[1] - own[1]) > 1e-3
    with pytest.raises(DataError, match="expected one background for all selections, or one for each of 2, found 3"):
        z(["dijet"] * 3, 3)
    with pytest.raises(DataError, match="expected one n_parameters for all selections, or one for each of 2, found 1"):
        z("dijet", [3])


def test_neither_order_nor_scale_nor_events_outside_matter() -> None:
    kept = np.stack([SCORE < 0.5, SCORE > 0.3])
    options: dict[str, Any] = {"masses": [3500.0, 3600.0], "replicas": 20, **OPTIONS}
    plain = bootstrap_correlation(IDS, MASSES, kept, EDGES, **options).matrix
    order = np.random.default_rng(1003).permutation(len(IDS))
    shuffled = bootstrap_correlation(IDS[order], MASSES[order], kept[:, order], EDGES, **options).matrix
    np.testing.assert_allclose(shuffled, plain, atol=1e-12)
    heavy = bootstrap_correlation(IDS, MASSES, kept, EDGES, w=np.full(len(IDS), 0.01), **options).matrix
    np.testing.assert_allclose(heavy, plain, atol=1e-6)
    more = np.append(MASSES, [100.0, 9000.0]), np.append(kept, np.ones((2, 2)) > 0, axis=1)
    ids = np.append(IDS, np.array([1, 2], dtype=np.uint64))
    np.testing.assert_allclose(bootstrap_correlation(ids, *more, EDGES, **options).matrix, plain, atol=1e-12)


def both(z: float, r: float) -> float:
    """P(X > z and Y > z) of two normal numbers of correlation r, by quadrature."""
    value, _ = quad(lambda x: norm.pdf(x) * ndtr((r * x - z) / np.sqrt(1.0 - r * r)), z, z + 12.0, epsrel=1e-10)
    return float(value)


@pytest.mark.parametrize("z", [0.5, 2.0, 5.0])
@pytest.mark.parametrize("r", [-0.5, 0.3, 0.9, 0.99])
def test_two_searches_exactly(z: float, r: float) -> None:
    p = p_from_z(z)
    found = combine(np.array([0.7, p]), np.array([[1.0, r], [r, 1.0]]), seed=1000)
    exact = 2.0 * p - both(z, r)
    assert found.best == 1
    assert abs(found.p_global - exact) < 4.0 * found.p_global_error + 1e-9 * exact
    assert found.p_global_error < 0.005 * exact
    assert found.bonferroni == min(1.0, 2.0 * p)


def test_the_extremes_of_correlation() -> None:
    p = np.array([0.004, 0.3, 0.2])
    separate, same = combine(p, np.eye(3)), combine(p, np.ones((3, 3)))
    assert separate.p_global == pytest.approx(separate.independent, abs=4 * separate.p_global_error)
    assert same.p_global == pytest.approx(0.004, rel=1e-9)
    assert same.effective == pytest.approx(1.0, rel=1e-9)
    alone = combine(p[:1], np.eye(1))
    assert (alone.p_global, alone.independent) == (pytest.approx(0.004), pytest.approx(0.004))
    nothing = combine(np.ones(3), np.eye(3))
    assert (nothing.p_global, nothing.bonferroni, nothing.independent) == (1.0, 1.0, 1.0)
    certain = combine(np.array([0.0, 0.5]), np.eye(2))
    assert (certain.p_global, certain.effective) == (0.0, 2.0)


@settings(max_examples=30, deadline=None)
@given(n=st.integers(1, 6), seed=st.integers(1000, 10**6), size=st.floats(1e-12, 0.9))
def test_between_the_best_and_bonferroni(n: int, seed: int, size: float) -> None:
    vectors = np.random.default_rng(seed).standard_normal((n, 4))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    found = combine(np.linspace(size, 1.0, n), vectors @ vectors.T, draws=3000)
    assert found.p_best * (1.0 - 1e-9) <= found.p_global <= found.bonferroni * (1.0 + 1e-9)


def largest_of_scans(masses: int, r: float, toys: int, rng: np.random.Generator) -> Array:
    """Global p-values (2, toys) of two scans of independent masses whose local Z are correlated."""
    first, free = rng.standard_normal((2, toys, masses))
    z = np.stack([first.max(axis=1), (r * first + np.sqrt(1.0 - r * r) * free).max(axis=1)])
    return np.asarray(-np.expm1(masses * np.log1p(-ndtr(-z))))


@pytest.mark.parametrize("r", [0.5, 0.8])
def test_best_of_two_scans(r: float) -> None:
    """How often two scans of 20 masses hold a global p below 0.05 (100,000 of each), against the combination."""
    p = largest_of_scans(20, r, 100000, np.random.default_rng(1004))
    truth = float(np.mean(p.min(axis=0) <= 0.05))
    local = np.array([-np.expm1(np.log1p(-0.05) / 20), 0.5])
    correlation = np.array([[1.0, r], [r, 1.0]])
    assert combine(np.array([0.05, 1.0]), correlation, p_local=local).p_global == pytest.approx(truth, rel=0.05)
    assert combine(np.array([0.05, 1.0]), correlation).p_global < truth


def test_every_error_counts() -> None:
    p, matrix = np.array([0.01, 0.2]), np.array([[1.0, 0.8], [0.8, 1.0]])
    errors = np.full((2, 2), 0.05) * (1.0 - np.eye(2))
    known = combine(p, matrix)
    measured = combine(p, Correlation(matrix, errors, np.zeros(2), np.zeros(2), 50))
    assert measured.p_global == known.p_global
    low = combine(p, np.array([[1.0, 0.75], [0.75, 1.0]])).p_global
    assert measured.p_global_error == pytest.approx(low - known.p_global, rel=0.1)
    assert combine(p, matrix, errors=np.array([0.001, 0.5])).p_global_error == pytest.approx(
        0.1 * known.p_global, rel=0.01
    )


@pytest.mark.parametrize(
    ("p", "matrix", "message"),
    [
        ([0.1, 1.2], np.eye(2), "expected a list of p-values"),
        ([np.nan], np.eye(1), "expected a list of p-values"),
        ([], np.eye(0), "expected a list of p-values"),
        ([0.1, 0.2], np.eye(3), r"2 p-values need a correlation matrix of 2 rows, found \(3, 3\)"),
        ([0.1, 0.2], [[1.0, 0.5], [0.2, 1.0]], "finite and symmetric"),
        ([0.1, 0.2], [[1.0, np.nan], [np.nan, 1.0]], "finite and symmetric"),
        ([0.1, 0.2], [[2.0, 0.5], [0.5, 2.0]], "ones on its diagonal"),
        ([0.1, 0.2], [[1.0, 1.5], [1.5, 1.0]], "no negative eigenvalue"),
    ],
)
def test_what_is_no_correlation_is_refused(p: Any, matrix: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        combine(np.array(p), np.array(matrix))


def test_local_p_values_must_match() -> None:
    with pytest.raises(DataError, match="expected 2 local p-values"):
        combine(np.array([0.1, 0.2]), np.eye(2), p_local=np.array([0.1]))


def test_arrays_that_do_not_match_are_refused() -> None:
    kept = np.ones((1, len(IDS))) > 0
    with pytest.raises(DataError, match="do not match"):
        bootstrap_correlation(IDS, MASSES, kept, EDGES, masses=[3500.0, 3600.0], **OPTIONS)
    with pytest.raises(DataError, match="19999 of 20000 event ids occur more than once"):
        bootstrap_correlation(np.zeros_like(IDS), MASSES, kept, EDGES, masses=[3500.0], **OPTIONS)
    with pytest.raises(DataError, match="at least two replicas"):
        bootstrap_correlation(IDS, MASSES, kept, EDGES, masses=[3500.0], replicas=1, **OPTIONS)
    with pytest.raises(DataError, match="1 of 20000 masses of events are not finite"):
        bootstrap_correlation(IDS, np.append(MASSES[1:], np.nan), kept, EDGES, masses=[3500.0], **OPTIONS)
    with pytest.raises(FitError, match="mass 9000 lies outside"):
        bootstrap_correlation(IDS, MASSES, kept, EDGES, masses=[9000.0], **OPTIONS)
    with pytest.raises(FitError, match="no events"):
        bootstrap_correlation(IDS, MASSES, ~kept, EDGES, masses=[3500.0], **OPTIONS)
