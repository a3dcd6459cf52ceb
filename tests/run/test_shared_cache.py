"""Hunts that share a cache: at once, killed, collected under their hands, damaged, on a full disk."""

import json
import os
import shutil
import subprocess
import time
from collections import Counter
from pathlib import Path
from typing import Any

import psutil
import pytest

from lamppost.api import cache as look
from lamppost.cli import main
from lamppost.config import load
from lamppost.errors import DataError, LamppostError
from lamppost.living import machine
from lamppost.run import InlineExecutor
from lamppost.run.artefacts import Store
from lamppost.run.cache import Cache, collect, shared_by, users
from lamppost.run.graph import Task
from lamppost.run.hunt import run_hunt
from lamppost.run.running import running
from small_disk import resize
from small_hunt import TASKS, Json, entries, finish, n_done, result_in, start, timeless, until, write_hunt


def hunted(config: Path, out: Path, cache: Path | None, **how: Any) -> Json:
    """In this process."""
    options = {"workers": 1, "quiet": True, "make_executor": InlineExecutor, "cache": cache, **how}
    found: Json = run_hunt(load(config), out, **options)
    return found


def filled(finished: Path, cache: Path) -> Path:
    """A cache that holds what the small hunt makes."""
    (cache / "artefacts").mkdir(parents=True)
    for path in (finished / "artefacts").iterdir():
        shutil.copy(path, cache / "artefacts")
    return cache


def sharing(config: Path, out: Path, cache: Path) -> "subprocess.Popen[str]":
    return start("hunt", config, "--out", out, "--workers", 1, "--quiet", "--json", "--cache", cache)


def assert_same(out: Path, undisturbed: Path) -> None:
    assert timeless(result_in(out)) == timeless(result_in(undisturbed))
    for name in ("scores.parquet", "details.json"):
        assert (out / name).read_bytes() == (undisturbed / name).read_bytes()


def test_two_hunts_on_one_cache_at_once(tmp_path: Path, config: Path, finished: Path) -> None:
    """One of them is killed on the way, and what it left half-made goes; what the other is making stays."""
    cache, outs = tmp_path / "cache", (tmp_path / "one", tmp_path / "two")
    one, two = (sharing(config, out, cache) for out in outs)
    until(lambda: sum(map(n_done, outs)) >= 4)  # of both: on a busy machine one of them may do nearly all
    assert {user.state for user in users(Cache(cache))} <= {"running"}
    family = psutil.Process(one.pid).children(recursive=True)
    one.kill()
    one.communicate(timeout=30)
    psutil.wait_procs(family, timeout=5)
    dead = cache / "artefacts" / f".train-0.parquet.0.{one.pid}@{machine()}.part"
    dead.write_bytes(b"half")
    again = sharing(config, outs[0], cache)
    finish(two)
    finish(again)
    assert not dead.exists()
    for out in outs:
        assert_same(out, finished)
        assert (out / "artefacts").resolve() == (cache / "artefacts").resolve()
        ended = {entry["key"] for what in ("done", "found") for entry in entries(out, what)}
        assert len(ended) == TASKS
    assert {path.name for path in (cache / "artefacts").iterdir()} == ended
    # no run did a task that it had found or done before
    for out in outs:
        assert max(Counter(entry["key"] for entry in entries(out, "done")).values()) == 1
    assert [user.state for user in users(Cache(cache))] == ["done", "done"]


def test_collecting_under_the_hands_of_a_hunt(tmp_path: Path, config: Path, finished: Path) -> None:
    """By this process and by others, all the time, as much as can be: it finds what it made, and makes it once."""
    cache, out = tmp_path / "cache", tmp_path / "run"
    process = sharing(config, out, cache)
    until(lambda: n_done(out) >= 1)
    other = start("cache", cache, "--collect", "--max-size", "0", "--older-than", "0s")
    rounds = 0
    while process.poll() is None:
        collect(Cache(cache), unlisted=True, max_size=0, older_than=0.0)
        rounds += 1
        time.sleep(0.1)
    assert rounds > 10
    finish(process)
    _, stderr = other.communicate(timeout=60)
    assert (other.returncode, stderr) == (0, "")
    assert_same(out, finished)
    done = Counter(entry["key"] for entry in entries(out, "done"))
    assert (len(done), set(done.values())) == (TASKS, {1})
    assert collect(Cache(cache), unlisted=True).bytes == 0  # the folder of the run is still there
    assert collect(Cache(cache), max_size=0).left == 0  # and it does not go on


