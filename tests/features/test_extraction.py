"""From declared columns to a table: names, objects, selection, chunks."""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from feature_toys import collisions, jagged
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from lamppost.core import Collisions, Objects
from lamppost.errors import DataError, LamppostError
from lamppost.features import Collection, Extraction, Table, jets_of, reconstruction
from lamppost.features.collections import candidates
from lamppost.features.kinematics import Momenta
from lamppost.features.requirements import Held

MUONS = [
    [(30.0, 0.5, 0.1, 0.105, 1, 1), (90.0, -1.0, 2.0, 0.105, -1, 1), (20.0, 0.0, 1.0, 0.105, 1, 1)],
    [(50.0, 0.5, 0.1, 0.105, 1, 1)],
    [],
    [(70.0, 2.0, -3.0, 0.105, -1, 1), (60.0, 1.0, 3.0, 0.105, -1, 0), (55.0, 0.3, 3.1, 0.105, 1, 1)],
]
JET = {"from": "particles", "cluster": {"min_pt": 20}}


def recorded() -> Collisions:
    """Four events with muons, fat jets, particles and numbers per event, as NanoAOD has them."""
    muons = jagged(MUONS, ("pt", "eta", "phi", "mass", "charge", "tightId"))
    muons = replace(muons, fields={**muons.fields, "tightId": muons.fields["tightId"].astype(bool)})
    fat = jagged(
        [[(400, 0.1, 0.2, 90, 0.3, 81), (500, 0.5, 3.0, 20, 0.2, 19)], [], [(300, 0, 0, 10, 0.1, 9)], []],
        ("pt", "eta", "phi", "mass", "tau2", "particleNet_mass"),
    )
    scalars = {
        "run": np.array([1, 1, 1, 2], dtype=np.uint32),
        "event": np.array([2**40 + i for i in range(4)], dtype=np.uint64),
        "MET_pt": np.array([10, 20, 30, 40], dtype=np.float32),
        "HLT_Mu50": np.array([True, True, False, True]),
    }
    particles = jagged([[(60, 0, 0), (50, 0, 3)], [(40, 1, 1)], [], [(30, 0, 0), (30, 0, 0.1), (10, 0, 3)]])
    return Collisions(np.array([7, 8, 9, 11]), scalars, {"Muon": muons, "FatJet": fat, "particles": particles})


def extraction(columns: list[str], objects: Mapping[str, Any] | None = None, **features: Any) -> Extraction:
    given_objects = {"mu": {"from": "Muon"}, "f": {"from": "FatJet"}, "j": JET} if objects is None else objects
    return Extraction.model_validate({"objects": given_objects, "features": {"columns": columns, **features}})


def table(columns: list[str], objects: Mapping[str, Any] | None = None, **features: Any) -> Table:
    return extraction(columns, objects, **features).table(recorded())


def column(text: str, **objects: Any) -> list[float]:
    """The values of one column."""
    found = table([text], objects or None)
    return [round(float(x), 5) for x in found.columns[extraction([text], objects or None).names[0]]]


def test_objects_are_numbered_by_falling_pt() -> None:
    assert column("pt_mu1") == [90, 50, 70]
    assert column("pt_mu2") == [30, 60]
    assert column("charge_mu2") == [1, -1]
    assert column("pt_mu3") == [20, 55]


def test_events_that_lack_an_object_are_dropped_and_counted() -> None:
    found = table(["pt_mu1", "m_mu1mu2"])
    assert found.row.tolist() == [7, 11]
    assert (found.n_read, found.n_lacking, len(found)) == (4, 2, 2)
    found = table(["pt_mu1"], select="pt_mu3 > 30")
    assert found.row.tolist() == [11]
    assert found.n_lacking == 2


def test_systems_of_objects_of_several_collections() -> None:
    first = Momenta.of(
        {name: np.array([v]) for name, v in zip(("pt", "eta", "phi", "mass"), MUONS[0][1], strict=False)}
    )
    jet = Momenta.of({name: np.array([v]) for name, v in zip(("pt", "eta", "phi"), (60, 0, 0), strict=True)})
    assert column("m_mu1j1")[0] == pytest.approx(float(Momenta.total([first, jet]).mass[0]), rel=1e-5)
    assert column("dphi_mu1j1")[0] == pytest.approx(2.0)


