"""Padded arrays of the particles of a jet."""

import numpy as np
import pytest
from feature_toys import collisions, jagged

from lamppost.core import Collisions
from lamppost.features import Extraction
from lamppost.features.constituents import padded
from lamppost.features.kinematics import Momenta

AXES = Momenta(pt=np.array([100.0, 50.0]), eta=np.array([0.5, -1.0]), phi=np.array([3.1, 0.0]), mass=np.zeros(2))


def test_relative_to_the_jet_by_falling_pt_and_padded() -> None:
    inside = jagged([[(30, 0.6, -3.1), (70, 0.4, 3.0)], [(50, -1.0, 0.2)]])
    block = padded(inside, AXES, 3)
    assert block.dtype == np.float32
    turn = 2 * np.pi
    expected = [
        [[0.7, -0.1, -0.1], [0.3, 0.1, -6.2 + turn], [0, 0, 0]],
        [[1.0, 0.0, 0.2], [0, 0, 0], [0, 0, 0]],
    ]
    np.testing.assert_allclose(block, expected, atol=1e-6)


def test_the_softest_are_cut() -> None:
    inside = jagged([[(1, 0, 0), (3, 0, 0), (2, 0, 0)], []])
    block = padded(inside, AXES, 2)
    np.testing.assert_allclose(block[:, :, 0], [[0.03, 0.02], [0, 0]])
    assert not block[1].any()


@pytest.fixture(scope="module")
def toys() -> Collisions:
    return collisions(30, seed=11)


def test_all_particles_make_up_their_jet(toys: Collisions) -> None:
    x = Extraction.model_validate(
        {
            "objects": {"j": {"cluster": {}, "keep": 2}},
            "features": {"columns": ["pt_j1", "m_j1", "n_j1", "eta_j1", "n_j2"], "constituents": {"j1": 60, "j2": 3}},
        }
    )
    made = x.table(toys)
    pt, eta, phi = np.moveaxis(made.blocks["constituents_j1"].astype(np.float64), 2, 0)
    mask = pt > 0
    np.testing.assert_array_equal(mask.sum(axis=1), made.columns["n_j1"])
    assert (np.diff(pt, axis=1) <= 0).all()
    np.testing.assert_allclose((pt * np.cos(phi)).sum(axis=1), 1.0, rtol=1e-5)
    np.testing.assert_allclose((pt * np.sin(phi)).sum(axis=1), 0.0, atol=1e-5)
    eta = np.where(mask, eta + made.columns["eta_j1"][:, np.newaxis], 0.0)
    energy, pz = (pt * np.cosh(eta)).sum(axis=1), (pt * np.sinh(eta)).sum(axis=1)
    mass = made.columns["pt_j1"] * np.sqrt(energy**2 - pz**2 - 1)
    np.testing.assert_allclose(mass, made.columns["m_j1"], rtol=1e-3)
    np.testing.assert_array_equal(
        (made.blocks["constituents_j2"][..., 0] > 0).sum(axis=1), np.minimum(made.columns["n_j2"], 3)
    )
