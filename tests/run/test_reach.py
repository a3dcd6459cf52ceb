"""Reach: the hunts are those of `lamppost hunt`, they stop when nothing is seen, and the crossing is what it says."""

import json
from collections.abc import Iterator
from concurrent.futures import Executor
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

from lamppost.api import reach
from lamppost.cli import main
from lamppost.config import load, load_comparison
from lamppost.core import Method, Rng, Score, View
from lamppost.errors import FitError, LamppostError
from lamppost.run import InlineExecutor
from lamppost.run.artefacts import Store
from lamppost.run.compare.crossing import crossing, interval
from lamppost.run.compare.reach import plan, run_reach
from lamppost.run.hunt import run_hunt
from lamppost.run.measure import measure_window
from lamppost.run.samples import load as load_stored
from small_comparison import compared, labelled, timeless, write_comparison
from small_hunt import Json, entries, write_events, write_hunt

EVENTS = [200, 60, 20, 7]
SMALL: Json = {
    "scan": {"folds": 3, "efficiency": 0.1, "decorrelate": "none"},
    "fit": {"toys": 300},
    "reach": {"events": EVENTS, "draws": 2},
}


def hunted(config: Path, out: Path, make_executor: Any = InlineExecutor) -> Json:
    """In this process, without a page."""
    result: Json = run_reach(load_comparison(config), out, workers=1, quiet=True, make_executor=make_executor)
    return result


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder of a small reach, its configuration beside it. Do not write into it."""
    folder = tmp_path_factory.mktemp("reach")
    hunted(write_comparison(folder, **SMALL), folder / "run")
    return folder / "run"


def result_in(out: Path) -> Json:
    result: Json = json.loads((out / "reach.json").read_text())
    return result


def numbers_of(result: Json, name: str) -> list[int]:
    return [point["events"] for point in result["methods"][name]["points"]]


def test_who_sees_what(finished: Path) -> None:
    """200 events two deviations off are seen by whoever looks; a random score loses nine tenths of everything."""
    result = result_in(finished)
    assert list(result["methods"]) == ["inclusive", "cwola", "blind"]
    assert "best sees the truth: no hunt can use it" in result["warnings"]
    for name in ("inclusive", "cwola"):
        method = result["methods"][name]
        assert method["points"][0]["median"] > 3
        assert method["bound"] is None
        assert EVENTS[-1] < method["reach"] < EVENTS[0]
        low, high = method["interval"]
        assert (low or 0) <= method["reach"] <= (high or np.inf)
        assert method["cpu_s"] > 0
    assert result["methods"]["blind"]["points"][-1]["median"] < 3
    for method in result["methods"].values():
        numbers = [f"above {EVENTS[0]}", f"below {method['points'][-1]['events']}"]
        for end, side in zip(method["interval"], method["interval_bound"], strict=True):
            assert (end is None) == (side is not None)
            assert side in (None, *numbers)
        if method["bound"]:
            assert method["bound"] in method["interval_bound"]


def test_a_method_that_sees_nothing_is_asked_no_more(finished: Path) -> None:
    result = result_in(finished)
    for name, method in result["methods"].items():
        seen = [point["median"] >= 3 for point in method["points"]]
        unseen_twice = [not a and not b for a, b in pairwise(seen)]
        assert unseen_twice == [False] * (len(seen) - 2) + [len(seen) < len(EVENTS) or unseen_twice[-1]]
        labels = [one["label"] for one in entries(finished, "done") if f": {name}: fit" in one["label"]]
        if name != "inclusive":
            assert len(labels) == 2 * len(seen)


def test_numbers_of_events_and_what_they_mean(finished: Path) -> None:
    result, table = result_in(finished), labelled()
    drawn = result["draw"]
    in_range = (table["mjj"] >= 2800) & (table["mjj"] < 8000)
    signal = table["mjj"][(table["label"] == 1) & in_range]
    part = np.mean((signal >= 3300) & (signal < 3700))
    assert drawn["signal_in_region"] == pytest.approx(part)
    background = table["mjj"][(table["label"] == 0) & in_range]
    assert drawn["background"] == round(0.5 * len(background))
    inside = 0.5 * np.sum((background >= 3300) & (background < 3700))
    assert drawn["background_region"] == pytest.approx(inside, abs=4 * np.sqrt(inside))
    (point, *_) = result["methods"]["inclusive"]["points"]
    assert point["s_over_b"] == pytest.approx(200 * part / drawn["background_region"])
    assert point["sigma"] == pytest.approx(200 * part / np.sqrt(drawn["background_region"]))
    method = result["methods"]["cwola"]
    assert method["s_over_b"] / method["reach"] == pytest.approx(point["s_over_b"] / 200)


def test_weaker_injections_are_contained_in_stronger_ones(finished: Path) -> None:
    planned, store = plan(load_comparison(finished.parent / "compare.toml")), Store(finished / "artefacts")
    strong, weak, other = (load_stored(store, planned.drawn[n, d]).index for n, d in ((200, 0), (60, 0), (60, 1)))
    assert set(weak) < set(strong)
    assert len(strong) - len(weak) == 140
    labels = labelled()["label"]
    assert labels[strong].sum() == 200
    assert labels[other].sum() == 60
    # half of the background each: they share half of it, known to sqrt(n p q) of about 2500 events
    shared = len(set(weak[labels[weak] == 0]) & set(other[labels[other] == 0])) / (labels[weak] == 0).sum()
    assert abs(shared - 0.5) < 0.05


def test_the_hunt_is_that_of_the_verb(finished: Path, tmp_path: Path) -> None:
    """The events of a draw in a file of their own, without labels, hunted by `run_hunt`: the same claim."""
    comparison = load_comparison(finished.parent / "compare.toml")
    planned, store = plan(comparison), Store(finished / "artefacts")
    rows = load_stored(store, planned.drawn[60, 1]).index
    events = {name: values[np.sort(rows)] for name, values in labelled().items() if name != "label"}
    (looked,) = planned.looked["cwola", 60, 1]
    seed = planned.tasks[looked.measured].arguments["seed"]
    config = write_hunt(
        tmp_path,
        events,
        seed=seed,
        scan={"windows": [[3300.0, 3700.0]], "sidebands": 400.0, "decorrelate": "none", "folds": 3, "efficiency": 0.1},
        method=None,
        methods={"cwola": comparison.methods["cwola"].model_dump(mode="json")},
        fit={"toys": 300, "n_parameters": 3},
    )
    result = run_hunt(load(config), tmp_path / "run", workers=1, quiet=True, make_executor=InlineExecutor)
    methods = result_in(finished)["methods"]
    for name, found in (("cwola", result), ("inclusive", result["inclusive"])):
        (point,) = [one for one in methods[name]["points"] if one["events"] == 60]
        assert point["p_global"][1] == found["p_global"]
        assert point["z_global"][1] == found["z_global"]
    assert methods["cwola"]["points"][1]["z_local"][1] == result["windows"][0]["z_local"]


class Interrupted(InlineExecutor):
    """An executor that ends in the middle of things."""

    left = 25

    def submit(self, *args: Any, **kwargs: Any) -> Any:
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt
        return super().submit(*args, **kwargs)


def test_interrupted_and_resumed_by_two_workers_it_finds_the_same(finished: Path, tmp_path: Path) -> None:
    config, executors = write_comparison(tmp_path, **SMALL), list[Executor]()
    with pytest.raises(KeyboardInterrupt):
        hunted(config, tmp_path / "run", lambda: executors.append(Interrupted()) or executors[-1])
    before = len(entries(tmp_path / "run", "done"))
    assert before == 25
    result = reach(config, tmp_path / "run", workers=2, quiet=True)
    assert {**timeless(result), "data": 0} == {**timeless(result_in(finished)), "data": 0}
    keys = [one["key"] for one in entries(tmp_path / "run", "done")]
    assert len(set(keys)) == len(keys) == len(entries(finished, "done"))
    assert "Reach" in (tmp_path / "run" / "comparison.html").read_text()


def test_more_draws_redo_nothing(finished: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    small = {**SMALL, "methods": {"cwola": None}, "reach": {"events": EVENTS[:2], "draws": 1}}
    first = hunted(write_comparison(tmp_path, **small), out)
    n = len(entries(out, "done"))
    second = hunted(write_comparison(tmp_path, **{**small, "reach": {"events": EVENTS[:2], "draws": 2}}), out)
    assert all("draw 1: " in one["label"] for one in entries(out, "done")[n:])
    assert first["methods"]["blind"]["interval"] is None  # of one draw there is no spread
    for name, method in first["methods"].items():
        for one, two in zip(method["points"], second["methods"][name]["points"], strict=True):
            assert two["z_global"][:1] == one["z_global"]


def test_windows_of_a_scan(tmp_path: Path) -> None:
    windows = [[3300.0, 3700.0], [3700.0, 4100.0]]
    small = {**SMALL, "methods": {"cwola": None}, "reach": {"events": [200, 60], "draws": 1, "windows": windows}}
    out = tmp_path / "run"
    result = hunted(write_comparison(tmp_path, **small), out)
    assert [[one["lo"], one["hi"]] for one in result["windows"]] == windows
    labels = [one["label"] for one in entries(out, "done")]
    assert sum("blind: fit and toys" in label for label in labels) == 4
    assert numbers_of(result, "blind") == [200, 60]


def test_the_window_of_the_comparison_decides_nothing_about_hunts_in_others(tmp_path: Path) -> None:
    out, windows = tmp_path / "run", [[3300.0, 3700.0]]
    small = {**SMALL, "methods": {"cwola": None}, "reach": {"events": [200, 60], "draws": 1, "windows": windows}}
    before = hunted(write_comparison(tmp_path, **small), out)
    n = len(entries(out, "done"))
    wider = {**SMALL["scan"], "windows": [[3250.0, 3750.0]]}
    after = hunted(write_comparison(tmp_path, **{**small, "scan": wider}), out)
    assert len(entries(out, "done")) == n
    assert after["draw"]["background_region"] > before["draw"]["background_region"]
    zs = [[one["z_global"] for one in result["methods"]["inclusive"]["points"]] for result in (before, after)]
    assert zs[0] == zs[1]


def test_results_of_one_file_stand_together(tmp_path: Path) -> None:
    """The same configuration, but what is in the file is another sample."""
    out = tmp_path / "run"
    small = {**SMALL, "methods": {"cwola": None}, "reach": {"events": [200, 60], "draws": 1}}
    small["compare"] = {"strengths": [0.1], "draws": 1, "closure": 0}
    config = write_comparison(tmp_path, **small)
    compared(config, out)
    (out / "comparison.html").touch()
    hunted(config, out)
    assert (out / "compare.json").exists()
    assert (out / "comparison.html").exists()
    write_events(tmp_path / "labelled.parquet", labelled(seed=5))
    hunted(config, out)
    assert not (out / "compare.json").exists()
    assert not (out / "comparison.html").exists()


def test_results_of_one_configuration_stand_together(tmp_path: Path) -> None:
    out = tmp_path / "run"
    small = {**SMALL, "methods": {"cwola": None}, "reach": {"events": [200, 60], "draws": 1}}
    small["compare"] = {"strengths": [0.1], "draws": 1, "closure": 0}
    config = write_comparison(tmp_path, **small)
    hunted(config, out)
    compared(config, out)
    assert main(["report", str(out)]) == 0
    page = (out / "comparison.html").read_text()
    assert '<section id="reach">' in page
    assert '<section id="overview">' in page
    compared(write_comparison(tmp_path, **{**small, "seed": 2}), out)
    assert not (out / "reach.json").exists()


def test_the_verb(finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = finished.parent / "compare.toml"
    command = ["compare", config, "--reach", "--out", finished.parent / "verb", "--workers", 1, "--quiet"]
    assert main([str(word) for word in [*command, "--json"]]) == 0
    printed = capsys.readouterr()
    assert timeless(json.loads(printed.out)) == timeless(result_in(finished))
    assert "best sees the truth" in printed.err
    assert main([str(word) for word in command]) == 0
    text = capsys.readouterr().out
    cwola = result_in(finished)["methods"]["cwola"]
    assert f"{cwola['reach']:.0f} [" in text
    assert "comparison.html" in text


FAULTS = {
    "many": ({"reach": {"events": [3000, 60]}}, "reach.events: expected at most the 2000 signal events"),
    "one": ({"reach": {"events": [60]}}, "reach.events"),
    "the same": (
        {"reach": {"events": [60, 60]}},
        r"reach.events: .* two different numbers of events, found \[60, 60\]",
    ),
    "no windows": ({"reach": {"windows": []}}, "reach.windows: expected at least one window"),
    "empty window": ({"reach": {"windows": [[7000.0, 7400.0]]}}, r"reach.windows: the signal region of .* holds \d+"),
    "zero": ({"reach": {"events": [60, 0]}}, "reach.events.1"),
    "windows": ({"reach": {"windows": [[100.0, 200.0]]}}, r"reach.windows: window \[100, 200\) lies outside"),
    "truth": ({"methods": {"cwola": None, "blind": None}}, "methods: best: all see the truth"),
    "name": ({"methods": {"inclusive": {"kind": "random"}}}, "methods.inclusive: the fit without any selection"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_one_line(tmp_path: Path, fault: str) -> None:
    changes, match = FAULTS[fault]
    with pytest.raises(LamppostError, match=match) as raised:
        hunted(write_comparison(tmp_path, **changes), tmp_path / "run")
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "run" / "reach.json").exists()


def test_a_fit_that_fails_is_no_claim_and_ends_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One of two draws fails for one method: it counts as nothing seen, and is named."""
    failed: list[str] = []

    def sometimes(store: Store, key: str, **arguments: Any) -> None:
        if arguments["name"] == "cwola" and not failed:
            failed.append(key)
            raise FitError("the background fit does not converge")
        measure_window(store, key, **arguments)

    monkeypatch.setattr("lamppost.run.plan.measure_window", sometimes)
    config = write_comparison(tmp_path, **{**SMALL, "reach": {"events": [200, 100], "draws": 2}})
    result = hunted(config, tmp_path / "run")
    point = result["methods"]["cwola"]["points"][0]
    assert point["z_global"][0] is None
    assert point["z_local"][0] is None
    assert point["z_global"][1] > 3
    assert point["median"] == pytest.approx(point["z_global"][1] / 2)
    reason = "the background fit does not converge"
    assert f"cwola: a fit failed in 1 of 4 hunts, which count as no claim; first: {reason}" in result["warnings"]
    assert main(["report", str(tmp_path / "run")]) == 0


