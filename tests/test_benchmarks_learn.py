"""The measuring side of `benchmarks/learn.py`: figures of merit, tables, and that finished measurements are reused."""

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
pytestmark = pytest.mark.skipif(not BENCHMARKS.exists(), reason="benchmarks are in the repository only")


@pytest.fixture
def part(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Import a module of the benchmarks by name."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return lambda name: import_module(f"learn_parts.{name}")


def test_sic_of_known_scores(part: Any) -> None:
    figures = part("figures")
    background, signal = np.arange(1000.0), np.array([999.5, 989.5, 989.5, -1.0])
    # 10 background events above 989.5: with eps_B = 0.01 three of four signal events are kept
    assert figures.sic_at(background, signal, 0.01) == pytest.approx(0.75 / 0.1)
    assert figures.sic_at(background, signal, 1.0) == pytest.approx(1.0)
    # the floor of 25 events keeps the maximum from the region above
    assert figures.sic_max(background, signal) == pytest.approx((0.75 / np.sqrt(0.025), 0.025))


def test_ties_are_kept_together(part: Any) -> None:
    figures = part("figures")
    assert figures.sic_at(np.zeros(100), np.zeros(50), 0.25) == pytest.approx(0.5)  # the diagonal: eps_S = eps_B
    assert figures.auc(np.zeros(10), np.zeros(20)) == 0.5


def test_too_few_background_events_have_no_maximum(part: Any) -> None:
    assert np.isnan(part("figures").sic_max(np.arange(24.0), np.arange(5.0))).all()


def test_auc_counts_pairs(part: Any) -> None:
    figures = part("figures")
    rng = np.random.default_rng(1)
    p, q = rng.integers(20, size=60).astype(float), rng.integers(15, size=80).astype(float)
    pairs = (p[:, None] > q[None]).mean() + 0.5 * (p[:, None] == q[None]).mean()
    assert figures.auc(p, q) == pytest.approx(pairs)
    aucs = [figures.auc(rng.normal(size=60), rng.normal(size=80)) for _ in range(400)]
    assert np.std(aucs) == pytest.approx(figures.auc_error(60, 80), rel=4 / np.sqrt(2 * 400))


def test_band_and_table(part: Any) -> None:
    figures, tables = part("figures"), part("tables")
    assert figures.shown(list(np.arange(101.0)), 0) == "50 [16, 84]"
    assert figures.shown([0.5]) == "0.50"
    lines = tables.markdown(["engine", "s"], [["boosted", 1]]).splitlines()
    assert lines == ["| engine  | s |", "|---------|---|", "| boosted | 1 |"]


def test_scaling_has_its_jacobian(part: Any) -> None:
    data, flows = part("data"), part("zuko_flows")
    rng = np.random.default_rng(2)
    x = np.column_stack([rng.exponential(100.0, 500), rng.beta(2, 2, 500)])
    for how in ("standardise", "logit"):
        scale = flows.Usual(data.plain(x), how)
        z, slope = scale.forward(data.plain(x))
        assert scale.inverse(z) == pytest.approx(x.astype(np.float32), rel=1e-4, abs=1e-4)
        step = 1e-4 * np.minimum(np.abs(x), 1 - np.where(x < 1, x, 0))  # central differences, feature by feature
        log_slope = np.zeros(len(x))
        for j in range(2):
            moved = [scale._open(x + sign * step * (np.arange(2) == j))[0][:, j] for sign in (1, -1)]
            log_slope += np.log((moved[0] - moved[1]) / (2 * step[:, j]) / scale.std[j])
        assert slope == pytest.approx(log_slope, abs=1e-3)


def test_finished_measurements_are_reused(part: Any, tmp_path: Path) -> None:
    isolate = part("isolate")
    task = isolate.Task("engine", "seed0", sorted, {"iterable": [2, 1]}, ours=False)
    isolate._store(tmp_path / task.file, task, {"value": 7})
    assert isolate.measure([task], tmp_path) == [{"group": "engine", "name": "seed0", "device": "CPU", "value": 7}]
    other = isolate.Task("engine", "seed0", sorted, {"iterable": [3]}, ours=False)
    assert isolate._stored(tmp_path / other.file, other) is None
    assert json.loads((tmp_path / task.file).read_text())["result"] == {"value": 7}


def test_engines_train_on_the_same_arrays(part: Any) -> None:
    data, classifiers, figures = part("data"), part("classifiers"), part("figures")
    rng = np.random.default_rng(3)
    p, q = (data.plain(rng.normal(shift, 1.0, size=(2000, 4))) for shift in (1.0, 0.0))
    noisy = data.with_noise(q, 2, rng)
    assert noisy.names == (*q.names, "noise0", "noise1")
    assert np.array_equal(noisy.x[:, :4], q.x)
    spec = {**classifiers.spec(import_module("lamppost.core").Ratio, "boosted"), "members": 2}
    score = classifiers.fitted("boosted", spec, p, q, 0)
    fresh = (data.plain(rng.normal(shift, 1.0, size=(2000, 4))) for shift in (1.0, 0.0))
    # the best possible AUC is Phi(2 / sqrt(2)) = 0.921
    assert 0.88 < figures.auc(*(score(sample) for sample in fresh)) < 0.94
