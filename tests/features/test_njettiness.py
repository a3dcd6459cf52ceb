"""N-subjettiness against the definition, minimised by force."""

from itertools import combinations

import numpy as np
import pytest
from jet_toys import jets_of, random_jets, value
from scipy.optimize import minimize

from lamppost.core import Array
from lamppost.features.substructure import Substructure, compute

BETAS = {1.0: "", 0.5: "_b05", 2.0: "_b2"}
EXACT = 1e-4
"""One-pass minimisation stops when the axes move by less than this."""


def distances(jet: Array, axis: Array) -> Array:
    dphi = (jet[:, 2] - axis[1] + np.pi) % (2 * np.pi) - np.pi
    return np.hypot(jet[:, 1] - axis[0], dphi)


def about(jet: Array, axes: Array, beta: float) -> float:
    """tau_N about given axes."""
    nearest = np.min([distances(jet, axis) for axis in axes], axis=0)
    return float(np.sum(jet[:, 0] * nearest**beta) / np.sum(jet[:, 0]))


def smallest(jet: Array, order: int, beta: float) -> float:
    """The smallest tau_N for any axes: a scan of a grid of starting points, then a local search from the best."""
    grid = np.linspace(-0.05, 1.05, 9)
    corner, extent = jet[:, 1:3].min(axis=0), np.ptp(jet[:, 1:3], axis=0)
    points = np.array([corner + extent * (a, b) for a in grid for b in grid])
    starts = sorted(combinations([*points, *jet[:, 1:3]], order), key=lambda axes: about(jet, np.array(axes), beta))
    tolerances = {"xatol": 1e-8, "fatol": 1e-12, "maxiter": 4000}
    found = [
        minimize(
            lambda x: about(jet, x.reshape(-1, 2), beta), np.ravel(start), method="Nelder-Mead", options=tolerances
        )
        for start in starts[:6]
    ]
    return min(result.fun for result in found)


def three_particles(n: int) -> list[list[tuple[float, ...]]]:
    return random_jets(11, [3] * n)


@pytest.mark.parametrize(("order", "beta"), [(1, 1.0), (2, 1.0), (1, 2.0)])
def test_tau_is_the_smallest_over_all_axes(order: int, beta: float) -> None:
    jets = three_particles(12)
    name = f"tau{order}{BETAS[beta]}"
    found = compute([name], jets_of(*jets))[name]
    expected = [smallest(np.array(jet), order, beta) for jet in jets]
    assert np.all(found >= np.array(expected) - 1e-9)
    np.testing.assert_allclose(found, expected, atol=EXACT)
    assert np.median(expected) > 50 * EXACT  # a wrong definition would be seen


def test_tau2_of_three_particles_is_that_of_its_best_pair() -> None:
    """For beta = 1 two particles cost least with an axis on the harder, for beta = 2 with one at their centre."""
    jets = three_particles(300)
    found = compute(["tau2", "tau2_b2"], jets_of(*jets))
    linear, square = [], []
    for jet in map(np.array, jets):
        pairs = [(jet[[i]], jet[[j]]) for i, j in combinations(range(3), 2)]
        gaps = [(a[0, 0], b[0, 0], distances(a, b[0, 1:3])[0]) for a, b in pairs]
        linear.append(min(min(a, b) * gap for a, b, gap in gaps) / jet[:, 0].sum())
        square.append(min(a * b / (a + b) * gap**2 for a, b, gap in gaps) / jet[:, 0].sum())
    assert np.all(found["tau2"] >= np.array(linear) - 1e-12)
    np.testing.assert_allclose(found["tau2"], linear, atol=EXACT)
    assert np.all(found["tau2_b2"] >= np.array(square) - 1e-12)
    # the pair of least kT, min(a, b) gap, need not be that of least a b / (a + b) gap^2: a local minimum then
    assert np.mean(np.abs(found["tau2_b2"] - square) < 1e-9) > 0.8


@pytest.mark.parametrize("axes", ["OnePass_KT_Axes", "KT_Axes", "WTA_CA_Axes"])
def test_no_more_particles_than_axes_leave_nothing(axes: str) -> None:
    jets = jets_of(*random_jets(3, [1, 2, 3, 4]))
    orders = [1, 2, 3, 4]
    found = compute([f"tau{order}" for order in orders], jets, Substructure(axes=axes))
    for order in orders:
        zero = found[f"tau{order}"] < 1e-9
        np.testing.assert_array_equal(zero, np.arange(1, 5) <= order)


def test_winner_takes_all_puts_the_axis_on_the_hardest() -> None:
    jet = [(30.0, 0.0, 0.0), (10.0, 0.3, 0.4)]
    assert value("tau1", jet, Substructure(axes="WTA_KT_Axes")) == pytest.approx(0.25 * 0.5)
    assert value("tau1", jet, Substructure(axes="KT_Axes")) > 0.25 * 0.5


def test_one_pass_never_raises_tau_above_that_of_its_seeds() -> None:
    jets = jets_of(*random_jets(5, [12] * 60))
    for seeds in ("KT_Axes", "CA_Axes", "WTA_KT_Axes", "WTA_CA_Axes"):
        names = ["tau2", "tau3", "tau3_b2"]
        start = compute(names, jets, Substructure(axes=seeds))
        end = compute(names, jets, Substructure(axes=f"OnePass_{seeds}"))
        for name in names:
            assert np.all(end[name] <= start[name] + 1e-4)
            assert np.any(end[name] < start[name] - 1e-4)  # it does something


def test_radius_and_exponent_scale_tau() -> None:
    jets = random_jets(6, [9] * 20)
    names = ["tau2", "tau2_b05", "tau2_b2"]
    at_one, at_half = compute(names, jets_of(*jets)), compute(names, jets_of(*jets, radius=0.5))
    for name, beta in zip(names, (1.0, 0.5, 2.0), strict=True):
        np.testing.assert_allclose(at_half[name], at_one[name] * 2.0**beta, rtol=1e-12)
    same = compute(["tau2"], jets_of(*jets), Substructure(tau_beta=2.0))["tau2"]
    np.testing.assert_array_equal(same, at_one["tau2_b2"])


def test_orders_do_not_depend_on_what_else_is_asked_for() -> None:
    jets = jets_of(*random_jets(7, [15] * 10))
    together = compute(["tau5", "tau21", "tau43", "tau1", "tau3_b05"], jets)
    for name, values in together.items():
        np.testing.assert_array_equal(compute([name], jets)[name], values)


def test_ratios_carry_their_regulator() -> None:
    jets = jets_of(*random_jets(8, [10] * 10))
    found = compute(["tau1", "tau2", "tau21"], jets)
    np.testing.assert_allclose(found["tau21"], found["tau2"] / (found["tau1"] + 1e-5), rtol=1e-12)
    assert value("tau21", [(10.0, 0.0, 0.0)]) == 0.0