@pytest.fixture
def fits() -> Iterator[list[View]]:
    """What a method of kind `fragile` was given to fit; the first of these fits fails."""
    views: list[View] = []

    class Fragile(Method):
        """Knows nothing, when it works."""

        kind: Literal["fragile"] = "fragile"

        def fit(self, view: View, rng: Rng) -> Score:
            views.append(view)
            if len(views) == 1:
                msg = "the masses beside the window cannot be fitted"
                raise FitError(msg)
            return Method.parse("random").fit(view, rng)

    yield views
    Method.registry.pop("fragile")


def test_a_training_that_fails_is_no_claim_and_ends_nothing(tmp_path: Path, fits: list[View]) -> None:
    methods = {"cwola": None, "blind": None, "fragile": {"kind": "fragile"}}
    reached = {"events": [200, 100], "draws": 1}
    config = write_comparison(tmp_path, **{**SMALL, "methods": methods, "reach": reached})
    result = hunted(config, tmp_path / "run")
    first, second = result["methods"]["fragile"]["points"]
    assert first["z_global"] == first["z_local"] == [None]
    assert second["z_global"] != [None]
    reason = "the masses beside the window cannot be fitted"
    assert f"fragile: a fit failed in 1 of 2 hunts, which count as no claim; first: {reason}" in result["warnings"]
    assert len(fits) == 6
    assert timeless(hunted(config, tmp_path / "run")) == timeless(result)
    assert len(fits) == 6  # what failed once is not tried again


