"""The page of the calibration of hunts: requirements that are met or not, from figures that are known."""

import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lamppost.core import Array
from lamppost.run.artefacts import provenance
from lamppost.run.calibrate.judged import covered, power, uniformity

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
pytestmark = pytest.mark.skipif(not BENCHMARKS.exists(), reason="benchmarks are in the repository only")
Json = dict[str, Any]
NAMES = ("global", "window", "inclusive", "random score", "sculpting")


def calibration(p: Array, windows: int, strengths: tuple[int, ...] = ()) -> Json:
    """What `lamppost calibrate` writes, of these global p-values."""
    atom = windows == 1
    rows = [{"signal": 20.0 + z, "signal_error": 1.0, "injected_kept": 20} for z in (-1.5, -0.5, 0.5, 1.5)]
    found = power([2.0, 3.0, 4.0, 6.0])
    return {
        "lamppost": "0.1.0",
        "versions": provenance(),
        "data": {"events": 920_000, "sha256": "0123456789abcdef0123"},
        "calibrate": {"events": 60_000.0},
        "windows": [[3200.0 + 400 * i, 3600.0 + 400 * i] for i in range(windows)],
        "null": {name: uniformity(p.tolist(), atom=atom and name == "global") for name in NAMES},
        "power": [{"events": n, "global": found, "inclusive": found, "coverage": covered(rows)} for n in strengths],
        "warnings": [],
    }


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return import_module("calibration_parts.page")


def written(out: Path, parts: dict[str, Json]) -> None:
    for name, found in parts.items():
        (out / name / "run").mkdir(parents=True)
        (out / name / "run" / "calibration.json").write_text(json.dumps(found))
        (out / name / "cost.json").write_text(json.dumps({"cpu_s": 7200.0}))


def test_requirements(page: Any) -> None:
    """Uniform p-values meet them, too few, too small or missing ones do not; of one window those above 0.5 are free."""
    uniform, few = ((np.arange(n) + 0.5) / n for n in (500, 100))
    right = {"cwola": calibration(uniform, 3), "cathode": calibration(np.where(few < 0.5, few, 1.0), 1)}
    assert [bar.met for bar in page.bars(right)] == [True] * 6
    small = {"cwola": calibration(uniform**2, 3), "cathode": calibration(few[::2], 1)}
    assert [bar.met for bar in page.bars(small)] == [True, False, False, False, True, True]
    assert [bar.met for bar in page.bars({"cwola": right["cwola"]})] == [True] * 3 + [False] * 3


def test_the_page(page: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uniform = (np.arange(500) + 0.5) / 500
    out, target = tmp_path / "out", tmp_path / "docs" / "calibration.md"
    written(out, {"cwola": calibration(uniform, 3, (150, 300)), "cathode": calibration(uniform[::10], 1)})
    monkeypatch.setattr(sys, "argv", ["calibration.py", "page", "--out", str(out), "--table", str(target)])
    monkeypatch.setattr(page, "source_of", lambda commit: None)
    import_module("calibration").main()
    text = target.read_text()
    for wanted in (
        "5 of 6 are met",
        "| cathode: pseudo-experiments without signal | 50 ",
        "0.050 [0.033, 0.073]",
        "3.50 [2.48, 5.04]",
        "2.0 CPU hours",
        f"source {provenance()['lamppost']};",
    ):
        assert wanted in text
    assert text.index("## Requirements") < text.index("## Power") < text.index("## p-values without signal")
    assert text.count("**NOT met**") == 1
    assert "commit" not in text
    assert (target.parent / "_static" / "calibration_hunts.png").stat().st_size > 5000


def test_the_commit_is_the_one_that_made_it(page: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its source says so, or it is not named."""
    found = {"cwola": calibration(np.linspace(0.01, 1, 100), 3)}
    monkeypatch.setattr(page, "git", lambda *arguments: b"0123456789\n")
    monkeypatch.setattr(page, "source_of", lambda commit: provenance()["lamppost"])
    assert "commit 0123456789;" in page.origin(found, None)
    monkeypatch.setattr(page, "source_of", lambda commit: "another")
    assert "commit" not in page.origin(found, None)
    with pytest.raises(SystemExit, match="--commit abc: its source is another, the results are of"):
        page.origin(found, "abc")


def test_a_commit_tells_its_source(page: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The digest of what is committed, not of what lies about."""

    def git(*arguments: str) -> bytes:
        command = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b", *arguments]
        return subprocess.run(command, capture_output=True, check=True).stdout

    artefacts = tmp_path / "src" / "lamppost" / "run" / "artefacts.py"
    artefacts.parent.mkdir(parents=True)
    for folder in (artefacts.parent, artefacts.parent.parent):
        (folder / "__init__.py").touch()
    artefacts.write_text("def provenance():\n    return {'lamppost': 'committed'}\n")
    git("init", "-q")
    git("add", "-A")
    git("commit", "-qm", "one")
    artefacts.write_text("")
    monkeypatch.setattr(page, "git", git)
    assert page.source_of("HEAD") == "committed"
    assert page.source_of("elsewhere") is None
