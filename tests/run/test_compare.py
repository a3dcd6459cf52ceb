"""A comparison as a user runs it: paired, resumed, the same bits however it is run, and honest about the truth."""

import argparse
import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import pytest
import tomli_w

from lamppost.api.comparison import compare
from lamppost.cli.comparison import add_verbs, table
from lamppost.config.comparison import load_comparison, parse_comparison
from lamppost.core import Events, Method, Rng, Score, Template, View
from lamppost.errors import FitError, LamppostError
from lamppost.report.comparison import write_comparison as write_page
from lamppost.run.artefacts import Store
from lamppost.run.compare.plan import plan
from lamppost.run.samples import load
from small_comparison import RATIO, background, compared, comparison, labelled, signal, timeless, write_comparison
from small_hunt import Json, entries, write_events

BAND = [float, float, float]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder of the small comparison. Do not write into it."""
    folder = tmp_path_factory.mktemp("comparison")
    compared(write_comparison(folder), folder / "run")
    return folder / "run"


def result_in(out: Path) -> Json:
    result: Json = json.loads((out / "compare.json").read_text())
    return result


def done(out: Path) -> list[str]:
    return [entry["label"] for entry in entries(out, "done")]


def assert_shape(value: Any, shape: Any) -> None:
    if isinstance(shape, dict):
        for name, part in shape.items():
            assert_shape(value[name], part)
    elif isinstance(shape, list):
        assert [type(one) for one in value] == shape
    else:
        assert isinstance(value, shape)


def test_what_is_in_the_result(finished: Path) -> None:
    result = result_in(finished)
    figures = dict.fromkeys(("sic_max", "sic_at_eps_b_1e-3", "sic_at_eps_s_0.2", "auc"), BAND)
    strength = {**figures, "ratio": {"sic_max": BAND}, "flatness": {"0.01": {"p": BAND}, "0.001": {"p": BAND}}}
    method = {"s_over_b": {"0.1": strength}, "cpu_s": float}
    shape = {"schema": int, "seed": int, "methods": {"cwola": {**method, "closure_auc": float}, "best": method}}
    assert_shape(result, shape)
    assert list(result["methods"]) == ["cwola", "best", "blind"]
    assert result["reference_method"] == "best"
    assert result["methods"]["blind"]["closure_auc"] is None
    nothing = result["methods"]["cwola"]["s_over_b"]["0"]
    assert [nothing[name] for name in figures] == [None] * 4
    assert nothing["curves"] is None
    assert 0 <= nothing["flatness"]["0.01"]["p"][0] <= 1
    assert len(result["draws"]) == 2
    for counts in result["draws"]:
        region = [one["region"] - one["injected_region"] for one in counts["strengths"]]
        assert region[0] == region[1]
        assert counts["strengths"][0]["injected"] == 0
    assert "eps_B = 1e-3 keeps 0." in result["warnings"][0]
    assert [one["s_over_b"] for one in result["methods"]["cwola"]["closure"]] == [0.0]
    assert result["definitions"]["closure_auc"].endswith("at S/B = 0")


def test_bands_and_ratios_are_of_paired_draws(finished: Path) -> None:
    methods = result_in(finished)["methods"]
    mine, other = (methods[name]["s_over_b"]["0.1"] for name in ("cwola", "best"))
    values, reference = (np.array(one["draws"]["sic_max"]) for one in (mine, other))
    assert mine["sic_max"] == pytest.approx(np.quantile(values, [0.5, 0.16, 0.84]))
    assert mine["ratio"]["sic_max"] == pytest.approx(np.quantile(values / reference, [0.5, 0.16, 0.84]))
    assert other["ratio"]["sic_max"] == [1.0, 1.0, 1.0]


def test_who_finds_what(tmp_path: Path) -> None:
    """Supervised, idealised, CWoLa, nothing: AUC of 500 signal events is known to 0.01, of two draws each."""
    changes: Json = {"scan": {"decorrelate": "none"}, "compare": {"strengths": [0.3]}}
    changes["methods"] = {"all": {"kind": "supervised", "ratio": RATIO}}
    result = compared(write_comparison(tmp_path, **changes), tmp_path / "run")
    auc = {name: method["s_over_b"]["0.3"]["auc"][0] for name, method in result["methods"].items()}
    assert auc["all"] > auc["best"] - 0.01 > 0.9
    assert auc["best"] > auc["cwola"] - 0.02
    assert auc["cwola"] > 0.85
    assert abs(auc["blind"] - 0.5) < 4 * np.sqrt(1 / (12 * 500) + 1 / (12 * 660))
    signal_correlation = result["agreement"]["0.3"]["signal"]
    assert signal_correlation[0][1] > 0.2
    assert abs(signal_correlation[0][2]) < 4 / np.sqrt(500)
    assert abs(result["methods"]["cwola"]["closure_auc"] - 0.5) < 4 * result["methods"]["cwola"]["closure_auc_error"]


def test_one_worker_two_and_none_find_the_same_bits(tmp_path: Path, finished: Path) -> None:
    changes: Json = {"methods": {"blind": None, "again": {"kind": "weak", "ratio": {**RATIO, "leaves": 4}}}}
    config = write_comparison(tmp_path, **changes)
    for workers in (1, 2):
        compare(load_comparison(config), tmp_path / f"run{workers}", workers=workers, quiet=True)
    compared(config, tmp_path / "run0")
    results = [result_in(tmp_path / f"run{n}") for n in range(3)]
    assert timeless(results[0]) == timeless(results[1]) == timeless(results[2])
    stores = [Store(tmp_path / f"run{n}" / "artefacts") for n in range(3)]
    names = sorted(path.name for path in stores[0].folder.iterdir())
    assert len(names) == 2 + 2 * 3 * 2 + 2
    for store in stores[1:]:
        assert sorted(path.name for path in store.folder.iterdir()) == names
        for name in (name for name in names if name.endswith("parquet")):
            assert [a.tobytes() for a in store.read_arrays(name)[0].values()] == [
                a.tobytes() for a in stores[0].read_arrays(name)[0].values()
            ]
    assert (tmp_path / "run2" / "comparison.html").exists()
    # the other methods are as they were beside other ones
    for name in ("cwola", "best"):
        assert timeless(results[0]["methods"][name]) == timeless(result_in(finished)["methods"][name])


def test_more_of_anything_redoes_nothing_else(tmp_path: Path) -> None:
    out = tmp_path / "run"
    before = compared(write_comparison(tmp_path), out)
    n = len(done(out))
    assert n == 2 + 3 * 2 * 2 + 1
    after = compared(write_comparison(tmp_path, compare={"draws": 3}), out)
    assert sorted(done(out)[n:]) == sorted(
        ["checking draws", *(f"{name}: training, draw 2, S/B {s}" for name in after["methods"] for s in ("0", "0.1"))]
    )
    for name in before["methods"]:
        first, second = (one["methods"][name]["s_over_b"]["0.1"]["draws"]["auc"] for one in (before, after))
        assert second[:2] == first
    n = len(done(out))
    compared(write_comparison(tmp_path, compare={"strengths": [0.0, 0.05, 0.1]}, methods={"blind": None}), out)
    assert sorted(done(out)[n:]) == sorted(
        ["checking draws", *(f"{name}: training, draw {d}, S/B 0.05" for d in (0, 1) for name in ("best", "cwola"))]
    )
    n = len(done(out))
    assert timeless(compared(write_comparison(tmp_path), out)) == timeless(before)
    assert len(done(out)) == n


def test_a_damaged_artefact_is_made_again(tmp_path: Path) -> None:
    out = tmp_path / "run"
    config = write_comparison(tmp_path)
    before = compared(config, out)
    lost, spoilt = sorted((out / "artefacts").glob("train-*"))[:2]
    lost.unlink()
    spoilt.write_bytes(spoilt.read_bytes()[:-9])
    n = len(done(out))
    assert timeless(compared(config, out)) == timeless(before)
    assert len(done(out)) == n + 2


def test_the_order_of_rows_does_not_matter(tmp_path: Path, finished: Path) -> None:
    table = labelled()
    order = np.random.default_rng(1).permutation(len(table["mjj"]))
    write_events(tmp_path / "labelled.parquet", {name: values[order] for name, values in table.items()})
    result = compared(write_comparison(tmp_path), tmp_path / "run")
    assert timeless(result["methods"]) == timeless(result_in(finished)["methods"])


def test_the_resolved_configuration_repeats_the_comparison(tmp_path: Path) -> None:
    config = write_comparison(tmp_path, methods={"best": None, "blind": None}, compare={"strengths": 0.1, "draws": 1})
    write_events(tmp_path / "sim.parquet", background(3000, 7))
    table = tomllib.loads(config.read_text()) | {"samples": {"simulation": "sim.parquet", "signals": {}}}
    config.write_text(tomli_w.dumps(table))
    result = compare(config, tmp_path / "one", shift=1e-4, quiet=True, workers=1)
    assert result["compare"]["shift"] == 1e-4
    again = compared(tmp_path / "one" / "config.toml", tmp_path / "two")
    assert timeless(again) == timeless(result)


def test_shifted_features_follow_the_mass(tmp_path: Path) -> None:
    found = {}
    for name, change in {"none": {}, "all": {"shift": 1e-3}, "b": {"shift": 1e-3, "shifted": ["b"]}}.items():
        out = tmp_path / name
        config = write_comparison(
            tmp_path, methods={"best": None, "cwola": None}, compare={"strengths": [0.1], "draws": 1, **change}
        )
        compared(config, out)
        found[name] = load(Store(out / "artefacts"), plan(load_comparison(config)).samples.data).events
    m, x = found["none"].m, found["none"].x
    np.testing.assert_allclose(found["all"].x, x + 1e-3 * m[:, None], rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(found["b"].x[:, 0], x[:, 0])
    np.testing.assert_array_equal(found["b"].x[:, 1], found["all"].x[:, 1])
    np.testing.assert_array_equal(found["b"].id, found["none"].id)


@pytest.fixture
def seen() -> Iterator[list[View]]:
    """The views that a method of kind `spy` was given."""
    views: list[View] = []

    class Spy(Method):
        """Looks around and knows nothing."""

        kind: Literal["spy"] = "spy"

        def fit(self, view: View, rng: Rng) -> Score:
            views.append(view)
            return Method.parse("random").fit(view, rng)

    yield views
    Method.registry.pop("spy")


def test_what_a_method_sees(tmp_path: Path, seen: list[View]) -> None:
    write_events(tmp_path / "sim.parquet", background(3000, 7))
    write_events(tmp_path / "guess.parquet", signal(500, 8))
    samples = {"simulation": "sim.parquet", "signals": {"guess": "guess.parquet"}}
    compared(write_comparison(tmp_path, methods={"spy": {"kind": "spy"}}, samples=samples), tmp_path / "run")
    assert len(seen) == 4
    truth = {name: labelled()["mjj"][labelled()["label"] == one] for name, one in (("background", 0), ("signal", 1))}
    for view in seen:
        assert view.reference is None
        assert list(view.signals) == ["guess"]
        assert len(view.signals["guess"]) == 500
        assert view.sim is not None
        assert len(view.sim) == 3000
        assert view.window.inside(view.sr.m).all()
        assert view.window.beside(view.sb.m).all()
        assert view.sample_m is not None
        assert view.window.inside(view.sample_m(100, np.random.default_rng(1))).all()
    fractions = [np.isin(view.sr.m, truth["signal"]).mean() for view in seen]
    assert fractions[::2] == [0.0, 0.0]
    assert fractions[1] == pytest.approx(0.1 / 1.1, abs=0.04)
    assert np.isin(seen[0].sr.m, truth["background"]).all()


def test_features_are_decorrelated_as_in_a_hunt(tmp_path: Path, seen: list[View]) -> None:
    for number, choice in enumerate(("quantile", "none")):
        changes: Json = {"methods": {"spy": {"kind": "spy"}}, "scan": {"decorrelate": choice}}
        changes["compare"] = {"strengths": [0.0], "draws": 1, "shift": 0.01}
        compared(write_comparison(tmp_path, **changes), tmp_path / f"run{number}")
    mapped, raw = (np.corrcoef(view.sb.m, view.sb.x[:, 0])[0, 1] for view in seen)
    assert raw > 0.8
    assert abs(mapped) < 4 / np.sqrt(len(seen[0].sb))


def test_who_follows_m_is_named(tmp_path: Path) -> None:
    """A feature that is m, nearly, and no decorrelation: CWoLa finds the region, a random score does not."""
    draws = {"strengths": [0.0], "draws": 2, "shift": 0.01, "test": 0.6, "reference": 0.1}
    changes: Json = {"methods": {"best": None}, "scan": {"decorrelate": "none"}, "compare": draws}
    methods = compared(write_comparison(tmp_path, **changes), tmp_path / "run")["methods"]
    found = {name: method["s_over_b"]["0"] for name, method in methods.items()}
    assert found["cwola"]["follows_m"]
    assert found["cwola"]["flatness"]["0.01"]["p"][0] < 1e-4
    assert not found["blind"]["follows_m"]


class Brittle(Template):
    """Fails at the fits with these numbers."""

    kind: Literal["brittle"] = "brittle"
    fails: tuple[int, ...]
    made: ClassVar[list[Events]] = []

    def make(self, view: View, rng: Rng) -> Events:
        self.made.append(view.sb)
        if len(self.made) - 1 in self.fails:
            msg = "no masses"
            raise FitError(msg)
        return view.sb


Template.registry.pop("brittle")


@pytest.fixture
def known() -> Iterator[None]:
    """The kind `brittle`, for a test that asks for it and no other."""
    Template.registry["brittle"] = Brittle
    yield
    Template.registry.pop("brittle")


def brittle(folder: Path, *fails: int, **changes: Any) -> Path:
    """A comparison with a method of that template: in each draw a training at either strength, then the closure."""
    Brittle.made.clear()
    weak = {"kind": "weak", "ratio": RATIO, "template": {"kind": "brittle", "fails": fails}}
    draws = {"strengths": [0.05, 0.1], "draws": 2, "closure": 2}
    return write_comparison(folder, methods={"cwola": None, "brittle": weak, **changes}, compare=draws)


@pytest.mark.usefixtures("known")
def test_a_training_that_fails_is_left_out_and_ends_nothing(tmp_path: Path) -> None:
    """The stronger injection of the first draw, the weaker one of the second."""
    config, out = brittle(tmp_path, 1, 3), tmp_path / "run"
    result = compared(config, out)
    found = result["methods"]["brittle"]
    for strength, known in (("0.05", 0), ("0.1", 1)):
        draws = found["s_over_b"][strength]["draws"]
        for values in (draws["auc"], draws["ratio"]["sic_max"], draws["cpu_s"]):
            assert [value is not None for value in values] == [number == known for number in (0, 1)]
        assert found["s_over_b"][strength]["auc"] == pytest.approx([draws["auc"][known]] * 3)
        assert found["s_over_b"][strength]["flatness"]["0.01"]["p"] is not None
        assert len(result["agreement"][strength]["signal"]) == 3
    assert result["warnings"][0] == "brittle: a training failed in 2 of 2 draws and is left out; the first: no masses"
    assert len(found["closure"]) == 2
    assert timeless(compared(config, out)) == timeless(result)
    assert len(Brittle.made) == 6  # what failed once is not tried again


@pytest.mark.usefixtures("known")
def test_a_method_that_always_fails_leaves_the_others(tmp_path: Path) -> None:
    result = compared(brittle(tmp_path, *range(6)), tmp_path / "run")
    found = result["methods"]["brittle"]
    assert found["cpu_s"] is found["closure_auc"] is found["s_over_b"]["0.1"]["auc"] is None
    assert found["closure"] == []
    assert not found["s_over_b"]["0.1"]["follows_m"]
    assert result["agreement"]["0.1"] == dict.fromkeys(("background", "signal", "shared"))
    assert result["methods"]["best"]["s_over_b"]["0.1"]["auc"][0] > 0.9
    whats = [line.split(" failed")[0] for line in result["warnings"] if "failed in 2 of 2 draws" in line]
    assert whats == ["brittle: a training", "brittle: a closure"]
    assert any(line.split()[:4] == ["brittle", "-", "-", "-"] for line in table(result))
    assert "no draw in which all methods could be trained" in write_page(tmp_path / "run").read_text()


@pytest.mark.usefixtures("known")
def test_where_no_training_succeeds_the_reason_is_said(tmp_path: Path) -> None:
    with pytest.raises(FitError, match="every training failed; the first: no masses"):
        compared(brittle(tmp_path, *range(6), best=None, blind=None), tmp_path / "run")
    assert not (tmp_path / "run" / "compare.json").exists()


FAULTS = {
    "no-label": ({"data": {"label": None}}, "data.label: expected the column"),
    "weight": ({"data": {"weight": "a"}}, "data.weight: a comparison counts events, expected none, found 'a'"),
    "windows": (
        {"scan": {"windows": [[3300.0, 3700.0], [3700.0, 4100.0]]}},
        "about one window, found 2; windows of hunts belong in reach.windows",
    ),
    "kind": ({"methods": {"x": {"kind": "surely_not"}}}, "unknown kind 'surely_not'"),
    "key": ({"compare": {"drawz": 3}}, "unknown key 'compare.drawz'"),
    "strength": ({"compare": {"strengths": [-0.1]}}, "compare.strengths.0"),
    "parts": ({"compare": {"test": 0.6, "reference": 0.4}}, r"expected test \+ reference < 1, found 0.6 \+ 0.4"),
    "shifted": ({"compare": {"shifted": ["c"]}}, "compare.shifted: no feature 'c', known are a, b"),
    "too-strong": ({"compare": {"strengths": [0.01, 1.0]}}, "checking draws: compare.strengths: 1 takes"),
    "simulation": ({"methods": {"s": {"kind": "sa_cwola"}}}, "needs a reference simulation"),
    "test": ({"compare": {"test": 0.004}}, r"compare.test: \d+ background events in the region held out"),
    "no-file": ({"samples": {"simulation": "nowhere.parquet"}}, "nowhere.parquet"),
    "no-signal": (
        {"data": {"select": "label < 0.5"}},
        r"expected background \(0\) and signal \(1\).* found 12000 and 0",
    ),
    "no-background": ({"data": {"select": "label > 0.5"}}, r"found 0 and 2000"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_one_line(tmp_path: Path, fault: str) -> None:
    changes, match = FAULTS[fault]
    if fault == "no-label":
        table = comparison()
        del table["data"]["label"]
        with pytest.raises(LamppostError, match=match):
            parse_comparison(table)
        return
    with pytest.raises(LamppostError, match=match) as raised:
        compared(write_comparison(tmp_path, **changes), tmp_path / "run")
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "run" / "compare.json").exists()


def run_verb(*arguments: object) -> None:
    parser = argparse.ArgumentParser()
    add_verbs(parser.add_subparsers())
    options = parser.parse_args([str(argument) for argument in arguments])
    options.run(options)


def test_the_verb(finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config, out = finished.parent / "compare.toml", tmp_path / "run"
    run_verb("compare", config, "--out", out, "--workers", 1, "--quiet", "--json")
    printed = capsys.readouterr()
    assert json.loads(printed.out) == result_in(out)
    assert printed.err.startswith("WARNING: eps_B = 1e-3")
    assert timeless(result_in(out)) == timeless(result_in(finished))
    run_verb("compare", config, "--out", out, "--workers", 1, "--quiet")
    text = capsys.readouterr().out
    assert text.count("S/B = ") == 2
    lines = [line for line in text.splitlines() if line.startswith("cwola")]
    assert len(lines) == 2
    sic = result_in(out)["methods"]["cwola"]["s_over_b"]["0.1"]["sic_max"]
    assert f"{sic[0]:.2f} [{sic[1]:.2f}, {sic[2]:.2f}]" in lines[1]
    assert "comparison.html" in text
