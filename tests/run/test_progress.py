"""Progress: what the log, the page and the terminal say of a campaign, whatever becomes of it."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lamppost.api import progress as told
from lamppost.cli import main
from lamppost.errors import DataError, LamppostError
from lamppost.living import machine
from lamppost.run.artefacts import Store
from lamppost.run.costs import Costs
from lamppost.run.graph import Task
from lamppost.run.progress import Progress, spent
from lamppost.run.progress.campaign import Campaign, replay
from lamppost.run.progress.log import append, entries
from lamppost.run.progress.page import page_of
from lamppost.run.progress.progress import PAGE, workers_alive
from lamppost.run.progress.sorts import name_of
from lamppost.run.progress.view import Terminal, facts, lines
from lamppost.run.worker import Report, execute, process_pool
from small_disk import resize
from small_hunt import TASKS, hunt_process, n_done, until

NOTHING: dict[str, Any] = {"seed": 1}


def task(number: int, stage: str = "train") -> Task:
    label = f"weak: training, window [{3000 + number}, {3400 + number}), fold {number % 5}"
    return Task(f"{stage}-{number}.parquet", stage, label, print, {})


def report(cpu_s: float = 1.0) -> Report:
    return Report("key", os.getpid(), cpu_s, 100.0, written=1000)


def run_through(folder: Path, number: int = 4) -> None:
    """A run of which one task was found, one was lost once, one failed, and one was dropped."""
    tasks = [task(i) for i in range(number)]
    with Progress(folder / "log.jsonl", folder=folder, quiet=True) as progress:
        progress.start("result.json", tasks, workers=2, **NOTHING)
        progress.finished(tasks[0], None)
        for what in ("begun", "lost", "begun"):
            progress.told(what, tasks[1], "")
        progress.finished(tasks[1], report())
        progress.told("begun", tasks[2], "")
        progress.told("failed", tasks[2], "the fit failed: <why>")
        progress.dropped([tasks[2], tasks[3]])  # what failed counts as that
        progress.event("end", wall_s=1.0)


def numbers(state: dict[str, Any]) -> list[int]:
    return [state[name] for name in ("planned", "found", "done", "running", "left", "failed", "lost")]


def test_every_task_is_counted_once(tmp_path: Path) -> None:
    run_through(tmp_path)
    state = told(tmp_path)
    assert numbers(state) == [3, 1, 1, 0, 0, 1, 1]
    assert (state["state"], state["result"], state["cpu_s"], state["written"]) == ("done", "result.json", 1.0, 1000)
    assert state["fraction"] == 1.0
    assert [one["why"] for one in state["failures"]] == ["the fit failed: <why>"]
    assert spent(tmp_path / "log.jsonl") == {"train-1.parquet": 1.0}
    # the next start counts anew, and knows what it cost
    with Progress(tmp_path / "log.jsonl", quiet=True) as progress:
        progress.start("result.json", [task(i) for i in range(4)], workers=2, **NOTHING)
        progress.finished(task(0), None)
    again = told(tmp_path)
    assert numbers(again) == [4, 1, 0, 0, 3, 0, 0]
    assert (again["cpu_s"], again["cpu_s_before"]) == (0.0, 1.0)


def test_what_is_asked_for_later_is_planned_later(tmp_path: Path) -> None:
    with Progress(tmp_path / "log.jsonl", quiet=True) as progress:
        progress.start("limits.json", [task(1)], workers=1, **NOTHING)
        progress.plan([task(1), task(2)])
        progress.dropped([task(2), task(9)])
        progress.told("begun", task(2), "")
        progress.finished(task(3), report())
        assert numbers(replay(tmp_path / "log.jsonl").as_dict(0.0)) == [3, 0, 1, 1, 2, 0, 0]  # type: ignore[union-attr]


def test_sorts_have_no_numbers() -> None:
    assert name_of("train", task(7).label) == "train: weak: training, window #, fold #"
    assert name_of("train", "300 events, draw 2: weak: training, window [3.2e+03, 4000), fold 0, gaussian") == (
        "train: # events, draw #: weak: training, window #, fold #, gaussian"
    )


def simulated(costs: dict[str, tuple[int, float]], workers: int) -> list[tuple[float, float, float | None]]:
    """A campaign of so many tasks of each stage that cost so much: (fraction, time left, ETA) whenever one ends."""
    campaign, now, found = Campaign(), 0.0, list[tuple[float, float, float | None]]()
    campaign.event("start", now, {"workers": workers})
    campaign.event("plan", now, {"tasks": {f"{stage}: x": n for stage, (n, _) in costs.items()}})
    waiting = [(stage, i, cpu_s) for stage, (n, cpu_s) in costs.items() for i in range(n)]
    total = sum(n * cpu_s for n, cpu_s in costs.values()) / workers
    busy: list[tuple[float, str, int, float]] = []
    while waiting or busy:
        while waiting and len(busy) < workers:
            stage, i, cpu_s = waiting.pop(0)
            campaign.event("begun", now, {"key": f"{stage}-{i}", "stage": stage, "label": "x"})
            busy.append((now + cpu_s, stage, i, cpu_s))
        now, stage, i, cpu_s = min(busy)
        busy.remove((now, stage, i, cpu_s))
        campaign.event("done", now, {"key": f"{stage}-{i}", "stage": stage, "label": "x", "cpu_s": cpu_s})
        found.append((campaign.fraction(), total - now, campaign.eta(now)))
    return found


def test_the_time_left_is_told_from_what_tasks_cost() -> None:
    """As soon as every stage has been seen; before, from what stages usually cost relative to each other."""
    for left, eta in [(left, eta) for _, left, eta in simulated({"train": (100, 6.0)}, 4)[4:]]:
        assert eta == pytest.approx(left, abs=6.0)
    course = simulated({"read": (1, 1.0), "train": (60, 30.0), "claim": (12, 40.0)}, 2)
    for _, left, eta in course[3:]:
        assert left / 2 - 30 < (eta or 0.0) < 2 * left + 30
    for _, left, eta in course[62:]:
        assert eta == pytest.approx(left, abs=40.0)
    assert course[-1][::2] == (1.0, 0.0)


def test_costs_of_an_earlier_start_tell_at_once() -> None:
    campaign = Campaign()
    campaign.event("start", 0.0, {"workers": 2})
    campaign.event("done", 5.0, {"key": "a", "stage": "train", "label": "x", "cpu_s": 4.0})
    campaign.event("start", 10.0, {"workers": 2})
    assert campaign.eta(10.0) is not None
    campaign.event("plan", 10.0, {"tasks": {"train: x": 10}})
    assert campaign.eta(10.0) == pytest.approx(20.0)
    unknown = Campaign()
    unknown.event("plan", 0.0, {"tasks": {"train: x": 10}})
    assert unknown.eta(5.0) is None


def test_the_page_says_the_same_and_fetches_nothing(tmp_path: Path) -> None:
    run_through(tmp_path)
    page = (tmp_path / PAGE).read_text()
    assert 'Done: <a href="report.html">report.html</a>, <a href="result.json">result.json</a>' in page
    assert "the fit failed: &lt;why&gt;" in page
    assert 'http-equiv="refresh"' not in page
    assert "http://" not in page
    assert "https://" not in page
    state = {**replay(tmp_path / "log.jsonl").as_dict(time.time()), "state": "running"}  # type: ignore[union-attr]
    running = page_of(tmp_path, state)
    assert '<meta http-equiv="refresh" content="5">' in running
    assert "if that is long ago, it was killed" in running
    assert "no sign of life" in running


@pytest.mark.parametrize(
    ("error", "state", "why"),
    [(KeyboardInterrupt(), "interrupted", ""), (DataError("no column 'x'"), "failed", "no column &#x27;x&#x27;")],
)
def test_a_run_that_stops_says_so(tmp_path: Path, error: BaseException, state: str, why: str) -> None:
    def stopped() -> None:
        with Progress(tmp_path / "log.jsonl", folder=tmp_path, quiet=True) as progress:
            progress.start("result.json", [task(0), task(1)], workers=2, **NOTHING)
            progress.told("begun", task(0), "")
            assert 'id="state">running<' in (tmp_path / PAGE).read_text()
            raise error

    with pytest.raises(type(error)):
        stopped()
    page = (tmp_path / PAGE).read_text()
    assert f'<strong class="warn">{state}</strong>' in page
    assert why in page
    assert "refresh" not in page
    found = told(tmp_path)
    assert (found["state"], found["running"], found["left"], found["eta_s"]) == (state, 0, 2, None)
    assert f"{tmp_path}: {state}, 0%" in next(lines(found))


def test_a_page_that_cannot_be_written_ends_no_run(small_disk: Path) -> None:
    resize(small_disk, 4)
    run_through(small_disk)
    assert told(small_disk)["state"] == "done"
    assert [path.name for path in small_disk.iterdir()] == ["log.jsonl"]


def test_a_log_that_cannot_be_written_does(small_disk: Path) -> None:
    resize(small_disk, 4)
    (small_disk / "filler").write_bytes(bytes(4096))
    with pytest.raises(LamppostError, match=r"log\.jsonl: cannot be written: No space left on device"):
        run_through(small_disk)


def test_a_log_cut_short_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    run_through(tmp_path)
    log = tmp_path / "log.jsonl"
    log.write_bytes(log.read_bytes()[:-20] + b'\n[1]\n{"event": "done", "time": "never"}\n{"event": "plan"}\n')
    assert numbers(told(tmp_path)) == [3, 1, 1, 0, 0, 1, 1]
    assert told(tmp_path)["state"] in ("stopped", "unknown")
    for content in ("", "{}\n", '{"event": "sampled"}\n'):
        log.write_text(content)
        with pytest.raises(DataError, match=r"log\.jsonl: expected the log of a run"):
            told(tmp_path)


def test_samples_of_an_estimate_are_costs_and_no_run(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    append(log, "sampled", 1.0, key="a", stage="train", label="x 1", cpu_s=3.0, rss_mb=1.0, pid=1, written=5)
    with Progress(log, quiet=True) as progress:
        progress.start("result.json", [Task("b", "train", "x 2", print, {})], workers=1, **NOTHING)
    found = told(tmp_path)
    assert (found["cpu_s_before"], found["planned"], found["done"]) == (3.0, 1, 0)
    assert spent(log) == {"a": 3.0}


def test_a_killed_run_is_no_longer_running(tmp_path: Path, config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "run"
    process = hunt_process(config, out)
    until(lambda: n_done(out) >= 2)
    found = told(out)
    assert (found["state"], found["planned"], found["pid"]) == ("running", TASKS, process.pid)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=30)
    found = told(out)
    assert (found["state"], found["eta_s"]) == ("stopped", None)
    assert "no process holds it" in found["why"]
    assert main(["progress", str(out)]) == 0
    assert "stopped" in capsys.readouterr().out
    assert main(["progress", str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["done"] == found["done"]


def test_a_line_per_tenth(capsys: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal(quiet=False)
    state: dict[str, Any] = {"eta_s": 60.0, "elapsed_s": 7.0, "last": [{"label": "one"}], "found": 0}
    for fraction in (0.0, 0.05, 0.1, 0.15, 0.55, 0.3, 1.0):
        terminal.show(lambda: {**state, "fraction": fraction})  # noqa: B023
    assert capsys.readouterr().err == (
        " 10 % after 0:07, ETA 1:00: one\n 50 % after 0:07, ETA 1:00: one\n100 % after 0:07, ETA 1:00: one\n"
    )
    Terminal(quiet=True).show(lambda: {**state, "fraction": 1.0})
    assert capsys.readouterr().err == ""


LIVE = """
import sys, time
from pathlib import Path
sys.path[:0] = [{tests!r}, {run!r}]
from test_progress import Progress, report, task
tasks = [task(i) for i in range(8)]
with Progress(Path(sys.argv[1])) as progress:
    progress.start("result.json", tasks, workers=2)
    progress.finished(tasks[0], report(3.0))
    progress.told("begun", tasks[1], "")
    time.sleep(1.3)
