"""The benchmark of the methods in miniature: its tables, one comparison and one hunt, and the page."""

import argparse
import json
import math
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from lamppost.core import Method
from small_comparison import background

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
pytestmark = pytest.mark.skipif(not BENCHMARKS.exists(), reason="benchmarks are in the repository only")
Columns = dict[str, NDArray[Any]]


@pytest.fixture
def part(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Import a module of the benchmarks by name."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return lambda name: import_module(f"methods_parts.{name}")


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Run `python benchmarks/methods.py` with these arguments, in this process."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))

    def run(*arguments: object) -> None:
        monkeypatch.setattr(sys, "argv", ["methods.py", *map(str, arguments)])
        import_module("methods").main()

    yield run
    Method.registry.pop("tagger", None)
    sys.modules.pop("methods_parts.tagger", None)


def jets(n: int, seed: int, signal: bool = False) -> Columns:
    """Two jets by falling pT, as the tables of the LHC Olympics; signal is a peak with two masses and low tau21."""
    rng = np.random.default_rng([seed, 3])
    mass = rng.normal(3500.0, 100.0, n) if signal else background(n, seed)["mjj"]
    masses = np.stack([rng.normal(at, 20.0, n) if signal else rng.gamma(3.0, 50.0, n) for at in (100.0, 500.0)])
    masses = rng.permuted(masses, axis=0).clip(1.0)
    found = {"mjj": mass, "label": np.full(n, int(signal))}
    for jet in (1, 2):
        ratio = rng.beta(2, 6, n) if signal else rng.beta(6, 3, n)
        found |= {f"mj{jet}": masses[jet - 1], f"tau1j{jet}": rng.uniform(0.05, 0.3, n)}
        found[f"tau2j{jet}"] = ratio * found[f"tau1j{jet}"]
    return found


def wide(columns: Columns, seed: int) -> Columns:
    """The same jets with the columns of the preset `wide`, the lighter first."""
    rng = np.random.default_rng([seed, 4])
    swap = columns["mj1"] > columns["mj2"]
    light, heavy = (np.where(swap == first, columns["mj2"], columns["mj1"]) for first in (True, False))
    found = {"mjj": columns["mjj"], "mj1": light, "dm": heavy - light, "label": columns["label"]}
    for jet, first in (("j1", True), ("j2", False)):
        for order in (1, 2):
            two, one = columns[f"tau{order}j2"], columns[f"tau{order}j1"]
            found[f"tau{order}_{jet}"] = np.where(swap == first, two, one)
        for order in (3, 4, 5):
            found[f"tau{order}_{jet}"] = found[f"tau{order - 1}_{jet}"] * rng.uniform(0.5, 0.9, len(light))
        for above, below in ((2, 1), (3, 2), (4, 3), (5, 4)):
            found[f"tau{above}{below}_{jet}"] = found[f"tau{above}_{jet}"] / found[f"tau{below}_{jet}"]
    return found


def write(path: Path, columns: Columns, metadata: dict[str, Any] | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    about = None if metadata is None else {"lamppost": json.dumps(metadata)}
    pq.write_table(pa.table(columns).replace_schema_metadata(about), path)


def prepare(command: Callable[..., None], folder: Path) -> Path:
    """Small tables of both simulations, made common."""
    for name, n, signal in (("qcd_0", 9_000, False), ("qcd_alt", 2_000, False), ("signal", 1_500, True)):
        write(folder / f"tables/{name}.parquet", jets(n, len(name), signal))
    write(folder / "tables/signal_3prong.parquet", jets(400, 5, True))
    write(folder / "more/qcd_1M.parquet", wide(jets(3_000, 6), 6))
    write(folder / "more/ref_300k.parquet", wide(jets(1_000, 7), 7))
    numbers = {"wprime": 600, "zprime_tt": 300}
    processes = {name: {"events": n} for name, n in numbers.items()}
    simulation = {"processes": processes, "seed": 8, "shower": {"model": "simple", "mpi": True}}
    write(folder / "more/signals.parquet", wide(jets(900, 8, True), 8), {"simulation": simulation})
    command("prepare", folder / "tables", "--more", folder / "more", "--out", folder / "out")
    return folder / "out"


def test_tables_are_common(command: Callable[..., None], tmp_path: Path) -> None:
    out = prepare(command, tmp_path)
    about = json.loads((out / "tables/about.json").read_text())
    found = {path.stem: pq.read_table(path) for path in (out / "tables").glob("*.parquet")}
    sizes = {name: table.num_rows for name, table in found.items()}
    assert sizes == {name: one["events"] for name, one in about.items()}
    assert sizes == {
        **{"qcd": 12_000, "wprime": 2_100, "zprime_tt": 700, "reference": 3_000},
        **{"wide_qcd": 3_000, "wide_wprime": 600, "wide_zprime_tt": 300, "wide_reference": 1_000},
    }
    numbers = np.concatenate([found[name]["event"].to_numpy() for name in sizes if not name.startswith("wide")])
    assert len(np.unique(numbers)) == len(numbers)
    assert {name: set(table["label"].to_pylist()) for name, table in found.items()} == {
        name: {int("prime" in name)} for name in sizes
    }
    raw, made = jets(9_000, 5), found["qcd"].slice(0, 9_000)
    swap = raw["mj1"] > raw["mj2"]
    heavy = np.where(swap, raw["tau2j1"] / (raw["tau1j1"] + 1e-5), raw["tau2j2"] / (raw["tau1j2"] + 1e-5))
    assert made["tau21_j2"].to_numpy() == pytest.approx(heavy, rel=1e-6)
    assert made["mj1"].to_numpy() == pytest.approx(np.minimum(raw["mj1"], raw["mj2"]), rel=1e-6)
    again = found["qcd"].slice(9_000)  # the same formula from the other simulation's columns
    other = wide(jets(3_000, 6), 6)
    assert again["tau21_j1"].to_numpy() == pytest.approx(other["tau2_j1"] / (other["tau1_j1"] + 1e-5), rel=1e-6)
    assert len(found["wide_qcd"].column_names) == 2 + len(set(found["wide_qcd"].column_names) - {"event", "label"})


def test_comparison_hunts_and_page(command: Callable[..., None], part: Any, tmp_path: Path) -> None:
    out, common = prepare(command, tmp_path), ["--workers", "1", "--quiet", "--seed", "1000"]
    some = ["--draws", "2", "--strengths", "0.05", "--methods", "idealised", "cwola"]
    command("main", "--out", out, *common, *some)
    one = ["--draws", "1", "--methods", "cwola", "--strengths", "0.05", "--sets", "12"]
    command("prongs", f"--out={out}/", *common, *one)
    assert f"{out}" not in json.loads((out / "prongs.json").read_text())["command"]
    command("null", "--out", out, *common, "--draws", "1", "--events", "6000", "--methods", "random")
    first = json.loads((out / "main.json").read_text())
    assert first["command"].startswith("python benchmarks/methods.py main --out OUT")
    cwola = first["by_set"]["4"]["methods"]["cwola"]["s_over_b"]["0.05"]
    assert len(cwola["draws"]["sic_max"]) == 2
    assert cwola["sic_max"][0] > 2  # two masses and two ratios, all of them far from background
    (null,) = json.loads((out / "null.json").read_text())["methods"]["random"]
    assert all(0 < null[p] <= 1 for p in ("p_global", "sidebands_p", "across_p", "control_p"))
    assert null["across_p"] != null["sidebands_p"]  # the one sees the region, too
    assert null["cpu_s"] > 0
    drawn, view = part("draws").drawn(str(out), 1, 0.05, 1000)
    (counted,) = first["by_set"]["4"]["draws"][1]["strengths"]
    assert (len(view.sr), *drawn.injected) == tuple(counted[name] for name in ("region", "injected_region", "injected"))
    command("null", "--out", out, *common, "--draws", "1", "--events", "6000", "--methods", "random")
    (resumed,) = json.loads((out / "null.json").read_text())["methods"]["random"]
    assert resumed["cpu_s"] == pytest.approx(null["cpu_s"])  # the first start's
    (out / "main.json").unlink()
    command("main", "--out", out, *common, *some)  # from what is stored
    again = json.loads((out / "main.json").read_text())
    assert again["by_set"]["4"]["methods"] == first["by_set"]["4"]["methods"]
    command("page", "--out", out, "--table", tmp_path / "page.md")
    text = (tmp_path / "page.md").read_text()
    assert "| cwola " in text
    assert "## Three prongs" in text
    assert "features mj1, dm, tau1_j1" in text
    assert "random: smallest of 1 global p in 1 hunts" in text
    assert "## How the tables were made" in text
    assert "`lamppost simulate wprime=600 zprime_tt=300 --seed 8 --features wide`, `[shower]` mpi = true" in text


def test_page_of_what_was_measured(part: Any, tmp_path: Path) -> None:
    """Paired ratios and verdicts by hand: draws of 2, 4, 6 against 4, 4, 4 are 0.5, 1, 1.5 of it."""
    made = {"idealised": method([4.0, 4.0, 4.0], True), "cathode": method([2.0, 4.0, 6.0]), "cwola": method([1.0] * 3)}
    stored = {"by_set": {"4": {**SIZES, "methods": made, "agreement": {"0.0064": AGREEMENT}}}, **ORIGIN}
    for name in ("main", "curve"):
        (tmp_path / f"{name}.json").write_text(json.dumps(stored))
    looks = [
        {
            "strength": 0.0064,
            "cpu_s": 1.0,
            "estimate": [110.0] * 5,
            "true": [100.0] * 5,
            "stated": [3.0] * 5,
            "true_error": [4.0] * 5,
        }
    ]
    (tmp_path / "anode.json").write_text(json.dumps({"looks": looks, **ORIGIN}))
    (tmp_path / "hunt.json").write_text(json.dumps({**HUNT, **ORIGIN}))
    (tmp_path / "reach.json").write_text(json.dumps({"by_set": {"4": REACH}, **ORIGIN}))
    (tmp_path / "null.json").write_text(json.dumps({**NULL, **ORIGIN}))
    part("page").write(tmp_path, tmp_path / "page.md")
    rows = [
        [cell.strip() for cell in line.split("|")[1:-1]] for line in (tmp_path / "page.md").read_text().splitlines()
    ]
    found = {row[0]: row[1:] for row in rows if len(row) == 4}
    low, high = np.quantile([0.5, 1.0, 1.5], [0.16, 0.84])
    ratio = f"1.00 [{low:.2f}, {high:.2f}]"
    assert found["cathode / idealised, max SIC, S/B 0.0064"] == [ratio, "≥ 0.9", "met"]
    assert found["cwola / idealised, max SIC, S/B 0.0064"] == ["0.25 [0.25, 0.25]", "≥ 0.6", "missed by 0.35"]
    assert found["lacathode / idealised, max SIC, S/B 0.0064"][2] == "not measured"
    assert found["anode, S/B 0.0064, eps_B 0.001: size of the pull"] == ["2.00 [2.00, 2.00]", "≤ 1", "missed by 1"]
    assert found["hunt with cathode, one window, wall s"] == ["200.00", "≤ 240", "met"]
    assert ["cwola", "700", "500 to outside", "0.003", "1.1", "1000: 4.0, 500: 2.0", "9"] in rows
    assert [
        "cwola",
        "8 of 9",
        " ".join(["0.5"] * 8 + ["none"]),
        "0.5",
        "1.5",
        " ".join(["0.4"] * 8 + ["none"]),
        "10",
    ] in rows
    flat = {row[0]: row[3:] for row in rows if len(row) == 6}
    assert flat["cwola"] == ["0 of 8", "2 of 8", "SCULPTS"]
    assert flat["cathode"] == ["1 of 8", "0 of 8", ""]
    assert found["cwola: smallest of 8 global p in 9 hunts, for their number"] == ["1.00", "≥ 0.05", "met"]
    assert found["anode: smallest of 0 global p in 1 hunts, for their number"][2] == "not measured"
    assert "![SIC" in (tmp_path / "page.md").read_text()
    assert "cathode" in (tmp_path / "_static/sensitivity.svg").read_text()
    beside = {row[1]: row[2:] for row in rows if len(row) == 5 and row[0] == "All methods, four features"}
    assert beside["idealised"] == ["4.00 [4.00, 4.00]", "15.08", "lower"]
    assert beside["cwola"][2] == "not comparable: eps_B at the maximum is 0.0002"


def test_peak_is_the_fullest_bin(part: Any) -> None:
    values = np.array([1.0, 95.0, 98.0, 99.0, 121.0, 125.0, 300.0])
    assert part("ranode").peak(values, 20.0) == 90.0


def test_page_where_a_method_could_not_be_trained(part: Any, tmp_path: Path) -> None:
    failed = method([1.0] * 3)
    nothing = {**dict.fromkeys(FIGURES), "ratio": dict.fromkeys(FIGURES), "flatness": {"0.01": dict.fromkeys(FLAT)}}
    draws = {name: [None] * 3 for name in (*FIGURES, "eps_b_at_max")}
    failed |= {"cpu_s": None, "s_over_b": {"0.0064": {**nothing, "draws": draws}}}
    made = {"idealised": method([4.0] * 3, True), "cathode": failed}
    agreement = {"0.0064": dict.fromkeys(AGREEMENT)}
    stored = {"by_set": {"4": {**SIZES, "methods": made, "agreement": agreement}}, **ORIGIN}
    for name in ("main", "curve", "correlated"):
        (tmp_path / f"{name}.json").write_text(json.dumps(stored))
    part("page").write(tmp_path, tmp_path / "page.md")
    text = (tmp_path / "page.md").read_text()
    (row,) = [line for line in text.splitlines() if line.startswith("| cathode / idealised, max SIC, S/B 0.0064")]
    assert "not measured" in row
    assert "Rank correlation" not in text


def test_bars_can_fail(part: Any) -> None:
    bar = part("sections").Bar
    assert bar("a", [1.0], 1.0).met
    assert not bar("a", [1.0], 1.0, strict=True).met
    assert not bar("a", [1.0], 1.0, at_least=False, strict=True).met
    assert bar("a", [0.9], 1.0, at_least=False, strict=True).cells() == ["a", "0.90", "< 1", "met"]
    assert bar("a", [math.inf] * 3, 1.0).cells() == ["a", "∞ [∞, ∞]", "≥ 1", "met"]


def test_what_others_start_from_may_find_nothing(part: Any) -> None:
    """A difference has a value where a ratio has none; who finds as little does not beat it."""
    methods = {"salad": method([1.0, 2.0, 3.0]), "feta": method([0.0] * 3), "simulation": method([0.0] * 3)}
    bars = {bar.what: bar for bar in part("requirements").main_bars(methods)}
    assert bars["salad - simulation, max SIC, S/B 0.0064"].found == pytest.approx([2.0, 1.32, 2.68])
    assert bars["salad - simulation, max SIC, S/B 0.0064"].met
    assert bars["feta - simulation, max SIC, S/B 0.0064"].met is False


def test_sa_cwola_is_judged_where_it_can_fail(part: Any) -> None:
    bars = part("requirements").correlated_bars({"sa_cwola": method([1.0] * 3)})
    assert [(bar.what, bar.met) for bar in bars if bar.what.startswith("sa_cwola")] == [
        ("sa_cwola, SIC at eps_B = 1e-3, shifted set", False)
    ]


@pytest.mark.parametrize("size", [4, 10, 12])
def test_groups_share_the_features_out(part: Any, size: int) -> None:
    features = part("configs").SETS[size]
    groups = part("configs").data(["events.parquet"], features)["groups"]
    assert sorted([*groups["j1"], *groups["j2"]]) == sorted(features)
    assert (groups["j1"][0], groups["j2"][0]) == ("mj1", "dm")


def test_options_are_offered_where_they_act(command: Callable[..., None], tmp_path: Path) -> None:
    for wrong in (["anode", "--methods", "cwola"], ["hunt", "--sets", "4"], ["main", "--sets", "12"]):
        with pytest.raises(SystemExit):
            command(*wrong, "--out", tmp_path)


def test_looks_are_kept_for_the_same_tables_only(part: Any, tmp_path: Path) -> None:
    options = argparse.Namespace(out=tmp_path, seed=1000, draws=1)

    def look(digest: str) -> dict[str, Any]:
        about = {name: {"sha256": digest} for name in ("qcd", "wprime")}
        (tmp_path / "tables").mkdir(exist_ok=True)
        (tmp_path / "tables/about.json").write_text(json.dumps(about))
        (found,) = part("measured").looks("dict", dict, options, 5, [{"strength": 0.1}])
        return dict(found)

    assert look("a")["number"] == 0
    (kept,) = (tmp_path / "dict").glob("*.json")
    stored = json.loads(kept.read_text())
    kept.write_text(json.dumps({**stored, "result": {**stored["result"], "strength": 0.2}}))
    assert look("a")["strength"] == 0.2  # what was stored
    assert look("b")["strength"] == 0.1  # made anew


def test_methods_that_sculpt_are_named(part: Any) -> None:
    unlikely = part("null").unlikely
    assert not unlikely(1, 40)  # chance gives 0.4 of 40, three or more in 0.7 % of all cases
    assert unlikely(3, 40)


FLAT = {"p": [0.5] * 3, "chi2": [9.0] * 3, "ndf": [10.0] * 3, "region_over_sidebands": [1.0] * 3}
AGREEMENT = {which: np.eye(3).tolist() for which in ("background", "signal", "shared")}
DRAW = {"reference": 10, "test": 10, "test_signal": 10, "strengths": [{"region": 10, "injected_region": 1}]}
SIZES = {
    "data": {"background": 100, "signal": 10, "features": ["a"]},
    "window": {"lo": 3300.0, "hi": 3700.0, "reach": 400.0},
    "draws": [DRAW] * 3,
    "warnings": [],
}
ORIGIN = {"command": "python benchmarks/methods.py", "machine": "one", "versions": {"python": "3"}}
HUNT = {"events": 1, "signal": 1, "workers": 2, "wall_s": 200.0, "cpu_s": 1.0, "max_rss_mb": 1, "z_global": 1.0}
REACHED = {"reach": 700.2, "bound": None, "interval": [500.0, None], "s_over_b": 0.003, "sigma": 1.1, "cpu_s": 9.0}
REACH = {
    "draw": {"background": 1000, "background_region": 100.0},
    "warnings": [],
    "methods": {"cwola": {**REACHED, "points": [{"events": 1000, "median": 4.0}, {"events": 500, "median": 2.0}]}},
}
UNFIT = dict.fromkeys(("p_global", "z_local", "sidebands_p", "across_p", "control_p", "cpu_s"))
HUNTED = {"p_global": 0.5, "z_local": 1.5, "sidebands_p": 0.5, "across_p": 0.5, "control_p": 0.4, "cpu_s": 10.0}
NULL = {
    "draws": 9,
    "events": 10,
    "scan": {"windows": [[3300.0, 3700.0]]},
    "methods": {
        "cwola": [*[{**HUNTED, "across_p": 0.001}] * 2, *[HUNTED] * 6, UNFIT],
        "cathode": [{**HUNTED, "sidebands_p": 0.001}, *[HUNTED] * 7],
        "anode": [UNFIT],
    },
}


def method(sic: list[float], needs_truth: bool = False) -> dict[str, Any]:
    """What a comparison says of a method that had these SIC in three draws, and the idealised one 4 in all of them."""
    median = [float(q) for q in np.quantile(sic, [0.5, 0.16, 0.84])]
    figures = dict.fromkeys(FIGURES, median)
    ratio = {name: [q / 4.0 for q in found] for name, found in figures.items()}
    draws = {**dict.fromkeys(FIGURES, sic), "eps_b_at_max": [2e-3 if needs_truth else 2e-4] * 3}
    found = {**figures, "ratio": ratio, "flatness": {"0.01": FLAT}, "draws": draws}
    about = {"kind": "x", "needs_truth": needs_truth, "closure_auc": None, "closure": [], "cpu_s": 1.0}
    return {**about, "s_over_b": {"0.0064": found}}


FIGURES = ("sic_max", "sic_at_eps_b_1e-3", "sic_at_eps_s_0.2")
