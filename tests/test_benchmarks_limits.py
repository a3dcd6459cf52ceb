"""The benchmark of limits in miniature: its background, its sections, its bars and its page."""

import json
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
pytestmark = pytest.mark.skipif(not BENCHMARKS.exists(), reason="benchmarks are in the repository only")
Json = dict[str, Any]
ORIGIN = {"command": "python benchmarks/limits.py", "machine": "none", "versions": {"python": "3"}, "cpu_s": 1.0}


@pytest.fixture
def part(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    """Import a module of the benchmark by name."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return lambda name: import_module(f"limits_parts.{name}")


def row(name: str, observed: float, gain: Json | None) -> Json:
    point = {"strength": 0.0, "limit": observed, "efficiency": 0.3}
    expected = [observed * f for f in (0.5, 0.7, 1.0, 1.4, 2.0)]
    about = {"selection": name, "label": name, "observed": observed, "error": 1.0, "bound": None, "at": None}
    return {**about, "expected": expected, "gain": gain, "points": [point]}


def wprime(wall_s: float) -> Json:
    gain = {"observed": 2.0, "error": 0.1, "expected": [2.5, 2.0, 3.0]}
    rows = [row("inclusive", 400.0, None), row("cwola", 200.0, gain)]
    cost = {"cpu_s": 500.0, "wall_s": wall_s, "starts": 1, "workers": 2}
    return {**ORIGIN, "events": 200_000, "methods": {"cwola": {"rows": rows, "signal": 70_000, "warnings": [], **cost}}}


def coverage(excluded: int, scale: float, n: int = 200, failed: int = 0) -> Json:
    """`excluded` of n limits lie below the injected signal; those without signal are `scale` times the expected."""
    limits = np.exp(0.3 * np.random.default_rng(1).normal(size=n + 500)) * 100.0
    quoted = {"observed": 100.0, "expected": np.quantile(limits[n:], [0.02, 0.16, 0.5, 0.84, 0.98]).tolist()}
    quoted |= {"pseudo": limits[n:].tolist(), "expected_method": "500 pseudo-spectra"}
    none = [{"number": i, "limits": {"cwola": scale * x, "inclusive": x}} for i, x in enumerate(limits[:n])]
    lost = [{"number": n + i, "failed": "no fit"} for i in range(failed)]
    experiments = {"none": [*none, *lost]}
    for times, part in (("1", 1), ("2", 3), ("3", 3)):
        some = [{"number": i, "limits": {"cwola": 90.0 if i < excluded // part else None}} for i in range(n // part)]
        experiments[times] = [*some, *lost]
    both = {"inclusive": quoted, "cwola": quoted}
    injected = {"1": 100, "2": 200, "3": 300}
    more = {"more": {"cwola": {**quoted, "expected": [120.0] * 5}}}
    return {**ORIGIN, "events": 20_000, "quoted": both, **more, "injected": injected, "experiments": experiments}


def test_bars(part: Callable[[str], Any]) -> None:
    assert [bar.met for bar in part("wprime").bars(wprime(1000.0))] == [True]
    assert [bar.met for bar in part("wprime").bars(wprime(4000.0))] == [False]
    right, often, wide = (part("coverage").bars(coverage(*given)) for given in ((9, 1.0), (45, 1.0), (9, 1.3)))
    assert all(bar.met for bar in right)
    assert [bar.met for bar in often] == [*[False] * 3, *(True for _ in often[3:])]
    assert not any(bar.met for bar in wide if bar.what.startswith("cwola: spread"))
    assert all(bar.met for bar in wide if bar.what.startswith("inclusive"))


def test_a_band_that_ends_on_a_step_holds_more(part: Callable[[str], Any]) -> None:
    """Nine tenths of all limits are one injection: they are in the band, in experiments as in pseudo-spectra."""
    stored = coverage(9, 1.0)
    each = [100.0] * 180 + [150.0] * 20
    stored["quoted"]["cwola"] = {**stored["quoted"]["cwola"], "pseudo": each, "expected": [100.0] * 4 + [150.0]}
    stored["experiments"]["none"] = [{"number": i, "limits": {"cwola": x, "inclusive": x}} for i, x in enumerate(each)]
    (inside,) = [bar for bar in part("coverage").bars(stored) if bar.what == "cwola: within the 68 % band"]
    assert (inside.met, inside.wanted) == (True, "90.0 % of pseudo-spectra")


def test_failed_experiments_and_an_open_band(part: Callable[[str], Any]) -> None:
    """Those that failed are told, and count as exclusions; a band without an end is one to infinity."""
    lossy = part("coverage").bars(coverage(9, 1.0, failed=20))
    assert [bar.met for bar in lossy] == [*[False] * 3, *(True for _ in lossy[3:])]
    assert "20 of them failed" in lossy[0].found
    stored = coverage(9, 1.0, failed=20)
    text = " ".join(part("coverage").section(stored).split())
    assert "| cwola | 1 × limit | 100 | 220 | 20 | 0.045" in text
    wide = text[text.index("| cwola, 160 sets | 220 | 20 |") :]
    assert "| 120 |" in wide
    for k in range(5):
        stored["quoted"]["cwola"] = {**stored["quoted"]["cwola"], "expected": [100.0] * k + [None] * (5 - k)}
        assert len(part("coverage").bars(stored)) == 7
        assert part("coverage").section(stored)
    stored["experiments"] = {name: [{"number": 0, "failed": "no fit"}] for name in stored["experiments"]}
    assert not any(bar.met for bar in part("coverage").bars(stored)[3:])
    assert part("coverage").section(stored)


def test_the_page(part: Callable[[str], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, found in (("wprime", wprime(1000.0)), ("coverage", coverage(8, 1.0))):
        (tmp_path / f"{name}.json").write_text(json.dumps(found))
    monkeypatch.setattr(sys, "argv", ["limits.py", "page", "--out", str(tmp_path), "--table", str(tmp_path / "p.md")])
    part("coverage")
    import_module("limits").main()
    text = (tmp_path / "p.md").read_text()
    for wanted in ("200 ± 1", "2.50 [2.00, 3.00]", "0.040 [0.017, 0.077]", "8 of 8 requirements are met", "0.14"):
        assert wanted in text


def test_the_background(part: Callable[[str], Any], tmp_path: Path) -> None:
    """The first events of the fit range, in the order of the files."""
    for number in (0, 1):
        pq.write_table(
            pa.table({"mjj": [2000.0, 3000.0 + number, 4000.0 + number]}), tmp_path / f"qcd_{number}.parquet"
        )
    made = part("samples").background(tmp_path, 3, tmp_path / "made.parquet")
    assert pq.read_table(made)["mjj"].to_pylist() == [3000.0, 4000.0, 3001.0]
    with pytest.raises(SystemExit, match="4 background events from 2800 to 8000, expected 9"):
        part("samples").background(tmp_path, 9, tmp_path / "more.parquet")
