"""NanoAOD through the command line: selections from TOML alone, faults in one line."""

import json
from collections.abc import Callable
from pathlib import Path

import awkward as ak
import numpy as np
import pyarrow.parquet as pq
import pytest
import uproot

import nanoaod
from lamppost.cli import main
from lamppost.core import Collisions

Vector = dict[str, float]
EVENTS = 600
DIJET = """
[input]
path = "nano.root:Events"
select = "HLT_PFHT1050"

[objects.j]
from = "FatJet"
where = "pt > 300 and abs(eta) < 2.5 and jetId >= 2"
keep = 2
order = "mass"

[features]
columns = ["mjj = m_j1j2", "msoftdrop_j1", "msoftdrop_j2", "tau21_j1 = tau2_j1 / tau1_j1", "deta_j1j2", "n_e", "MET_pt"]
select = "deta_j1j2 < 1.3"

[objects.e]
from = "Electron"
where = "pt > 20 and abs(eta) < 2.5"
"""
DIMUON = """
[input]
path = "nano.root:Events"

[objects.mu]
from = "Muon"
where = "pt > 10 and abs(eta) < 2.4 and tightId"

[features]
columns = ["m = m_mu1mu2", "pt_mu1", "pt_mu2", "dr_mu1mu2"]
select = "charge_mu1 * charge_mu2 < 0 and m_mu1mu2 > 60 and m_mu1mu2 < 120"
"""
CLUSTERED = """
[input]
path = "nano.root:Events"

[objects.j]
from = "PFCands"
cluster = {algorithm = "ca", radius = 0.8, min_pt = 200}

[features]
columns = ["mjj = m_j1j2", "m_j1", "tau21_j1", "jet_charge_j1", "d2_j2"]
constituents = {j1 = 30}
"""


@pytest.fixture
def nano(tmp_path: Path) -> Collisions:
    return nanoaod.write_nanoaod(tmp_path / "nano.root", EVENTS, np.random.default_rng(1), basket=100)


def table(folder: Path, text: str) -> dict[str, np.ndarray]:
    """What `lamppost features` makes of a TOML file."""
    (folder / "features.toml").write_text(text)
    out = folder / "t.parquet"
    assert main(["features", str(folder / "features.toml"), "--out", str(out), "--quiet", "--workers", "1"]) == 0
    found = pq.read_table(out)
    return {name: np.array(found[name].to_pylist()) for name in found.column_names}


def vectors(
    nano: Collisions, name: str, event: int, kept: Callable[[dict[str, float]], bool]
) -> list[dict[str, float]]:
    """The objects of one event as plain numbers, by falling pt."""
    objects = nano.objects[name]
    rows = range(objects.offsets[event], objects.offsets[event + 1])
    made = [{field: float(values[row]) for field, values in objects.fields.items()} for row in rows]
    return sorted((one for one in made if kept(one)), key=lambda one: -one["pt"])


def mass(*objects: Vector) -> float:
    """Of the sum of four-vectors, written out."""
    e = px = py = pz = 0.0
    for one in objects:
        x, y, z = one["pt"] * np.cos(one["phi"]), one["pt"] * np.sin(one["phi"]), one["pt"] * np.sinh(one["eta"])
        px, py, pz = px + x, py + y, pz + z
        e += np.sqrt(x * x + y * y + z * z + one["mass"] ** 2)
    return float(np.sqrt(e * e - px * px - py * py - pz * pz))


def test_dijets(tmp_path: Path, nano: Collisions) -> None:
    expected = {}
    for event in range(EVENTS):
        jets = vectors(nano, "FatJet", event, lambda j: j["pt"] > 300 and abs(j["eta"]) < 2.5 and j["jetId"] >= 2)[:2]
        if not nano.scalars["HLT_PFHT1050"][event] or len(jets) < 2 or abs(jets[0]["eta"] - jets[1]["eta"]) >= 1.3:
            continue
        first, second = sorted(jets, key=lambda jet: -jet["mass"])
        electrons = vectors(nano, "Electron", event, lambda e: e["pt"] > 20 and abs(e["eta"]) < 2.5)
        row = [mass(first, second), first["msoftdrop"], second["msoftdrop"], first["tau2"] / first["tau1"]]
        expected[event] = [*row, abs(first["eta"] - second["eta"]), len(electrons), nano.scalars["MET_pt"][event]]
    found = table(tmp_path, DIJET)
    names = ("mjj", "msoftdrop_j1", "msoftdrop_j2", "tau21_j1", "deta_j1j2", "n_e", "MET_pt")
    assert 50 < len(expected) < EVENTS
    assert found["source_row"].tolist() == list(expected)
    np.testing.assert_allclose(
        np.column_stack([found[n] for n in names]), list(expected.values()), rtol=2e-5, atol=1e-5
    )
    np.testing.assert_array_equal(found["event"], nano.scalars["event"][list(expected)])
    np.testing.assert_array_equal(found["run"], nano.scalars["run"][list(expected)])


