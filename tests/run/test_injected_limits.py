"""Limits by injection: what is injected and scored, the rule, closed forms, the same bits however it is run."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lamppost.api import check, report
from lamppost.cli import main
from lamppost.config import Search, load
from lamppost.core import Events, Method
from lamppost.errors import DataError
from lamppost.run import InlineExecutor, process_pool
from lamppost.run.artefacts import Store
from lamppost.run.limits.expected import Expected, null_of
from lamppost.run.limits.experiment import pseudo_limits
from lamppost.run.limits.injection import inject, largest, take_stock, unweighted
from lamppost.run.limits.limits import run_limits
from lamppost.run.limits.points import quoted
from lamppost.run.limits.procedure import Procedure
from lamppost.run.limits.tables import tables_of, write_submission
from lamppost.run.planned import Planned, plan_samples
from lamppost.run.samples import load as load_stored
from lamppost.run.samples import store_events
from lamppost.run.tasks import Training
from lamppost.search import fold_of
from lamppost.stats import Normalisation, Spectrum, Template, Workspace, upper_limit
from small_hunt import TIMES, Json, events, write_events, write_hunt

EVENTS, SIGNAL, MASS = 8000, 1500, 3400.0
FAST: Json = {
    "scan": {"windows": [[3200.0, 3600.0]], "efficiency": 0.03},
    "method": {"kind": "weak", "ratio": {"kind": "boosted", "members": 1, "rounds": 10}},
    "samples": {"signals": {"peak": "signal.parquet"}},
}
LIMITS: Json = {"repeats": 2, "toys": 40, "pseudo_data": 3, "cuts": {"a": "a > 2"}, "signals": {"peak": {"mass": MASS}}}


def signal(n: int = SIGNAL, mass: float = MASS, seed: int = 5) -> dict[str, Any]:
    """A peak that the feature `a` shows."""
    rng = np.random.default_rng(seed)
    masses, a = rng.normal(mass, 60.0, n), rng.normal(2.5, 0.3, n)
    return {"event": np.arange(n), "mjj": masses, "a": a, "b": rng.exponential(size=n), "w": np.ones(n)}


def configured(folder: Path, table: Any = None, **changes: Any) -> Path:
    """A hunt, a signal, and what limits are asked for; `limits` is merged with those that are fast."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "signal.parquet").exists():
        write_events(folder / "signal.parquet", signal())
    if not (folder / "events.parquet").exists():
        write_events(folder / "events.parquet", events(EVENTS))
    limits = {**LIMITS, **changes.pop("limits", {})}
    return write_hunt(folder, table, **{**FAST, "limits": limits, **changes})