def test_a_second_hunt_finds_what_the_first_made_unless_it_is_damaged(
    tmp_path: Path, config: Path, finished: Path
) -> None:
    cache = filled(finished, tmp_path / "cache")
    hurt = [sorted((cache / "artefacts").glob(f"{stage}-*"))[0] for stage in ("read", "train", "claim", "check")]
    for number, artefact in enumerate(hurt):
        content = bytearray(artefact.read_bytes())
        content[len(content) // 2] ^= 1
        artefact.write_bytes(content[: len(content) // 3] if number % 2 else content)
    hunted(config, tmp_path / "run", cache)
    assert {entry["key"] for entry in entries(tmp_path / "run", "done")} == {path.name for path in hurt}
    assert_same(tmp_path / "run", finished)
    # the next start needs no option to find the cache again, and what was bad is good
    hunted(config, tmp_path / "run", None)
    assert len(entries(tmp_path / "run", "done")) == len(hurt)


def test_stale_artefacts_go_within_a_bound(tmp_path: Path, finished: Path) -> None:
    """Of a run folder of its own: what another setting left behind goes first, and there is a line for too little."""
    config, out = write_hunt(tmp_path / "c"), tmp_path / "run"
    hunted(config, out, None, max_cache=10**9)
    before = look(out)
    write_hunt(tmp_path / "c", fit={"toys": 120})
    assert look(out)["unlisted"]["artefacts"] == 0
    needed = before["bytes"] + before["stages"]["claim"]["bytes"] // 2
    hunted(config, out, None, max_cache=needed)
    after = look(out)
    assert after["bytes"] <= needed
    assert after["stages"]["train"] == before["stages"]["train"]
    assert main(["cache", str(out), "--collect"]) == 0
    assert look(out)["artefacts"] == before["artefacts"]
    with pytest.raises(
        LamppostError, match=r"run: runs that go on need .* of artefacts, more than the bound of 100 kB"
    ):
        hunted(config, out, None, max_cache=100_000)
    assert look(out)["artefacts"] == before["artefacts"]


def test_the_variable_names_the_cache_too(
    tmp_path: Path, config: Path, finished: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cache = filled(finished, tmp_path / "cache")
    monkeypatch.setenv("LAMPPOST_CACHE", str(cache))
    assert main(["hunt", str(config), "--out", str(tmp_path / "run"), "--workers", "1"]) == 0
    found = capsys.readouterr()
    assert f"{TASKS} tasks were done before" in found.err
    assert " written\n" in found.out
    assert not entries(tmp_path / "run", "done")
    assert main(["hunt", str(config), "--out", str(tmp_path / "run"), "--max-cache", "lots"]) == 2
    assert capsys.readouterr().err == (
        "lamppost: max_cache: expected a size such as 20GB, 500 MB or 1.5TiB, found 'lots'\n"
    )


def test_a_full_disk_below_the_cache_or_below_the_run_is_no_loss(
    small_disk: Path, tmp_path: Path, config: Path, finished: Path
) -> None:
    def failed(out: Path, cache: Path) -> str:
        with pytest.raises(LamppostError, match=r"cannot be written: .*No space left on device") as caught:
            hunted(config, out, cache)
        assert not (out / "result.json").exists()
        assert not list(small_disk.rglob("*.part"))
        return str(caught.value)

    resize(small_disk, 4)
    (small_disk / "filler").write_bytes(bytes(4096))
    assert "/used/" in failed(tmp_path / "run", small_disk / "cache")
    (small_disk / "filler").unlink()
    resize(small_disk, 160)
    assert "/artefacts/" in failed(tmp_path / "run", small_disk / "cache")
    assert any((small_disk / "cache" / "artefacts").iterdir())
    resize(small_disk, 2000)
    hunted(config, tmp_path / "run", small_disk / "cache")
    assert_same(tmp_path / "run", finished)
    # the other way round: log, page and result on a disk that is full, artefacts elsewhere
    for kilobytes in (4, 8, 16):
        resize(small_disk, 2000)
        used = os.statvfs(small_disk)
        resize(small_disk, (used.f_blocks - used.f_bfree) * used.f_frsize // 1024 + kilobytes)
        assert f"{small_disk}/other/" in failed(small_disk / "other", tmp_path / "full")
    resize(small_disk, 4000)
    hunted(config, small_disk / "other", tmp_path / "full")
    assert_same(small_disk / "other", finished)


def test_the_verb_says_what_it_removes(
    tmp_path: Path, config: Path, finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cache = filled(finished, tmp_path / "cache")
    hunted(config, tmp_path / "run", cache)
    (cache / "artefacts" / "train-0.parquet").write_bytes(bytes(5000))
    assert main(["cache", str(cache), "--collect", "--dry-run"]) == 0
    told = capsys.readouterr().out
    assert "would remove 1 artefacts, 5 kB" in told
    assert "done" in told
    assert main(["cache", str(cache), "--collect", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["removed"] == {"artefacts": 1, "bytes": 5000, "left": found["bytes"], "needed_by_running": 0}
    assert main(["cache", str(tmp_path)]) == 2


def fails(store: Store, key: str) -> None:
    raise DataError("no column 'x'")


def test_what_is_told_first_is_first_in_the_plan_though_it_is_not_taken_first(tmp_path: Path) -> None:
    tasks = [Task(f"{i}.json", "train", f"training {i}", fails, {}) for i in range(19)]
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        cache = shared_by(tmp_path / name, tmp_path / "cache")
        how: Any = {"workers": 1, "quiet": True, "make_executor": InlineExecutor}
        with (
            pytest.raises(DataError, match=r"^training 0: no column"),
            running(tmp_path / name, cache, "result.json", tasks, {}, how) as campaign,
        ):
            campaign.run(tasks)
    orders = [[one["key"] for one in entries(tmp_path / name, "begun")] for name in ("one", "two")]
    assert orders[0] != orders[1]
    assert sorted(orders[0]) == sorted(orders[1])