def test_order_and_keep() -> None:
    f = {"from": "FatJet"}
    assert column("m_f1", f={**f, "order": "mass"}) == [90, 10]
    assert column("m_f1", f={**f, "order": "rising_mass"}) == [20, 10]
    assert column("pt_f1", f={**f, "order": "rising_mass", "keep": 1}) == [500, 300]
    # kept are those of the largest pT, ordered then by mass; counted are all
    assert column("m_f1", f={**f, "order": "mass", "keep": 1}) == [20, 10]
    assert column("n_f", f={**f, "keep": 1}) == [2, 0, 1, 0]
    assert column("ht_f", f={**f, "keep": 1}) == [900, 0, 300, 0]


def test_where_speaks_of_fields_and_of_kinematics() -> None:
    mu = {"from": "Muon", "where": "tightId and pt > 25 and abs(eta) < 2.4 and charge < 0"}
    assert column("n_mu", mu=mu) == [1, 0, 0, 1]
    assert column("pt_mu1", mu=mu) == [90, 70]
    assert column("n_j", j={**JET, "where": "m > 1 and abs(y) < 2 and mass < 10 and et > 0"}) == [0, 0, 0, 1]


def test_fields_of_the_input_and_numbers_per_event() -> None:
    assert column("tau2_f1") == [0.2, 0.1]
    assert column("particleNet_mass_f2") == [81]
    assert column("met_over_pt = MET_pt / pt_mu1") == [round(10 / 90, 5), 0.4, round(40 / 70, 5)]
    assert column("HLT_Mu50") == [1, 1, 0, 1]


@pytest.mark.parametrize("name", ["mass", "m", "e", "E", "energy"])
def test_the_mass_or_the_energy_of_an_object_may_be_given(name: str) -> None:
    pt, eta, m = np.array([100.0, 50.0]), np.array([1.0, -2.0]), np.array([20.0, 5.0])
    known = m if name in ("mass", "m") else np.sqrt((pt * np.cosh(eta)) ** 2 + m**2)
    jets = Objects(np.array([2]), {"pt": pt, "eta": eta, "phi": np.array([0.0, 3.0]), name: known})
    made = extraction(["m_j1", "m_j2", "e_j1", "n_j"], {"j": {"from": "jet", "where": "m > 1 and e > 100"}})
    held = Collisions(np.array([0]), {}, {"jet": jets})
    assert made.needs(Held.of(held))[1] == {"jet": ("pt", "eta", "phi", name)}
    found = made.table(held).columns
    expected = {"m_j1": 20.0, "m_j2": 5.0, "e_j1": np.sqrt((100 * np.cosh(1.0)) ** 2 + 400), "n_j": 2}
    assert {column: values[0] for column, values in found.items()} == pytest.approx(expected, rel=1e-6)


def test_clustered_jets_know_their_inside() -> None:
    assert column("n_j1") == [1, 1, 2]
    assert column("n_j") == [2, 1, 0, 1]
    assert column("mass_j1") == column("m_j1")
    assert column("met")[2] == 0
    assert column("sum_pt") == [110, 40, 0, 70]


def test_columns_use_columns_before_them() -> None:
    found = table(["a = pt_mu1", "b = a / 2", "a2 = a + b", "pt_mu1"], select="b > 30")
    assert found.columns["a2"].tolist() == [135, 105]
    assert list(found.columns)[:4] == ["a", "b", "a2", "pt_mu1"]
    assert found.row.tolist() == [7, 11]


def test_blanks_around_a_column_do_not_matter() -> None:
    assert list(table([" pt_mu1 ", "a= m_mu1 "], copy=["run "]).columns) == ["pt_mu1", "a", "run"]


def test_a_column_may_be_called_what_cannot_be_computed() -> None:
    """Of objects that are not clustered, or where there is no such quantity."""
    found = table(["tau21_f1 = tau2_f1 / m_f1", "x = 2 * tau21_f1", "gap_f1f2 = m_f2 - m_f1", "n12_j1 = n_j1"])
    assert found.columns["x"].tolist() == [np.float32(0.4 / 20)]
    assert found.columns["gap_f1f2"].tolist() == [70]
    assert found.columns["n12_j1"].tolist() == [1]


