"""Jets of whole chunks against fastjet's own Python objects, event by event."""

import subprocess
import sys
from typing import Any

import fastjet
import numpy as np
import pytest
from feature_toys import collisions, jagged
from pydantic import ValidationError

from lamppost.core import Collisions, Objects
from lamppost.errors import LamppostError
from lamppost.features import wheel
from lamppost.features.clustering import Cluster, Clustered, cluster
from lamppost.features.kinematics import Momenta

NAMES = {"antikt": "antikt_algorithm", "ca": "cambridge_algorithm", "kt": "kt_algorithm"}


@pytest.fixture(scope="module")
def toys() -> Collisions:
    return collisions(60, seed=5)


def one_by_one(particles: Objects, how: Cluster) -> list[list[tuple[float, float, float, float, frozenset[int]]]]:
    """(pt, eta, phi, mass, constituents) of each jet, by falling pt, from PseudoJets."""
    definition = fastjet.JetDefinition(getattr(fastjet, NAMES[how.algorithm]), how.radius)
    made = []
    for i in range(len(particles)):
        p = Momenta.of(particles[i : i + 1].fields)
        jets = [fastjet.PseudoJet(*map(float, row)) for row in zip(p.px, p.py, p.pz, p.energy, strict=True)]
        for k, jet in enumerate(jets):
            jet.set_user_index(k)
        sequence = fastjet.ClusterSequence(jets, definition) if jets else None
        found = sorted(sequence.inclusive_jets(how.min_pt), key=lambda j: -j.pt()) if sequence else []
        made.append(
            [
                (j.pt(), j.eta(), j.phi_std(), max(j.m(), 0.0), frozenset(c.user_index() for c in j.constituents()))
                for j in found
            ]
        )
    return made


def ranked(found: Clustered, event: int) -> list[Any]:
    start, stop = found.jets.offsets[event : event + 2]
    rows = sorted(range(start, stop), key=lambda k: -found.jets.fields["pt"][k])
    return [
        (
            *(float(found.jets.fields[name][k]) for name in ("pt", "eta", "phi", "mass")),
            frozenset(found.members[k : k + 1].fields["index"].tolist()),
        )
        for k in rows
    ]


@pytest.mark.parametrize("algorithm", ["antikt", "ca", "kt"])
@pytest.mark.parametrize("radius", [0.4, 1.0])
def test_jets_are_those_of_fastjet_event_by_event(toys: Collisions, algorithm: Any, radius: float) -> None:
    how = Cluster(algorithm=algorithm, radius=radius, min_pt=20)
    found = cluster(toys.objects["particles"], how)
    for i, expected in enumerate(one_by_one(toys.objects["particles"], how)):
        jets = ranked(found, i)
        assert [jet[4] for jet in jets] == [jet[4] for jet in expected]
        for jet, wanted in zip(jets, expected, strict=True):
            assert jet[:3] == pytest.approx(wanted[:3], rel=1e-9, abs=1e-9)
            assert jet[3] == pytest.approx(wanted[3], rel=1e-6, abs=1e-3)


def test_constituents_add_up_to_their_jet(toys: Collisions) -> None:
    found = cluster(toys.objects["particles"], Cluster())
    chosen = found.members.fields["particle"]
    total = {
        name: np.bincount(found.members.event, weights=found.particles.fields[name][chosen])
        for name in ("px", "py", "pz", "E")
    }
    axes = Momenta.cartesian(*total.values())
    for name in ("pt", "eta", "phi", "mass"):
        np.testing.assert_allclose(getattr(axes, name), found.jets.fields[name], rtol=1e-6)
    assert (found.jets.fields["pt"] >= 20).all()
    np.testing.assert_array_equal(found.particles.event[chosen], found.jets.event[found.members.event])


def test_particles_with_mass_are_not_massless() -> None:
    particles = jagged([[(100, 0.1, 0.2, 30.0)], [(100, 0.1, 0.2, 0.0)]], ("pt", "eta", "phi", "mass"))
    jets = cluster(particles, Cluster()).jets
    np.testing.assert_allclose(jets.fields["mass"], [30.0, 0.0], atol=1e-4)
    np.testing.assert_allclose(jets.fields["eta"], 0.1)


@pytest.mark.parametrize("events", [[], [[]], [[], []]])
def test_no_particles_no_jets(events: list[list[tuple[float, ...]]]) -> None:
    found = cluster(jagged(events), Cluster())
    assert found.jets.counts.tolist() == [0] * len(events)
    assert len(found.members) == 0


def test_empty_events_between_others() -> None:
    found = cluster(jagged([[], [(50, 0, 0), (40, 0, 3)], [], [(30, 1, 1)], [(5, 0, 0)]]), Cluster(min_pt=20))
    assert found.jets.counts.tolist() == [0, 2, 0, 1, 0]
    assert sorted(found.jets.fields["pt"].round(6).tolist()) == [30, 40, 50]
    assert sorted(found.members.fields["particle"].tolist()) == [0, 1, 2]
    assert sorted(found.members.fields["index"].tolist()) == [0, 0, 1]


@pytest.mark.parametrize("wrong", [{"algorithm": "cone"}, {"radius": 0}, {"min_pt": -1}, {"R": 1.0}])
def test_senseless_clustering_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Cluster.model_validate(wrong)


def test_standard_output_stays_clean() -> None:
    code = (
        "import numpy as np; from lamppost.core import Objects; from lamppost.features import Cluster;"
        "from lamppost.features.clustering import cluster;"
        "one = {name: np.ones(1) for name in ('pt', 'eta', 'phi')};"
        "cluster(Objects(np.array([1]), one), Cluster(min_pt=0))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == ""


def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    wheel.fastjet.cache_clear()
    monkeypatch.setitem(sys.modules, "fastjet", None)
    try:
        with pytest.raises(LamppostError, match=r"pip install 'lamppost\[features\]'"):
            cluster(jagged([[(50, 0, 0)]]), Cluster())
    finally:
        wheel.fastjet.cache_clear()


def test_importing_loads_no_heavy_library() -> None:
    heavy = {"fastjet", "awkward", "numba", "uproot", "jax"}
    code = f"import sys, lamppost.features; print(*({heavy} & {{*sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
