"""The control region: the same hunt in the events that `select` rejects, none of them twice, none that is undefined."""

import json
from pathlib import Path

import numpy as np
import pytest

from lamppost.api import check
from lamppost.cli import main
from lamppost.config import control_region, load, parse
from lamppost.errors import ConfigError
from lamppost.io import Data, read
from lamppost.run import InlineExecutor
from lamppost.run.calibrate.certificate import certificate, configuration_of
from lamppost.run.plan import plan
from small_hunt import Json, events, search, write_events, write_hunt

EVENTS = 5003
TABLES: Json = {
    "data": {"select": "log(deta) < 0.25"},
    "scan": {"windows": [[3300.0, 3700.0]], "efficiency": 0.2},
}


def table() -> Json:
    """`deta` is below zero for every tenth event: its logarithm is not a number."""
    made = events(EVENTS)
    deta = np.abs(np.random.default_rng(3).normal(1.0, 1.0, EVENTS))
    return {**made, "deta": np.where(np.arange(EVENTS) % 10 == 0, -1.0, deta)}


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_hunt(tmp_path_factory.mktemp("control"), table(), **TABLES)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_every_event_is_in_one_region_and_no_nan_in_either(config: Path) -> None:
    data = load(config).data
    kept, rejected = (read(one) for one in (data, data.model_copy(update={"invert": True})))
    deta = table()["deta"]
    np.testing.assert_array_equal(kept.index, np.flatnonzero((deta > 0) & (np.log(deta) < 0.25)))
    np.testing.assert_array_equal(rejected.index, np.flatnonzero((deta > 0) & (np.log(deta) >= 0.25)))


def test_missing_values_are_in_neither_region(tmp_path: Path) -> None:
    made = table()
    made["deta"] = np.where(made["deta"] < 0, np.nan, made["deta"])
    path = write_events(tmp_path / "events.parquet", made)
    common = {"path": str(path), "mass": "mjj", "features": ["a"], "missing": "drop"}
    both = [read(Data(**common, select="deta < 1.3", invert=invert)) for invert in (False, True)]
    assert sum(len(one.events) for one in both) == np.isfinite(made["deta"]).sum()
    assert np.isfinite(made["deta"][np.concatenate([one.index for one in both])]).all()


def test_the_same_chain(config: Path) -> None:
    """Windows, folds, methods and seeds are those of the hunt; one certificate is about both."""
    found = load(config)
    other = control_region(found)
    assert other.data.region == "not (log(deta) < 0.25)"
    assert configuration_of(other) == configuration_of(found)
    assert other.model_dump(exclude={"data"}) == found.model_dump(exclude={"data"})
    labels = [[task.label for task in plan(one).tasks] for one in (found, other)]
    assert labels[0] == labels[1]
    null = {"n": 60, "failed": 0, "valid": True, "uniform": True, "ks": 0.5, "ks_small": 0.5, "values": [0.5]}
    result = {"data": {"sha256": ""}, "events": 1.0, "null": {"global": {**null, "below": {"0.05": None}}}}
    assert certificate(other, result)["control_region"] is True
    assert certificate(found, result)["control_region"] is False
    assert certificate(other, result)["configuration"] == certificate(found, result)["configuration"]


def test_nothing_is_blind_there(config: Path) -> None:
    blind = write_hunt(config.parent / "blind", table(), **TABLES, blind={})
    assert load(blind).blind is not None
    assert control_region(load(blind)).blind is None
    assert check(blind, invert=True)["windows"][0]["n_sr"] > 0


def test_there_is_something_to_invert() -> None:
    with pytest.raises(
        ConfigError, match=r"data.select: expected a condition to invert for a control region, found none"
    ):
        control_region(parse(search()))
    with pytest.raises(ConfigError, match="data: invert: expected a select whose rejected rows"):
        parse(search(data={"invert": True}))


def test_the_verb_says_so(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lamppost.run.cluster.process_pool", lambda workers: InlineExecutor())
    out = tmp_path / "run"
    assert main(["hunt", str(config), "--out", str(out), "--quiet", "--workers", "1", "--invert"]) == 0
    assert capsys.readouterr().out.startswith("control region   not (log(deta) < 0.25)\n")
    result = json.loads((out / "result.json").read_text())
    assert result["data"]["control_region"] == "not (log(deta) < 0.25)"
    assert "invert = true" in (out / "config.toml").read_text()
    assert load(out / "config.toml") == control_region(load(config))
    page = (out / "report.html").read_text() if (out / "report.html").exists() else "control region"
    assert "control region" in page
