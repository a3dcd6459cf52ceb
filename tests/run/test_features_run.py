"""`lamppost features`: the same bytes whatever happens on the way, and every event can be traced to its file."""

import json
import os
import re
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lamppost.api import features
from lamppost.cli import main
from lamppost.errors import ConfigError, DataError
from lamppost.run import InlineExecutor
from lamppost.run import extract as extraction
from lamppost.run.artefacts import Store
from lamppost.run.extract import run_features
from lamppost.run.graph import Task
from small_disk import resize
from small_hunt import n_done, start, until, workers_of
from toy_collisions import raw_events, write_frame, write_raw

FILES, EVENTS = 8, 60


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight files of raw events: eight chunks."""
    folder = tmp_path_factory.mktemp("raw")
    for i in range(FILES):
        write_raw(folder / f"raw_{i}.h5", EVENTS, seed=i)
    return folder


@pytest.fixture(scope="module")
def finished(folder: Path) -> Path:
    """The table, made without a disturbance."""
    out = folder / "undisturbed.parquet"
    features(sorted(folder.glob("*.h5")), out, preset="lhco4", workers=2, quiet=True)
    return out


def run(folder: Path, out: Path, *more: object) -> "subprocess.Popen[str]":
    return start(
        "features", *sorted(folder.glob("*.h5")), "--preset", "lhco4", "--out", out, "--workers", 2, "--quiet", *more
    )


def ended(process: "subprocess.Popen[str]") -> str:
    """What a run that ends well printed."""
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 0, stderr
    return stdout


def test_one_worker_two_or_none(folder: Path, finished: Path, tmp_path: Path) -> None:
    from lamppost.config.extract import parse_features

    paths = [str(path) for path in sorted(folder.glob("*.h5"))]
    features(paths, tmp_path / "one.parquet", preset="lhco4", workers=1, quiet=True)
    asked = parse_features({"input": {"path": paths}, "features": {"preset": "lhco4"}})
    run_features(asked, tmp_path / "none.parquet", workers=1, quiet=True, make_executor=InlineExecutor)
    for name in ("one", "none"):
        assert (tmp_path / f"{name}.parquet").read_bytes() == finished.read_bytes()


def test_every_event_can_be_traced(folder: Path, finished: Path) -> None:
    table = pq.read_table(finished)
    about = json.loads(table.schema.metadata[b"lamppost"])
    assert [source["path"] for source in about["sources"]] == [str(path) for path in sorted(folder.glob("*.h5"))]
    assert {source["rows"] for source in about["sources"]} == {EVENTS}
    assert about["counts"]["read"] == FILES * EVENTS
    assert about["counts"]["kept"] == table.num_rows > FILES * EVENTS // 2
    assert about["mass"] == "mjj"
    assert about["features"] == ["mj1", "dm", "tau21_j1", "tau21_j2"]
    assert set(about["columns"]) >= {"mjj", *about["features"]}
    file, row = table["source_file"].to_numpy(), table["source_row"].to_numpy()
    for number in range(FILES):
        _, label = raw_events(EVENTS, seed=number)
        rows = row[file == number]
        assert (np.diff(rows) > 0).all()
        np.testing.assert_array_equal(table["label"].to_numpy()[file == number], label[rows])


@pytest.mark.parametrize("points", [(0, 1, 4)])
def test_killed_and_started_again(folder: Path, finished: Path, tmp_path: Path, points: tuple[int, ...]) -> None:
    out = tmp_path / "t.parquet"
    work = tmp_path / "t.parquet.work"
    for point in points:
        process = run(folder, out)
        until(lambda: n_done(work) >= point and bool(workers_of(process)))  # noqa: B023
        family = psutil.Process(process.pid).children(recursive=True)
        process.kill()
        process.communicate(timeout=30)
        assert not psutil.wait_procs(family, timeout=5)[1]
        assert not out.exists()
    before = len(list((work / "artefacts").glob("*.arrow")))
    made = json.loads(ended(run(folder, out, "--json")))
    assert made["found"] >= before >= points[-1]
    assert made["tasks"] == FILES
    assert out.read_bytes() == finished.read_bytes()
    assert not work.exists()


def test_a_worker_is_killed(folder: Path, finished: Path, tmp_path: Path) -> None:
    out = tmp_path / "t.parquet"
    process = run(folder, out)
    until(lambda: bool(workers_of(process)))
    for worker in workers_of(process)[:1]:
        worker.kill()
    ended(process)
    assert out.read_bytes() == finished.read_bytes()


def test_ctrl_c(folder: Path, finished: Path, tmp_path: Path) -> None:
    out = tmp_path / "t.parquet"
    process = run(folder, out)
    until(lambda: n_done(tmp_path / "t.parquet.work") >= 1)
    os.killpg(process.pid, signal.SIGINT)
    stdout, stderr = process.communicate(timeout=30)
    if process.returncode == 0:
        pytest.skip("it was done before the signal came")
    assert (process.returncode, stdout) == (1, "")
    assert stderr == "lamppost: interrupted; start the same command again to go on where it stopped\n"
    ended(run(folder, out))
    assert out.read_bytes() == finished.read_bytes()


def test_a_full_disk_is_no_loss(
    folder: Path, finished: Path, small_disk: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = small_disk / "t.parquet"
    command = ["features", *map(str, sorted(folder.glob("*.h5"))), "--preset", "lhco4", "--out", str(out), "--quiet"]
    resize(small_disk, 40)
    assert main(command) == 2
    assert "No space left on device" in capfd.readouterr().err
    assert not out.exists()
    resize(small_disk, 4000)
    assert main([*command, "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["found"] > 0
    assert out.read_bytes() == finished.read_bytes()


def test_a_changed_setting_needs_another_file(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "t.parquet"
    first, *_ = sorted(folder.glob("*.h5"))
    assert features(first, out, preset="lhco4", quiet=True).found == 0
    assert features(first, out, preset="lhco4", quiet=True).found == 1
    with pytest.raises(ConfigError, match="was made with other settings or data"):
        features(first, out, preset="lhco10", quiet=True)
    assert "tau54_j2" in pq.read_schema(features(first, tmp_path / "u.parquet", preset="lhco10", quiet=True).path).names


def test_the_key_of_a_black_box(tmp_path: Path) -> None:
    particles, label = raw_events(EVENTS)
    write_frame(tmp_path / "box.h5", particles.reshape(EVENTS, -1))
    (tmp_path / "key.txt").write_text("".join(f"{value:g}\n" for value in label))
    (tmp_path / "box.toml").write_text(
        '[input]\npath = "box.h5"\nlabels = "key.txt"\n[features]\npreset = "lhco4"\n', encoding="utf-8"
    )
    features(tmp_path / "box.toml", tmp_path / "t.parquet", quiet=True)
    table = pq.read_table(tmp_path / "t.parquet")
    np.testing.assert_array_equal(table["label"].to_numpy(), label[table["source_row"].to_numpy()])
    (tmp_path / "key.txt").write_text("0\n1\n")
    with pytest.raises(DataError, match=rf"key\.txt: expected {EVENTS} lines"):
        features(tmp_path / "box.toml", tmp_path / "other.parquet", quiet=True)


def test_a_hunt_of_the_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_raw(tmp_path / "raw.h5", 2500)
    out, hunt = tmp_path / "tables" / "t.parquet", tmp_path / "hunt.toml"
    out.parent.mkdir()
    features(tmp_path / "raw.h5", out, preset="lhco4", hunt=hunt, quiet=True)
    assert main(["check", str(hunt)]) == 0
    assert "all is well" in capsys.readouterr().out
    with pytest.raises(ConfigError, match=r"hunt\.toml: is there already and was not touched"):
        features(tmp_path / "raw.h5", out, preset="lhco4", hunt=hunt, quiet=True)


def test_an_input_is_not_written_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "events.parquet"
    records = pa.array([[{"pt": 900.0, "eta": 0.0, "phi": 0.0}, {"pt": 900.0, "eta": 0.1, "phi": 3.1}]])
    pq.write_table(pa.table({"particles": records}).replace_schema_metadata({"lamppost": "{}"}), path)
    before = path.read_bytes()
    (tmp_path / "link.parquet").symlink_to(path)
    for out in (path, tmp_path / "link.parquet"):
        assert main(["features", str(path), "--preset", "lhco4", "--out", str(out), "--quiet"]) == 2
        assert f"{out}: is an input, expected another file to write" in capsys.readouterr().err
    assert path.read_bytes() == before


FILES_THAT_DIFFER: dict[str, tuple[dict[str, Any], str]] = {
    "type": ({"run": np.array([1], np.int64)}, "'run': expected uint32 as in .*one.parquet, found int64"),
    "absent": ({}, "'run': expected uint32 as in .*one.parquet, found none"),
    "more": (
        {"run": np.array([1], np.uint32), "label": np.array([1])},
        "'label': expected none as in .*one.parquet, found int64",
    ),
}


@pytest.mark.parametrize("what", FILES_THAT_DIFFER)
def test_files_that_make_no_one_table(what: str, tmp_path: Path) -> None:
    """Said before anything is computed; a file without rows may differ."""
    columns, message = FILES_THAT_DIFFER[what]
    one, two, none = (tmp_path / f"{name}.parquet" for name in ("one", "two", "none"))
    x = np.array([1.0])
    pq.write_table(pa.table({"x": x, "run": np.array([1], np.uint32)}), one)
    pq.write_table(pa.table({"x": x, **columns}), two)
    pq.write_table(pa.table({"x": x, **columns}).slice(0, 0), none)
    tables: dict[str, Any] = {"input": {"path": [str(one), str(two)]}, "features": {"columns": ["x"]}}
    with pytest.raises(DataError, match=rf"two.parquet: {message}; features\.copy says"):
        features(tables, tmp_path / "t.parquet", quiet=True)
    assert not (tmp_path / "t.parquet.work").exists()
    tables["input"]["path"][1] = str(none)
    assert features(tables, tmp_path / "t.parquet", workers=1, quiet=True).rows == 1


@pytest.mark.parametrize("more", [{"columns": ["source_row = x"]}, {"columns": ["x"], "copy": ["source_file"]}])
def test_names_that_are_taken(more: dict[str, Any], tmp_path: Path) -> None:
    pq.write_table(pa.table({"x": np.array([1.0]), "source_file": np.array([3])}), tmp_path / "a.parquet")
    with pytest.raises(ConfigError, match=r"'source_(row|file)' says where an event came from"):
        features({"input": {"path": str(tmp_path / "a.parquet")}, "features": more}, tmp_path / "t.parquet")


def test_a_name_that_is_not_there_is_said_with_its_file(tmp_path: Path) -> None:
    pq.write_table(pa.table({"x": np.array([1.0])}), tmp_path / "a.parquet")
    tables = {"input": {"path": str(tmp_path / "a.parquet")}, "features": {"columns": ["y"]}}
    with pytest.raises(ConfigError, match=r"a\.parquet: 'y' is neither a quantity"):
        features(tables, tmp_path / "t.parquet")


Spoil = Callable[[Path], list[Any]]
BAD: dict[str, tuple[Spoil, str]] = {
    "no source": (lambda raw: [], "expected a TOML file, or data files with --preset"),
    "no preset": (lambda raw: [raw], r"expected a TOML file, or data files with a preset"),
    "unknown preset": (lambda raw: [raw, "--preset", "lhco5"], "lhco5"),
    "no file": (lambda raw: [raw.parent / "none.h5", "--preset", "lhco4"], r"none\.h5: no such file"),
    "no folder for the hunt": (
        lambda raw: [raw, "--preset", "lhco4", "--hunt", raw.parent / "none" / "hunt.toml"],
        r"hunt\.toml: no such folder",
    ),
    "the table is no hunt": (
        lambda raw: [raw, "--preset", "lhco4", "--hunt", raw.parent / "t.parquet"],
        r"t\.parquet: expected a file name that ends in \.toml",
    ),
    "no number of workers": (lambda raw: [raw, "--preset", "lhco4", "--workers", "0"], "workers: expected at least 1"),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_input_is_one_line(what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments, message = BAD[what]
    raw = write_raw(tmp_path / "raw.h5", 20)
    before = sorted(tmp_path.iterdir())
    words = [str(word) for word in arguments(raw)]
    assert main(["features", *words, "--out", str(tmp_path / "t.parquet"), "--quiet"]) == 2
    stdout, stderr = capsys.readouterr()
    assert (stdout, stderr.count("\n")) == ("", 1)
    assert re.search(message, stderr)
    assert sorted(tmp_path.iterdir()) == before


def test_another_file_under_the_same_name_is_not_taken(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether it changes before a worker opens it or while one has it open; wherever the worker was started."""
    path = tmp_path / "raw.h5"
    path.write_bytes((folder / "raw_0.h5").read_bytes())
    planned: list[Task] = []

    def plan(out: Path, tasks: list[Task], about: object, **how: object) -> None:
        planned.extend(tasks)

    monkeypatch.setattr(extraction, "make_table", plan)
    monkeypatch.chdir(tmp_path)
    features({"input": {"path": "raw.h5"}, "features": {"preset": "lhco4"}}, tmp_path / "table.parquet", quiet=True)
    monkeypatch.chdir(folder)
    (task,), store = planned, Store(tmp_path)
    task.function(store, task.key, **task.arguments)
    path.write_bytes((folder / "raw_1.h5").read_bytes())
    with pytest.raises(DataError, match=rf"^{path}: changed since the run was planned, or is another file on \S+$"):
        task.function(store, "again.arrow", **task.arguments)