def test_types_of_columns() -> None:
    found = table(["pt_mu1", "MET_pt"])
    assert {name: values.dtype for name, values in found.columns.items()} == {
        "pt_mu1": np.float32,
        "MET_pt": np.float32,
        "run": np.uint32,
        "event": np.uint64,
    }
    assert found.columns["event"].tolist() == [2**40, 2**40 + 1, 2**40 + 3]
    named = table(["event", "pt_mu1", "x = event", "HLT_Mu50"]).columns
    assert list(named) == ["event", "pt_mu1", "x", "HLT_Mu50", "run"]
    assert named["event"].tolist() == found.columns["event"].tolist()
    assert [named[name].dtype for name in ("event", "x", "HLT_Mu50")] == [np.uint64, np.float32, np.float32]
    assert list(table(["pt_mu1"], copy=["HLT_Mu50"]).columns) == ["pt_mu1", "HLT_Mu50"]
    assert list(table(["event = pt_mu1"]).columns) == ["event", "run"]


def test_no_events_at_all_still_have_columns() -> None:
    x = extraction(["m_j1j2", "tau21_j1", "msd_j1", "c2_j1"], constituents={"j1": 5}, select="met >= 0")
    full = x.table(recorded())
    for none in (x.table(recorded()[:0]), x.table(recorded()[2:3])):
        assert {name: values.dtype for name, values in none.columns.items()} == {
            name: values.dtype for name, values in full.columns.items()
        }
        assert len(none) == 0
        assert none.blocks["constituents_j1"].shape == (0, 5, 3)


class Holds:
    """Contents as a reader tells them."""

    scalars: Mapping[str, str] = {"label": "integer", "MET_pt": "float", "file": "text", "weight": "text"}
    objects: Mapping[str, Mapping[str, str]] = {
        "Muon": dict.fromkeys(("pt", "eta", "phi", "mass", "charge", "tightId", "dxy"), "float"),
        "particles": dict.fromkeys(("pt", "eta", "phi", "charge"), "float"),
        "Tau": {"pt": "float"},
        "Named": {"pt": "float", "eta": "float", "phi": "float", "name": "text"},
    }


def test_only_what_is_needed_is_read() -> None:
    unused = {"t": {"from": "nowhere"}, "mu": {"from": "Muon", "where": "tightId"}, "j": JET}
    assert extraction(["n_mu"], unused).needs(Holds()) == (
        ("label",),
        {"Muon": ("pt", "eta", "phi", "mass", "tightId")},
    )
    assert extraction(["MET_pt"], unused, copy=[]).needs(Holds()) == (("MET_pt",), {})
    assert extraction(["met"], unused).needs(Holds())[1] == {"particles": ("pt", "phi")}
    assert extraction(["tau1_j1"], unused).needs(Holds())[1] == {"particles": ("pt", "eta", "phi")}
    assert extraction(["jet_charge_j1", "charge_mu1"], unused, select="MET_pt > 3").needs(Holds()) == (
        ("MET_pt", "label"),
        {"Muon": ("pt", "eta", "phi", "mass", "tightId", "charge"), "particles": ("pt", "eta", "phi", "charge")},
    )


@pytest.mark.parametrize(
    ("columns", "objects", "message"),
    [
        (["m_mu1"], {"mu": {"from": "Muons"}}, "no collection 'Muons'; did you mean 'Muon'?"),
        (["m_mu1"], {"mu": {"from": "Tau"}}, "'Tau' of the input has no field 'eta', known are pt"),
        (["chrge_mu1"], None, "objects.mu: 'Muon' of the input has no field 'chrge'; did you mean 'charge'?"),
        (["name_x1"], {"x": {"from": "Named"}}, "field 'name' of 'Named': expected numbers, found text"),
        (["MET"], None, "'MET' is neither a quantity .* did you mean 'MET_pt'?"),
        (["pt_k1"], None, r"'pt_k1': no \[objects.k\] is declared, known are mu, f, j; nor is it a number per event"),
        (["mjj_mu1mu2k3"], None, r"no \[objects.k\]"),
        (["file"], None, "'file': expected a number per event, found text"),
        (["met"], {}, r"'met' is made of the particles of jets, expected an \[objects.NAME\] with a cluster"),
        (
            ["tau1_j1", "jet_charge_f1"],
            {"j": JET, "f": {"from": "Muon"}},
            "'Muon' of the input has no field 'jet_charge'",
        ),
    ],
)
def test_what_the_input_lacks_is_named(columns: list[str], objects: Any, message: str) -> None:
    x = extraction(columns, objects)
    with pytest.raises(LamppostError, match=message.replace("?", r"\?")):
        x.needs(Holds())


