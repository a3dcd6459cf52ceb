"""One hunt: the same bits for any number of workers, in any order, and no more work than a change asks for."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

import lamppost
from lamppost.config import load
from lamppost.run import InlineExecutor
from lamppost.run.hunt import run_hunt
from lamppost.stats import joint_scan
from lamppost.stats.scans.result import JointResult
from small_hunt import (
    FIT_RANGE,
    TASKS,
    TIMES,
    WINDOWS,
    Json,
    entries,
    events,
    merged,
    result_in,
    search,
    timeless,
    write_events,
    write_hunt,
)

THIRD = [4000.0, 4600.0]


def hunt(config: Path, out: Path) -> Json:
    """In this process, without a report: the quickest of all ways to the same bits."""
    result: Json = run_hunt(load(config), out, workers=1, quiet=True, make_executor=InlineExecutor)
    return result


def done(out: Path, stage: str | None = None) -> list[str]:
    return [entry["label"] for entry in entries(out, "done") if stage in (None, entry["stage"])]


def row_of(result: Json, window: list[float]) -> Json:
    rows: list[Json] = [row for row in result["windows"] if [row["lo"], row["hi"]] == window]
    assert len(rows) == 1
    return rows[0]


def scores_of(out: Path, number: int) -> tuple[bytes, bytes]:
    table = pq.read_table(out / "scores.parquet", filters=[("window", "=", number)])
    return table["event"].to_numpy().tobytes(), table["score"].to_numpy().tobytes()


def test_one_worker_and_two_find_the_same_bits(tmp_path: Path) -> None:
    # with everything on: decorrelation, two methods, two efficiencies, a validation window, the F-test
    changes: Json = {
        "scan": {"decorrelate": "quantile", "efficiency": [0.2, 0.05], "validation": [[4200, 4600]]},
        "method": None,
        "methods": {"one": search()["method"], "other": merged(search()["method"], {"ratio": {"leaves": 4}})},
        "fit": {"n_parameters": None, "toys": 300},
    }
    config = write_hunt(tmp_path, **changes)
    results = [lamppost.hunt(config, tmp_path / f"run{n}", workers=n, quiet=True) for n in (1, 2)]
    assert timeless(results[0]) == timeless(results[1])
    assert [(row["method"], row["lo"]) for row in results[0]["windows"]] == [
        (name, lo) for name in ("one", "other") for lo, _ in WINDOWS
    ]
    assert len(results[0]["validation"]) == 4
    for name in ("scores.parquet", "details.json", "config.toml"):
        assert (tmp_path / "run1" / name).read_bytes() == (tmp_path / "run2" / name).read_bytes()
    hunt(config, tmp_path / "run0")
    assert (tmp_path / "run0" / "scores.parquet").read_bytes() == (tmp_path / "run1" / "scores.parquet").read_bytes()
    artefacts = [sorted(path.name for path in (tmp_path / f"run{n}" / "artefacts").iterdir()) for n in (1, 2)]
    assert artefacts[0] == artefacts[1]
    for name in artefacts[0]:
        assert (tmp_path / "run1" / "artefacts" / name).read_bytes() == (
            tmp_path / "run2" / "artefacts" / name
        ).read_bytes()


def test_one_pid_per_worker_is_logged(finished: Path) -> None:
    assert len(done(finished)) == TASKS
    assert 1 <= len({entry["pid"] for entry in entries(finished, "done")}) <= 2
    assert [entry["event"] for entry in (*entries(finished, "start"), *entries(finished, "end"))] == ["start", "end"]


def test_another_order_and_another_window_leave_a_window_alone(tmp_path: Path, finished: Path) -> None:
    alone = result_in(finished)
    config = write_hunt(tmp_path, scan={"windows": [THIRD, *reversed(WINDOWS)]})
    result = hunt(config, tmp_path / "run")
    for number, window in enumerate(WINDOWS):
        assert row_of(result, window) == row_of(alone, window)
        assert scores_of(tmp_path / "run", 2 - number) == scores_of(finished, number)


def test_adding_a_window_redoes_nothing_else(tmp_path: Path) -> None:
    out = tmp_path / "run"
    before = hunt(write_hunt(tmp_path), out)
    after = hunt(write_hunt(tmp_path, scan={"windows": [*WINDOWS, THIRD]}), out)
    again = done(out)[TASKS:]
    # the one fit over all windows is another one now
    others = [label for label in again if str(lamppost.Window(*THIRD, 600.0)) not in label]
    assert sorted(others) == ["checking windows", "inclusive fit and toys"]
    for window in WINDOWS:
        assert row_of(before, window) == row_of(after, window)


def test_other_toys_redo_the_fits_only(tmp_path: Path) -> None:
    out = tmp_path / "run"
    before = hunt(write_hunt(tmp_path), out)
    after = hunt(write_hunt(tmp_path, fit={"toys": 150}), out)
    again = [entry["stage"] for entry in entries(out, "done")[TASKS:]]
    assert set(again) == {"claim"}
    assert len(again) == 5  # two windows, their control, the inclusive fit
    assert [row["z_local"] for row in before["windows"]] == [row["z_local"] for row in after["windows"]]
    assert [row["n_toys"] for row in after["windows"]] == [150, 150]
    assert hunt(write_hunt(tmp_path), out)["windows"] == before["windows"]
    assert len(done(out)) == TASKS + 5  # the old fits are still there


def test_another_method_redoes_neither_reading_nor_the_control(tmp_path: Path) -> None:
    out = tmp_path / "run"
    hunt(write_hunt(tmp_path), out)
    hunt(write_hunt(tmp_path, method={"ratio": {"rounds": 21}}), out)
    again = done(out)[TASKS:]
    assert sorted(label.split(":")[0] for label in again) == ["weak"] * 8


def test_the_same_data_elsewhere_is_the_same_data(tmp_path: Path) -> None:
    out = tmp_path / "run"
    before = hunt(write_hunt(tmp_path), out)
    (tmp_path / "moved").mkdir()
    (tmp_path / "events.parquet").rename(tmp_path / "moved" / "mine.parquet")
    config = write_hunt(tmp_path, data={"path": "moved/mine.parquet"})
    after = hunt(config, out)
    assert len(done(out)) == TASKS
    assert {**timeless(before), "data": None} == {**timeless(after), "data": None}


def test_other_data_are_not_mistaken_for_the_same(tmp_path: Path) -> None:
    out = tmp_path / "run"
    before = hunt(write_hunt(tmp_path), out)
    after = hunt(write_hunt(tmp_path, events(seed=2)), out)
    assert len(done(out)) == 2 * TASKS
    assert after["data"]["sha256"] != before["data"]["sha256"]
    assert after["windows"][0]["n_sr"] != before["windows"][0]["n_sr"]


def test_a_result_never_stands_beside_another_configuration(tmp_path: Path) -> None:
    out = tmp_path / "run"
    hunt(write_hunt(tmp_path), out)
    for page in ("report.html", "comparison.html"):
        (out / page).touch()
    spoilt = {**events(), "a": np.full(4000, np.nan)}
    with pytest.raises(lamppost.LamppostError, match="column 'a'"):
        hunt(write_hunt(tmp_path, spoilt, fit={"toys": 200}), out)
    assert {path.name for path in out.iterdir()} == {
        ".lock",
        "config.toml",
        "log.jsonl",
        "artefacts",
        "progress.html",
        "used",
    }


def test_where_there_is_no_excess_z_is_zero(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Toys may all do as well as the data: p = 1, of which the normal distribution makes -8.2."""

    def unremarkable(*arguments: Any, **options: Any) -> JointResult:
        return replace(joint_scan(*arguments, **options), p_global=1.0, z_global=-8.2)

    monkeypatch.setattr("lamppost.run.spectra.joint_scan", unremarkable)
    result = hunt(write_hunt(tmp_path), tmp_path / "run")
    assert result["inclusive"]["p_global"] == 1.0
    assert result["inclusive"]["z_global"] == 0.0
    assert [row["z_window"] for row in result["windows"]] == [0.0, 0.0]


