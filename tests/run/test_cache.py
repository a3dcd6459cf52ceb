"""A cache: who uses what, what may go, and what never does."""

import json
import os
import subprocess
import sys
import time
from importlib import import_module
from io import FileIO
from pathlib import Path
from typing import Any

import pytest

from lamppost.api import cache as look
from lamppost.errors import ConfigError, DataError, LamppostError
from lamppost.living import alive, machine, mark, owner_lives
from lamppost.run.artefacts import Store, left_overs, remove_parts
from lamppost.run.cache import Bound, Cache, User, collect, contents, forget, shared_by, users, using
from lamppost.run.cache.contents import Item, items
from lamppost.run.folder import alone, is_held
from lamppost.run.quantities import clock, in_bytes, in_seconds, size

DAY = 86_400.0
DEAD = 2**22 + 1  # no process has such a number


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    made = Cache(tmp_path / "cache")
    made.make()
    return made


def fill(cache: Cache, *keys: str, age: float = 0.0) -> None:
    """Artefacts of 100 bytes, used so many seconds ago."""
    for key in keys:
        path = cache.store.path(key)
        path.write_bytes(bytes(100))
        os.utime(path, (time.time() - age,) * 2)


def keys(cache: Cache) -> set[str]:
    return {path.name for path in cache.artefacts.iterdir()}


def run_folder(tmp_path: Path, name: str, cache: Cache) -> Path:
    """A run folder whose artefacts are in the cache."""
    (tmp_path / name).mkdir()
    shared_by(tmp_path / name, cache.root)
    return tmp_path / name


def test_what_a_run_that_goes_on_needs_stays_whatever_is_asked(tmp_path: Path, cache: Cache) -> None:
    out = run_folder(tmp_path, "run", cache)
    fill(cache, "train-1.json", "train-2.json", "train-3.json", age=40 * DAY)
    with using(cache, out, "result.json") as use:
        use.add(["train-1.json", "train-9.json"])
        use.add(["train-1.json", "train-2.json"])
        (user,) = users(cache)
        assert (user.state, user.keys) == ("running", {"train-1.json", "train-2.json", "train-9.json"})
        made = collect(cache, unlisted=True, older_than=DAY, max_size=0)
        assert (len(made.removed), made.bytes, made.left, made.needed) == (1, 100, 200, 200)
        assert keys(cache) == {"train-1.json", "train-2.json"}
    (user,) = users(cache)
    assert user.state == "unfinished"
    (out / "result.json").touch()
    assert users(cache)[0].state == "done"
    # listed by a run that is over: kept by --collect, not by a bound
    assert not collect(cache, unlisted=True).removed
    assert len(collect(cache, max_size=150).removed) == 1


def test_what_no_run_lists_goes_first_and_then_what_was_used_longest_ago(tmp_path: Path, cache: Cache) -> None:
    out = run_folder(tmp_path, "run", cache)
    with using(cache, out, "result.json") as use:
        use.add(["claim-1.json", "claim-2.json"])
    fill(cache, "claim-1.json", age=3000)
    fill(cache, "claim-2.json", age=2000)
    fill(cache, "train-1.json", age=1000)
    fill(cache, "train-2.json", age=10)
    for most, left in ((400, 4), (350, 3), (200, 2), (199, 1), (0, 0)):
        would = collect(cache, max_size=most, dry_run=True)
        order = ["train-1.json", "train-2.json", "claim-1.json", "claim-2.json"]
        assert [item.key for item in would.removed] == order[: 4 - left]
    assert len(keys(cache)) == 4
    assert cache.store.path("train-1.json").exists()
    old = collect(cache, older_than=1500)
    assert {item.key for item in old.removed} == {"claim-1.json", "claim-2.json"}


def test_a_use_is_a_sign_of_life_for_an_artefact(cache: Cache) -> None:
    cache.store.write_json("claim-1.json", 1)
    os.utime(cache.store.path("claim-1.json"), (0, 0))
    assert cache.store.intact("claim-1.json")
    assert not collect(cache, older_than=DAY).removed


def test_a_run_whose_folder_is_gone_or_uses_another_cache_needs_nothing(tmp_path: Path, cache: Cache) -> None:
    out = run_folder(tmp_path, "run", cache)
    with using(cache, out, "result.json") as use:
        use.add(["train-1.json"])
    fill(cache, "train-1.json")
    shared_by(out, tmp_path / "other")
    assert users(cache)[0].state == "gone"
    assert collect(cache, unlisted=True).bytes == 100
    assert users(cache) == []