def test_collisions_that_lack_what_is_needed() -> None:
    with pytest.raises(DataError, match="no collection 'Muon', known are particles"):
        extraction(["pt_mu1"]).table(collisions(2))
    with pytest.raises(DataError, match="'particles' of the input has no field 'charge'"):
        extraction(["jet_charge_j1"]).table(collisions(2))
    with pytest.raises(DataError, match="copy: the input has no number per event 'Label'; did you mean 'label'"):
        extraction(["pt_j1"], copy=["Label"]).table(collisions(2))


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"features": {"columns": []}}, "expected at least one column, or a preset"),
        ({"features": {"columns": ["a = pt_j1", "a = pt_j2"]}}, "'a' is named twice"),
        ({"features": {"columns": ["tau12_j1"]}}, "no quantity 'tau12' of a clustered jet; did you mean"),
        ({"features": {"columns": ["mm_j1j2"]}}, "'mm_j1j2': no quantity 'mm' of 2 objects; did you mean 'm'"),
        ({"features": {"columns": ["dr_j1j2j3"]}}, "no quantity 'dr' of 3 objects"),
        ({"features": {"columns": ["m_j1j1"]}}, "'m_j1j1': expected different objects"),
        ({"features": {"columns": ["pt_j1 ^ 2"]}}, "powers are written"),
        ({"features": {"columns": ["pt_j1"], "select": "pt_j1 >"}}, "neither a column nor an arithmetic expression"),
        ({"features": {"columns": ["pt_j3"]}}, "'j3': objects.j keeps 2"),
        ({"features": {"columns": ["pt_j1 = pt_j2"]}}, "column 'pt_j1': this is the name of a quantity"),
        ({"features": {"columns": ["constituents_j1 = pt_j1"], "constituents": {"j1": 3}}}, "name of the constituents"),
        ({"features": {"columns": ["pt_j1"], "mass": "mjj"}}, "mass: no column 'mjj', known are pt_j1"),
        ({"features": {"columns": ["pt_j1"], "learn": ["x = 2 * pt_j2"]}}, "learn: no column 'pt_j2'"),
        ({"features": {"columns": ["pt_j1"], "copy": ["pt_j1"]}}, "copy: 'pt_j1' is a column already"),
        ({"features": {"columns": ["pt_j1"], "constituents": {"j": 3}}}, "expected a declared object such as j1"),
        ({"features": {"columns": ["pt_j1"], "constituents": {"j3": 3}}}, "'j3': objects.j keeps 2"),
        ({"features": {"columns": ["pt_j1"], "constituents": {"mu1": 3}}}, "'mu1' is not clustered"),
        ({"features": {"columns": ["pt_j1"], "constituents": {"j1": 0}}}, "greater than or equal to 1"),
        ({"features": {"columns": ["pt_j1"], "colums": []}}, "colums"),
        ({"features": {"columns": ["pt_j1"]}, "objects": {"j2": JET}}, "expected a name of letters only"),
        (
            {"features": {"columns": ["pt_j1"]}, "objects": {"j": {**JET, "where": "tight"}}},
            "no 'tight' of a clustered",
        ),
        ({"features": {"columns": ["pt_j1"]}, "objects": {"j": {**JET, "where": "pt >"}}}, "where"),
        ({"features": {"columns": ["pt_j1"]}, "objects": {"j": {**JET, "keep": 0}}}, "keep"),
        ({"features": {"columns": ["pt_j1"]}, "objects": {"j": {**JET, "order": "eta"}}}, "order"),
    ],
)
def test_senseless_declarations_are_refused(tables: dict[str, Any], message: str) -> None:
    declared = {"objects": {"j": {**JET, "keep": 2}, "mu": {"from": "Muon"}}, **tables}
    with pytest.raises(ValidationError, match=message):
        Extraction.model_validate(declared)


