"""Processes and showers: what Pythia makes of them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lamppost.core import Collisions, Objects
from lamppost.errors import ConfigError
from lamppost.features.clustering import Cluster, cluster
from lamppost.simulate import Production, Selection, Shower, Wprime, parse_production, produce
from lamppost.simulate.detector import Truth
from lamppost.simulate.generator import Generator
from lamppost.simulate.processes import Process, Pythia, Recipe, ZprimeTt
from lamppost.simulate.production import lines

Made = tuple[Collisions, dict[str, dict[str, float]]]
NEUTRINOS = (12, 14, 16)


def final(n: int, process: dict[str, Any], seed: int = 1000, **tables: Any) -> Objects:
    """Particles of n events, before any detector and selection."""
    made = parse_production({"processes": {"one": process}, **tables})
    return Generator(lines(made, "one"), seed).events(n)


def two_jets(particles: Objects) -> dict[str, NDArray[np.float64]]:
    """The two hardest jets of every event, the lighter first: mass (n, 2); mass of both (n,)."""
    if "pt" not in particles.fields:
        particles = Truth().observe(particles, np.zeros(len(particles), np.uint64))
    jets = cluster(particles, Cluster(min_pt=20.0)).jets
    jets = jets.ordered(jets.fields["pt"])
    assert jets.counts.min() >= 2
    first = np.stack([jets.offsets[:-1], jets.offsets[:-1] + 1])
    pt, eta, phi, mass = (jets.fields[name][first] for name in ("pt", "eta", "phi", "mass"))
    energy = np.hypot(pt * np.cosh(eta), mass)
    p = [part.sum(axis=0) for part in (pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta))]
    both = np.sqrt(energy.sum(axis=0) ** 2 - sum(part**2 for part in p))
    return {"mass": np.sort(mass, axis=0).T, "both": both}


def test_the_resonance_and_its_daughters_are_where_they_should_be(wprime: Made) -> None:
    jets = two_jets(wprime[0].objects["particles"])
    # width of the median of 300 events, jets of 5 % resolution: 0.4 % and final-state radiation on top
    assert np.median(jets["both"]) == pytest.approx(3500, rel=0.02)
    lighter, heavier = np.median(jets["mass"], axis=0)
    assert lighter == pytest.approx(100, rel=0.12)
    assert heavier == pytest.approx(500, rel=0.05)
    assert (np.abs(jets["both"] / 3500 - 1) < 0.06).mean() > 0.5  # two thirds in the published sample


def test_masses_of_the_resonance_and_its_daughters_are_free() -> None:
    made = parse_production(
        {"seed": 1000, "processes": {"x": {"kind": "wprime", "m": 5000, "width": 20, "m_x": 250, "m_y": 250}}}
    )
    jets = two_jets(produce(made, "x", 0, 60)[0].objects["particles"])
    assert np.median(jets["both"]) == pytest.approx(5000, rel=0.03)
    np.testing.assert_allclose(np.median(jets["mass"], axis=0), 250, rtol=0.12)


def test_widths_are_those_asked_for() -> None:
    natural, narrow = Wprime(), Wprime(width_x=0.5, width_y=1.5)
    assert not any("24:mWidth" in line for line in natural.recipe(Selection()).lines)
    assert {"24:mWidth = 0.5", "23:mWidth = 1.5", "34:mWidth = 35.0"} <= set(narrow.recipe(Selection()).lines)
    scalar = Wprime(spin=0).recipe(Selection()).lines
    assert "9000001:new = X+ X- 1 3 0 500.0 13.0 100.0 1000.0 0." in scalar
    assert "9000001:new = X+ X- 1 3 0 500.0 2.0 100.0 1000.0 0." in Wprime(spin=0, width_x=2).recipe(Selection()).lines


def decay_angles(py: Any, parents: Sequence[int]) -> list[tuple[list[int], float]]:
    """Of every decay of one of `parents`: the codes of its products, and cos of the first one's angle to the flight."""
    found = []
    for place in range(py.process.size()):
        parent = py.process[place]
        if abs(parent.id()) in parents:
            children = [py.process[k] for k in parent.daughterList()]
            child = children[0]
            energy, gamma, beta = child.e(), parent.e() / parent.m(), parent.pAbs() / parent.e()
            along = (child.px() * parent.px() + child.py() * parent.py() + child.pz() * parent.pz()) / parent.pAbs()
            boosted = gamma * (along - beta * energy)
            across = max(child.pAbs2() - along**2, 0.0)
            found.append(([abs(k.id()) for k in children], boosted / np.sqrt(boosted**2 + across)))
    return found


