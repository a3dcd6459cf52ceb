"""CMS NanoAOD and other trees of jagged branches."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot
from raw_events import same

from lamppost.core import Collisions, Objects
from lamppost.errors import DataError, LamppostError
from lamppost.io import CollisionReader, Input, collision_readers
from lamppost.io.root_objects import _branch
from nanoaod import branches, nanoaod, write_nanoaod, write_tree

EVENTS = 500
BASKET = 60
MADE = nanoaod(EVENTS, np.random.default_rng(7))
SCALARS = list(MADE.scalars)
OBJECTS = {name: list(objects.fields) for name, objects in MADE.objects.items()}
FEW = {"FatJet": ["pt", "eta", "phi", "mass", "msoftdrop"], "Muon": ["charge", "tightId"]}


def reader(path: str | Path, **settings: Any) -> CollisionReader:
    (found,) = collision_readers(Input(path=str(path), **settings))
    return found


def complaint(act: Callable[[], Any]) -> str:
    with pytest.raises(LamppostError) as caught:
        act()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def only(collisions: Collisions, scalars: list[str], objects: dict[str, list[str]]) -> Collisions:
    made = {
        name: Objects(
            collisions.objects[name].counts, {field: collisions.objects[name].fields[field] for field in fields}
        )
        for name, fields in objects.items()
    }
    return Collisions(collisions.row, {name: collisions.scalars[name] for name in scalars}, made)


def write_ntuple(path: Path, arrays: dict[str, Any], clusters: int = 5) -> None:
    """An RNTuple with collections of records."""
    with uproot.recreate(path) as file:
        size = EVENTS // clusters
        ntuple = file.mkrntuple("Events", {name: values[:size] for name, values in arrays.items()})
        for start in range(size, EVENTS, size):
            ntuple.extend({name: values[start : start + size] for name, values in arrays.items()})


@pytest.fixture(params=["tree", "ntuple"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    if request.param == "tree":
        write_tree(tmp_path / "t.root", branches(MADE), BASKET)
    else:
        write_ntuple(tmp_path / "t.root", branches(MADE))
    return tmp_path / "t.root"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    write_tree(tmp_path / "t.root", branches(MADE), BASKET)
    return tmp_path / "t.root"


def test_the_writer_returns_what_it_wrote(tmp_path: Path) -> None:
    made = write_nanoaod(tmp_path / "n.root", EVENTS, np.random.default_rng(7), basket=BASKET)
    same(made, MADE)
    same(reader(tmp_path / "n.root").read(0, EVENTS, SCALARS, OBJECTS), MADE)
    assert MADE.objects["FatJet"].counts.min() == 2
    assert set(MADE.objects["Muon"].counts) == {0, 1, 2}


def test_everything(path: Path) -> None:
    found = reader(path)
    contents = found.contents()
    assert contents.rows == EVENTS
    assert {name: list(fields) for name, fields in contents.objects.items()} == OBJECTS
    assert {**contents.scalars, "run": "integer", "HLT_PFHT1050": "boolean"} == contents.scalars
    assert contents.objects["Muon"] == {
        **dict.fromkeys(("pt", "eta", "phi", "mass"), "float"),
        "charge": "integer",
        "tightId": "boolean",
    }
    whole = found.read(0, EVENTS, SCALARS, OBJECTS)
    same(whole, MADE)
    assert whole.scalars["event"].dtype == np.uint64
    assert whole.scalars["event"].max() > 2**62  # beyond what a float64 holds
    assert whole.scalars["HLT_PFHT1050"].dtype == np.bool_


def test_random_ranges(path: Path) -> None:
    found, expected = reader(path), only(MADE, ["event"], FEW)
    rng = np.random.default_rng(3)
    for start, stop in [(0, 0), (EVENTS, EVENTS), *np.sort(rng.integers(0, EVENTS + 1, (15, 2))).tolist()]:
        same(found.read(start, stop, ["event"], FEW), expected[start:stop])


@pytest.mark.parametrize("rows", [1000, 200, 130, 60, 25])
def test_steps_follow_the_baskets(path: Path, rows: int) -> None:
    found = reader(path)
    steps = found.steps(rows)
    assert [start for start, _ in steps] == [0, *(stop for _, stop in steps[:-1])]
    assert steps[-1][1] == EVENTS
    assert all(0 < stop - start <= rows for start, stop in steps)
    own = {*range(0, EVENTS, 100 if hasattr(uproot.open(path)["Events"], "cluster_summaries") else BASKET), EVENTS}
    size = sorted(own)[1]
    assert rows < size or {edge for step in steps for edge in step} <= own
    assert rows >= size or own <= {edge for step in steps for edge in step}


def test_selection_decides_before_objects_are_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    condition = "HLT_PFHT1050 and MET_pt > 20 and nFatJet == 2"
    if "nFatJet" not in reader(path).contents().scalars:  # an RNTuple needs no counter
        condition = "HLT_PFHT1050 and MET_pt > 20"
    kept = MADE.scalars["HLT_PFHT1050"] & (MADE.scalars["MET_pt"] > 20)
    assert 50 < kept.sum() < 200
    found = reader(path)
    same(found.read(0, EVENTS, ["event"], FEW, condition), only(MADE, ["event"], FEW)[kept])
    start = int(np.flatnonzero(kept)[40]) + 1
    one = found.read(start, start + 60, [], {"Jet": ["pt"]}, condition)
    same(one, only(MADE, [], {"Jet": ["pt"]})[start : start + 60][kept[start : start + 60]])
    none = found.read(0, EVENTS, ["run"], FEW, "MET_pt < 0")
    same(none, only(MADE, ["run"], FEW)[:0])
    spans = spy(found, monkeypatch)
    found.read(0, EVENTS, [], {"Jet": ["pt"]}, f"event == {MADE.scalars['event'][321]}")
    assert [span for name, *span in spans if name.startswith("Jet")] == [[321, 322]]


def spy(found: CollisionReader, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int, int]]:
    """What is read of the file from now on: branch and entries."""
    spans: list[tuple[str, int, int]] = []
    array = found._array

    def spying(name: str, start: int, stop: int) -> Any:
        spans.append((name, start, stop))
        return array(name, start, stop)

    monkeypatch.setattr(found, "_array", spying)
    return spans


def test_only_what_is_asked_for(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = reader(path)
    spans = spy(found, monkeypatch)
    found.read(10, 20, ["run"], {"FatJet": ["pt"], "Muon": []})
    assert [(name.replace(".", "_"), *span) for name, *span in spans] == [
        ("run", 10, 20),
        ("FatJet_pt", 10, 20),
        ("Muon_pt", 10, 20),
    ]
    counted = found.read(0, 30, [], {"Muon": []}).objects["Muon"]
    np.testing.assert_array_equal(counted.counts, MADE.objects["Muon"].counts[:30])
    assert not counted.fields


def test_a_copy_in_another_process_opens_the_file_anew(path: Path) -> None:
    found = reader(path)
    found.contents()
    same(pickle.loads(pickle.dumps(found)).read(3, 77, SCALARS, OBJECTS), MADE[3:77])


def test_one_tree_of_several(tmp_path: Path) -> None:
    arrays = branches(MADE)
    with uproot.recreate(tmp_path / "t.root") as file:
        file["Runs"] = {"run": np.arange(3)}
        file["Events"] = {"MET_pt": arrays["MET_pt"]}
        file["Jets"] = {"jet_pt": arrays["Jet"].pt}
    assert list(reader(tmp_path / "t.root").contents().scalars) == ["MET_pt"]
    assert reader(f"{tmp_path}/t.root:Runs").contents().rows == 3
    assert list(reader(f"{tmp_path}/t.root:Jets").contents().objects) == ["jet"]
    found = complaint(reader(f"{tmp_path}/t.root:Muons").contents)
    assert "no tree 'Muons', found Runs, Events, Jets" in found
    both = Input(path=[f"{tmp_path}/t.root:Events", f"{tmp_path}/t*.root"])
    said = complaint(lambda: collision_readers(both))
    assert said == f"{tmp_path}/t.root:Events: is named without 'Events' as well, its events would count twice"
    assert len(collision_readers(Input(path=[f"{tmp_path}/t.root:Events", f"{tmp_path}/t.root:Runs"]))) == 2


# Branches without counters


def vectors() -> dict[str, Any]:
    fat, muons = MADE.objects["FatJet"], MADE.objects["Muon"]
    arrays = {f"fat_jet_{name}": ak.unflatten(fat.fields[name], fat.counts) for name in ("pt", "eta", "phi", "tau1")}
    arrays |= {f"mu{name}": ak.unflatten(muons.fields[name], muons.counts) for name in ("pt", "eta", "phi")}
    return arrays | {"weight": np.ones(EVENTS)}


def test_collections_by_the_common_prefix(tmp_path: Path) -> None:
    write_ntuple(tmp_path / "t.root", vectors())
    found = reader(tmp_path / "t.root")
    contents = found.contents()
    assert contents.objects == {"fat_jet": dict.fromkeys(["pt", "eta", "phi", "tau1"], "float")}
    assert contents.scalars["weight"] == "float"
    read = found.read(100, 250, ["weight"], {"fat_jet": ["eta", "tau1"]})
    np.testing.assert_array_equal(
        read.objects["fat_jet"].fields["tau1"], MADE.objects["FatJet"][100:250].fields["tau1"]
    )
    assert "branch 'mupt': expected one number per event, found var * float32" in complaint(
        lambda: found.read(0, 1, ["mupt"], {})
    )


def test_collections_that_are_named(tmp_path: Path) -> None:
    write_ntuple(tmp_path / "t.root", vectors())
    named = {"mu": {name: f"mu{name}" for name in ("pt", "eta", "phi")}, "fat_jet": {"pt": "fat_jet_tau1"}}
    found = reader(tmp_path / "t.root", objects=named)
    assert set(found.contents().objects) == {"fat_jet", "mu"}
    read = found.read(0, EVENTS, [], {"mu": ["pt", "phi"], "fat_jet": ["pt", "eta"]})
    np.testing.assert_array_equal(read.objects["mu"].fields["phi"], MADE.objects["Muon"].fields["phi"])
    np.testing.assert_array_equal(read.objects["fat_jet"].fields["pt"], MADE.objects["FatJet"].fields["tau1"])
    for column, said in (
        ("muptt", "objects.mu.pt: no column 'muptt', did you mean 'mupt'?"),
        ("weight", "objects.mu.pt: column 'weight': expected one number per object, found float64"),
    ):
        assert said in complaint(reader(tmp_path / "t.root", objects={"mu": {"pt": column}}).contents)


def test_the_longest_counter_owns_a_branch(tmp_path: Path) -> None:
    counts = {"Jet": np.arange(20) % 3, "Jet_sub": np.arange(20) % 4}
    fields = {"Jet": ["pt", "b_tag"], "Jet_sub": ["pt"]}
    arrays = {
        name: ak.zip({field: ak.unflatten(np.ones(number.sum()), number) for field in fields[name]})
        for name, number in counts.items()
    }
    write_tree(tmp_path / "t.root", arrays, 20)
    found = reader(tmp_path / "t.root")
    assert {name: list(kinds) for name, kinds in found.contents().objects.items()} == fields
    np.testing.assert_array_equal(
        found.read(0, 20, [], {"Jet_sub": ["pt"]}).objects["Jet_sub"].counts, counts["Jet_sub"]
    )


# Bad input


def test_branches_that_are_not_there(path: Path) -> None:
    found = reader(path)
    for objects, said in (
        ({"FatJets": ["pt"]}, f"{path}: no objects 'FatJets', did you mean 'FatJet'? Known are "),
        (
            {"FatJet": ["msofdrop"]},
            "no field 'msofdrop' of FatJet (such as branch FatJet_msofdrop), did you mean 'msoft",
        ),
    ):
        assert said in complaint(lambda objects=objects: found.read(0, 10, [], objects))
        assert said in complaint(lambda objects=objects: found.check([], objects))
    assert f"{path}: no branch 'METpt', did you mean 'MET_pt'?" in complaint(lambda: found.read(0, 10, ["METpt"], {}))
    assert "no branch 'MET_tp'" in complaint(lambda: found.read(0, 10, [], {}, "MET_tp > 3"))


STRANGE = {
    "one string per event": ak.Array(["abc"] * EVENTS),
    "var * var * float64": ak.Array([[[1.0, 2.0]]] * EVENTS),
}


@pytest.mark.parametrize("what", STRANGE)
def test_branches_of_another_type(what: str, tmp_path: Path) -> None:
    muons = branches(MADE)["Muon"]
    arrays = {"Muon_pt": muons.pt, "Muon_eta": STRANGE[what], "MET": STRANGE[what], "run": MADE.scalars["run"]}
    write_ntuple(tmp_path / "t.root", arrays)
    found = reader(tmp_path / "t.root")
    assert f"{tmp_path}/t.root: branch 'Muon_eta': expected one number per object, found {what}" in complaint(
        lambda: found.read(0, 10, [], {"Muon": ["pt", "eta"]})
    )
    told = what.removeprefix("one ").removesuffix(" per event")
    assert f"{tmp_path}/t.root: branch 'MET': expected one number per event, found {told}" in complaint(
        lambda: found.read(0, 10, ["MET"], {})
    )
    assert len(found.read(0, 10, ["run"], {"Muon": ["pt"]})) == 10


def test_types_that_only_other_programs_write() -> None:
    vector = uproot.AsJagged(uproot.AsDtype(">f4"), header_bytes=10)
    assert _branch(vector, "std::vector<float>") == ("float", True, "std::vector<float>")
    assert _branch(uproot.AsDtype("bool"), "bool") == ("boolean", False, "bool")
    for kind in (
        uproot.AsStrings(),
        uproot.AsDtype(np.dtype((">f4", 3))),
        uproot.AsJagged(uproot.AsDtype(np.dtype((">f4", 2)))),
    ):
        assert _branch(kind, "X").kind == "X"


def test_one_number_where_there_should_be_one_per_object(tmp_path: Path) -> None:
    muons = branches(MADE)["Muon"]
    arrays = {"Muon": muons[["pt", "phi"]], "Muon_eta": np.ones(EVENTS, np.float32)}
    write_tree(tmp_path / "t.root", arrays, BASKET)
    found = reader(tmp_path / "t.root")
    assert "branch 'Muon_eta': expected one number per object, found one float per event" in complaint(
        lambda: found.read(0, 10, [], {"Muon": ["eta"]})
    )
    assert found.read(0, 10, ["Muon_eta", "nMuon"], {}).scalars["Muon_eta"].tolist() == [1.0] * 10
    assert "branch 'Muon_pt': expected one number per event, found one for each of Muon" in complaint(
        lambda: found.read(0, 10, ["Muon_pt"], {})
    )


def test_numbers_of_objects_that_differ(tmp_path: Path) -> None:
    arrays = vectors()
    numbers = MADE.objects["FatJet"].counts.copy()
    numbers[321] = 1
    arrays["fat_jet_eta"] = ak.unflatten(np.zeros(numbers.sum()), numbers)
    write_ntuple(tmp_path / "t.root", arrays)
    found = reader(tmp_path / "t.root")
    said = f"{tmp_path}/t.root: branch 'fat_jet_pt' and 'fat_jet_eta' of fat_jet, row 321: "
    fields = {"fat_jet": ["pt", "phi", "eta"]}
    assert f"{said}expected the same number of objects, found 2 and 1" in complaint(
        lambda: found.read(300, 400, [], fields)
    )
    assert len(found.read(0, 321, [], fields)) == 321


@pytest.mark.parametrize("name", ["pt", "eta", "phi", "mass"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_momenta_that_are_not_finite(name: str, value: float, tmp_path: Path) -> None:
    muons = MADE.objects["Muon"]
    bad = int(np.flatnonzero(muons.event > 250)[0])
    values = muons.fields[name].copy()
    values[bad] = value
    changed = {**muons.fields, name: values, "charge": muons.fields["charge"]}
    arrays = branches(MADE)
    arrays["Muon"] = ak.zip({field: ak.unflatten(column, muons.counts) for field, column in changed.items()})
    write_tree(tmp_path / "t.root", arrays, BASKET)
    found, row = reader(tmp_path / "t.root"), int(muons.event[bad])
    assert f"row {row}: Muon.{name}: expected a finite number" in complaint(
        lambda: found.read(200, 400, [], {"Muon": OBJECTS["Muon"]})
    )
    first = f"event == {MADE.scalars['event'][row]}"
    assert f"row {row}: Muon.{name}" in complaint(lambda: found.read(0, EVENTS, [], {"Muon": [name]}, first))
    assert len(found.read(0, EVENTS, [], {"Muon": [name]}, f"not ({first})")) == EVENTS - 1


def test_a_selection_needs_its_values(tmp_path: Path) -> None:
    missing = MADE.scalars["MET_pt"].copy()
    missing[77] = np.nan
    write_tree(tmp_path / "t.root", branches(MADE) | {"MET_pt": missing}, BASKET)
    found = reader(tmp_path / "t.root")
    assert (
        "branch 'MET_pt', row 77: expected a finite number, for select 'MET_pt > 20' needs it, found nan"
        in complaint(lambda: found.read(50, 100, [], {}, "MET_pt > 20"))
    )
    assert np.isnan(found.read(77, 78, ["MET_pt"], {}).scalars["MET_pt"][0])
    assert complaint(lambda: found.check([], {}, "MET_pt >")).startswith("select: 'MET_pt >' is neither")


@pytest.mark.parametrize("name", ["FatJet_tau1", "luminosityBlock"])
def test_corrupt_basket(name: str, tree: Path) -> None:
    with uproot.open(tree) as file:
        branch = file["Events"][name]
        start, size = branch.member("fBasketSeek")[2], branch.member("fBasketBytes")[2]
    content = bytearray(tree.read_bytes())
    content[start + size // 2 : start + size] = b"\xa5" * (size - size // 2)
    tree.write_bytes(content)
    found = reader(tree)
    scalars, objects = (["luminosityBlock"], {}) if name == "luminosityBlock" else ([], {"FatJet": ["pt", "tau1"]})
    said = complaint(lambda: found.read(100, 400, scalars, objects))
    assert f"{tree}: branch {name!r}, basket of entries 120 to 179: cannot be read, damaged or not what" in said
    assert len(found.read(0, 120, scalars, objects)) == 120
    same(found.read(0, EVENTS, ["run"], {"Jet": OBJECTS["Jet"]}), only(MADE, ["run"], {"Jet": OBJECTS["Jet"]}))


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.95])
def test_truncated_file(path: Path, share: float) -> None:
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    found = reader(path)
    assert str(path) in complaint(lambda: (found.contents(), found.read(0, EVENTS, SCALARS, OBJECTS)))


def test_rubbish(tmp_path: Path) -> None:
    (tmp_path / "t.root").write_bytes(np.random.default_rng(1).bytes(5000))
    with pytest.raises(DataError, match="cannot be read, damaged or not what its suffix says"):
        reader(tmp_path / "t.root").contents()
