"""Hunts whose background expectation is not the sidebands: sampled, or made of simulation."""

from pathlib import Path
from typing import Any

import pytest

from lamppost.config import load
from lamppost.errors import ConfigError
from lamppost.run import InlineExecutor, run_hunt
from small_hunt import WINDOWS, Json, entries, events, write_events, write_hunt

RATIO = {"kind": "boosted", "members": 1, "rounds": 5}
DENSITY = {"kind": "affine", "layers": 2, "hidden": [8], "steps": 20, "least": 20}


def hunt(folder: Path, method: Json, **changes: Any) -> Json:
    scan = {"windows": WINDOWS[:1], "folds": 3, "efficiency": 0.1, "decorrelate": None}
    config = write_hunt(folder, method=method, scan=scan, **changes)
    result: Json = run_hunt(load(config), folder / "run", workers=1, quiet=True, make_executor=InlineExecutor)
    return result


def test_masses_in_the_region_come_from_the_sidebands(tmp_path: Path) -> None:
    result = hunt(tmp_path, {"kind": "cathode", "density": DENSITY, "ratio": RATIO})
    (window,) = result["windows"]
    assert window["method"] == "cathode"
    assert window["n_selected"] > 0


def test_a_reference_simulation(tmp_path: Path) -> None:
    write_events(tmp_path / "simulation.parquet", events(3000, seed=2))
    samples = {"simulation": "simulation.parquet"}
    result = hunt(tmp_path, {"kind": "salad", "reweighting": RATIO, "ratio": RATIO}, samples=samples)
    assert result["windows"][0]["method"] == "salad"
    first = {entry["label"]: entry["key"] for entry in entries(tmp_path / "run", "done")}
    assert "reading the simulation" in first
    write_events(tmp_path / "simulation.parquet", events(3000, seed=3))
    hunt(tmp_path, {"kind": "salad", "reweighting": RATIO, "ratio": RATIO}, samples=samples)
    again = {entry["label"]: entry["key"] for entry in entries(tmp_path / "run", "done")}
    training = [label for label in first if label.startswith("salad: training")]
    assert len(training) == 3
    assert all(first[label] != again[label] for label in training)


def test_a_missing_simulation_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"needs a reference simulation.*\[samples\] simulation"):
        hunt(tmp_path, {"kind": "salad", "reweighting": RATIO, "ratio": RATIO})