"""


def test_the_live_view_on_a_terminal(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    code = LIVE.format(tests=str(Path(__file__).parents[1]), run=str(Path(__file__).parent))
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "log.jsonl")],
        stderr=theirs,
        env={**os.environ, "COLUMNS": "120", "TERM": "xterm"},
    )
    os.close(theirs)
    seen = b""
    try:
        while chunk := os.read(ours, 4096):
            seen += chunk
    except OSError:  # the other end is closed
        pass
    assert process.wait(timeout=30) == 0
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", seen.decode())
    for part in ("stage", "running", "train", "12%", "CPU time 3 s", "ETA", "window [3001, 3401), fold 1, 0:01"):
        assert part in text, part


def test_events_cost_little(tmp_path: Path) -> None:
    """A hundred thousand tasks take seconds of the main process: here 4000, at most 1 ms each, a tenth of it usual."""
    tasks = [task(i) for i in range(4000)]
    with Progress(tmp_path / "log.jsonl", folder=tmp_path, quiet=True) as progress:
        progress.start("result.json", tasks, workers=2, **NOTHING)
        begun = time.process_time()
        for one in tasks:
            progress.told("begun", one, "")
            progress.finished(one, report())
        assert time.process_time() - begun < 4.0
    assert sum(1 for _ in entries(tmp_path / "log.jsonl")) == 2 * 4000 + 2


def test_workers_are_counted() -> None:
    pool = process_pool(1)
    assert workers_alive(None) is None
    assert workers_alive(pool) is None
    assert pool.submit(abs, -1).result() == 1
    assert workers_alive(pool) == 1
    pool.shutdown()

    class Elsewhere:
        def workers_alive(self) -> int:
            return 40

    assert workers_alive(Elsewhere()) == 40


def test_a_cluster_is_faster_than_this_machine() -> None:
    """Its workers are told apart by where they are, for two may have a process of the same number."""
    campaign, costs = Campaign(), Costs()
    campaign.event("start", 0.0, {"workers": 2})
    campaign.event("plan", 0.0, {"tasks": {"train: x": 1000}})
    for i in range(200):
        campaign.event("begun", 0.0 if i < 100 else 10.0, {"key": str(i), "stage": "train", "label": "x"})
        if i < 100:
            campaign.event("done", 10.0, {"key": str(i), "stage": "train", "label": "x", "cpu_s": 10.0})
    assert campaign.eta(10.0) == pytest.approx(90.0)
    for where in ("a", "b"):
        costs.add(task(1), replace(report(), machine=where))
    assert sum(costs.rss_mb.values()) == 200.0
    state = {**campaign.as_dict(10.0), "workers_alive": 100}
    assert dict(facts(state))["workers"] == "100 alive of 100"
    assert dict(facts({**state, "workers_alive": 1}))["workers"] == "1 alive of 2"


def test_the_log_says_where_a_task_was_done(tmp_path: Path) -> None:
    done = execute(tmp_path, Task("1.json", "train", "x", Store.write_json, {"value": 1}))
    with Progress(tmp_path / "log.jsonl", quiet=True) as progress:
        progress.start("result.json", [], workers=1)
        progress.finished(task(1), done)
    (entry,) = [one for one in entries(tmp_path / "log.jsonl") if one["event"] == "done"]
    assert (entry["pid"], entry["machine"]) == (os.getpid(), machine())
