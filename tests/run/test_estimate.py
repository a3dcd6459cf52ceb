"""What a run would cost: measured on a few of its tasks, and held against what it then costs."""

import json
from pathlib import Path
from typing import Any

import pytest

from lamppost import hunt
from lamppost.api import calibrate
from lamppost.cli import main
from lamppost.errors import ConfigError
from lamppost.run.cache import Cache, shared_by, users, using
from lamppost.run.estimate import estimate, lines
from lamppost.run.estimate.choice import chosen
from lamppost.run.estimate.measured import Measured, cost_of, measured, once_of
from lamppost.run.graph import Task
from lamppost.run.progress.log import append
from lamppost.run.progress.sorts import name_of
from small_hunt import Json, entries, write_hunt

FACTOR = 3.0
"""On the small hunt imports are most of the cost, and which worker imports what is up to chance."""
WINDOWS = [[3200.0 + 200 * i, 3600.0 + 200 * i] for i in range(6)]


def ranges(found: Json) -> None:
    low, high = found["cpu_s_range"]
    assert low <= found["cpu_s"] <= high


def test_the_estimate_of_a_hunt_is_what_it_costs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config, out = write_hunt(tmp_path, scan={"windows": WINDOWS}), tmp_path / "run"
    found = hunt(config, out, workers=1, quiet=True, dry_run=120)
    assert {path.name for path in out.iterdir()} == {".lock", "artefacts", "log.jsonl", "used"}
    tasks = found["tasks"]
    assert tasks["planned"] == 57
    assert tasks["there"] + tasks["left"] == tasks["planned"]
    assert 12 <= tasks["measured"] == len(entries(out, "sampled")) <= 40
    assert found["guessed"] == []
    assert found["rss_mb"] > 50
    ranges(found)
    # again: all is known, nothing is run
    again = hunt(config, out, workers=1, quiet=True, dry_run=120)
    assert again["tasks"] == tasks
    assert again["cpu_s"] == pytest.approx(found["cpu_s"])
    assert [again["wall_s"], again["workers"]] == [pytest.approx(again["cpu_s"]), 1]
    before = sum(path.stat().st_size for path in (out / "artefacts").iterdir())
    result = hunt(config, out, workers=1, quiet=True)
    done = entries(out, "done")
    assert len(done) == tasks["left"]
    assert len(entries(out, "found")) == tasks["there"]
    spent = sum(one["cpu_s"] for one in done)
    assert spent / FACTOR < found["cpu_s"] < FACTOR * spent
    assert {user.name for user in users(Cache(out))} == {"result.json"}  # and what samples needed is forgotten
    made = sum(path.stat().st_size for path in (out / "artefacts").iterdir()) - before
    assert found["bytes"] == pytest.approx(made, rel=0.3)
    # when all is done there is nothing left to pay, and the result is left alone
    assert main(["hunt", str(config), "--out", str(out), "--dry-run", "--json", "--workers", "1"]) == 0
    over = json.loads(capsys.readouterr().out)
    assert (over["tasks"]["left"], over["cpu_s"], over["bytes"]) == (0, 0.0, 0)
    assert json.loads((out / "result.json").read_text()) == result


def pause(store: Any, key: str, *, seconds: float) -> None:
    import time

    end = time.process_time() + seconds
    while time.process_time() < end:
        pass
    store.write_json(key, seconds)


def slow(number: int, seconds: float, *needs: str, stage: str = "train") -> Task:
    return Task(f"{stage}-{number}.json", stage, f"{stage} {number}", pause, {"seconds": seconds}, needs)


def test_samples_take_as_long_as_they_may(tmp_path: Path) -> None:
    """One that is not done in time is dropped, and what is not measured is said to be guessed."""
    tasks = [*(slow(i, 0.05) for i in range(10)), *(slow(i, 600.0, stage="claim") for i in range(10))]
    cache = shared_by(tmp_path, None)
    found = estimate(tmp_path, cache, "result.json", tasks, 8.0, workers=2, quiet=True)
    assert found["guessed"] == ["claim: claim #"]
    assert found["took_s"] < 60
    assert found["tasks"]["left"] == 19  # one of every sort comes first
    # a claim usually costs 10/6 of a training
    assert found["cpu_s_range"][1] > 3 * 10 * 0.05 * 10 / 6
    ranges(found)
    text = "\n".join(lines(found))
    assert "guessed from other stages within a factor of 3: claim: claim #" in text
    assert not list((tmp_path / "artefacts").glob(".*"))


def test_what_others_measured_is_used(tmp_path: Path) -> None:
    """Not what another configuration took: its tasks have other keys."""
    tasks = [slow(i, 600.0) for i in range(4)]
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        cache = shared_by(tmp_path / name, tmp_path / "cache")
    log = tmp_path / "one" / "log.jsonl"
    for number, cpu_s in enumerate((5.0, 2.0, 3.0)):
        about = {"stage": "train", "label": f"train {number}", "rss_mb": 80.0, "pid": 1, "written": 10}
        append(log, "done", 1.0, key=f"train-{number}.json", cpu_s=cpu_s, **about)
    append(log, "done", 1.0, key="train-of-other-settings.json", cpu_s=99.0, **about)
    with using(cache, tmp_path / "one", "result.json"):
        found = estimate(tmp_path / "two", cache, "result.json", tasks, 60.0, workers=4, quiet=True)
    # 2.5 each, and 2.5 once for each worker, as the first of a process says
    assert found["cpu_s"] == pytest.approx(4 * 2.5 + 4 * 2.5)
    assert found["wall_s"] == pytest.approx(5.0)
    assert found["tasks"]["measured"] == 3
    assert not list((tmp_path / "two").glob("log.jsonl"))


