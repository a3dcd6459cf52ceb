"""From nothing to a result: simulate, features, hunt, as the README has them, with few events."""

import json
import re
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import tomli_w

from lamppost.cli import main
from lamppost.config import read_toml

QCD, SIGNAL = 2400, 150


def lamppost(*arguments: object) -> None:
    assert main([str(argument) for argument in arguments]) == 0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the three commands ran."""
    folder = tmp_path_factory.mktemp("three")
    events, table, hunt = folder / "events.parquet", folder / "lhco4.parquet", folder / "hunt.toml"
    lamppost("simulate", f"qcd={QCD}", f"wprime={SIGNAL}", "--out", events, "--quiet")
    lamppost("features", events, "--preset", "lhco4", "--out", table, "--hunt", hunt, "--quiet")
    hunt.write_text(tomli_w.dumps(smaller(read_toml(hunt))))
    lamppost("hunt", hunt, "--out", folder / "run", "--quiet")
    return folder


def smaller(table: dict[str, Any]) -> dict[str, Any]:
    """The hunt that `--hunt` wrote, for a hundredth of the events."""
    table["scan"] |= {"windows": [[3200, 3800]], "sidebands": 800, "folds": 3, "efficiency": 0.3, "decorrelate": "none"}
    table["method"]["ratio"] |= {"members": 2, "min_leaf": 20}
    table["fit"] |= {"toys": 200, "n_parameters": 2}
    return table


def test_the_resonance_is_found(folder: Path) -> None:
    """A fifth of the events of the window are signal: any method that works at all finds them."""
    result = json.loads((folder / "run" / "result.json").read_text())
    (window,) = result["windows"]
    assert window["z_local"] > 3
    assert 3300 < window["best_mass"] < 3700


def test_the_report_draws_the_most_anomalous_events(folder: Path) -> None:
    page = (folder / "run" / "report.html").read_text()
    section = page[page.index("most anomalous events") :]
    assert len(re.findall(r"Row \d+ of events\.parquet", section)) >= 3


def test_every_event_is_there_once(folder: Path) -> None:
    raw, table = pq.read_table(folder / "events.parquet"), pq.read_table(folder / "lhco4.parquet")
    assert raw["label"].to_pylist() == [0] * QCD + [1] * SIGNAL
    rows = table["source_row"].to_pylist()
    assert rows == sorted(set(rows))
    assert len(rows) > 0.99 * (QCD + SIGNAL)  # all have passed the same cut already, as float32
    assert table["label"].to_pylist() == raw["label"].take(table["source_row"]).to_pylist()


def test_features_at_once_are_those_of_the_particles(folder: Path) -> None:
    direct = folder / "direct.parquet"
    lamppost("simulate", f"qcd={QCD}", f"wprime={SIGNAL}", "--features", "lhco4", "--out", direct, "--quiet")
    made, kept = pq.read_table(direct), pq.read_table(folder / "lhco4.parquet")
    assert made.equals(kept.drop_columns(["source_file", "source_row"]).cast(made.schema))


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_and_seeds(tmp_path: Path, workers: int) -> None:
    first, again, other = (tmp_path / f"{name}.parquet" for name in ("first", "again", "other"))
    lamppost("simulate", "wprime=30", "zprime_tt=20", "--out", first, "--quiet", "--workers", 3 - workers)
    lamppost("simulate", "wprime=30", "zprime_tt=20", "--out", again, "--quiet", "--workers", workers, "--seed", 0)
    lamppost("simulate", "wprime=30", "zprime_tt=20", "--out", other, "--quiet", "--seed", 1)
    assert first.read_bytes() == again.read_bytes()
    assert not pq.read_table(first).equals(pq.read_table(other))


def test_what_was_simulated_is_in_the_file(folder: Path) -> None:
    about = json.loads(pq.read_schema(folder / "events.parquet").metadata[b"lamppost"])
    settings = about["simulation"]["processes"]["qcd"]["pythia"]
    assert "HardQCD:all = on" in settings
    assert "PartonLevel:MPI = off" in settings
    assert about["simulation"]["versions"].keys() >= {"pythia8mc", "fastjet"}
    assert about["simulation"]["seed"] == 0
    assert about["counts"]["wprime"]["selected"] >= SIGNAL


BAD = {
    "nothing": ([], "expected a TOML file or PROCESS=EVENTS"),
    "no number": (["qcd=many"], "found 'qcd=many'"),
    "unknown process": (["higgs=10"], "higgs"),
    "twice": (["qcd=1", "qcd=2"], "once per process"),
    "unknown preset": (["qcd=1", "--features", "lhco5"], "lhco5"),
    "no events": (["qcd=0", "wprime=0"], "no events, expected some of qcd, wprime"),
    "too many": (["qcd=99999999999999999999"], "less than or equal to 1000000000"),
    "to compare and to generate": (["qcd=1", "--compare", "a.parquet", "b.parquet"], "--compare generates nothing"),
    "columns of nothing": (["qcd=1", "--columns", "mjj"], "--columns: expected together with --compare"),
    "no out": (["qcd=1"], "--out: expected the file to write"),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_input_is_one_line(what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments, message = BAD[what]
    out = [] if what == "no out" else ["--out", str(tmp_path / "t.parquet")]
    assert main(["simulate", *arguments, *out, "--quiet"]) == 2
    stdout, stderr = capsys.readouterr()
    assert (stdout, stderr.count("\n")) == ("", 1)
    assert message in stderr
    assert list(tmp_path.iterdir()) == []


def test_raw_settings_that_pythia_does_not_know(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "sim.toml"
    config.write_text('[processes.jets]\nkind = "pythia"\nsettings = ["HardQCD:everything = on"]\nevents = 10\n')
    assert main(["simulate", str(config), "--out", str(tmp_path / "t.parquet"), "--quiet"]) == 2
    assert "processes.jets: Pythia does not take the setting 'HardQCD:everything = on'" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [config]