def test_a_run_folder_is_its_own_cache_wherever_it_is_moved(tmp_path: Path) -> None:
    own = shared_by(tmp_path / "run", None)
    assert not own.shared(tmp_path / "run")
    for name, key in (("result.json", "train-1.json"), ("dry-run", "train-2.json")):
        with using(own, tmp_path / "run", name) as use:
            use.add([key])
    fill(own, "train-1.json", "train-2.json", "train-3.json")
    (tmp_path / "run").rename(tmp_path / "moved")
    moved = Cache(tmp_path / "moved")
    assert [item.key for item in collect(moved, unlisted=True).removed] == ["train-3.json"]
    forget(moved, tmp_path / "moved", ["dry-run"])
    assert [user.name for user in users(moved)] == ["result.json"]


def test_a_new_start_with_other_settings_lists_anew(tmp_path: Path) -> None:
    own = shared_by(tmp_path / "run", None)
    for key in ("train-1.json", "train-2.json"):
        with using(own, tmp_path / "run", "result.json") as use:
            use.add([key])
    fill(own, "train-1.json", "train-2.json")
    assert [item.key for item in collect(own, unlisted=True).removed] == ["train-1.json"]
    forget(own, tmp_path / "run", ["result.json"])
    assert [item.key for item in collect(own, unlisted=True).removed] == ["train-2.json"]


def test_what_is_listed_while_others_collect_is_seen(tmp_path: Path, cache: Cache) -> None:
    """A run lists what it needs under the lock that a collection holds: it looks for artefacts after that one."""
    out = run_folder(tmp_path, "run", cache)
    code = (
        "import sys; from pathlib import Path; from lamppost.run.cache import Cache, using\n"
        "with using(Cache(Path(sys.argv[1])), Path(sys.argv[2]), 'result.json') as use:\n"
        "    use.add(['train-1.json']); print('listed', flush=True); sys.stdin.read()"
    )
    with cache.locked(alone=True):
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        process = subprocess.Popen([sys.executable, "-c", code, str(cache.root), str(out)], text=True, **pipes)  # type: ignore[call-overload]
        time.sleep(0.5)
        assert users(cache) == []
    assert process.stdout.readline() == "listed\n"
    assert users(cache)[0].running
    process.kill()
    process.communicate()
    # killed: nobody holds its record, and its process is gone
    assert users(cache)[0].state == "unfinished"


def test_a_cut_record_uses_what_stands_in_whole_lines(tmp_path: Path, cache: Cache) -> None:
    out = run_folder(tmp_path, "run", cache)
    with using(cache, out, "result.json") as use:
        use.add(["train-1.json", "train-22.json"])
    content = use.path.read_bytes().removesuffix(b"end\n")
    use.path.write_bytes(content[:-3])
    assert users(cache)[0].keys == {"train-1.json"}
    for content in (b"", b"{", b"[]\n", b'{"folder": 1}\n'):
        use.path.write_bytes(content)
        assert users(cache) == []


def test_runs_of_other_machines_live_by_their_signs_of_life(tmp_path: Path, cache: Cache) -> None:
    out = run_folder(tmp_path, "run", cache)
    with using(cache, out, "result.json") as use:
        use.add(["train-1.json"])
    about, *rest = use.path.read_text().removesuffix("end\n").splitlines()
    other = {**json.loads(about), "machine": "0" * 12, "host": "elsewhere", "folder": "/nowhere"}
    use.path.write_text("\n".join([json.dumps(other), *rest]) + "\n")
    assert users(cache)[0].state == "running"
    os.utime(use.path, (time.time() - 3600,) * 2)
    assert users(cache)[0].state == "unfinished"
    os.utime(use.path, (time.time() - 31 * DAY,) * 2)
    assert users(cache)[0].state == "gone"


def test_the_bound_is_held_and_says_when_it_cannot_be(tmp_path: Path, cache: Cache) -> None:
    out = run_folder(tmp_path, "run", cache)
    fill(cache, *(f"train-{i}.json" for i in range(10)), age=100)
    with using(cache, out, "result.json") as use:
        use.add(f"claim-{i}.json" for i in range(10))
        bound = Bound(cache, 700)
        bound.check()
        assert len(keys(cache)) == 6  # 700 less a tenth
        for i in range(7):
            fill(cache, f"claim-{i}.json")
            bound.added(f"claim-{i}.json")
            assert sum(path.stat().st_size for path in cache.artefacts.iterdir()) <= 700
        assert {key.split("-")[0] for key in keys(cache)} == {"claim"}
        fill(cache, "claim-7.json")
        with pytest.raises(LamppostError, match=r"cache: runs that go on need 800 B of artefacts, more than .* 700 B"):
            bound.added("claim-7.json")
        assert len(keys(cache)) == 8
    Bound(cache, None).check()
    Bound(cache, None).added("nothing.json")