def limited(config: Path, out: Path, make_executor: Any = InlineExecutor) -> Json:
    """In this process, without a page."""
    result: Json = run_limits(load(config), out, workers=1, quiet=True, make_executor=make_executor)
    return result


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run, its configuration beside it. Do not write into it."""
    folder = tmp_path_factory.mktemp("limits")
    limited(configured(folder), folder / "run")
    return folder / "run"


def timeless(path: Path) -> Json:
    return {name: value for name, value in json.loads(path.read_text()).items() if name not in TIMES}


def rows_of(result: Json, name: str = "peak") -> dict[str, Json]:
    return {row["selection"]: row for row in result["signals"][name]["rows"]}


def whole_search(folder: Path, **changes: Any) -> tuple[Search, Procedure, Store]:
    """A procedure whose samples are read."""
    search, planned, store = load(configured(folder, **changes)), Planned(), Store(folder / "store")
    store.folder.mkdir()
    procedure = Procedure(planned, search, plan_samples(planned, search)[0])
    for task in [task for task in planned.tasks.values() if task.stage in ("read", "draw")]:
        task.function(store, task.key, **task.arguments)
    return search, procedure, store


def test_what_is_found(finished: Path) -> None:
    """The rule holds, the crossing is bracketed, a feature that shows the signal wins over the fit to all events."""
    result = timeless(finished / "limits.json")
    rows = rows_of(result)
    assert list(rows) == ["inclusive", "a", "weak"]
    row = rows["weak"]
    points = {point["strength"]: point for point in row["points"]}
    assert min(points) == 0.0
    for strength, point in points.items():
        assert point["limit"] == max(strength, point["excluded"])
        assert len(point["trainings"]) == 2
        assert 0.0 <= point["efficiency"] <= 1.0
    # the injection is chosen by what is expected, what is observed there is quoted
    at = min(points, key=lambda s: max(s, points[s]["expected"][2]))
    assert row["at"] == at
    assert row["observed"] == points[at]["limit"]
    assert quoted(row) == points[at]
    assert (row["bound"], row["coarse"]) == (None, None)
    above = min(s for s, point in points.items() if s > 0 and point["expected"][2] <= s)
    below = max(s for s, point in points.items() if point["expected"][2] > s)
    assert above / below < 1.1 * (1.0 + 1e-9)
    strongest, weakest = points[max(points)], points[0.0]
    assert strongest["efficiency"] > 0.3 > 0.1 > weakest["efficiency"]  # trained on it or not
    assert strongest["p_injected"] < 1e-3 < weakest["p_injected"]
    assert rows["a"]["gain"]["observed"] == rows["inclusive"]["observed"] / rows["a"]["observed"]
    assert rows["a"]["gain"]["expected"][0] > 2.0
    assert rows["inclusive"]["gain"] is None
    for row in rows.values():
        assert row["expected"][1] < row["expected"][2] < row["expected"][3]
        assert len(row["pseudo"]) == 40 - row["failed"]
    assert rows["weak"]["expected_method"] == "40 pseudo-spectra, trained again in 3 sets of pseudo-data"
    assert (rows["weak"]["sets"], rows["weak"]["lost"]) == (3, [])
    assert (rows["a"]["expected_method"], rows["a"]["sets"]) == ("40 pseudo-spectra", 0)
    assert [row["expected"][0] for row in rows.values()] == [None] * 3  # 40 of them know nothing of 2 sigma


def test_the_same_bits_however_it_is_run(finished: Path, tmp_path: Path) -> None:
    """Two processes, and some of it lost and done again."""
    config, out = configured(tmp_path), tmp_path / "run"
    limited(config, out, lambda: process_pool(2))
    first, expected = timeless(out / "limits.json"), timeless(finished / "limits.json")
    expected["data"]["path"] = first["data"]["path"]
    assert first == expected
    for stage in ("select", "exclude", "toys", "pseudo", "train", "draw"):
        lost, damaged = sorted((out / "artefacts").glob(f"{stage}-*"))[:2]
        lost.unlink()
        damaged.write_bytes(damaged.read_bytes()[:-20])
    limited(config, out)
    assert timeless(out / "limits.json") == first
    assert (out / "limits.csv").read_text() == (finished / "limits.csv").read_text()


def spectrum_of(path: Path, search: Search, kept: Any = None) -> Spectrum:
    m = events(EVENTS)["mjj"]
    return Spectrum.from_masses(m if kept is None else m[kept], search.fit.edges)


def test_all_events_have_the_limit_of_the_statistics(finished: Path) -> None:
    search = load(finished.parent / "hunt.toml")
    shape = Template.from_events(signal()["mjj"], None, MASS)
    model = Workspace(spectrum_of(finished, search), MASS, n_parameters=3, signal=shape)
    limit = upper_limit(model, toys=0)
    row = rows_of(timeless(finished / "limits.json"))["inclusive"]
    assert row["observed"] == pytest.approx(limit.observed, rel=1e-9)
    assert row["points"][0]["efficiency"] == 1.0
    np.testing.assert_allclose(row["points"][0]["expected"], limit.expected, rtol=1e-9)


def test_a_cut_has_the_limit_of_the_statistics_over_its_efficiency(finished: Path) -> None:
    search, table = load(finished.parent / "hunt.toml"), signal()
    passed = table["a"].astype(np.float32) > 2
    efficiency = passed.mean()
    error = np.sqrt(efficiency * (1.0 - efficiency) / SIGNAL)
    model = Workspace(
        spectrum_of(finished, search, events(EVENTS)["a"].astype(np.float32) > 2),
        MASS,
        n_parameters=3,
        signal=Template.from_events(table["mjj"][passed], None, MASS),
        systematics=(Normalisation(name="signal sample", up=1.0 + error / efficiency),),
    )
    row = rows_of(timeless(finished / "limits.json"))["a"]
    assert row["points"][0]["efficiency"] == pytest.approx(efficiency)
    assert row["observed"] == pytest.approx(upper_limit(model, toys=0).observed / efficiency, rel=1e-9)


def test_a_selection_that_keeps_everything_is_the_fit_to_all_events(tmp_path: Path) -> None:
    """Whatever is injected: the efficiency is 1, nothing injected is left in the fit, the limit is the same."""
    changes: Json = {"limits": {"strengths": [0, 80, 400]}, "scan": {**FAST["scan"], "efficiency": 1.0}}
    other = rows_of(limited(configured(tmp_path, **changes), tmp_path / "run"))["weak"]
    changes["limits"]["pseudo_data"] = 0
    rows = rows_of(limited(configured(tmp_path, **changes), tmp_path / "run"))
    points = rows["weak"]["points"]
    assert [point["strength"] for point in points] == [0.0, 80.0, 400.0]
    for point in points:
        assert (point["efficiency"], point["statistical"], point["retraining"]) == (1.0, 0.0, 0.0)
        assert point["excluded"] == pytest.approx(rows["inclusive"]["observed"], rel=1e-9)
        assert point["p_injected"] == pytest.approx(point["p_inclusive"], rel=1e-6)
    assert points[2]["p_inclusive"] < points[0]["p_inclusive"]
    assert rows["weak"]["observed"] == pytest.approx(rows["inclusive"]["observed"], rel=1e-9)
    np.testing.assert_allclose(rows["weak"]["pseudo"], rows["weak"]["pseudo_inclusive"], rtol=1e-6)
    assert rows["weak"]["gain"]["expected"] == pytest.approx([1.0] * 3)
    # in pseudo-data, which differ, about as much is expected of it
    assert other["sets"] == 3
    np.testing.assert_allclose(other["pseudo"], rows["weak"]["pseudo"], rtol=0.1)


def test_a_score_that_learns_nothing_is_never_crossed(tmp_path: Path) -> None:
    """Its efficiency for signal is that for background, and more signal than there is would be needed."""
    write_events(tmp_path / "signal.parquet", signal(150))
    changes = {"limits": {"cuts": {}}, "methods": {"random": {"kind": "random"}}, "method": None}
    changes["scan"] = {**FAST["scan"], "efficiency": 0.2}
    result = limited(configured(tmp_path, **changes), tmp_path / "run")
    row = rows_of(result)["random"]
    for point in row["points"]:
        # of 150 events, those of two trainings; thresholds have an error of their own, from 2000 events
        assert abs(point["efficiency"] - 0.2) < 4.0 * np.sqrt(0.2 * 0.8 * (1 / 150 + 3 / 2000))
        assert point["expected"][2] > point["strength"]
    assert row["observed"] == quoted(row)["excluded"]
    assert max(point["strength"] for point in row["points"]) <= largest(150)
    assert "the most that the signal sample allows" in row["bound"]
    assert any(text.startswith("peak, random") and "a larger sample is needed; " in text for text in result["warnings"])
    assert row["observed"] > rows_of(result)["inclusive"]["observed"]


def test_who_is_injected_and_who_is_scored(tmp_path: Path) -> None:
    """No training sees an event that it scores, not in the data, not in the injection, not in a prior sample."""
    search, procedure, store = whole_search(tmp_path)
    (peak,) = procedure.signals
    sample, base = peak.sample, load_stored(store, peak.sample.data)

    def drawn(strength: float, repeat: int = 0) -> Any:
        key = f"draw-{strength}-{repeat}.parquet"
        arguments = {"data": sample.data, "signal": sample.signal, "stock": sample.stock, "seed": 1, "name": "peak"}
        inject(store, key, **arguments, repeat=repeat, strength=strength)
        return load_stored(store, key)

    weak, strong = drawn(30.0), drawn(120.0)
    ids = [set(one.events.id[one.label == 1].tolist()) for one in (weak, strong)]
    assert ids[0] < ids[1]
    for one in (weak, strong):
        np.testing.assert_array_equal(one.events.id[one.label == 0], base.events.id)
        np.testing.assert_array_equal(one.index[one.label == 0], base.index)
    numbers = [int(drawn(30.0, repeat).label.sum()) for repeat in range(300)]
    assert abs(np.mean(numbers) - 30.0) < 4.0 * np.sqrt(30.0 / 300)
    assert abs(np.var(numbers) / 30.0 - 1.0) < 4.0 * np.sqrt(2.0 / 300)  # as a Poisson number's
    for fold in range(3):
        training = Training(Method.parse("weak"), search.claim_windows()[0], fold, 3, False, 1)
        view = training.view(store, procedure.samples, strong.events)
        for seen in (view.sr, view.sb, view.signals["peak"]):
            assert set(fold_of(seen.id, 3)) == {(fold + 2) % 3}


def test_signal_that_is_in_the_data_is_left_out(tmp_path: Path) -> None:
    """By its values: identifiers may be those of another table."""
    table, more = events(EVENTS), signal()
    mixed = {name: np.concatenate([table[name], more[name][:400]]) for name in table}
    mixed["event"] = np.arange(EVENTS + 400)
    write_events(tmp_path / "events.parquet", mixed)
    _, procedure, store = whole_search(tmp_path, data={"id": ["event"]})
    (peak,) = procedure.signals
    stock = procedure.stock(store, peak)
    assert (stock["duplicates"], stock["events"], stock["unweighted"]) == (400, SIGNAL, SIGNAL - 400)
    rows = store.read_arrays(peak.sample.stock)[0]["rows"]
    left = load_stored(store, peak.sample.signal).events[rows]
    assert not np.isin(left.m, mixed["mjj"]).any()
    with pytest.raises(DataError, match="expected 100 events in the fit range that are not in the data, found 0"):
        take_stock(store, "x.parquet", data=peak.sample.signal, signal=peak.sample.signal, name="peak")


def test_weighted_signal_is_injected_by_its_weight() -> None:
    w = np.array([0.0, -1.0, *[1.0] * 30_000, *[3.0] * 30_000])
    rows = unweighted(w, np.random.default_rng(1))
    assert len(set(rows.tolist())) == len(rows)
    assert not {0, 1} & set(rows.tolist())
    light = int(np.sum(rows < 30_002))
    assert len(rows) - light == 30_000
    assert abs(light - 10_000) < 4.0 * np.sqrt(30_000 * 2 / 9)


def test_weights_enter_the_efficiency(tmp_path: Path) -> None:
    """Half of the signal fails the cut and weighs three times as much: a quarter is kept."""
    table = signal(1000)
    table["a"][:500], table["w"][:500] = 0.0, 3.0
    write_events(tmp_path / "signal.parquet", table)
    changes = {"data": {"weight": "w"}, "limits": {"strengths": [100], "repeats": 1, "pseudo_data": 0}}
    changes["limits"] |= {"signals": {"peak": {"mass": MASS, "generated": 4000}}}
    result = limited(configured(tmp_path, **changes), tmp_path / "run")
    point = rows_of(result)["a"]["points"][0]
    passed = float(np.mean(table["a"][500:].astype(np.float32) > 2))
    assert point["efficiency"] == pytest.approx(0.25 * passed)
    assert result["signals"]["peak"]["acceptance"] == pytest.approx(2000 / 4000)


def stored(store: Store, key: str, m: Any, w: Any) -> str:
    found = Events(np.arange(len(m), dtype=np.uint64), np.zeros((len(m), 1), np.float32), m, w, ("a",))
    store_events(store, key, found, np.arange(len(m)), None, {"n_rows": len(m), "n_dropped": 0})
    return key


def test_more_signal_than_there_is(tmp_path: Path) -> None:
    store = Store(tmp_path)
    data = stored(store, "data.parquet", np.linspace(3000, 4000, 500), np.ones(500))
    sample = stored(store, "signal.parquet", np.linspace(3001, 3999, 300), np.ones(300))
    take_stock(store, "stock.parquet", data=data, signal=sample, name="s")
    arguments = {"data": data, "signal": sample, "stock": "stock.parquet", "seed": 1, "name": "s"}
    inject(store, "draw.parquet", **arguments, repeat=0, strength=largest(300))
    with pytest.raises(DataError, match=r"400 events of signal 's' to inject, expected at most 225"):
        inject(store, "draw.parquet", **arguments, repeat=0, strength=400.0)


def test_cross_sections_and_uncertainties(tmp_path: Path) -> None:
    """Fixed selections only cost a fit: events are cross-sections times L A, uncertainties weaken limits."""
    peak = {"mass": MASS, "acceptance": 0.5, "cross_section": 3.0}
    base = {
        "luminosity": 10.0,
        "strengths": [12.0],
        "repeats": 1,
        "pseudo_data": 0,
        "signals": {"peak": peak},
        "cuts": {},
    }
    plain = limited(configured(tmp_path / "plain", limits=base), tmp_path / "plain/run")
    assert plain["unit"] == "fb"
    assert plain["signals"]["peak"]["per_event"] == pytest.approx(1 / 5)
    assert rows_of(plain)["weak"]["points"][0]["strength"] == pytest.approx(60.0)
    rows = list(csv.DictReader((tmp_path / "plain/run/limits.csv").read_text().splitlines()))
    assert float(rows[0]["observed"]) == pytest.approx(rows_of(plain)["inclusive"]["observed"] / 5, rel=1e-5)
    luminosity = {"kind": "normalisation", "name": "luminosity", "up": 1.3}
    sources = [luminosity, {"kind": "mass", "name": "scale", "size": 0.02}, {"kind": "width", "size": 0.1}]
    more = {"systematics": [{"kind": "normalisation", "name": "own", "up": 1.4}], **peak}
    seen = {}
    for summed in (False, True):
        folder = tmp_path / f"{summed}"
        limits = {**base, "systematics": sources, "signals": {"peak": more}, "summed": summed}
        seen[summed] = rows_of(limited(configured(folder, limits=limits), folder / "run"))["inclusive"]["observed"]
    assert seen[False] == pytest.approx(seen[True], rel=0.01)
    assert seen[False] > 1.1 * rows_of(plain)["inclusive"]["observed"]


def test_several_windows_efficiencies_and_signals(tmp_path: Path) -> None:
    """Every window around a mass, the nearest first; nested selections share trainings; tables and page by mass."""
    write_events(tmp_path / "other.parquet", signal(mass=3700.0, seed=6))
    scan = {"windows": [[3200.0, 3600.0], [3350.0, 3750.0], [3550.0, 3950.0]], "efficiency": [0.1, 0.03]}
    limits = {"windows": "all", "strengths": [60], "repeats": 1, "toys": 20, "pseudo_data": 0, "cuts": {}}
    limits["signals"] = {"peak": {"mass": MASS}, "other": {"mass": 3700.0}}
    samples = {"signals": {"peak": "signal.parquet", "other": "other.parquet"}}
    config = configured(tmp_path, scan=scan, limits=limits, samples=samples)
    assert check(config)["limits"]["peak"] == [[3200.0, 3600.0], [3350.0, 3750.0]]
    result = limited(config, tmp_path / "run")
    shown = [(row["window"], row["efficiency"]) for row in result["signals"]["other"]["rows"]]
    assert shown == [
        (None, None),
        *(([3550.0, 3950.0], e) for e in (0.1, 0.03)),
        *(([3350.0, 3750.0], e) for e in (0.1, 0.03)),
    ]
    names = [table.name for table in tables_of(result)]
    assert names[:3] == ["Limits inclusive", "Limits weak 0.1", "Limits weak 0.03"]
    assert "Efficiency peak weak 0.03 3350 to 3750" in names
    pytest.importorskip("mplhep")
    page = report(tmp_path / "run")[0].read_text()
    assert "Limits against mass" in page
    # 3 folds in 4 windows of 2 signals: one fit for both efficiencies, and for data and signal
    assert len(list((tmp_path / "run/artefacts").glob("fit-*"))) == 12


def test_nested_selections_share_what_is_trained_in_pseudo_data(tmp_path: Path) -> None:
    """The injections of all of them, one below and one above; an estimate knows of no fewer."""
    scan = {**FAST["scan"], "efficiency": [0.3, 0.1, 0.03]}
    limits = {"repeats": 1, "toys": 20, "pseudo_data": 2, "cuts": {}}
    config = configured(tmp_path, scan=scan, limits=limits)
    result = limited(config, tmp_path / "run")
    rows = [row for row in result["signals"]["peak"]["rows"] if row["selection"] != "inclusive"]
    quoted_by = {row["at"] for row in rows}
    assert len(quoted_by) > 1
    assert all(row["at"] > 0.0 and row["sets"] == 2 for row in rows)
    made = len(list((tmp_path / "run/artefacts").glob("pseudo-*")))
    assert made == 2 * (len(quoted_by) + 2)
    _, procedure, _ = whole_search(tmp_path / "most", scan=scan, limits=limits)
    procedure.plan_most()
    Expected(procedure).plan(None)
    assert sum(task.stage == "pseudo" for task in procedure.planned.tasks.values()) == 2 * (3 + 2) >= made


def test_pseudo_experiments(tmp_path: Path) -> None:
    """All trainings in pseudo-data give the expected limits; more are added to those there are."""
    limits = {"strengths": [60], "repeats": 1, "cuts": {}, "experiments": 2}
    first = limited(configured(tmp_path, limits=limits), tmp_path / "run")
    assert rows_of(first)["weak"]["expected_method"] == "2 pseudo-experiments with all trainings"
    assert len(set(rows_of(first)["weak"]["pseudo"])) == 2
    assert not list((tmp_path / "run/artefacts").glob("*.work"))
    made = {path.name for path in (tmp_path / "run/artefacts").glob("limits-*")}
    limited(configured(tmp_path, limits={**limits, "experiments": 3}), tmp_path / "run")
    assert made < {path.name for path in (tmp_path / "run/artefacts").glob("limits-*")}
    search, procedure, store = whole_search(tmp_path / "signal", limits={**limits, "strengths": [0]})
    null = null_of(search, procedure.samples)
    (peak,) = procedure.signals
    arguments = {"search": search, "samples": procedure.samples, "null": null, "number": 0}
    for name, more in (("alone", {}), ("with", {"signal": peak.sample.signal, "injected": 400})):
        pseudo_limits(store, f"{name}.json", **arguments, **more)
    alone, strong = (store.read_json(f"{name}.json")["limits"]["peak"] for name in ("alone", "with"))
    assert strong["inclusive"] > 200.0 + alone["inclusive"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"limits": {"signals": {}}}, "limits.signals: expected the mass of at least one signal"),
        ({"limits": {"signals": {"other": {"mass": 3400}}}}, "limits.signals.other: expected the name of one of"),
        ({"limits": {"signals": {"peak": {}}}}, "limits.signals.peak.mass"),
        ({"limits": {"signals": {"peak": {"mass": 5000}}}}, "expected a mass in one of scan.windows, found 5000"),
        ({"limits": {"luminosity": 10}}, "expected `acceptance` or `generated`, found neither"),
        ({"limits": {"signals": {"peak": {"mass": 3400, "generated": 10}}}}, "expected all produced events, found"),
        ({"limits": {"cuts": {"weak": "a > 1"}}}, "limits.cuts.weak: expected a name that no other selection has"),
        ({"limits": {"cuts": {"x": "deta < 1"}}}, "expected the names of features or of the mass, found 'deta'"),
        ({"limits": {"cuts": {"x": "a <"}}}, "is neither a column nor an arithmetic expression"),
        ({"limits": {"strengths": [5000]}}, "5000 events of signal 'peak' to inject, expected at most"),
        ({"limits": {"systematics": [{"kind": "mass"}, {"kind": "mass"}]}}, "needs a name of its own, found 'mass'"),
        ({"limits": {"precision": 0}}, "limits.precision"),
        ({"limits": {"pseudo_data": 1}}, "limits.pseudo_data: "),
        ({"methods": {"inclusive": {"kind": "random"}}, "method": None}, "methods.inclusive: the fit without"),
    ],
)
def test_what_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], changes: Json, message: str, finished: Path
) -> None:
    config = configured(tmp_path, **{**changes, "data": {"path": str(finished.parent / "events.parquet")}})
    if "method" in changes:
        config.write_text(config.read_text().replace('[method]\nkind = "weak"\n', ""))
    assert main(["limits", str(config), "--out", str(tmp_path / "run"), "--quiet", "--workers", "1"]) == 2
    out, err = capsys.readouterr()
    assert (out, len(err.splitlines())) == ("", 1)
    assert message in err
    assert not (tmp_path / "run" / "limits.json").exists()


def test_a_key_of_limits_alone_changes_no_calibration(tmp_path: Path) -> None:
    from lamppost.run.calibrate.calibration import plan

    keys = [plan(load(configured(tmp_path, limits=limits))).experiments for limits in ({}, {"toys": 77})]
    assert keys[0] == keys[1]


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_the_verb_and_its_page(finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for library in ("hepdata_lib", "mplhep"):
        pytest.importorskip(library)
    limits = {"strengths": [0, 90], "repeats": 1, "toys": 20, "pseudo_data": 2}
    config = configured(tmp_path, limits=limits)
    assert main(["limits", str(config), "--out", str(tmp_path / "run"), "--quiet", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["signals"]["peak"]["mass"] == MASS
    assert main(["limits", str(config), "--out", str(tmp_path / "run"), "--quiet"]) == 0
    text = capsys.readouterr().out
    for part in ("upper limits at 0.95 CLs", "inclusive", "weak, [3200, 3600), 0.03", "limits.csv"):
        assert part in text
    page = report(finished)[0].read_text()
    assert (tmp_path / "run" / "limits.html").exists()
    for part in ("Efficiency against injection", "p-value against injection", "What an injection excludes", "Every"):
        assert part in page
    assert "<script" not in page
    assert (tmp_path / "run" / "hepdata" / "submission.tar.gz").exists()
    result = json.loads((tmp_path / "run/limits.json").read_text())
    for point in result["signals"]["peak"]["rows"][-1]["points"]:
        point["p_injected"] = None  # its fit failed: that costs no limit
    assert write_submission(result, tmp_path / "none").exists()
    assert "limits_weak_0.03.yaml" in {path.name for path in (tmp_path / "run" / "hepdata").iterdir()}