def test_what_is_there_is_used_and_not_made_again(tmp_path: Path) -> None:
    """A second estimate, of tasks whose needs the first one, or a run, has made."""
    reading, training = slow(1, 0.0, stage="read"), slow(1, 0.0, "read-1.json")
    cache = shared_by(tmp_path, None)
    reading.function(cache.store, reading.key, **reading.arguments)
    before = cache.store.path(reading.key).stat().st_ino
    found = estimate(tmp_path, cache, "result.json", [reading, training], 60.0, workers=1, quiet=True)
    assert found["tasks"]["measured"] == 1
    assert cache.store.path(reading.key).stat().st_ino == before


def test_processes_of_two_machines_may_have_one_number(tmp_path: Path) -> None:
    """The first task of each pays for what it loads."""
    for number, where in enumerate("abab"):
        about = {"stage": "train", "label": f"train {number}", "rss_mb": 80.0, "pid": 1, "machine": where}
        append(tmp_path / "log.jsonl", "done", 1.0, key=f"{number}", cpu_s=1.0, **about)
    cache = shared_by(tmp_path, None)
    (found,) = measured(tmp_path, cache, {f"{i}": "train: train #" for i in range(4)}).values()
    assert [one.first for one in found] == [True, True, False, False]


def test_what_is_chosen_is_spread_and_complete() -> None:
    reads = [Task("read-1.json", "read", "reading", print, {})]
    trains = [Task(f"train-{i}.json", "train", f"training {i}", print, {}, ("read-1.json",)) for i in range(60)]
    claims = [
        Task(f"claim-{i}.json", "claim", f"claim {i}", print, {}, tuple(f"train-{5 * i + k}.json" for k in range(5)))
        for i in range(12)
    ]
    together = [Task("combine-1.json", "combine", "together", print, {}, tuple(one.key for one in claims))]
    tasks = [*reads, *trains, *claims, *together]
    sorts = {one.key: name_of(one.stage, one.label) for one in tasks}
    made = chosen(tasks, sorts, {})
    names = [one.key for one in made]
    # two claims in the middle of either half with their trainings; one of every sort before a second one
    one_of_each = ["read-1.json", *(f"train-{i}.json" for i in range(15, 20)), "claim-3.json"]
    assert names == [*one_of_each, *(f"train-{i}.json" for i in range(45, 50)), "claim-9.json"]
    assert "combine-1.json" not in names  # it needs them all
    known = dict.fromkeys(sorts.values(), 5)
    assert chosen(tasks, sorts, known) == []
    assert [one.key for one in chosen(reads, sorts, {})] == ["read-1.json"]


def test_the_first_in_a_process_pays_for_what_it_loads() -> None:
    def some(*times: float, first: int = 1) -> list[Measured]:
        return [Measured(cpu_s, 10, 50.0, i < first) for i, cpu_s in enumerate(times)]

    train, claim, alone = cost_of(some(6.0, 1.0, 1.2)), cost_of(some(4.0)), cost_of(some(3.0, 1.0))
    assert (train.cpu_s, train.first, train.samples) == (pytest.approx(1.1), 6.0, 3)
    assert (claim.cpu_s, claim.error) == (4.0, 2.0)
    # the first of a window is compiled for
    windows = cost_of([*some(9.0), *(Measured(c, 10, 50.0, False, f) for c, f in ((5.0, True), (2.0, False)))])
    assert (windows.cpu_s, windows.extra, windows.first) == (2.0, 3.0, 9.0)
    assert once_of({"train: a": windows}) == pytest.approx(4.0)
    # a sort of one is compared with others of its stage; where there are none nothing is told apart
    assert once_of({"train: a": train, "claim: b": claim}) == pytest.approx(4.9)
    assert once_of({"train: a": train, "claim: b": claim, "claim: c": alone}) == pytest.approx(4.9 + 3.0 + 2.0)


def test_every_verb_has_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Planned, nothing run, nothing written but the folder."""
    config = write_hunt(tmp_path, calibrate={"experiments": 50})
    found = calibrate(config, tmp_path / "calibration", quiet=True, dry_run=0, workers=2)
    assert (found["estimate"], found["tasks"]["left"]) == ("calibration.json", 51)
    assert found["guessed"] == ["hunt: pseudo-experiment #", "read: reading events"]
    assert not (tmp_path / "calibration" / "calibration.json").exists()
    with pytest.raises(ConfigError, match=r"dry_run: expected seconds, 0 or more, found -1"):
        hunt(config, tmp_path / "run", dry_run=-1)
    assert main(["hunt", str(config), "--out", str(tmp_path / "run"), "--dry-run", "0"]) == 0
    told = capsys.readouterr().out.splitlines()
    assert [line.split()[1:5] for line in told if line.startswith("train ")] == [["12", "0", "12", "0"]]
    assert {path.name for path in (tmp_path / "run").iterdir()} == {".lock", "artefacts", "used"}
    # samples run here, but what is wrong for the run is said now
    for wrong, why in (("nowhere", "--dask: expected local, "), ("no.toml", "no.toml: no such configuration file")):
        assert main(["hunt", str(config), "--out", str(tmp_path / "run"), "--dry-run", "0", "--dask", wrong]) == 2
        told = capsys.readouterr()
        assert (told.out, told.err.count("\n")) == ("", 1)
        assert told.err.startswith(f"lamppost: {why}")