def test_as_it_stands_in_a_file() -> None:
    text = """
    [objects.j]
    from = "particles"
    cluster = {algorithm = "ca", radius = 0.8}
    where = "abs(eta) < 2.5"
    keep = 3
    order = "mass"

    [objects.mu]
    from = "Muon"
    where = "pt > 25 and tightId"

    [substructure]
    z_cut = 0.2

    [features]
    columns = ["mjj = m_j1j2", "msd_j1", "pull = (m_j1 - msd_j1) / m_j1", "n_mu", "MET_pt"]
    select = "mjj > 50"
    copy = ["run"]
    constituents = {j1 = 4, j2 = 4}
    mass = "mjj"
    """
    x = Extraction.model_validate(tomllib.loads(text))
    made = x.table(recorded())
    assert list(made.columns) == ["mjj", "msd_j1", "pull", "n_mu", "MET_pt", "run"]
    assert list(made.blocks) == ["constituents_j1", "constituents_j2"]
    assert made.row.tolist() == [7]
    assert made.columns["n_mu"].tolist() == [2]
    assert x.substructure.z_cut == 0.2


def test_the_definition_can_be_written_and_read() -> None:
    x = extraction(["mjj = m_j1j2", "x = m_j1 / mjj", "pt_j2"], select="mjj > 10", copy=["run"], constituents={"j1": 3})
    again = Extraction.model_validate(json.loads(x.model_dump_json(by_alias=True, exclude_none=True)))
    assert again == x
    assert x.definitions == {"mjj": "m_j1j2", "x": "m_j1 / mjj", "pt_j2": "pt_j2"}
    assert (x.mass, x.feature_names) == ("mjj", ("x", "pt_j2"))
    x = extraction(["x = m_j1", "mjj = m_j1j2"], mass="mjj", learn=["log(x)"])
    assert (x.mass, x.feature_names) == ("mjj", ("log(x)",))


TOY = collisions(24, seed=8)
WHOLE = Extraction.model_validate(
    {
        "objects": {"j": {"cluster": {}, "keep": 2, "order": "rising_mass"}},
        "features": {
            "columns": ["mjj = m_j1j2", "m_j1", "tau21_j2", "c2_j1", "msd_j2", "dr_j1j2", "met", "sphericity", "ht_j"],
            "select": "mjj > 3500 and tau21_j1 < 0.8",
            "constituents": {"j2": 12},
        },
    }
)


@settings(max_examples=10)
@given(st.lists(st.integers(0, 24), max_size=4))
def test_the_table_of_the_whole_is_that_of_its_parts(cuts: list[int]) -> None:
    whole = WHOLE.table(TOY)
    edges = [0, *sorted(cuts), 24]
    parts = [WHOLE.table(TOY[a:b]) for a, b in pairwise(edges)]
    for name, values in {"row": whole.row, **whole.columns, **whole.blocks}.items():
        pieces = [{"row": p.row, **p.columns, **p.blocks}[name] for p in parts]
        np.testing.assert_array_equal(np.concatenate(pieces), values, err_msg=name)
    assert sum(part.n_lacking for part in parts) == whole.n_lacking
    assert 0 < len(whole) < 24


@settings(max_examples=10)
@given(st.integers(0, 2**32 - 1))
def test_the_order_of_particles_does_not_matter(seed: int) -> None:
    particles = TOY.objects["particles"]
    shuffled = particles.ordered(np.random.default_rng(seed).random(int(particles.counts.sum())))
    mixed, whole = WHOLE.table(replace(TOY, objects={"particles": shuffled})), WHOLE.table(TOY)
    np.testing.assert_array_equal(mixed.row, whole.row)
    for name, values in {**whole.columns, **whole.blocks}.items():
        np.testing.assert_allclose({**mixed.columns, **mixed.blocks}[name], values, rtol=2e-6, atol=1e-6, err_msg=name)