def test_where_every_hunt_fails_the_reason_is_said(tmp_path: Path) -> None:
    small = {**SMALL, "methods": {"cwola": None}, "reach": {"events": [200, 60], "draws": 1}}
    right = load_comparison(write_comparison(tmp_path, **small))
    wrong = right.model_copy(update={"fit": right.fit.model_copy(update={"n_parameters": 9})})
    match = "every hunt failed with 200 events injected; the first: .*2 to 5 parameters, not 9"
    with pytest.raises(FitError, match=match):
        run_reach(wrong, tmp_path / "run", workers=1, quiet=True, make_executor=InlineExecutor)
    assert not (tmp_path / "run" / "reach.json").exists()


def test_crossing_is_linear_in_the_logarithm() -> None:
    events = [1000.0, 100.0, 10.0]
    assert crossing(events, [5.0, 4.0, 2.0], 3.0) == pytest.approx(100 / np.sqrt(10))
    assert crossing(events, [5.0, 3.0, 2.0], 3.0) == pytest.approx(100)
    assert crossing(events, [5.0, 1.0, 1.0], 4.0) == pytest.approx(1000 * 10**-0.25)
    assert crossing(events, [2.0, 4.0, 2.0], 3.0) == pytest.approx(100 / np.sqrt(10))  # the smallest that is seen
    assert crossing(events, [2.0, 1.0, 0.0], 3.0) == np.inf
    assert crossing(events, [5.0, 4.0, 3.0], 3.0) == 0.0


