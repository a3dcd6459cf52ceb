"""What a production describes, and that a chunk is a pure function of it."""

import json
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import ks_2samp

import lamppost.simulate.generator
import lamppost.simulate.production
from lamppost.core import Collisions, splitmix64
from lamppost.errors import ConfigError, DataError, LamppostError
from lamppost.features.clustering import Cluster, cluster
from lamppost.simulate import (
    CHUNK,
    Production,
    Selection,
    cross_section,
    parse_production,
    produce,
    settings_of,
)
from lamppost.simulate.generator import Generator
from lamppost.simulate.processes import Veto
from lamppost.simulate.production import lines

Made = tuple[Collisions, dict[str, dict[str, float]]]


def content(collisions: Collisions) -> dict[str, bytes]:
    particles = collisions.objects["particles"]
    arrays = {"row": collisions.row, **collisions.scalars, "counts": particles.counts, **particles.fields}
    return {name: array.dtype.str.encode() + array.tobytes() for name, array in arrays.items()}


def leading_pt(collisions: Collisions) -> NDArray[np.float64]:
    return leading_pt_above(collisions, 100.0)


def leading_pt_above(collisions: Collisions, lowest: float) -> NDArray[np.float64]:
    jets = cluster(collisions.objects["particles"], Cluster(min_pt=lowest)).jets
    return np.array([pt.max() for pt in np.split(jets.fields["pt"], jets.offsets[1:-1])])


def test_defaults_are_the_qcd_of_the_lhc_olympics() -> None:
    made = parse_production({})
    assert made == Production()
    assert made.chunks() == [("qcd", index, CHUNK) for index in range(5)]
    assert (made.select.pt, made.select.eta, made.select.radius, made.max_particles) == (1200.0, 2.5, 1.0, 700)
    assert (made.detector.kind, made.shower.model, made.shower.mpi, made.sqrt_s) == ("cms", "simple", False, 13000.0)


