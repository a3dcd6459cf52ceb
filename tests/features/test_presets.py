"""The feature sets of the field: what is in them, and that they are what was published."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import fastjet
import numpy as np
import pyarrow.parquet as pq
import pytest
from feature_toys import collisions
from numpy.typing import NDArray
from pydantic import ValidationError
from scipy.stats import ks_2samp

from lamppost.core import Collisions, Objects
from lamppost.expressions import named, parse
from lamppost.features import PRESETS, Extraction, glossary, listing

SHARED = Path(__file__).parents[3] / "shared" / "data"
shared = pytest.mark.skipif(not SHARED.is_dir(), reason="the shared sample files are not beside the repository")


def preset(name: str, **features: Any) -> Extraction:
    return Extraction.model_validate({"features": {"preset": name, **features}})


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_makes_a_table_that_a_search_can_read(name: str) -> None:
    toys = collisions(40, seed=2)
    x = preset(name)
    table = x.table(toys)
    assert len(table) > 30
    assert tuple(table.columns) == (*x.names, "label")
    assert x.mass == "mjj"
    assert table.columns["label"].dtype == np.uint8
    for column, values in table.columns.items():
        assert np.isfinite(values).all(), column
    for text in x.feature_names:
        expression = parse(named(text)[1])
        assert set(expression.columns) <= {*x.names} - {"mjj"}
        assert np.isfinite(expression.values(table.columns)).all()


def test_what_is_in_each() -> None:
    jets = ("j1", "j2")
    first = ("mjj", "mj1", "dm")
    assert preset("lhco4").names == (*first, "tau21_j1", "tau21_j2")
    assert set(preset("lhco10").names) == {
        *first,
        *(f"{t}_{j}" for t in ("tau21", "tau32", "tau43", "tau54") for j in jets),
    }
    assert set(preset("lhco12").names) == {*first, *(f"tau{n}_{j}" for n in range(1, 6) for j in jets)}
    assert len(preset("wide").names) >= 50
    for name, features in {"lhco4": 4, "lhco10": 10, "lhco12": 12, "lhco56": 56}.items():
        assert len(preset(name).feature_names) == features
    assert not {"pt_j1", "pt_j2", "deta_j1j2", "mjj"} & {*preset("wide").feature_names}


def test_the_lighter_jet_is_the_first() -> None:
    columns = preset("wide").table(collisions(50, seed=3)).columns
    assert (columns["dm"] >= 0).all()
    assert (columns["pt_j1"] > columns["pt_j2"]).any()
    assert (columns["pt_j1"] < columns["pt_j2"]).any()


def test_the_cut_of_the_olympics() -> None:
    toys = collisions(200, seed=4, ht=2400)
    columns = preset("lhco4", columns=["hard = max(pt_j1, pt_j2)"]).table(toys).columns
    every = preset("lhco4", columns=["hard = max(pt_j1, pt_j2)"], select="mass_j1 >= 0").table(toys).columns
    assert columns["hard"].min() > 1200 > every["hard"].min()
    assert (every["hard"] > 1200).sum() == len(columns["hard"])


def test_what_is_given_replaces_what_a_preset_has() -> None:
    x = Extraction.model_validate(
        {
            "objects": {"j": {"cluster": {"radius": 0.8}, "order": "pt"}, "mu": {"from": "Muon"}},
            "features": {"preset": "lhco4", "select": "m_j1j2 > 100", "constituents": {"j1": 5}},
        }
    )
    j = x.objects["j"]
    assert j.cluster is not None
    assert (j.cluster.radius, j.cluster.algorithm, j.order, j.keep, j.source) == (0.8, "antikt", "pt", 2, "particles")
    assert x.features.columns == preset("lhco4").features.columns
    assert x.features.select == "m_j1j2 > 100"
    assert x.features.preset is None
    x = preset("lhco", columns=["m_j1"])
    assert (x.names, x.mass, x.feature_names) == (("m_j1",), "m_j1", ())
    again = Extraction.model_validate(x.model_dump(mode="json", by_alias=True, exclude_none=True))
    assert again == x


def test_unknown_presets() -> None:
    with pytest.raises(ValidationError, match="unknown preset 'lhco44'; did you mean 'lhco4'"):
        preset("lhco44")
    with pytest.raises(ValidationError, match="unknown preset 'nothing', known are lhco4, lhco10"):
        preset("nothing")


def test_the_listing_names_every_preset_and_quantity() -> None:
    words = listing().split()
    assert {*PRESETS} <= {*words}
    for quantities in glossary().values():
        assert {*quantities} <= {*words}
        for name, quantity in quantities.items():
            assert quantity.name == name
            assert quantity.formula
            assert quantity.source


def olympics(particles: NDArray[Any], label: NDArray[Any]) -> Collisions:
    """From (n, 700, 3), zero padded."""
    there = particles[:, :, 0] > 0
    fields = {name: particles[:, :, i][there] for i, name in enumerate(("pt", "eta", "phi"))}
    counts = there.sum(axis=1).astype(np.int64)
    return Collisions(np.arange(len(particles)), {"label": label}, {"particles": Objects(counts, fields)})


@shared
def test_raw_events_reproduce_the_table_made_from_them() -> None:
    import h5py
    import hdf5plugin  # noqa: F401

    with h5py.File(SHARED / "lhco_like" / "raw_3000.h5") as file:
        rows = file["df/block0_values"][:]
    made = preset("lhco").table(olympics(rows[:, :2100].reshape(-1, 700, 3), rows[:, 2100]))
    tables = [pq.read_table(SHARED / "lhco_like" / f"{name}.parquet") for name in ("qcd_0", "signal")]
    assert made.row.tolist() == list(range(3000))
    for name, values in made.columns.items():
        expected = np.concatenate([tables[0][name][:2000].to_numpy(), tables[1][name][:1000].to_numpy()])
        # the raw file holds float32; a momentum is as precise as the largest of its components
        scale = 2000.0 if name[0] == "p" else np.abs(expected) + (0.2 if name.startswith("tau") else 0.0)
        assert (np.abs(values - expected) <= 1e-4 * scale).all(), name


def one_event(particles: Objects) -> list[float]:
    """The mass and the four features by fastjet's own objects."""
    jets = []
    for pt, eta, phi in zip(*(values.astype(np.float64) for values in particles.fields.values()), strict=True):
        jets.append(fastjet.PseudoJet(pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta), pt * np.cosh(eta)))
    sequence = fastjet.ClusterSequence(jets, fastjet.JetDefinition(fastjet.antikt_algorithm, 1.0))
    light, heavy = sorted(sorted(sequence.inclusive_jets(20.0), key=lambda j: -j.pt())[:2], key=lambda j: j.m())
    taus = [subjettiness(jet) for jet in (light, heavy)]
    return [(light + heavy).m(), light.m(), heavy.m() - light.m(), *(tau[1] / (tau[0] + 1e-5) for tau in taus)]