def test_dimuons(tmp_path: Path, nano: Collisions) -> None:
    expected = {}
    for event in range(EVENTS):
        muons = vectors(nano, "Muon", event, lambda m: m["pt"] > 10 and abs(m["eta"]) < 2.4 and bool(m["tightId"]))
        if len(muons) > 1 and muons[0]["charge"] * muons[1]["charge"] < 0 and 60 < (m := mass(*muons[:2])) < 120:
            expected[event] = [m, muons[0]["pt"], muons[1]["pt"]]
    found = table(tmp_path, DIMUON)
    assert 50 < len(expected) < EVENTS
    assert found["source_row"].tolist() == list(expected)
    rows = np.column_stack([found[name] for name in ("m", "pt_mu1", "pt_mu2")])
    np.testing.assert_allclose(rows, list(expected.values()), rtol=2e-5)
    assert abs(np.median(found["m"]) - 91.2) < 1.0


def test_jets_of_candidates_are_the_jets_they_came_from(tmp_path: Path, nano: Collisions) -> None:
    found = table(tmp_path, CLUSTERED)
    assert len(found["mjj"]) > 0.9 * EVENTS
    fat = [vectors(nano, "FatJet", event, lambda jet: True) for event in found["source_row"]]
    close = np.isclose(found["mjj"], [mass(*jets[:2]) for jets in fat], rtol=0.02)
    assert close.mean() > 0.9  # candidates far from the axis are lost to the cone
    assert np.isfinite(found["jet_charge_j1"]).all()
    assert found["constituents_j1"].shape == (len(found["mjj"]), 90)


BAD = {
    "no such branch": (
        DIJET.replace("msoftdrop_j1", "msoft_j1"),
        "nano.root:Events: objects.j: 'FatJet' of the input has no field 'msoft'",
    ),
    "no such collection": (DIMUON.replace('"Muon"', '"Muons"'), "Muons"),
    "no such trigger": (DIJET.replace("HLT_PFHT1050", "HLT_PFHT105"), "HLT_PFHT105"),
    "no tree": (DIMUON.replace(":Events", ":Runs"), "Runs"),
    "a number per event as object": (DIMUON.replace('from = "Muon"', 'from = "MET"'), "MET"),
    "unknown key": (DIMUON.replace("[features]", "[features]\ncolumn = 1"), "column"),
    "unknown quantity": (DIMUON.replace("dr_mu1mu2", "dR_mu1mu2"), "dR_mu1mu2"),
    "not an expression": (DIMUON.replace('"dr_mu1mu2"', '"dr_mu1mu2 +"'), "dr_mu1mu2 +"),
}


@pytest.mark.parametrize("what", BAD)
@pytest.mark.usefixtures("nano")
def test_what_is_not_there_is_named(what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text, named = BAD[what]
    (tmp_path / "features.toml").write_text(text)
    before = sorted(tmp_path.iterdir())
    assert main(["features", str(tmp_path / "features.toml"), "--out", str(tmp_path / "t.parquet"), "--quiet"]) == 2
    stdout, stderr = capsys.readouterr()
    assert (stdout, stderr.count("\n")) == ("", 1)
    assert named in stderr
    assert sorted(tmp_path.iterdir()) == before


def test_a_corrupt_basket_is_named(tmp_path: Path, nano: Collisions, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "nano.root"
    with uproot.open(path) as file:
        branch = file["Events"]["Muon_pt"]
        start = int(branch.member("fBasketSeek")[2])
    content = bytearray(path.read_bytes())
    content[start + 80 : start + 140] = b"\xff" * 60
    path.write_bytes(content)
    (tmp_path / "features.toml").write_text(DIMUON)
    command = ["features", str(tmp_path / "features.toml"), "--out", str(tmp_path / "t.parquet"), "--quiet"]
    assert main([*command, "--workers", "1"]) == 2
    stderr = capsys.readouterr().err
    assert stderr.count("\n") == 1
    assert "nano.root" in stderr
    assert "Muon_pt" in stderr
    assert not (tmp_path / "t.parquet").exists()


def test_a_branch_of_another_type_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(2)
    made = nanoaod.branches(nanoaod.nanoaod(100, rng))
    made["HLT_PFHT1050"] = ak.Array([[1.0, 2.0]] * 100)
    nanoaod.write_tree(tmp_path / "nano.root", made, 50)
    (tmp_path / "features.toml").write_text(DIJET)
    assert main(["features", str(tmp_path / "features.toml"), "--out", str(tmp_path / "t.parquet"), "--quiet"]) == 2
    stderr = capsys.readouterr().err
    assert "HLT_PFHT1050" in stderr
    assert stderr.count("\n") == 1


def test_what_was_declared_is_in_the_file(tmp_path: Path, nano: Collisions) -> None:
    table(tmp_path, DIMUON)
    about = json.loads(pq.read_schema(tmp_path / "t.parquet").metadata[b"lamppost"])
    assert about["definition"]["objects"]["mu"]["where"] == "pt > 10 and abs(eta) < 2.4 and tightId"
    assert about["columns"]["m"] == "m_mu1mu2"
    assert about["sources"][0]["rows"] == len(nano)
