"""The cost model of campaigns: what goes in comes out."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))
model = pytest.importorskip("scaling_parts.model", reason="benchmarks are in the repository only")
Measured, Campaign, Overhead = model.Measured, model.Campaign, model.Overhead
constants, line, total, wall_s, gpu_s = model.constants, model.line, model.total, model.wall_s, model.gpu_s


def seconds(method: str, stage: str, near: float, events: float) -> float:
    if stage == "claim":
        return 0.5
    return 0.1 if method == "random score" else 2.0 + 1e-4 * near + 1e-5 * events


def measured() -> list[Any]:
    """Of every sort: the first pays 5 s more, and the first of a window 1 s."""
    found = []
    for events in (20_000, 60_000):
        for method, stage in (("cwola", "train"), ("random score", "train"), ("random score", "claim")):
            for window, near in enumerate((events // 2, events // 5)):
                for fold in range(3):
                    first, fresh = window == fold == 0, fold == 0
                    cost = seconds(method, stage, near, events)
                    if method == "cwola":
                        cost += 5.0 * first + 1.0 * fresh
                    found.append(
                        Measured(method, stage, near, events, cost, 8 * events, 200 + events / 1e3, first, fresh)
                    )
    return found


def test_lines_go_through_what_they_were_made_of() -> None:
    near, events = np.array([1e4, 4e3, 3e4, 1.2e4, 5e3]), np.array([2e4, 2e4, 6e4, 6e4, 6e4])
    found = line(near, events, 2.0 + 1e-4 * near + 1e-5 * events)
    assert found(1e6, 1e7) == pytest.approx(2.0 + 100.0 + 100.0)
    assert found.residual == pytest.approx(1.0)
    # a cost that falls with size is none: coefficients are not negative
    assert line(near, events, 10.0 - 1e-4 * near).per_near == 0.0


def test_constants_tell_imports_from_compilation_from_work() -> None:
    known = constants(measured())
    assert known.cpu_s["cwola", "train"](1e5, 1e6) == pytest.approx(seconds("cwola", "train", 1e5, 1e6))
    assert known.compile_s["cwola", "train"] == pytest.approx(1.0)
    assert known.once == pytest.approx(5.0)
    assert known.bytes["cwola", "train"](0, 1e6) == pytest.approx(8e6)
    assert known.rss_mb(0, 1e6) == pytest.approx(1200.0)
    assert known.methods == ["cwola"]


def test_a_campaign_is_counted_and_paid() -> None:
    known = constants(measured())
    campaign = Campaign([1e5, 2e5], 1e6, ["cwola"], folds=5, signals=4, strengths=3)
    found = total(campaign, known)
    assert found.tasks == {"hunt: cwola": 10, "limits: cwola": 60, "fits and toys": 16, "random score": 10}
    each = [1.0 + seconds("cwola", "train", near, 1e6) for near in campaign.near]
    assert found.cpu_s["limits: cwola"] == pytest.approx(30 * sum(each))
    assert found.longest == pytest.approx(max(each))
    cpu_s, tasks = sum(found.cpu_s.values()), sum(found.tasks.values())
    assert wall_s(found, 1, 5.0, Overhead(0.1, 0.01)) == pytest.approx(cpu_s + 0.1 * tasks + 5.0)
    assert wall_s(found, 10**6, 5.0, Overhead()) == pytest.approx(5.0 + max(each))
    assert wall_s(found, 10**6, 5.0, Overhead(0.0, 10.0)) == pytest.approx(10.0 * tasks)
    assert gpu_s(101, 10, 1000, 0.01, 30.0) == pytest.approx(11 * 10.0 + 30.0)


def test_events_near_the_windows_of_case() -> None:
    """In a flat spectrum: the width of a window and of its neighbours."""
    found = model.near_windows(np.array([1000.0, 4000.0, 8000.0]), np.array([3000.0, 4000.0]))
    assert found[model.CASE_WINDOWS.index((2017, 2465))] == pytest.approx(3013 - 1650)
    assert found[model.CASE_WINDOWS.index((1650, 2017))] == pytest.approx(2465 - 1650 * 1650 / 2017)
    assert found[model.CASE_WINDOWS.index((4975, 6081))] == pytest.approx(6081**2 / 4975 - 4071)