def test_tables_of_processes_take_the_name_for_the_kind_and_know_their_label() -> None:
    tables: dict[str, Any] = {
        "qcd": {"events": 2 * CHUNK + 1},
        "zprime-tt": {"events": 3, "m": 4000},
        "heavy": {"kind": "wprime", "events": 0, "m": 5000, "label": 7},
    }
    made = parse_production({"seed": 3, "processes": tables, "detector": "truth", "shower": {"mpi": True}})
    assert made.chunks() == [("qcd", 0, CHUNK), ("qcd", 1, CHUNK), ("qcd", 2, 1), ("zprime-tt", 0, 3)]
    assert [sample.label for sample in made.processes.values()] == [0, 1, 7]
    assert [sample.process.kind for sample in made.processes.values()] == ["qcd", "zprime_tt", "wprime"]
    assert Production.model_validate(made.model_dump(mode="json")) == made
    assert Production.model_validate_json(made.model_dump_json()) == made


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"processes": {}}, "processes: Dictionary should have at least 1 item"),
        ({"processes": {"qdc": {}}}, "unknown kind 'qdc', known are pythia, qcd, wprime, zprime_tt"),
        ({"processes": {"qcd": {"events": -1}}}, "events: Input should be greater than or equal to 0, found -1"),
        ({"processes": {"qcd": {"label": 256}}}, "label: Input should be less than or equal to 255"),
        ({"processes": {"qcd": {"m": 3}}}, "'qcd': unknown key 'm'"),
        ({"processes": {"wprime": {"m": 500}}}, "m = 500 GeV is too light to decay to 500 and 100 GeV"),
        ({"processes": {"wprime": {"prongs_x": 3}}}, "three prongs need spin = 0, found spin = 1"),
        ({"processes": {"x": {"kind": "pythia", "settings": ["Random:seed = 3"]}}}, "decided by seed alone"),
        ({"shower": {"model": "dire"}}, "shower.model: Input should be 'simple' or 'vincia', found 'dire'"),
        ({"detector": {"kind": "cms", "efficiency": 2}}, "'cms': efficiency: .* found 2"),
        ({"processes": {"qcd": {"events": 10**15}}}, "events: Input should be less than or equal to 1000000000"),
        (
            {"processes": {"wprime": {}}, "shower": {"model": "vincia"}},
            "wprime: vincia cannot start with a W of 500 GeV",
        ),
        ({"select": {"pt": 0}}, "select.pt: Input should be greater than 0"),
        ({"seeds": 1}, "unknown key 'seeds'"),
    ],
)
def test_what_makes_no_sense_is_named_in_one_line(table: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        parse_production(table, "made.toml")
    assert "\n" not in str(caught.value)


def test_chunks_have_the_contents_they_promise(qcd: Made, wprime: Made) -> None:
    for (collisions, counts), name, label, n in ((qcd, "qcd", 0, 200), (wprime, "wprime", 1, 300)):
        assert collisions.row.tolist() == list(range(n))
        assert collisions.scalars["label"].dtype == np.uint8
        assert set(collisions.scalars["label"]) == {label}
        particles = collisions.objects["particles"]
        dtypes = {key: values.dtype.str for key, values in particles.fields.items()}
        assert dtypes == {"pt": "<f4", "eta": "<f4", "phi": "<f4", "charge": "|i1"}
        assert set(particles.fields["charge"]) == {-1, 0, 1}
        falls = np.diff(particles.fields["pt"]) <= 0
        assert np.all(falls | (np.diff(particles.event) > 0))
        assert np.abs(particles.fields["eta"]).max() < 5
        assert np.abs(particles.fields["phi"]).max() <= np.float32(np.pi)
        mine = counts[name]
        assert mine["tried"] >= mine["hard"] >= mine["finished"] == mine["seen"] >= mine["selected"] >= n


def test_the_selection_holds_on_what_is_written(qcd: Made) -> None:
    collisions, counts = qcd
    assert Selection().passes(collisions.objects["particles"]).all()
    assert leading_pt(collisions).min() > 1200
    # a steeply falling spectrum: most events are just above the cut, none would pass one that is twice as high
    assert np.median(leading_pt(collisions)) < 1400
    assert 0.3 < counts["qcd"]["selected"] / counts["qcd"]["seen"] < 0.8


def test_the_same_chunk_has_the_same_bytes_whatever_was_made_before(production: Production, qcd: Made) -> None:
    again = [produce(production, name, index, 20)[0] for name, index in (("qcd", 1), ("wprime", 0), ("qcd", 0))]
    assert content(again[2]) == content(qcd[0][:20])  # and a chunk cut short is the beginning of it
    assert content(produce(production, "qcd", 1, 20)[0]) == content(again[0])
    assert content(again[0])["pt"] != content(again[2])["pt"]


def test_other_processes_have_the_same_bytes_and_other_seeds_have_not(production: Production, qcd: Made) -> None:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        elsewhere, _ = pool.submit(produce, production, "qcd", 0, 20).result()
    assert content(elsewhere) == content(qcd[0][:20])
    other, _ = produce(production.model_copy(update={"seed": 1001}), "qcd", 0, 5)
    assert content(other)["pt"] != content(qcd[0][:5])["pt"]


def test_only_what_decides_the_events_of_a_sample_names_them(production: Production) -> None:
    more = parse_production({"seed": 1000, "processes": {"qcd": {"events": 9}, "new": {"kind": "zprime_tt"}}})
    assert more.of("qcd") == production.of("qcd")
    json.dumps(more.of("new"))
    for change in ({"seed": 1}, {"shower": {"mpi": True}}, {"select": {"pt": 1000}}, {"max_particles": 9}):
        assert parse_production({"seed": 1000, **change}).of("qcd") != production.of("qcd")


def test_particles_of_low_pt_go_first(qcd: Made, production: Production) -> None:
    few, _ = produce(production.model_copy(update={"max_particles": 50}), "qcd", 0, 5)
    assert few.objects["particles"].counts.max() == 50


class _Recorder:
    """Stands for the veto: notes what it would have judged by, and lets every event pass."""

    def __init__(self) -> None:
        self.early: list[float] = []
        self.late: list[float] = []

    def hook(self, library: Any, veto: Veto) -> Any:
        recorder, jets = self, library.SlowJet(-1, veto.radius, 20.0, 25.0, 1, 2, None, False)

        class Hook(library.UserHooks):  # type: ignore[name-defined,misc]
            hopeless = False

            def canVetoPT(self) -> bool:
                return True

            def scaleVetoPT(self) -> float:
                return veto.scale

            def doVetoPT(self, position: int, event: Any) -> bool:
                jets.analyze(event)
                recorder.early.append(jets.pT(0) if jets.sizeJet() else 0.0)
                return False

            def canVetoPartonLevel(self) -> bool:
                return True

            def doVetoPartonLevel(self, event: Any) -> bool:
                jets.analyze(event)
                recorder.late.append(jets.pT(0))
                return False

        return Hook()


def test_the_veto_loses_next_to_nothing(production: Production, qcd: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = _Recorder()
    monkeypatch.setattr(lamppost.simulate.generator, "_hook", recorder.hook)
    veto = production.processes["qcd"].process.recipe(production.select).veto
    assert veto == Veto(50.0, 1050.0, 1080.0, 1.0)
    harder = [*lines(production, "qcd"), "PhaseSpace:pTHatMin = 900."]  # loses a few per cent, but none with the veto
    generator = Generator(harder, 1000, veto)
    n = 1250
    batches = [generator.events(250) for _ in range(n // 250)]
    lost, leading = 0, []
    for start, batch in enumerate(batches):
        keys = splitmix64(np.arange(250 * start, 250 * (start + 1), dtype=np.uint64))
        seen = production.detector.observe(batch, keys)
        passed = production.select.passes(seen)
        here = slice(250 * start, 250 * (start + 1))
        vetoed = (np.array(recorder.early[here]) < veto.early) | (np.array(recorder.late[here]) < veto.late)
        lost += int((passed & vetoed).sum())
        kept = seen[passed]
        leading += list(leading_pt(Collisions(np.arange(len(kept)), {}, {"particles": kept})))
    assert len(recorder.early) == len(recorder.late) == n
    assert 200 < len(leading) < 500
    assert lost <= 0.03 * len(leading)  # 0.3 %; 3 % of 300 events are 9
    assert ks_2samp(leading, leading_pt(qcd[0])).pvalue > 1e-3
    # the cross-section of what is selected does not depend on the veto: 1 / sqrt(300) and 1 / sqrt(200)
    counts = {**generator.counts(), "seen": n, "selected": len(leading)}
    assert cross_section(counts) == pytest.approx(cross_section(qcd[1]["qcd"]), rel=4 * 0.09)
    assert 4000 < cross_section(qcd[1]["qcd"]) < 7000  # 5.4 pb


def test_thresholds_follow_the_cut() -> None:
    made = parse_production({"select": {"pt": 600, "radius": 0.8}})
    recipe = made.processes["qcd"].process.recipe(made.select)
    assert recipe.veto == Veto(25.0, 525.0, 540.0, 0.8)
    assert "PhaseSpace:pTHatMin = 350.0" in recipe.lines
    collisions, _ = produce(made, "qcd", 0, 10)
    jets = cluster(collisions.objects["particles"], Cluster(radius=0.8, min_pt=600.0)).jets
    assert np.all(jets.keep(np.abs(jets.fields["eta"]) < 2.5).counts > 0)


def test_a_selection_that_nothing_passes_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lamppost.simulate.production, "_TRIES", 100)
    light = parse_production({"processes": {"light": {"kind": "wprime", "m": 800, "m_x": 200}}})
    with pytest.raises(DataError, match=r"processes\.light: 0 of \d+ events have a jet of pT > 1200 GeV"):
        produce(light, "light", 0, 10)


def test_a_veto_that_nothing_passes_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lamppost.simulate.generator, "_GIVEN_UP", 100)
    slow = parse_production({"sqrt_s": 2000})  # no jet of 1200 GeV: Pythia alone would try for ever
    with pytest.raises(DataError, match="none of 100 events has jets as hard as"):
        produce(slow, "qcd", 0, 10)


def test_an_event_that_is_finished_gives_the_veto_new_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lamppost.simulate.generator, "_GIVEN_UP", 100)
    made = parse_production({})
    counts = produce(made, "qcd", 0, 30)[1]["qcd"]
    assert counts["hard"] - counts["finished"] > 100


def test_the_veto_knows_soft_jets() -> None:
    soft = parse_production({"select": {"pt": 12}})
    leading = leading_pt_above(produce(soft, "qcd", 0, 100)[0], 12.0)
    assert (leading < 18).mean() > 0.3  # a steeply falling spectrum; with jets above 20 GeV alone next to none


def test_weighted_events_are_refused() -> None:
    settings = ["HardQCD:all = on", "PhaseSpace:pTHatMin = 1200", "PhaseSpace:bias2Selection = on"]
    weighted = parse_production({"processes": {"jets": {"kind": "pythia", "settings": settings}}})
    with pytest.raises(ConfigError, match=r"processes\.jets: .* weighted events"):
        produce(weighted, "jets", 0, 1)


def test_the_file_can_say_how_it_was_made(production: Production) -> None:
    said = settings_of(production)
    assert json.loads(json.dumps(said)) == said
    assert said["seed"] == 1000
    assert said["processes"]["qcd"]["veto"] == {"scale": 50.0, "early": 1050.0, "late": 1080.0, "radius": 1.0}
    assert said["processes"]["wprime"]["veto"] is None
    assert "HardQCD:all = on" in said["processes"]["qcd"]["pythia"]
    assert "PartonLevel:MPI = off" in said["processes"]["wprime"]["pythia"]
    assert said["detector"]["card"]["field"] == 3.8
    assert said["detector"]["card"]["ecal"]["central"] == [0.008, 0.11, 0.4]
    assert {"pythia8mc", "fastjet", "numpy", "numba", "awkward"} <= said["versions"].keys()
    perfect = settings_of(parse_production({"detector": "truth"}))
    assert perfect["detector"] == {"kind": "truth"}


def test_without_pythia_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, production: Production) -> None:
    monkeypatch.setitem(sys.modules, "pythia8mc", None)
    with pytest.raises(LamppostError, match=r"needs pythia8mc: pip install 'lamppost\[simulate\]'"):
        produce(production, "qcd", 0, 1)


def test_nothing_heavy_is_imported_before_it_is_needed() -> None:
    heavy = ("pythia8mc", "fastjet", "awkward", "numba", "lightgbm", "jax")
    code = f"import sys, lamppost.simulate; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
