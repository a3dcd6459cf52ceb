"""Shapes of jets against their definitions, written out."""

import numpy as np
import pytest
from jet_toys import jets_of, random_jets, value

from lamppost.features.substructure import compute


def by_definition(jet: np.ndarray, radius: float) -> dict[str, float]:
    pt, y, phi, mass, charge = jet.T
    mt = np.hypot(pt, mass)
    pz, energy = np.sum(mt * np.sinh(y)), np.sum(mt * np.cosh(y))
    axis_y = np.arctanh(pz / energy)
    axis_phi = np.angle(np.sum(pt * np.exp(1j * phi)))
    x = np.array([y - axis_y, np.angle(np.exp(1j * (phi - axis_phi)))])
    z, dr = pt / pt.sum(), np.hypot(*x)
    inertia = np.einsum("i,ai,bi->ab", z, x, x)
    falling = np.sort(z)[::-1]
    return {
        "n": len(jet),
        "ptd": np.sqrt(np.sum(pt**2)) / pt.sum(),
        "lead": pt.max() / pt.sum(),
        "n90": next(k for k in range(1, len(z) + 1) if falling[:k].sum() >= 0.9 - 1e-9),
        "width": np.sum(pt * dr) / pt.sum(),
        "lha": np.sum(z * (dr / radius) ** 0.5),
        "thrust": np.sum(z * (dr / radius) ** 2),
        "planar_flow": 4 * np.linalg.det(inertia) / np.trace(inertia) ** 2,
        "jet_charge": np.sum(charge * pt**0.5) / pt.sum() ** 0.5,
    }


@pytest.mark.parametrize("radius", [1.0, 0.4])
def test_shapes_are_their_sums(radius: float) -> None:
    jets = random_jets(1, [2, 3, 10, 40, 80], massive=True)
    names = list(by_definition(np.array(jets[0]), radius))
    found = compute(names, jets_of(*jets, radius=radius))
    for i, jet in enumerate(jets):
        for name, expected in by_definition(np.array(jet), radius).items():
            assert found[name][i] == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_two_prongs() -> None:
    """At one rapidity the axis lies in the plane of the prongs, at the angle of their vector sum."""
    z, theta = 0.3, 0.4
    jet = [(100.0 * z, 0.0, theta), (100.0 * (1 - z), 0.0, 0.0)]
    axis = np.arctan2(z * np.sin(theta), z * np.cos(theta) + 1 - z)
    assert value("width", jet) == pytest.approx(z * (theta - axis) + (1 - z) * axis)
    assert value("thrust", jet) == pytest.approx(z * (theta - axis) ** 2 + (1 - z) * axis**2)
    assert value("lha", jet) == pytest.approx(z * np.sqrt(theta - axis) + (1 - z) * np.sqrt(axis))
    assert value("ptd", jet) == pytest.approx(np.hypot(z, 1 - z))
    assert value("lead", jet) == pytest.approx(1 - z)
    assert value("planar_flow", jet) == pytest.approx(0.0, abs=1e-12)


def test_thrust_is_the_squared_mass_of_a_narrow_jet() -> None:
    jet = np.array(random_jets(2, [30])[0])
    jet[:, 1:3] = 0.02 * (jet[:, 1:3] - jet[:, 1:3].mean(axis=0))
    pt, y, phi = jet[:, :3].T
    energy, pz = np.sum(pt * np.cosh(y)), np.sum(pt * np.sinh(y))
    transverse = np.abs(np.sum(pt * np.exp(1j * phi)))
    squared = (energy**2 - pz**2 - transverse**2) / transverse**2
    assert value("thrust", jet) == pytest.approx(squared, rel=0.01)  # next order: the width squared


def test_planar_flow_of_a_square_is_one() -> None:
    corners = [(10.0, dy, dphi) for dy in (-0.1, 0.1) for dphi in (-0.1, 0.1)]
    assert value("planar_flow", corners) == pytest.approx(1.0)


def test_ten_equal_constituents_hold_nine_tenths_in_nine() -> None:
    jet = [(7.3, 0.01 * k, 0.0) for k in range(10)]
    assert value("n90", jet) == 9.0
    assert value("n90", [*jet, (0.1, 0.2, 0.0)]) == 10.0


def test_n90_does_not_depend_on_the_jets_before() -> None:
    jet = [(7.3, 0.01 * k, 0.0) for k in range(10)]
    crowd = random_jets(3, [50] * 40)
    assert compute(["n90"], jets_of(*crowd, jet))["n90"][-1] == 9.0
