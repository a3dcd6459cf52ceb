"""Soft drop and the Lund plane against a plain declustering, two prongs on paper, and fastjet-contrib."""

from itertools import combinations
from typing import Any

import awkward as ak
import numpy as np
import pytest
from jet_toys import jets_of, random_jets, value
from test_correlators import wheel_sequence

from lamppost.features.substructure import Substructure, compute
from lamppost.features.substructure_quantities import GROOMED

NAMES = tuple(GROOMED)


class Node:
    """A four-vector with the two it was made of."""

    def __init__(self, p: np.ndarray, parts: tuple["Node", ...] = ()) -> None:
        self.p, self.parts = p, parts
        self.pt = np.hypot(p[0], p[1])
        self.y, self.phi = np.arctanh(p[2] / p[3]), np.arctan2(p[1], p[0])

    def distance(self, other: "Node") -> float:
        dphi = (self.phi - other.phi + np.pi) % (2 * np.pi) - np.pi
        return float(np.hypot(self.y - other.y, dphi))

    @property
    def mass(self) -> float:
        return float(np.sqrt(max(self.p[3] ** 2 - np.sum(self.p[:3] ** 2), 0.0)))


def clustered(particles: np.ndarray) -> Node:
    """Merge the two nearest until one is left."""
    nodes = [Node(p) for p in particles]
    while len(nodes) > 1:
        a, b = min(combinations(nodes, 2), key=lambda pair: pair[0].distance(pair[1]))
        nodes = [node for node in nodes if node not in (a, b)] + [Node(a.p + b.p, (a, b))]
    return nodes[0]


def declustered(node: Node, z_cut: float, beta: float, radius: float, kt_cut: float) -> dict[str, float]:
    emissions, kept = [], []
    while node.parts:
        soft, hard = sorted(node.parts, key=lambda part: part.pt)
        z, delta = soft.pt / (soft.pt + hard.pt), soft.distance(hard)
        emissions.append((soft.pt * delta, delta, z))
        if z > z_cut * (delta / radius) ** beta:
            kept.append((node.mass, z, delta))
        node = hard
    msd, zg, rg = kept[0] if kept else (node.mass, 0.0, 0.0)
    kt, delta, z = max(emissions, default=(0.0, 0.0, 0.0))
    above = sum(emission[0] > kt_cut for emission in emissions)
    values = (msd, zg, rg, len(kept), above, kt, delta, z)
    return dict(zip(NAMES, values, strict=True))


@pytest.mark.parametrize(("z_cut", "beta", "radius"), [(0.1, 0.0, 1.0), (0.2, 1.0, 0.8), (0.05, -1.0, 0.4)])
def test_groomed_quantities_are_those_of_a_plain_declustering(z_cut: float, beta: float, radius: float) -> None:
    jets = jets_of(*random_jets(1, [1, 2, 3, 5, 8, *[15] * 20], massive=True), radius=radius)
    found = compute(NAMES, jets, Substructure(z_cut=z_cut, sd_beta=beta, lund_cut=2.0))
    fields, offsets = jets.constituents.fields, jets.constituents.offsets
    momenta = np.stack([fields[name] for name in ("px", "py", "pz", "E")], axis=1)
    for i in range(len(offsets) - 1):
        tree = clustered(momenta[offsets[i] : offsets[i + 1]])
        for name, expected in declustered(tree, z_cut, beta, radius, 2.0).items():
            assert found[name][i] == pytest.approx(expected, rel=1e-9, abs=1e-5)


def wheel_grooming(jets: Any, z_cut: float, beta: float) -> Any:
    return wheel_sequence(jets).exclusive_jets_softdrop_grooming(njets=1, beta=beta, symmetry_cut=z_cut, R0=jets.radius)


@pytest.mark.parametrize(("z_cut", "beta"), [(0.1, 0.0), (0.1, 2.0)])
def test_soft_drop_is_that_of_fastjet_contrib(z_cut: float, beta: float) -> None:
    halo = [(0.5, 0.4 + 0.3 * np.cos(k), 3.1 + 0.3 * np.sin(k)) for k in range(6)]
    jets = jets_of(*random_jets(2, [20, 40, 60, 80] * 5), [(500.0, 0.4, 3.1, 5.0), *halo], radius=0.8)
    found = compute(["msd", "zg", "rg"], jets, Substructure(z_cut=z_cut, sd_beta=beta))
    expected = wheel_grooming(jets, z_cut, beta)
    for name, field in {"msd": "msoftdrop", "zg": "symmetrysoftdrop", "rg": "deltaRsoftdrop"}.items():
        values = np.maximum(np.ravel(ak.to_numpy(expected[field])), 0.0)  # -1: no splitting passed
        np.testing.assert_allclose(found[name], values, rtol=1e-9)


def test_lund_plane_is_that_of_fastjet_contrib() -> None:
    jets = jets_of(*random_jets(3, [20, 40, 60, 80] * 5, massive=True))
    found = compute(["lund_n", "lund_kt", "lund_delta"], jets, Substructure(lund_cut=3.0))
    emissions = wheel_sequence(jets).exclusive_jets_lund_declusterings(njets=1)[:, 0]
    np.testing.assert_array_equal(found["lund_n"], ak.sum(emissions.kt > 3.0, axis=1))
    np.testing.assert_allclose(found["lund_kt"], ak.max(emissions.kt, axis=1), rtol=1e-9)
    hardest = ak.argmax(emissions.kt, axis=1, keepdims=True)
    np.testing.assert_allclose(found["lund_delta"], ak.to_numpy(emissions.Delta[hardest])[:, 0], rtol=1e-9)


def test_two_prongs() -> None:
    z, dy, dphi = 0.3, 0.3, 0.4
    jet = [(100.0 * z, 0.1, 3.0), (100.0 * (1 - z), 0.1 + dy, 3.0 + dphi)]
    mass = 100.0 * np.sqrt(2 * z * (1 - z) * (np.cosh(dy) - np.cos(dphi)))
    expected = {"msd": mass, "zg": z, "rg": 0.5, "nsd": 1.0, "lund_n": 1.0}
    expected |= {"lund_kt": 100.0 * z * 0.5, "lund_delta": 0.5, "lund_z": z}
    for name, number in expected.items():
        assert value(name, jet) == pytest.approx(number)


def test_a_soft_prong_is_groomed_away_unless_its_angle_allows_it() -> None:
    z, delta = 0.05, 0.2
    jet = [(100.0 * z, 0.0, delta, 0.0), (100.0 * (1 - z), 0.0, 0.0, 5.0)]
    for name, number in {"msd": 5.0, "zg": 0.0, "rg": 0.0, "nsd": 0.0, "lund_z": z}.items():
        assert value(name, jet) == pytest.approx(number)
    loose = Substructure(sd_beta=1.0)  # now z > 0.1 (0.2 / 1) is enough
    for name, number in {"zg": z, "rg": delta, "nsd": 1.0}.items():
        assert value(name, jet, loose) == pytest.approx(number)
    assert value("zg", jet, loose, radius=0.2) == 0.0
