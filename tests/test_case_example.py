"""The worked example of a search like CMS CASE: it is read, planned as it stands, and run much reduced."""

import tomllib
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lamppost.api import check, hunt, init
from lamppost.cli import main
from lamppost.config import Search, control_region, load, parse
from lamppost.errors import ConfigError
from lamppost.io import read
from lamppost.run import InlineExecutor
from lamppost.run.blind.plan import plan_blind
from lamppost.run.plan import plan
from small_hunt import events, write_events

EVENTS = 10_000


def dijets(n: int, seed: int = 1) -> dict[str, Any]:
    """A table as of the LHC Olympics; nothing in it but the mass means anything."""
    rng = np.random.default_rng(seed)
    table = {"mjj": 3000.0 + (events(n, seed)["mjj"] - 2800.0) * 5000.0 / 5200.0}
    for jet, (eta, spread) in {"j1": (0.4, 0.7), "j2": (-0.4, 0.7)}.items():
        phi, pt = rng.uniform(0.0, 6.28, n), rng.uniform(1200.0, 1500.0, n)
        table |= {f"px{jet}": pt * np.cos(phi), f"py{jet}": pt * np.sin(phi)}
        table |= {f"pz{jet}": pt * np.sinh(rng.normal(eta, spread, n)), f"m{jet}": rng.gamma(3.0, 60.0, n)}
        table |= {f"tau{k}{jet}": rng.uniform(0.5, 1.0, n) / k for k in (1, 2, 3)}
    return table


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example as it is written, and tables beside it."""
    folder = tmp_path_factory.mktemp("case")
    (written,) = init(folder / "case.toml", "case")
    write_events(folder / "qcd_0.parquet", dijets(EVENTS))
    write_events(folder / "qcd_1.parquet", dijets(EVENTS // 2, 2))
    for name in ("signal", "signal_3prong"):
        write_events(folder / f"{name}.parquet", dijets(300, 3))
    return written


def test_it_is_what_cms_did(example: Path) -> None:
    """Two staggered grids of six windows with a common ratio, three working points, four methods."""
    search = load(example)
    windows = search.claim_windows()
    for grid in (windows[:6], windows[6:]):
        assert all(below.hi == above.lo for below, above in pairwise(grid))
        assert all(abs(w.hi / w.lo - 1.085) < 0.001 for w in grid)
    for a, b in zip(windows[:6], windows[6:], strict=True):
        assert abs(b.lo - np.sqrt(a.lo * a.hi)) < 2.0
    lo, hi = search.fit.range
    assert all(lo <= w.lo - w.reach and w.hi + w.reach <= hi for w in windows)
    assert search.scan.efficiency == (0.05, 0.03, 0.01)
    assert list(search.methods) == ["cwola", "tnt", "cathode", "cathode_b"]
    assert all(search.decorrelated(method) for method in search.methods.values())
    assert sorted(search.samples.signals) == sorted(search.limits.signals) == ["ttbar", "wprime"]
    assert all(len(search.signal_windows(name)) == 1 for name in search.limits.signals)


def test_it_is_planned(example: Path) -> None:
    found = check(example)
    assert len(found["closed"]) == 1
    assert [window["n_sr"] is None for window in found["windows"]] == [True] * 12 + [False]
    search = load(example)
    planned, control = plan_blind(search), plan(control_region(search))
    assert len(planned.selections) == 12 * 4
    assert len(control.claims) == 12 * 4
    assert control.combined[0] is not None


def reduced(example: Path) -> Search:
    table = tomllib.loads(example.read_text())
    table["data"]["path"] = str(example.parent / "qcd_[0-9].parquet")
    del table["samples"], table["calibrate"], table["limits"]
    table["scan"] |= {"windows": table["scan"]["windows"][:2], "validation": [[4000, 4300]], "folds": 3}
    quick = {"kind": "boosted", "members": 1, "rounds": 10}
    table["methods"] = {"cwola": {**table["methods"]["cwola"], "method": {"kind": "cwola", "ratio": quick}}}
    table["fit"]["toys"] = 100
    return parse(table)


def test_it_runs(example: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lamppost.run.cluster.process_pool", lambda workers: InlineExecutor())
    monkeypatch.setattr("lamppost.api.hunts.show", lambda folder, result, pdf: None)
    search = reduced(example)
    blind = hunt(search, tmp_path, workers=1, quiet=True)
    found = hunt(search, tmp_path, workers=1, quiet=True, unblind=blind["blinding"]["hash"], despite="only a test")
    assert [row["method"] for row in found["windows"]] == ["cwola"] * 2
    assert all(0.0 < row["p_window"] <= 1.0 for row in found["windows"])
    assert {"p_global_bonferroni", "blinding"} <= found.keys()
    control = read(control_region(search).data, mass_range=search.fit.range)
    assert len(control.events) + found["data"]["events"] == found["data"]["rows"]


def test_examples_are_written_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "new" / "case.toml"
    assert main(["init", str(target), "--example", "case"]) == 0
    assert capsys.readouterr().out == f"wrote {target}\n"
    assert [path.name for path in target.parent.iterdir()] == ["case.toml"]
    assert main(["init", str(target), "--example", "case"]) == 2
    assert "is there already" in capsys.readouterr().err
    with pytest.raises(ConfigError, match="example: expected one of hunt, case, found 'other'"):
        init(tmp_path / "other.toml", "other")