def subjettiness(jet: Any) -> list[float]:
    import awkward as ak

    rows = [[{"px": c.px(), "py": c.py(), "pz": c.pz(), "E": c.E()} for c in jet.constituents()]]
    sequence = fastjet.ClusterSequence(ak.Array(rows), fastjet.JetDefinition(fastjet.antikt_algorithm, 1.0))
    taus = sequence.njettiness("NormalizedMeasure", "OnePass_KT_Axes", njets=[1, 2], beta=1.0, R0=1.0)
    return [float(tau) for tau in np.asarray(taus).ravel()]


@pytest.fixture(scope="module")
def official() -> Collisions:
    """The 1000 events of the official example."""
    stored = np.load(SHARED / "lhco_tiny" / "lhco_tiny_1000.npz")
    return olympics(stored["particles"], stored["label"])


@shared
def test_official_events_one_by_one(official: Collisions) -> None:
    made = preset("lhco4").table(official)
    assert made.row.tolist() == list(range(1000))  # the cut was made already
    values = np.stack([made.columns[name] for name in preset("lhco4").names], axis=1)
    for i in range(1000):
        assert values[i] == pytest.approx(one_event(official[i : i + 1].objects["particles"]), rel=1e-5, abs=1e-4)


@shared
@pytest.mark.parametrize("label", [0, 1])
def test_official_events_agree_with_the_published_features(official: Collisions, label: int) -> None:
    """Those of the signal region, by class; p values of draws from one distribution are uniform."""
    made = preset("lhco4", select="m_j1j2 > 3300 and m_j1j2 < 3700").table(official)
    published = np.load(SHARED / "lhco_signal_region" / "train.npz", allow_pickle=True)["events"]
    published = published[published[:, 5] == label]
    mine = made.columns["label"] == label
    assert mine.sum() > 50
    for i, name in enumerate(("mjj", "mj1", "dm", "tau21_j1", "tau21_j2")):
        unit = 1e-3 if i < 3 else 1.0
        assert ks_2samp(made.columns[name][mine] * unit, published[:, i]).pvalue > 0.01, name


@shared
@pytest.mark.parametrize("name", ["lhco4", "wide"])
def test_chunks_of_official_events_give_the_same_bits(official: Collisions, name: str) -> None:
    x, few = preset(name, constituents={"j1": 50}), official[:300]
    whole, parts = x.table(few), [x.table(few[a:b]) for a, b in pairwise((0, 1, 128, 129, 300))]
    for column, values in {**whole.columns, **whole.blocks}.items():
        joined = np.concatenate([{**part.columns, **part.blocks}[column] for part in parts])
        np.testing.assert_array_equal(joined, values, err_msg=column)