def test_the_resolved_configuration_repeats_the_hunt(tmp_path: Path, finished: Path) -> None:
    again = hunt(finished / "config.toml", tmp_path / "again")
    assert timeless(again) == timeless(result_in(finished))
    assert (tmp_path / "again" / "config.toml").read_bytes() == (finished / "config.toml").read_bytes()


def test_a_table_and_a_spec_are_configurations_too(
    tmp_path: Path, config: Path, finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(config.parent)
    for name, given in (("table", search()), ("spec", load(config))):
        result = lamppost.hunt(given, tmp_path / name, workers=1, quiet=True)
        assert {**timeless(result), "data": None} == {**timeless(result_in(finished)), "data": None}
        assert (tmp_path / name / "config.toml").read_bytes() == (finished / "config.toml").read_bytes()


def test_data_beside_the_configuration_in_a_folder_of_any_name(tmp_path: Path) -> None:
    folder = tmp_path / "odd [names] *"
    folder.mkdir()
    for number in range(2):
        part = {name: values[number::2] for name, values in events().items()}
        write_events(folder / f"part{number}.parquet", part)
    config = write_hunt(folder, events(), data={"path": "part*.parquet"})
    assert lamppost.api.check(config)["events"] == 4000


def test_scores_hold_every_event_of_the_fit_range_once_per_window(tmp_path: Path) -> None:
    table = events()
    table["mjj"][::5] = 2000.0  # outside the fit range
    result = hunt(write_hunt(tmp_path, table), tmp_path / "run")
    scores = pq.read_table(tmp_path / "run" / "scores.parquet")
    assert scores.column_names == ["event", "window", "score"]
    inside = np.flatnonzero((table["mjj"] >= FIT_RANGE[0]) & (table["mjj"] < FIT_RANGE[1]))
    assert result["data"]["events"] == len(inside) == 3200
    for number, row in enumerate(result["windows"]):
        of = scores.filter(scores["window"].to_numpy() == number)
        np.testing.assert_array_equal(of["event"].to_numpy(), inside)
        score = of["score"].to_numpy()
        assert np.isfinite(score).all()
        m = table["mjj"][inside]
        kept = (score >= -np.log10(0.1)) & (m >= row["lo"]) & (m < row["hi"])
        assert row["n_selected"] == kept.sum()
    assert scores.num_rows == 2 * len(inside)


def test_weights_of_one_are_no_weights(tmp_path: Path) -> None:
    plain = hunt(write_hunt(tmp_path), tmp_path / "plain")
    weighted = hunt(write_hunt(tmp_path, data={"weight": "w"}), tmp_path / "weighted")
    assert timeless(plain) == timeless(weighted)


def test_a_weighted_hunt(tmp_path: Path) -> None:
    table = events()
    table["w"] = np.random.default_rng(3).exponential(size=4000) + 0.1
    result = hunt(write_hunt(tmp_path, table, data={"weight": "w"}), tmp_path / "run")
    for row in result["windows"]:
        inside = (table["mjj"] >= row["lo"]) & (table["mjj"] < row["hi"])
        assert row["n_sr"] == pytest.approx(table["w"][inside].sum(), rel=1e-9)
        assert 0.0 < row["n_selected"] < row["n_sr"]
        assert 0.0 < row["p_local"] <= 0.5
    scaled = {**table, "w": 4.0 * table["w"]}
    again = hunt(write_hunt(tmp_path, scaled, data={"weight": "w", "id": ["event"]}), tmp_path / "scaled")
    same = hunt(write_hunt(tmp_path, table, data={"weight": "w", "id": ["event"]}), tmp_path / "same")
    for row, other in zip(again["windows"], same["windows"], strict=True):
        assert row["n_sr"] == pytest.approx(4.0 * other["n_sr"])
        assert row["p_window"] == pytest.approx(other["p_window"], abs=0.02)


def test_times_are_all_that_may_differ(finished: Path) -> None:
    assert set(TIMES) <= result_in(finished).keys()
