"""The command line and the files it leaves: what scripts rely on."""

import csv
import json
import re
import shutil
import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

import lamppost
from lamppost.cli import main
from small_hunt import WINDOWS, Json, result_in, start, timeless, write_hunt

NUMBER = (int, float)

HUNT: dict[str, Any] = {
    "schema": int,
    "seed": int,
    "data": {"path": str, "events": int, "sha256": str},
    "windows": [
        {
            "lo": float,
            "hi": float,
            "method": str,
            "n_sr": NUMBER,
            "efficiency": float,
            "n_selected": NUMBER,
            "n_expected": float,
            "n_expected_error": float,
            "sculpting_p": float,
            "p_local": float,
            "z_local": float,
            "best_mass": float,
            "fit": {"function": str, "n_parameters": int, "chi2": float, "ndf": int, "p_value": float},
        }
    ],
    "p_global": float,
    "z_global": float,
    "p_global_method": str,
    "best_window": int,
    "wall_s": float,
    "cpu_s": float,
    "max_rss_mb": NUMBER,
}
FIT = {
    "function": str,
    "n_parameters": int,
    "chi2": float,
    "ndf": int,
    "p_value": float,
    "best_mass": float,
    "z_local": float,
    "p_local": float,
    "p_global": float,
    "signal": float,
    "signal_error": float,
}


def assert_holds(value: Any, contract: Any, where: str = "result") -> None:
    """Every key of the contract is there, with a value of its type."""
    if isinstance(contract, dict):
        assert isinstance(value, dict), where
        for key, inner in contract.items():
            assert key in value, f"{where}.{key}"
            assert_holds(value[key], inner, f"{where}.{key}")
    elif isinstance(contract, list):
        assert isinstance(value, list), where
        assert value, where
        for i, item in enumerate(value):
            assert_holds(item, contract[0], f"{where}[{i}]")
    else:
        assert isinstance(value, contract), f"{where} = {value!r}"
        assert not isinstance(value, bool), where


def printed(capsys: pytest.CaptureFixture[str], *arguments: object) -> Json:
    """What a verb prints with --json: one JSON object and nothing else."""
    assert main([*map(str, arguments), "--json"]) == 0
    value: Json = json.loads(capsys.readouterr().out)
    return value


def test_hunt_prints_json_on_stdout_and_progress_on_stderr(tmp_path: Path, config: Path, finished: Path) -> None:
    process = start("hunt", config, "--out", tmp_path / "run", "--workers", 2, "--json")
    stdout, stderr = process.communicate(timeout=120)
    assert process.returncode == 0
    result = json.loads(stdout)
    assert result == result_in(tmp_path / "run")
    assert timeless(result) == timeless(result_in(finished))
    told = [int(found[1]) for line in stderr.splitlines() if (found := re.match(r" *(\d+) % after ", line))]
    assert told[-1] == 100
    assert told == sorted(told)
    assert len(told) <= 10


def test_a_hunt_that_is_done_says_so_at_once(tmp_path: Path, config: Path, finished: Path) -> None:
    shutil.copytree(finished, tmp_path / "run")
    process = start("hunt", config, "--out", tmp_path / "run")
    stdout, stderr = process.communicate(timeout=120)
    assert process.returncode == 0
    assert "100 % after 0:00: " in stderr
    assert str(tmp_path / "run" / "report.html") in stdout
    assert timeless(result_in(tmp_path / "run")) == timeless(result_in(finished))


def test_the_result_keeps_its_contract(finished: Path) -> None:
    result = result_in(finished)
    assert_holds(result, HUNT)
    assert [[row["lo"], row["hi"]] for row in result["windows"]] == WINDOWS
    best = min(result["windows"], key=lambda row: row["p_window"])
    assert result["windows"][result["best_window"]] == best
    assert result["p_global"] == pytest.approx(1.0 - (1.0 - best["p_window"]) ** 2, rel=1e-12)
    for row in result["windows"]:
        assert 0.0 < row["p_local"] <= 0.5
        assert row["lo"] <= row["best_mass"] <= row["hi"]
    assert result["data"]["events"] == 4000
    assert len(result["data"]["sha256"]) == 64


def test_the_run_folder_is_complete(finished: Path) -> None:
    left = {path.name for path in finished.iterdir()}
    assert left == {
        ".lock",
        "artefacts",
        "config.toml",
        "details.json",
        "log.jsonl",
        "progress.html",
        "report.html",
        "result.json",
        "scores.parquet",
        "used",
    }
    assert pq.read_schema(finished / "scores.parquet").names == ["event", "window", "score"]
    resolved = tomllib.loads((finished / "config.toml").read_text())
    assert resolved["methods"]["weak"]["ratio"]["members"] == 2
    assert Path(resolved["data"]["path"]).is_absolute()
    for line in (finished / "log.jsonl").read_text().splitlines():
        assert {"time", "event"} <= json.loads(line).keys()


def test_a_refused_claim_is_null_and_explained(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = write_hunt(tmp_path, data={"features": ["a", "close = mjj + 10 * a"]})
    assert main(["hunt", str(config), "--out", str(tmp_path / "run"), "--workers", "2", "--quiet"]) == 0
    stdout, stderr = capsys.readouterr()
    result = result_in(tmp_path / "run")
    assert (result["p_global"], result["z_global"]) == (None, None)
    assert "no global p-value" in stdout
    assert "WARNING: the features determine m" in stderr


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["--version"])
    assert left.value.code == 0
    assert capsys.readouterr().out == f"lamppost {lamppost.__version__}\n"