def test_what_another_machine_uses_while_it_is_to_be_removed_stays(
    cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whose lock may be no matter here, on a network file system: it looked for one when all had been listed."""
    fill(cache, "train-1.json", "train-2.json", age=DAY)

    def looked(one: Cache) -> list[User]:
        return []

    def listed(one: Cache) -> list[Item]:
        found = items(one)
        os.utime(cache.store.path("train-1.json"))
        return found

    module = import_module("lamppost.run.cache.collect")
    monkeypatch.setattr(module, "users", looked)
    monkeypatch.setattr(module, "items", listed)
    made = collect(cache, max_size=0)
    assert ([item.key for item in made.removed], made.bytes, made.left) == (["train-2.json"], 100, 100)
    assert keys(cache) == {"train-1.json"}


def test_a_record_is_written_whole_and_for_others_to_see(
    tmp_path: Path, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Slow(FileIO):
        def write(self, content: Any, /) -> int:
            return super().write(bytes(content)[:3])

    seen: list[bytes] = []
    fsync = os.fsync

    def synced(file: int) -> None:
        seen.append(use.path.read_bytes())
        fsync(file)

    with using(cache, run_folder(tmp_path, "run", cache), "result.json") as use:
        use._file = Slow(use.path, "ab")
        monkeypatch.setattr(os, "fsync", synced)
        use.add(["train-1.json", "train-2.json"])
        assert users(cache)[0].keys == {"train-1.json", "train-2.json"}
        assert seen[-1].endswith(b"train-2.json\n")
        use._file.close()


def test_what_the_dead_left_half_made_goes_before_a_bound_is_exceeded(cache: Cache) -> None:
    (cache.artefacts / f".a.json.0.{DEAD}@{machine()}.part").write_bytes(bytes(2000))
    fill(cache, "train-1.json")
    Bound(cache, 1000).check()
    assert keys(cache) == {"train-1.json"}


def test_scratch_folders_count(cache: Cache) -> None:
    bound = Bound(cache, 1000)
    with cache.store.temporary("hunt-1.json") as folder:
        (folder / "train-1.json").write_bytes(bytes(2000))
        (folder / "link").symlink_to(__file__)
        assert contents(cache)["unfinished"] == 2000
        with pytest.raises(LamppostError, match=r"need 2 kB"):
            bound.check()
    bound.check()


def test_left_overs_of_the_dead_go_those_of_the_living_stay(tmp_path: Path) -> None:
    store = Store(tmp_path)
    there, dead = f".a.json.{mark()}.part", f".b.json.0.{DEAD}@{machine()}.part"
    elsewhere, forgotten = ".c.json.0.1@0123456789ab.part", ".d.json.0.1@0123456789ab.part"
    for name in (there, dead, elsewhere, forgotten, "e.json"):
        (tmp_path / name).write_bytes(b"half")
    os.utime(tmp_path / forgotten, (time.time() - 8 * DAY,) * 2)
    (tmp_path / f".hunt-1.0.{DEAD}@{machine()}.work" / "inner").mkdir(parents=True)
    with store.temporary("hunt-2.json") as folder:
        assert {path.name for path in left_overs(tmp_path)} == {dead, forgotten, f".hunt-1.0.{DEAD}@{machine()}.work"}
        store.remove_parts()
        assert {path.name for path in tmp_path.iterdir()} == {there, elsewhere, "e.json", folder.name}
    remove_parts(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"e.json"}


def test_who_made_an_unfinished_file() -> None:
    assert alive(os.getpid())
    assert not alive(DEAD)
    assert owner_lives(f".a.json.{mark()}.part")
    assert owner_lives(f".a.json.0.{DEAD}@{machine()}.part") is False
    assert owner_lives(".a.json.77.part") is None
    assert mark() != mark()


def test_two_writers_of_one_artefact_do_not_meet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One is renamed away while the other still writes: both have a name of their own."""
    store, real = Store(tmp_path), Path.replace

    def replace(self: Path, target: Path) -> Path:
        if len(list(tmp_path.glob(".*.part"))) == 1:
            store.write_json("a.json", {"value": 1})  # another run, just now
        return real(self, target)

    monkeypatch.setattr(Path, "replace", replace)
    store.write_json("a.json", {"value": 1})
    assert store.read_json("a.json") == {"value": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_one_that_was_made_again_meanwhile_is_not_removed_as_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, real, reads = Store(tmp_path), Store.read_json, iter(range(2))
    store.path("a.json").write_bytes(b"damaged")

    def read(self: Store, key: str) -> object:
        if next(reads, None) == 0:
            try:
                return real(self, key)
            finally:
                store.write_json("a.json", 1)  # another run finds the damage too, and mends it
        return real(self, key)

    monkeypatch.setattr(Store, "read_json", read)
    assert store.intact("a.json")
    assert real(store, "a.json") == 1


def test_artefacts_of_a_run_move_into_its_cache(tmp_path: Path) -> None:
    out = tmp_path / "run"
    own = shared_by(out, None)
    own.store.write_json("train-1.json", 1)
    (own.artefacts / ".train-2.json.1.part").touch()
    cache = shared_by(out, tmp_path / "cache")
    assert keys(cache) == {"train-1.json"}
    assert (out / "artefacts").is_symlink()
    assert shared_by(out, None).root == cache.root  # as the last time
    assert shared_by(out, tmp_path / "cache").root == cache.root
    (tmp_path / "cache").rename(tmp_path / "gone")
    with pytest.raises(LamppostError, match=r"run/artefacts: its cache .*/cache is gone; name another one, or remove"):
        shared_by(out, None)
    assert shared_by(out, tmp_path / "gone").store.read_json("train-1.json") == 1


def test_a_file_in_the_place_of_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "cache").touch()
    with pytest.raises(LamppostError, match=r"cannot be made: Not a directory"):
        shared_by(tmp_path, tmp_path / "cache")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "artefacts").touch()
    with pytest.raises(LamppostError, match=r"artefacts: expected a folder, found a file"):
        shared_by(tmp_path / "run", tmp_path / "other")