def decays(process: dict[str, Any], parents: Sequence[int], n: int = 400) -> list[tuple[list[int], float]]:
    made = parse_production({"processes": {"one": process}})
    generator = Generator([*lines(made, "one"), "PartonLevel:all = off"], 1000)
    found = []
    for _ in range(n):
        assert generator._pythia.next()
        found += decay_angles(generator._pythia, parents)
    return found


def test_vectors_are_longitudinal_and_scalars_isotropic() -> None:
    # <cos^2> is 1/5 for a longitudinal vector (sin^2), 1/3 for an isotropic decay, of variance 4/45 at most
    vector = decays({"kind": "wprime"}, (24,))
    scalar = decays({"kind": "wprime", "spin": 0}, (9000001,))
    assert len(vector) == len(scalar) == 400
    error = np.sqrt(4 / 45 / 400)
    assert np.mean([cos**2 for _, cos in vector]) == pytest.approx(1 / 5, abs=4 * error)
    assert np.mean([cos**2 for _, cos in scalar]) == pytest.approx(1 / 3, abs=4 * error)


def test_daughters_have_two_or_three_prongs() -> None:
    for parents, spin in (((24, 23), 1), ((9000001, 9000002), 0)):
        for codes, _ in decays({"kind": "wprime", "spin": spin}, parents, 50):
            assert len(codes) == 2
            assert max(codes) <= 5
    prongs = decays({"kind": "wprime", "spin": 0, "prongs_x": 3}, (9000001, 9000002), 50)
    assert sorted(len(codes) for codes, _ in prongs) == [2] * 50 + [3] * 50
    assert all(max(codes) <= 5 for codes, _ in prongs)
    # quarks in a colour junction become hadrons like others
    particles = final(40, {"kind": "wprime", "spin": 0, "prongs_x": 3, "prongs_y": 3})
    assert len(particles) == 40
    assert np.median(two_jets(particles)["both"]) == pytest.approx(3500, rel=0.04)


def test_tops_from_a_zprime_are_hadronic() -> None:
    assert {tuple(codes) for codes, _ in decays({"kind": "zprime-tt"}, (32,), 60)} == {(6, 6)}
    bosons = [codes for codes, _ in decays({"kind": "zprime-tt"}, (24,), 60)]
    assert len(bosons) == 120
    assert all(len(codes) == 2 and max(codes) <= 5 for codes in bosons)
    jets = two_jets(final(60, {"kind": "zprime-tt"}))
    assert np.median(jets["mass"][:, 0]) == pytest.approx(173, rel=0.15)
    assert np.median(jets["both"]) == pytest.approx(3500, rel=0.10)  # neutrinos and gluons are lost
    broad = ZprimeTt(m=4000, width=400).recipe(Selection()).lines
    assert {"32:mMin = 2000.0", "32:mMax = 6000.0"} <= set(broad)


