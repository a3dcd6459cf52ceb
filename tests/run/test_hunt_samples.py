"""Hunts whose background expectation is not the sidebands: sampled, or made of simulation."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lamppost.api import view
from lamppost.config import load
from lamppost.errors import ConfigError
from lamppost.run import InlineExecutor
from lamppost.run.hunt import run_hunt
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


def test_a_look_at_what_a_method_sees(tmp_path: Path) -> None:
    write_events(tmp_path / "simulation.parquet", events(3000, seed=2))
    config = write_hunt(tmp_path, method="cwola", samples={"simulation": "simulation.parquet"})
    looked = view(config, 1)
    lo, hi = WINDOWS[1]
    assert (looked.window.lo, looked.window.hi) == (lo, hi)
    assert looked.window.inside(looked.sr.m).all()
    assert looked.window.beside(looked.sb.m).all()
    assert looked.sim is not None
    assert looked.reference is None
    assert looked.sample_m is not None
    masses = looked.sample_m(1000, np.random.default_rng(1))
    assert looked.window.inside(masses).all()
    decorrelated = view(config, 1, decorrelate=True)
    assert decorrelated.sr.id.tolist() == looked.sr.id.tolist()
    assert (decorrelated.sr.x != looked.sr.x).any()
    with pytest.raises(ConfigError, match=r"window: expected a number from 0 to \d, found 9"):
        view(config, 9)
