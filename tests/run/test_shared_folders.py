"""A run folder that holds other things too, and other results: nothing is lost that is not the run's to make again."""

import json
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from lamppost.config import load
from lamppost.errors import ConfigError, DataError, LamppostError
from lamppost.run import InlineExecutor
from lamppost.run.artefacts import Store
from lamppost.run.blind.looks import BLIND, OPENED, add_look, read_looks
from lamppost.run.blind.stage import open_again, run_without_blind
from lamppost.run.cache import shared_by, using
from lamppost.run.hunt import run_hunt
from lamppost.run.planned import Planned, plan_samples
from small_hunt import write_hunt


def test_what_lies_beside_a_run_stays(config: Path, tmp_path: Path) -> None:
    for name in ("thesis.work", "table.parquet.work"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "chapter").write_text("one")
    (tmp_path / ".other.part").write_text("of something else")
    run_hunt(load(config), tmp_path, workers=1, quiet=True, make_executor=InlineExecutor)
    assert [(tmp_path / name / "chapter").read_text() for name in ("thesis.work", "table.parquet.work")] == ["one"] * 2
    assert (tmp_path / ".other.part").exists()


def test_another_file_under_the_same_name_is_not_read(tmp_path: Path) -> None:
    config = write_hunt(tmp_path)
    planned = Planned()
    samples, _ = plan_samples(planned, load(config))
    path = tmp_path / "events.parquet"
    path.write_bytes(_other(path))
    task, store = planned.tasks[samples.data], Store(tmp_path / "artefacts")
    store.folder.mkdir()
    with pytest.raises(DataError, match="changed since the run was planned, or is another file on"):
        task.function(store, task.key, **task.arguments)
    assert not store.path(task.key).exists()


def _other(path: Path) -> bytes:
    """The same table without its last row."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table, sink = pq.read_table(path), pa.BufferOutputStream()
    pq.write_table(table.slice(0, len(table) - 1), sink)
    return bytes(sink.getvalue().to_pybytes())


def test_a_record_of_use_has_one_owner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    run = tmp_path / "run"
    run.mkdir()
    cache = shared_by(run, tmp_path / "cache")
    with using(cache, run, "result.json") as use:
        use.add(["train-1.parquet"])
        with pytest.raises(LamppostError, match="another run in the same folder"), using(cache, run, "result.json"):
            pass
        use.add(["train-2.parquet"])
        assert use.path.read_text().splitlines()[1:] == ["train-1.parquet", "train-2.parquet"]


@pytest.fixture
def results(finished: Path, tmp_path: Path) -> Path:
    """A finished hunt, and results of its calibration and of limits as they would lie beside it."""
    out = tmp_path / "run"
    shutil.copytree(finished, out)
    about = {"data": {"sha256": json.loads((out / "result.json").read_text())["data"]["sha256"]}}
    for name in ("calibration.json", "limits.json"):
        (out / name).write_text(json.dumps(about))
    return out


@pytest.mark.parametrize(
    ("table", "gone"),
    [
        ({}, set()),
        ({"limits": {"precision": 0.2}}, {"limits.json"}),
        ({"calibrate": {"experiments": 3}}, {"calibration.json"}),
        ({"fit": {"toys": 101}}, {"calibration.json", "limits.json"}),
    ],
)
def test_a_table_makes_what_depends_on_it_stale(config: Path, results: Path, table: Any, gone: set[str]) -> None:
    search = load(config)
    changed = {name: getattr(search, name).model_copy(update=keys) for name, keys in table.items()}
    before = (results / "result.json").read_text()
    run_hunt(search.model_copy(update=changed), results, workers=1, quiet=True, make_executor=InlineExecutor)
    assert {name for name in ("calibration.json", "limits.json") if not (results / name).exists()} == gone
    if "fit" not in table:
        assert json.loads((results / "result.json").read_text())["p_global"] == json.loads(before)["p_global"]


def test_a_dry_run_opens_nothing(config: Path, tmp_path: Path) -> None:
    add_look(tmp_path, BLIND, "0123", passed=True, frozen={})
    with pytest.raises(ConfigError, match="--dry-run: its samples look into windows"):
        run_without_blind(load(config), tmp_path, workers=1, quiet=True, dry_run=600.0)
    assert not (tmp_path / "artefacts").exists()
    open_again(load(config), "0" * 64, tmp_path, "limits")
    assert [look["shown"] for look in read_looks(tmp_path)] == [BLIND, OPENED]
    assert read_looks(tmp_path)[-1]["reason"] == "limits, no [blind] in the configuration"