def test_raw_settings_make_any_process() -> None:
    settings = ["HardQCD:hardbbbar = on", "PhaseSpace:pTHatMin = 600."]
    made = parse_production(
        {"processes": {"b": {"kind": "pythia", "settings": settings, "label": 3}}, "select": {"pt": 500}}
    )
    collisions, _ = produce(made, "b", 0, 5)
    assert set(collisions.scalars["label"]) == {3}
    assert Pythia(settings=tuple(settings)).recipe(Selection()) == Recipe(tuple(settings))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["HardQCD:al = on"], r"processes\.x: Pythia does not take the setting 'HardQCD:al = on'"),
        (["HardQCD:all = maybe"], "'HardQCD:all = maybe', expected on or off"),
        (["HardQCD:all = on", "PhaseSpace:pTHatMin = low"], "pTHatMin = low', expected a number from 0 to inf"),
        (["TimeShower:alphaSvalue = 3"], "'TimeShower:alphaSvalue = 3', expected a number from 0.06 to 0.25"),
        (["PartonShowers:model = 9"], "'PartonShowers:model = 9', expected a number from 1 to 2"),
        (["24:onIfAnny = 1"], "'24:onIfAnny = 1'"),
        ([], r"processes\.x: Pythia does not start"),
        (["HardQCD:all = on", "PhaseSpace:pTHatMin = 7000."], r"processes\.x: Pythia does not start"),
    ],
)
def test_settings_that_pythia_does_not_take_are_named(
    settings: list[str], message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    made = parse_production({"processes": {"x": {"kind": "pythia", "settings": settings}}})
    with pytest.raises(ConfigError, match=message) as caught:
        produce(made, "x", 0, 1)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr().out == ""


def test_a_heavy_resonance_needs_a_collider_to_match() -> None:
    made = parse_production({"sqrt_s": 900, "processes": {"wprime": {}}})
    with pytest.raises(ConfigError, match=r"processes\.wprime: Pythia does not start"):
        produce(made, "wprime", 0, 1)


def test_only_visible_final_particles_are_handed_on() -> None:
    particles = final(30, {"kind": "qcd"})
    assert not np.isin(np.abs(particles.fields["id"]), NEUTRINOS).any()
    assert not np.isin(np.abs(particles.fields["id"]), (1, 2, 3, 4, 5, 21, 111, 310)).any()
    energy = np.bincount(particles.event, particles.fields["E"])
    assert np.all(energy <= 13000 * (1 + 1e-6))
    assert np.median(energy) > 12900  # what is missing are neutrinos
    charge = np.bincount(particles.event, particles.fields["charge"])
    np.testing.assert_array_equal(charge, 2)  # of two protons
    mass2 = sum(particles.fields[name] ** 2 * (1 if name == "E" else -1) for name in ("E", "px", "py", "pz"))
    pions = np.abs(particles.fields["id"]) == 211
    hard = particles.fields["E"][pions] < 100  # rounding otherwise
    np.testing.assert_allclose(np.sqrt(mass2[pions][hard]), 0.13957, rtol=1e-3)


def test_variations_of_the_shower_do_what_they_should(capfd: pytest.CaptureFixture[str]) -> None:
    qcd = {"kind": "qcd"}
    n = 150
    usual = final(n, qcd).counts
    error = usual.std() * np.sqrt(2 / n)
    assert final(n, qcd, shower={"mpi": True}).counts.mean() > usual.mean() + 4 * error
    assert final(n, qcd, shower={"alpha_s": 0.08}).counts.mean() < usual.mean() - 4 * error
    vincia = final(8, qcd, shower={"model": "vincia"})
    assert vincia.counts.mean() == pytest.approx(usual.mean(), rel=0.4)
    assert capfd.readouterr().out == ""
    assert Shower(model="vincia", alpha_s=0.12).lines()[-1] == "Vincia:alphaSvalue = 0.12"


def test_vincia_showers_three_prongs() -> None:
    signal = {"kind": "wprime", "spin": 0, "prongs_x": 3}
    assert len(final(20, signal, shower={"model": "vincia"})) >= 19  # without its interleaved decays; 1 in 4 with them


def test_the_detector_changes_what_is_seen(production: Production, qcd: Made) -> None:
    truth = production.model_copy(update={"detector": parse_production({"detector": "truth"}).detector})
    collisions, _ = produce(truth, "qcd", 0, 60)
    whole, seen = collisions.objects["particles"], qcd[0].objects["particles"]
    error = np.hypot(whole.counts.std() / np.sqrt(60), seen.counts.std() / np.sqrt(200))
    assert whole.counts.mean() > seen.counts.mean() + 5 * error  # soft and lost ones, and photons that share a cell
    sums = [np.bincount(one.event, one.fields["pt"]).mean() for one in (whole, seen)]
    assert sums[0] == pytest.approx(sums[1], rel=0.05)


@pytest.mark.parametrize("kind", ["qcd", "pythia", "wprime", "zprime_tt"])
def test_every_process_is_described(kind: str) -> None:
    process = Process.parse(kind)
    assert process.model_validate(process.model_dump(mode="json")) == process
    assert all(field.description for name, field in type(process).model_fields.items() if name != "kind")