def test_a_file_system_without_locks_keeps_what_was_just_used(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(cache, "train-1.json", age=10)
    fill(cache, "train-2.json", age=4000)

    def no_locks(file: object, how: int) -> None:
        raise OSError("no locks")

    monkeypatch.setattr("fcntl.flock", no_locks)
    assert [item.key for item in collect(cache, max_size=0).removed] == ["train-2.json"]


def test_a_folder_is_held_or_not(tmp_path: Path) -> None:
    assert is_held(tmp_path) is None
    with alone(tmp_path):
        assert is_held(tmp_path)
    assert is_held(tmp_path) is False


@pytest.fixture
def looked_at(tmp_path: Path, cache: Cache) -> Path:
    out = run_folder(tmp_path, "run", cache)
    with using(cache, out, "result.json") as use:
        use.add(["train-1.json"])
    fill(cache, "train-1.json", "train-2.json", "claim-1.json", "0123.arrow")
    return out


def test_what_is_told_of_a_cache(looked_at: Path, cache: Cache) -> None:
    for where in (looked_at, cache.root):
        found = look(where)
        assert found["cache"] == str(cache.root)
        assert (found["artefacts"], found["bytes"]) == (4, 400)
        assert found["stages"]["train"] == {"artefacts": 2, "bytes": 200}
        assert found["stages"]["other"] == {"artefacts": 1, "bytes": 100}
        assert found["unlisted"] == {"artefacts": 3, "bytes": 300}
        (user,) = found["users"]
        assert (user["state"], user["needs"], user["artefacts"]) == ("unfinished", 1, 1)
    assert look(looked_at, collect_unlisted=True, dry_run=True)["removed"]["artefacts"] == 3
    after = look(looked_at, max_size="150 B", older_than="30d")
    assert (after["removed"]["bytes"], after["bytes"]) == (300, 100)


def test_no_cache_is_said_to_be_none(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"expected a cache or a run folder, found no `artefacts` in it"):
        look(tmp_path)
    (tmp_path / "artefacts").mkdir()
    with pytest.raises(ConfigError, match=r"was made by an earlier version"):
        look(tmp_path, max_size=0)


@pytest.mark.parametrize(
    ("text", "bytes_"),
    [("20GB", 20 * 10**9), ("1.5 kB", 1500), ("1KiB", 1024), ("2tib", 2 * 1024**4), ("7", 7), (7, 7), ("3 B", 3)],
)
def test_sizes(text: str, bytes_: int) -> None:
    assert in_bytes(text) == bytes_


def test_quantities_that_are_none() -> None:
    for text in ("", "GB", "-1GB", "1 GBB", "1e3"):
        with pytest.raises(ConfigError, match=r"max_size: expected a size such as 20GB"):
            in_bytes(text, "max_size")
    for text in ("", "d", "-1d", "1y"):
        with pytest.raises(ConfigError, match=r"time: expected a time such as 30d"):
            in_seconds(text)
    assert (in_seconds("90m"), in_seconds("2d"), in_seconds(5)) == (5400.0, 2 * DAY, 5.0)


def test_quantities_in_words() -> None:
    assert [size(n) for n in (0, 999, 1000, 999_900, 1_234_567, 5e12)] == [
        *("0 B", "999 B", "1 kB", "1 MB", "1.23 MB", "5 TB"),
    ]
    assert [clock(s) for s in (0, 61, 3661, 90_061)] == ["0:00", "1:01", "1:01:01", "1 d 1:01:01"]