def test_the_interval_covers() -> None:
    """Z = 3 log(n) / log(100) + noise, the same for all n of a draw; 15 draws; the true crossing is n = 100.

    Of 150 trials 68 % cover, +- 3.8 % each; bootstrap of a median of 15 is off by some 6 %.
    """
    rng, events = np.random.default_rng(1), np.array([400.0, 200.0, 100.0, 50.0, 25.0])
    covered = 0
    for trial in range(150):
        z = 3 * np.log(events)[:, None] / np.log(100) + rng.normal(0, 0.3, 15)
        low, high = interval(events.tolist(), z, 3.0, np.random.SeedSequence(trial))
        covered += low <= 100.0 <= high
    assert 0.68 - 0.06 - 3 * 0.038 < covered / 150 < 0.68 + 0.06 + 3 * 0.038


def test_the_order_of_rows_does_not_matter(finished: Path, tmp_path: Path) -> None:
    table = labelled()
    order = np.random.default_rng(1).permutation(len(table["mjj"]))
    write_events(tmp_path / "labelled.parquet", {name: values[order] for name, values in table.items()})
    small = {**SMALL, "methods": {"cwola": None}, "reach": {"events": EVENTS[:2], "draws": 2}}
    result = hunted(write_comparison(tmp_path, **small), tmp_path / "run")
    mine = result_in(finished)["methods"]["inclusive"]["points"]
    assert timeless(result["methods"]["inclusive"]["points"]) == timeless(mine[:2])
