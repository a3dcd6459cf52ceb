"""The benchmark of the statistics in miniature: every section, resumed, and the page."""

import gzip
import json
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import kstest

from lamppost.core import Array

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
pytestmark = pytest.mark.skipif(not BENCHMARKS.exists(), reason="benchmarks are in the repository only")
NAMES = ("reference_case", "cms_dijet", "atlas_dijet_1910.08447", "cms_dijet_pair", "cms_trijet", "cms_diphoton")


@pytest.fixture
def part(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Import a module of the benchmarks by name."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return lambda name: import_module(f"stats_parts.{name}")


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Run `python benchmarks/stats.py` with these arguments, in this process."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))

    def run(*arguments: object) -> None:
        monkeypatch.setattr(sys, "argv", ["stats.py", *map(str, arguments)])
        import_module("stats").main()

    return run


def counts(edges: Array, events: float, seed: int) -> Array:
    """A falling spectrum."""
    x = np.sqrt(edges[1:] * edges[:-1]) / 13000.0
    shape = (1.0 - x) ** 8.6 * x ** (-5.6 - 0.03 * np.log(x)) * np.diff(edges)
    return np.random.default_rng(seed).poisson(events * shape / shape.sum())


def write(path: Path, edges: Array, found: Array) -> None:
    rows = [f"{lo:g},{hi:g},{n}" for lo, hi, n in zip(edges[:-1], edges[1:], found, strict=True)]
    text = "\n".join(["low,high,count", *rows]) + "\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder of spectra like the one that the benchmark wants."""
    folder = tmp_path / "data"
    edges = np.round(np.geomspace(1530.0, 8752.0, 44))
    for seed, name in enumerate((*NAMES, "cms_dimuon")):
        write(folder / "spectra" / f"{name}.csv", edges, counts(edges, 65000, seed))
    fine = np.arange(1200.0, 7551.0)
    write(folder / "cms_dijet_spectra" / "pf_2016_36p4fb_1GeV.csv.gz", fine, counts(fine, 1e6, 9))
    return folder


def test_sections_and_page(
    command: Callable[..., None], part: Any, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, page = tmp_path / "out", tmp_path / "docs" / "stats_benchmarks.md"
    toys = {"agreement": 3, "calibration": 4, "pulls": 20, "spectra": 20, "injected": 20}
    monkeypatch.setattr(part("spectra"), "SPECTRA", part("spectra").SPECTRA[:2])
    monkeypatch.setattr(part("injected"), "MASSES", (3000.0,))
    for name, number in toys.items():
        more = ("--draws", 1) if name == "injected" else ()
        command(name, data, "--out", out, "--seed", 1000, "--toys", number, *more)
    compared = json.loads((out / "agreement.json").read_text())["compared"]
    assert [sum(row["family"] == family for row in compared) for family in ("dijet", "polynomial")] == [4, 6]
    assert all(abs(row["above"]) < 1e-5 and row["failed"] == 0 for row in compared)
    assert json.loads((out / "calibration.json").read_text())["rows"][0]["n"] == 4

    def refuse(*_: object) -> None:
        pytest.fail("measured again")

    before = (out / "pulls.json").read_text()
    monkeypatch.setattr(part("pulls"), "measure", refuse)
    command("pulls", data, "--out", out, "--seed", 1000, "--toys", 20)
    assert (out / "pulls.json").read_text() == before
    command("page", "--out", out, "--table", page)
    text = page.read_text()
    for name in toys:
        assert f"## {part(name).TITLE}" in text
    assert "python benchmarks/stats.py pulls DATA --out OUT --seed 1000 --toys 20" in text
    assert str(tmp_path) not in text
    every = [bar for name in toys for bar in part(name).bars(json.loads((out / f"{name}.json").read_text()))]
    met = sum(bar.met for bar in every)
    assert 0 < met < len(every)  # the spectra are not those of the facts
    assert f"{met} of {len(every)} requirements are met." in text
    assert text.count("**NOT met**") == len(every) - met
    assert (page.parent / "_static" / "calibration_p_values.png").stat().st_size > 1000


def test_speed(command: Callable[..., None], data: Path, tmp_path: Path) -> None:
    pytest.importorskip("pyBumpHunter")
    command("speed", data, "--out", tmp_path, "--seed", 1000, "--toys", 500)
    found = json.loads((tmp_path / "speed.json").read_text())
    assert found["dijet"]["toys"] == 500
    assert min(row["per_cpu_s"] for row in found["rates"].values()) > 0.0
    assert all(0.0 < row["p"] <= 1.0 for row in found["precise"].values())


class Uniform:
    """A procedure whose statistic is uniform in data and toys alike."""

    expected = np.ones(1)

    def __init__(self, rng: np.random.Generator) -> None:
        self.largest = rng.random()

    def repeat(self, counts: Array, rng: np.random.Generator) -> tuple[Array, None]:
        return rng.random(len(counts)), None


def test_sequential_p_is_exact(part: Any) -> None:
    """P(p <= c) = c at the values that p can take, and p spread over its steps is uniform."""
    rng, calibration = np.random.default_rng(1000), part("calibration")
    found = np.array([calibration.sequential_p(Uniform(rng), rng) for _ in range(4000)])
    p, below, toys = found.T
    assert kstest(p - (p - below) * rng.random(len(p)), "uniform").pvalue > 0.001
    for level in (0.05, 0.5, 10 / 11):
        assert np.mean(p <= level) == pytest.approx(level, abs=4.0 * np.sqrt(level * (1.0 - level) / len(p)))
    assert toys.min() >= calibration.ENOUGH
    assert toys.max() == calibration.MOST
    assert set(p[toys == calibration.MOST]) <= {k / 200 for k in range(1, 11)} | {10 / 199}


def test_a_bar_is_met_at_its_edge(part: Any) -> None:
    bars = part("bars")
    assert bars.at_least("rate", 60.0, 60.0).met
    assert not bars.at_least("rate", 59.9, 60.0).met
    assert bars.at_most("seconds", 75.0, 75.0).met
    assert not bars.at_most("seconds", 75.1, 75.0).met
    assert bars.within("p", 0.0074, 0.0064, 0.0010 + 1e-12).met
    assert not bars.within("p", 0.0053, 0.0064, 0.0010).met
    assert not bars.within("p", float("nan"), 0.0064, 0.0010).met
    assert "**NOT met**" in bars.table([bars.at_most("seconds", 75.1, 75.0)])


def test_another_family_gives_smaller_p_values(part: Any) -> None:
    """The judgement can fail: p-values with too many small ones, or all in one half, miss their bars."""
    calibration, n = part("calibration"), 2000
    rng = np.random.default_rng(1000)
    uniform = rng.random(n)
    columns = {"toys": np.full(n, 50), "order": np.full(n, 4), "asks": np.zeros(n)}
    about = {"case": "dijet4, 65k", "order": "4", "remedy": "plain"}
    for p, met in ((uniform, [True] * 4), (uniform**1.5, [False] * 4)):
        local = np.where(p < 0.5, p, 0.5)
        judged = calibration.judged({**columns, "p": p, "below": p, "local": local, "scanned": local}, 1000)
        assert [bar.met for bar in calibration.bars_of({**about, **judged})] == met