@settings(max_examples=10)
@given(st.floats(-3, 3), st.booleans())
def test_rotated_and_mirrored_events_have_the_same_features(angle: float, mirror: bool) -> None:
    fields = TOY.objects["particles"].fields
    phi = fields["phi"].astype(np.float64) + angle
    moved = {"pt": fields["pt"], "eta": fields["eta"] * (-1 if mirror else 1), "phi": np.angle(np.exp(1j * phi))}
    turned = WHOLE.table(replace(TOY, objects={"particles": Objects(TOY.objects["particles"].counts, moved)}))
    whole = WHOLE.table(TOY)
    np.testing.assert_array_equal(turned.row, whole.row)
    for name, values in whole.columns.items():
        np.testing.assert_allclose(turned.columns[name], values, rtol=1e-5, atol=1e-6, err_msg=name)


@settings(max_examples=10)
@given(st.floats(-1, 1))
def test_boosted_events_have_the_same_features(shift: float) -> None:
    """Massless particles: a boost along the beam adds to every pseudorapidity."""
    fields = TOY.objects["particles"].fields
    moved = {**fields, "eta": fields["eta"].astype(np.float64) + shift}
    boosted = WHOLE.table(replace(TOY, objects={"particles": Objects(TOY.objects["particles"].counts, moved)}))
    whole = WHOLE.table(TOY)
    np.testing.assert_array_equal(boosted.row, whole.row)
    for name in ("mjj", "m_j1", "tau21_j2", "c2_j1", "msd_j2", "met", "sphericity", "ht_j"):
        np.testing.assert_allclose(boosted.columns[name], whole.columns[name], rtol=1e-5, atol=1e-6, err_msg=name)


def test_the_mass_of_two_jets_is_that_of_their_particles() -> None:
    found = jets_of(WHOLE, TOY)["j"]
    mjj = WHOLE.model_copy(update={"features": extraction(["mjj = m_j1j2"]).features}).table(TOY).columns["mjj"]
    inside = found[1]
    assert inside is not None
    p = Momenta.of(inside.fields)
    event = np.repeat(found[0].event, inside.counts)
    e, px, py, pz = (np.bincount(event, weights=w) for w in (p.energy, p.px, p.py, p.pz))
    np.testing.assert_allclose(mjj, np.sqrt(e**2 - px**2 - py**2 - pz**2), rtol=1e-6)


def test_substructure_is_computed_for_selected_events_only(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[tuple[int, list[str]]] = []
    compute = reconstruction.compute

    def counted(names: Any, jets: Any, options: Any) -> Any:
        sizes.append((len(jets.constituents), sorted(names)))
        return compute(names, jets, options)

    monkeypatch.setattr(reconstruction, "compute", counted)
    x = extraction(["tau21_j1", "tau1_j1", "n_j2"], {"j": JET}, select="max(m_j1, m_j2) > 400 and n_j1 > 0")
    kept = x.table(TOY)
    assert 0 < len(kept) < 24
    assert sizes == [(24, ["n"]), (len(kept), ["tau1", "tau21"]), (len(kept), ["n"])]


def test_jets_of_every_event_for_drawing() -> None:
    x = extraction(
        ["n_mu", "pt_j1"], {"j": {**JET, "order": "rising_mass", "keep": 2}, "mu": {"from": "Muon", "where": "pt > 25"}}
    )
    found = jets_of(x, recorded())
    muons, nothing = found["mu"]
    assert nothing is None
    assert muons.counts.tolist() == [2, 1, 0, 3]
    jets, inside = found["j"]
    assert jets.counts.tolist() == [2, 1, 0, 1]
    assert inside is not None
    assert inside.counts.tolist() == [1, 1, 1, 2]
    assert inside.fields["index"][-2:].tolist() == [0, 1]
    source = recorded().objects["particles"]
    first = source.offsets[:-1][np.repeat(jets.event, inside.counts)] + inside.fields["index"]
    np.testing.assert_array_equal(source.fields["pt"][first], inside.fields["pt"])


def test_ties_keep_the_order_of_the_input() -> None:
    source = jagged([[(50, 0.1, 0, 5), (50, 0.2, 1, 5), (60, 0.3, 2, 5)]], ("pt", "eta", "phi", "mass"))
    assert candidates(Collection(), source).ranked.fields["eta"].tolist() == [0.3, 0.1, 0.2]
    assert candidates(Collection(order="mass"), source).ranked.fields["eta"].tolist() == [0.3, 0.1, 0.2]
