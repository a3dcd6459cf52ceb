"""Whatever ends a hunt, the next start goes on where it stopped and finds the same, to the last bit."""

import json
import os
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from lamppost.cli import main
from lamppost.config import load
from lamppost.errors import LamppostError
from lamppost.living import machine
from lamppost.run import InlineExecutor
from lamppost.run.hunt import run_hunt
from small_disk import resize
from small_hunt import (
    TASKS,
    entries,
    finish,
    hunt_process,
    n_done,
    result_in,
    timeless,
    until,
    workers_of,
    write_hunt,
)

POINTS = (1, 7, 14)  # finished tasks when something is killed: after reading, among trainings, among fits


def assert_same_result(out: Path, undisturbed: Path) -> None:
    assert timeless(result_in(out)) == timeless(result_in(undisturbed))
    for name in ("scores.parquet", "details.json"):
        assert (out / name).read_bytes() == (undisturbed / name).read_bytes()


def assert_nothing_done_twice(out: Path) -> None:
    done = [entry["key"] for entry in entries(out, "done")]
    found = {entry["key"] for entry in entries(out, "found")}
    assert not [key for key, times in Counter(done).items() if times > 1]
    assert {*done, *found} == {path.name for path in (out / "artefacts").iterdir()}
    assert len({*done, *found}) == TASKS


def assert_all_gone(processes: list[psutil.Process]) -> None:
    _, alive = psutil.wait_procs(processes, timeout=5)
    assert not alive


def kill_one(workers: list[psutil.Process]) -> bool:
    """Kill the first, if there is one."""
    for worker in workers[:1]:
        worker.kill()
    return bool(workers)


def test_killed_at_three_points_and_started_again(tmp_path: Path, config: Path, finished: Path) -> None:
    out = tmp_path / "run"
    for killed, point in enumerate(POINTS, start=1):
        process = hunt_process(config, out)
        until(lambda: n_done(out) >= point)  # noqa: B023
        family = psutil.Process(process.pid).children(recursive=True)
        process.kill()
        process.communicate(timeout=30)
        assert_all_gone(family)
        assert len(entries(out, "start")) == killed
        assert not (out / "result.json").exists()
    before = n_done(out)
    assert POINTS[-1] <= before < TASKS
    finish(hunt_process(config, out))
    last_start = (out / "log.jsonl").read_text().rsplit('"event": "start"', 1)[1]
    assert last_start.count('"event": "found"') >= before
    assert_nothing_done_twice(out)
    assert_same_result(out, finished)


def test_workers_killed_at_three_points(tmp_path: Path, config: Path, finished: Path) -> None:
    out = tmp_path / "run"
    process = hunt_process(config, out)
    for point in POINTS:
        until(lambda: n_done(out) >= point and kill_one(workers_of(process)))  # noqa: B023
    result = finish(process)
    assert len(entries(out, "start")) == 1
    assert_nothing_done_twice(out)
    assert_same_result(out, finished)
    assert timeless(result) == timeless(result_in(finished))


def to_the_group(process: "subprocess.Popen[str]") -> None:
    """What a terminal does at Ctrl-C."""
    os.killpg(process.pid, signal.SIGINT)


def to_the_main(process: "subprocess.Popen[str]") -> None:
    process.send_signal(signal.SIGINT)


@pytest.mark.parametrize(("interrupt", "point"), [(to_the_group, 0), (to_the_group, 7), (to_the_main, 14)])
def test_ctrl_c(
    tmp_path: Path, config: Path, finished: Path, interrupt: Callable[["subprocess.Popen[str]"], None], point: int
) -> None:
    out = tmp_path / "run"
    process = hunt_process(config, out)
    until(lambda: n_done(out) >= point and bool(workers_of(process)))
    family = psutil.Process(process.pid).children(recursive=True)
    interrupt(process)
    stdout, stderr = process.communicate(timeout=30)
    assert (process.returncode, stdout) == (1, "")
    assert stderr == "lamppost: interrupted; start the same command again to go on where it stopped\n"
    assert_all_gone(family)
    before = n_done(out)
    assert point <= before < TASKS
    run_hunt(load(config), out, workers=1, quiet=True, make_executor=InlineExecutor)
    assert len(entries(out, "found")) >= before
    assert_nothing_done_twice(out)
    assert_same_result(out, finished)


