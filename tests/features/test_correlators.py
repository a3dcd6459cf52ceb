"""Energy correlators against their definition, term by term, and against fastjet-contrib."""

from itertools import combinations
from math import prod

import awkward as ak
import fastjet
import numpy as np
import pytest
from jet_toys import jets_of, random_jets, value

from lamppost.features.substructure import Jets, Substructure, compute

NAMES = ("c1", "c2", "d2", "m2", "n2")


def by_definition(jet: np.ndarray, beta: float) -> dict[str, float]:
    z = jet[:, 0] / jet[:, 0].sum()

    def theta(i: int, j: int) -> float:
        dphi = (jet[i, 2] - jet[j, 2] + np.pi) % (2 * np.pi) - np.pi
        return float(np.hypot(jet[i, 1] - jet[j, 1], dphi) ** beta)

    e2 = sum(z[i] * z[j] * theta(i, j) for i, j in combinations(range(len(z)), 2))
    triples = list(combinations(range(len(z)), 3))
    angles = [sorted(theta(*pair) for pair in combinations(triple, 2)) for triple in triples]
    e3 = {v: sum(prod(z[list(t)]) * prod(a[:v]) for t, a in zip(triples, angles, strict=True)) for v in (1, 2, 3)}
    return {"c1": e2, "c2": e3[3] / e2**2, "d2": e3[3] / e2**3, "m2": e3[1] / e2, "n2": e3[2] / e2**2}


def wheel_sequence(jets: Jets) -> fastjet.ClusterSequence:
    """All particles of each jet as one exclusive Cambridge/Aachen jet."""
    constituents = jets.constituents
    particles = ak.zip({name: constituents.fields[name] for name in ("px", "py", "pz", "E")}, with_name="Momentum4D")
    events = ak.unflatten(particles, constituents.counts)
    return fastjet.ClusterSequence(events, fastjet.JetDefinition(fastjet.cambridge_algorithm, 10.0))


@pytest.mark.parametrize("beta", [0.5, 1.0, 2.0])
def test_correlators_are_their_sums(beta: float) -> None:
    jets = random_jets(1, [3, 4, 7, 12, 12])
    found = compute(NAMES, jets_of(*jets), Substructure(ecf_beta=beta))
    for i, jet in enumerate(jets):
        for name, expected in by_definition(np.array(jet), beta).items():
            assert found[name][i] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("beta", [1.0, 2.0])
def test_correlators_are_those_of_fastjet_contrib(name: str, beta: float) -> None:
    jets = jets_of(*random_jets(2, [3, 10, 30, 60, 90], massive=True))
    expected = wheel_sequence(jets).exclusive_jets_energy_correlator(njets=1, beta=beta, func=name)
    found = compute([name], jets, Substructure(ecf_beta=beta))[name]
    np.testing.assert_allclose(found, np.ravel(ak.to_numpy(expected)), rtol=1e-9)


def test_two_prongs() -> None:
    z, theta = 0.3, 0.4
    jet = [(100.0 * z, 0.1, 0.2), (100.0 * (1 - z), 0.1 + theta * 0.6, 0.2 + theta * 0.8)]
    assert value("c1", jet) == pytest.approx(z * (1 - z) * theta)
    assert value("c1", jet, Substructure(ecf_beta=2.0)) == pytest.approx(z * (1 - z) * theta**2)
    for name in NAMES[1:]:
        assert value(name, jet) == 0.0


def test_three_prongs_at_equal_distances() -> None:
    theta = 0.3
    corners = [(0.0, 0.0), (theta, 0.0), (theta / 2, theta * np.sqrt(3) / 2)]
    jet = [(50.0, *corner) for corner in corners]
    expected = {"c1": theta / 3, "c2": theta / 3, "d2": 1.0, "m2": 1 / 9, "n2": 1 / 3}
    for name, number in expected.items():
        assert value(name, jet) == pytest.approx(number)


def test_m2_never_exceeds_a_third() -> None:
    jets = [*random_jets(4, [40] * 20), [(1.0, 0.0, 0.1 * k) for k in range(40)]]
    found = compute(["m2"], jets_of(*jets))["m2"]
    assert np.all(found <= 1 / 3)
    assert found.max() > 0.1