def test_init_writes_what_check_accepts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "new" / "mine.toml"
    assert main(["init", str(config)]) == 0
    written = capsys.readouterr().out.splitlines()
    assert written == [f"wrote {config}", f"wrote {config.parent / 'lhco_like_sample.parquet'}"]
    assert "lamppost hunt mine.toml --out run" in config.read_text()
    found = printed(capsys, "check", config)
    assert found["events"] > 100_000
    assert [found["windows"][0][name] for name in ("lo", "hi")] == [3200.0, 3600.0]


def test_init_never_overwrites(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config, sample = tmp_path / "mine.toml", tmp_path / "lhco_like_sample.parquet"
    config.write_text("mine")
    assert main(["init", str(config)]) == 2
    assert not sample.exists()
    sample.write_bytes(b"mine too")
    assert main(["init", str(tmp_path / "other.toml")]) == 2
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        config.name: b"mine",
        sample.name: b"mine too",
    }
    assert capsys.readouterr().err.count("\n") == 2
    sample.write_bytes(files("lamppost.data").joinpath(sample.name).read_bytes())
    assert main(["init", str(tmp_path / "other.toml")]) == 0


def test_check_says_what_a_hunt_would_do(config: Path, finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(config.parent.iterdir())
    found = printed(capsys, "check", config)
    result = result_in(finished)
    assert found["events"] == result["data"]["events"]
    assert found["sha256"] == result["data"]["sha256"]
    assert [window["n_sr"] for window in found["windows"]] == [row["n_sr"] for row in result["windows"]]
    assert found["trainings"] == 6
    assert main(["check", str(config)]) == 0
    assert "4000 events" in capsys.readouterr().out
    assert sorted(config.parent.iterdir()) == before


def test_report_writes_the_page_again(tmp_path: Path, finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(finished, tmp_path / "run")
    page = tmp_path / "run" / "report.html"
    page.unlink()
    assert main(["report", str(page.parent)]) == 0
    assert capsys.readouterr().out == f"{page}\n"
    assert page.read_bytes() == (finished / "report.html").read_bytes()
    assert main(["report", str(tmp_path)]) == 2
    assert "result.json" in capsys.readouterr().err


def test_pdf_figures_on_request(tmp_path: Path, finished: Path) -> None:
    shutil.copytree(finished, tmp_path / "run")
    assert main(["report", str(tmp_path / "run"), "--pdf"]) == 0
    assert list((tmp_path / "run" / "figures").glob("*.pdf"))


def write_spectrum(path: Path, bump: float) -> Path:
    """Counts that fall, with a peak at 3 TeV."""
    edges = np.geomspace(1000.0, 6000.0, 61)
    middle = np.sqrt(edges[1:] * edges[:-1])
    expected = 2e4 * (middle / 1000.0) ** -5 + bump * np.exp(-0.5 * ((middle / 3000.0 - 1.0) / 0.03) ** 2)
    counts = np.random.default_rng(1).poisson(expected)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("low", "high", "count"))
        writer.writerows(zip(edges[:-1].tolist(), edges[1:].tolist(), counts.tolist(), strict=True))
    return path


def test_fit_of_a_histogram(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spectrum = write_spectrum(tmp_path / "spectrum.csv", bump=60.0)
    found = printed(capsys, "fit", spectrum, "--toys", 200)
    assert_holds(found, FIT)
    assert found["best_mass"] == pytest.approx(3000.0, rel=0.02)
    assert found["z_local"] > 4.0
    assert found["p_global"] < 0.02
    assert found == printed(capsys, "fit", spectrum, "--toys", 200)
    assert main(["fit", str(spectrum), "--toys", "0"]) == 0
    text = capsys.readouterr().out
    assert "largest excess" in text
    assert "global" not in text


def test_fit_of_masses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(2)
    masses = np.concatenate([1000.0 * (1.0 - rng.random(20000)) ** -0.25, rng.normal(3000.0, 90.0, 90)])
    path = tmp_path / "masses.csv"
    path.write_text("\n".join(["mjj", *map(str, masses[masses < 6000.0].tolist())]))
    for options in ([], ["--bins", 60], ["--bins", 60, "--signal", "gaussian", "--width", 90]):
        found = printed(capsys, "fit", path, "--range", 1000, 6000, "--toys", 100, *options)
        assert_holds(found, FIT)
        assert found["best_mass"] == pytest.approx(3000.0, rel=0.03)
        assert found["z_local"] > 4.0
    inside = printed(capsys, "fit", path, "--range", 1000, 6000, "--toys", 100, "--window", 1500, 2000)
    assert 1500 <= inside["best_mass"] <= 2000
    one = printed(capsys, "fit", path, "--range", 1000, 6000, "--toys", 100, "--masses", 2500)
    assert one["best_mass"] == 2500.0
    four = printed(capsys, "fit", path, "--range", 1000, 6000, "--toys", 100, "--parameters", 4)
    assert four["n_parameters"] == 4


def test_a_bug_leaves_with_code_1(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def bug(*arguments: object, **options: object) -> None:
        raise ZeroDivisionError("two\nlines")

    monkeypatch.setattr("lamppost.api.hunt", bug)
    assert main(["hunt", str(config), "--out", str(tmp_path / "run")]) == 1
    stderr = capsys.readouterr().err
    assert "Traceback" in stderr
    assert stderr.splitlines()[-1] == "lamppost: unexpected ZeroDivisionError: two lines"


def test_a_reader_that_goes_away_is_no_bug(config: Path, finished: Path, tmp_path: Path) -> None:
    shutil.copytree(finished, tmp_path / "run")
    process = start("hunt", config, "--out", tmp_path / "run", "--json", "--quiet")
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert "Traceback" not in process.stderr.read()
    assert process.wait(60) in (0, 1)
    process.stderr.close()