def test_workers_leave_ctrl_c_to_the_main_process(tmp_path: Path, config: Path, finished: Path) -> None:
    """From their first moment on: while they start, they could only answer with a traceback each."""
    out = tmp_path / "run"
    process = hunt_process(config, out)
    while process.poll() is None:
        for worker in workers_of(process):
            worker.send_signal(signal.SIGINT)
        time.sleep(0.01)
    stdout, stderr = process.communicate(timeout=30)
    assert (process.returncode, stderr) == (0, "")
    assert timeless(json.loads(stdout)) == timeless(result_in(finished))


def test_a_damaged_artefact_is_made_again(tmp_path: Path, config: Path, finished: Path) -> None:
    out = tmp_path / "run"
    shutil.copytree(finished, out)
    (out / "log.jsonl").unlink()
    (out / "result.json").unlink()
    hurt = [next(iter(sorted((out / "artefacts").glob(f"{stage}-*")))) for stage in ("read", "train", "claim", "check")]
    for number, artefact in enumerate(hurt):
        content = bytearray(artefact.read_bytes())
        content[len(content) // 2] ^= 1
        artefact.write_bytes(content[: len(content) // 3] if number % 2 else content)
    dead = f"1.{2**22 + 1}@{machine()}"  # no process has such a number
    left_over = [out / f".result.json.{dead}.part", out / "artefacts" / ".claim-0.json.1.part"]
    for part in left_over:
        part.write_bytes(b"half")
    run_hunt(load(config), out, workers=1, quiet=True, make_executor=InlineExecutor)
    assert {entry["key"] for entry in entries(out, "done")} == {artefact.name for artefact in hurt}
    assert not [part for part in left_over if part.exists()]
    assert_nothing_done_twice(out)
    assert_same_result(out, finished)


def test_a_full_disk_says_so_and_is_no_loss(
    small_disk: Path, config: Path, finished: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = small_disk / "run"
    for kilobytes in (4, 8, 40, 200, 360):  # full at the log, the events, a training, the scores
        resize(small_disk, kilobytes)
        assert main(["hunt", str(config), "--out", str(out), "--workers", "1", "--quiet"]) == 2
        stdout, stderr = capfd.readouterr()
        assert stdout == ""
        assert stderr.count("\n") == 1
        assert f"{out}/" in stderr
        assert "cannot be written: " in stderr
        assert "No space left on device" in stderr
        assert not (out / "result.json").exists()
        assert not list(out.rglob("*.part"))
    resize(small_disk, 2000)
    assert main(["hunt", str(config), "--out", str(out), "--workers", "1", "--quiet"]) == 0
    assert_nothing_done_twice(out)
    assert_same_result(out, finished)


def test_a_report_that_does_not_fit_says_so(
    small_disk: Path, finished: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = small_disk / "run"
    out.mkdir()
    for name in ("result.json", "details.json", "config.toml"):
        shutil.copy(finished / name, out)
    assert main(["report", str(out)]) == 2
    assert capfd.readouterr().err == f"lamppost: {out}: the report cannot be written: No space left on device\n"
    assert {path.name for path in out.iterdir()} == {"result.json", "details.json", "config.toml"}


def test_a_complaint_names_its_task(tmp_path: Path) -> None:
    """An error that the user can mend, raised deep inside a task, says where."""
    config = write_hunt(tmp_path, scan={"folds": 100})
    with pytest.raises(LamppostError, match=r"weak: training, window \[3200, 3600\), fold \d+: calibration: "):
        run_hunt(load(config), tmp_path / "run", workers=1, quiet=True, make_executor=InlineExecutor)


def test_a_second_hunt_in_the_same_folder_is_refused(tmp_path: Path, config: Path) -> None:
    out = tmp_path / "run"
    first = hunt_process(config, out)
    until(lambda: n_done(out) >= 1)
    second = hunt_process(config, out)
    _, text = second.communicate(timeout=60)
    assert second.returncode == 2
    assert "another run is going on in this folder" in text
    finish(first)
