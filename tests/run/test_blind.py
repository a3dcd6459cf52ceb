"""Blind hunts: nothing of the closed windows is told, what is frozen is opened and nothing else, every look is kept."""

import json
import re
from collections import Counter
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lamppost.api import check, report, view
from lamppost.cli import main
from lamppost.config import Search, load
from lamppost.core import Method, View, Window
from lamppost.errors import ConfigError, DataError, FitError, LamppostError
from lamppost.run import InlineExecutor
from lamppost.run.artefacts import Store
from lamppost.run.blind import frozen
from lamppost.run.blind.frozen import changes, frozen_of, hash_of
from lamppost.run.blind.looks import add_look, read_looks, summary
from lamppost.run.blind.opening import require_open
from lamppost.run.blind.plan import plan_blind
from lamppost.run.blind.stage import run_blind, run_open, run_without_blind
from lamppost.run.calibrate.calibration import plan as plan_calibration
from lamppost.run.calibrate.certificate import configuration_of
from lamppost.run.fits import fitted
from lamppost.run.hunt import run_hunt
from lamppost.search import outside
from small_hunt import Json, entries, events, merged, timeless, write_events, write_hunt

EVENTS = 6007
CLOSED = (3300.0, 3700.0)
TABLES: Json = {"scan": {"windows": [list(CLOSED)], "validation": [[4100.0, 4500.0]], "efficiency": 0.2}}


@pytest.fixture(autouse=True)
def in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start no processes for tasks of a moment."""
    monkeypatch.setattr("lamppost.run.cluster.process_pool", lambda workers: InlineExecutor())


def configured(folder: Path, table: Any = None, **changes: Any) -> Path:
    """A blind hunt with one closed window and one without a claim."""
    folder.mkdir(parents=True, exist_ok=True)
    if table is not None or not (folder / "events.parquet").exists():
        write_events(folder / "events.parquet", events(EVENTS) if table is None else table)
    return write_hunt(folder, **{"blind": {}, **TABLES, **changes})


def closed(search: Search | Path, out: Path, make_executor: Any = InlineExecutor) -> Json:
    """The blind stage, in this process, without a page."""
    search = search if isinstance(search, Search) else load(search)
    return run_blind(search, out, workers=1, quiet=True, make_executor=make_executor)


def opened(config: Path, out: Path, unblind: str, despite: str | None = None) -> Json:
    return run_open(load(config), out, unblind, despite, workers=1, quiet=True, make_executor=InlineExecutor)


@pytest.fixture(scope="module")
def hunted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Json]:
    """Configuration, folder and blind result of a hunt whose windows are closed. Do not write into it."""
    folder = tmp_path_factory.mktemp("blind")
    config = configured(folder)
    return config, folder / "run", closed(config, folder / "run")


@pytest.fixture
def again(hunted: tuple[Path, Path, Json], tmp_path: Path) -> tuple[Path, Path, str]:
    """A copy of it to write into: configuration, folder and hash."""
    config, out, result = hunted
    copied = configured(tmp_path, data={"path": str(config.parent / "events.parquet")})
    target = tmp_path / "run"
    (target / "artefacts").mkdir(parents=True)
    for file in (*out.glob("*"), *(out / "artefacts").glob("*")):
        if file.is_file():
            (target / file.relative_to(out)).write_bytes(file.read_bytes())
    return copied, target, result["blinding"]["hash"]


def with_signal(n: int) -> Json:
    """The same events with `n` more in the closed window, at the end of the file, which a feature tells from others."""
    table, rng = events(EVENTS), np.random.default_rng(7)
    signal = {"event": np.arange(n) + EVENTS, "mjj": rng.normal(3500.0, 30.0, n).clip(3310.0, 3690.0)}
    signal |= {"a": rng.normal(3.0, 0.2, n), "b": rng.exponential(size=n), "w": np.ones(n)}
    return {name: np.concatenate([table[name], signal[name]]) for name in table}


def told(result: Json) -> Json:
    """A blind result without what the data are called, and how long it took."""
    left = {name: value for name, value in timeless(result).items() if name != "blinding"}
    return {**left, "data": {name: value for name, value in left["data"].items() if name not in ("sha256", "path")}}


def test_what_is_told(hunted: tuple[Path, Path, Json]) -> None:
    _, out, result = hunted
    inside = Window(*CLOSED, 0.0).inside(events(EVENTS)["mjj"])
    assert result["data"]["events"] == EVENTS - inside.sum()
    assert result["closed"] == [list(CLOSED)]
    (row,), (control,), (selection,) = (result[name] for name in ("validation", "control", "selections"))
    assert (row["lo"], row["hi"], control["method"]) == (4100.0, 4500.0, "random score")
    assert 0.0 < row["p_window"] <= 1.0
    assert abs(row["closure"]["auc"] - 0.5) < 5 * row["closure"]["error"]
    assert selection["n_outside"] == result["data"]["events"]
    # the cut keeps what it was told to keep: a threshold from a third of the sidebands, here some 500 events
    assert selection["n_kept"] / selection["n_outside"] == pytest.approx(0.2, abs=5 * np.sqrt(0.2 * 0.8 / 500))
    assert result["tests"]["n"] == 2 + 1 + 2 + 1 + 2 + 1
    assert result["passed"]
    assert result["warnings"] == []
    made = {path.name for path in out.iterdir()}
    told = {"blind.json", "blind_details.json", "config.toml", "log.jsonl", "progress.html"}
    assert made == {"artefacts", "used", ".lock", "looks.jsonl", "last_look.json", *told}
    assert json.loads((out / "blind.json").read_text()) == result


def test_no_score_of_an_event_in_a_closed_window_is_written(hunted: tuple[Path, Path, Json]) -> None:
    config, out, result = hunted
    store, planned = Store(out / "artefacts"), plan_blind(load(config))
    for looked in (*planned.selections, *planned.validations, *planned.controls):
        scored = sum(len(store.read_arrays(part)[0]["score"]) for part in looked.parts)
        assert scored == result["data"]["events"]
    made = {path.name for path in store.folder.iterdir()}
    assert made == {task.key for task in planned.tasks}


@pytest.mark.parametrize("kind", [FitError, ValueError, LamppostError])
def test_what_fails_in_a_closed_window_tells_no_number(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, kind: type[Exception]
) -> None:
    """Neither what is raised nor the log; but what the machine is to blame for is told in full."""

    def failing(store: Store, method: Method, view: View, *others: Any) -> Any:
        if view.window.lo != CLOSED[0]:
            return fitted(store, method, view, *others)
        raise kind(f"tau21_1: {len(view.sr)} events, shape ({len(view.sr)},{len(view.sb)}), {len(view.sr)}x2, -1.5e+3")

    monkeypatch.setattr("lamppost.run.tasks.fitted", failing)
    out = tmp_path / "run"
    assert main(["hunt", str(configured(tmp_path)), "--out", str(out), "--quiet", "--workers", "1"]) != 0
    err = capsys.readouterr().err
    if kind is LamppostError:
        assert "-1.5e+3" in err
        return
    told = "tau21_1: N events, shape (N), NxN, -N (the windows are closed: numbers are not told)"
    assert told in err
    assert all(told in json.dumps(entry) for entry in entries(out, "failed"))


@pytest.mark.parametrize("train", [False, True])
def test_a_signal_in_a_closed_window_changes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, train: bool
) -> None:
    """2000 signal events beside some 1000 others. What was trained with them may move the selection, and that alone."""
    if train:
        monkeypatch.setattr("lamppost.api.hunts.show", lambda folder, result, pdf: None)
    found, texts, pages, screens = [], [], [], []
    sizes = [0, 2000]
    for n in sizes:
        folder = tmp_path / f"{n}"
        config = configured(folder, with_signal(n), blind={"train": train})
        assert main(["hunt", str(config), "--out", str(folder / "run"), "--quiet", "--workers", "1"]) == 0
        result = json.loads((folder / "run" / "blind.json").read_text())
        found.append(told(result))
        texts.append(json.loads((folder / "run" / "blind_details.json").read_text()))
        hidden = {result["blinding"]["hash"]: "", result["data"]["sha256"]: "", str(folder): ""}
        for shown, where in ((capsys.readouterr().out, screens), ((folder / "run" / "blind.html"), pages)):
            text = shown if isinstance(shown, str) else shown.read_text() if shown.exists() else ""
            for name, instead in hidden.items():
                text = text.replace(name, instead)
            where.append(re.sub(r"took .*", "", text))
        everything = "\n".join(
            re.sub(r'"(time|sha256|key|before|line|hash|cpu_s|rss_mb|wall_s|pid)": "?[\w.:+-]+"?', "", path.read_text())
            for path in (folder / "run").rglob("*.json*")
        )
        inside = int(Window(*CLOSED, 0.0).inside(with_signal(n)["mjj"]).sum())
        numbers = set(re.findall(r"(?<![\d.])\d+(?:\.0)?(?![\d.])", everything))
        assert not numbers & {f"{inside}", f"{inside}.0", f"{EVENTS + n}", f"{EVENTS + n}.0"}
    if not train:
        assert found[0] == found[1]
        assert found[0]["selections"] == []
        assert texts[0] == texts[1]
        assert pages[0] == pages[1]
        assert screens[0] == screens[1]
        return
    of_trainings = ("selections", "tests", "passed", "warnings")
    assert {k: v for k, v in found[0].items() if k not in of_trainings} == {
        k: v for k, v in found[1].items() if k not in of_trainings
    }
    assert {k: v for k, v in texts[0].items() if k != "selections"} == {
        k: v for k, v in texts[1].items() if k != "selections"
    }
    # what is told of a selection is about events outside
    for result in found:
        (row,) = result["selections"]
        assert row.keys() == set(SELECTION)
        assert row["n_outside"] == found[0]["data"]["events"]
        assert row["fit"]["p_value"] > 0.001
        assert row["sculpting_p"] > 0.001


SELECTION = (
    *("lo", "hi", "method", "efficiency", "n_kept", "n_outside", "sculpting_p", "fit"),
    *("mass_r2", "mass_r2_raw", "mass_warned", "claim"),
)


def test_opened_it_is_the_hunt_that_it_would_have_been(again: tuple[Path, Path, str], tmp_path: Path) -> None:
    config, out, hashed = again
    result = opened(config, out, hashed)
    done = Counter(entry["key"] for entry in entries(out, "done"))
    assert set(done.values()) == {1}  # nothing trained twice
    plain = load(configured(tmp_path / "plain", blind=None, data={"path": load(config).data.path}))
    whole = run_hunt(plain, tmp_path / "plain" / "run", workers=1, quiet=True, make_executor=InlineExecutor)
    for name in ("windows", "control", "inclusive", "p_global", "best_window", "data"):
        assert result[name] == whole[name]
    assert [row["sculpting_ndf"] for row in result["validation"]] == [
        row["sculpting_ndf"] for row in whole["validation"]
    ]
    assert (out / "scores.parquet").read_bytes() == (tmp_path / "plain" / "run" / "scores.parquet").read_bytes()
    blinding = result["blinding"]
    assert (blinding["hash"], blinding["blind_looks"], blinding["configurations"], blinding["opened"]) == (
        hashed,
        1,
        1,
        1,
    )
    assert [look["shown"] for look in read_looks(out)] == ["blind", "unblind"]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"seed": 2}, "seed was 1, is 2"),
        ({"fit": {"toys": 200}}, "fit.toys was 100, is 200"),
        ({"scan": {"folds": 4}}, "scan.folds was 3, is 4"),
        ({"method": {"ratio": {"rounds": 21}}}, "methods.weak.ratio.rounds was 20, is 21"),
        ({"data": {"features": ["a"]}}, "data.features was ['a', 'b'], is ['a']"),
        ({"blind": {"train": False}}, "blind.train was True, is False"),
        ({"data": {"weight": "w"}}, "data.weight was not there, is 'w'"),
    ],
)
def test_what_was_changed_is_named(again: tuple[Path, Path, str], changed: Json, message: str) -> None:
    config, out, hashed = again
    before = {path: path.read_bytes() for path in out.iterdir() if path.is_file()}
    path = str(load(config).data.path)
    other = write_hunt(config.parent, **merged({**TABLES, "blind": {}, "data": {"path": path}}, changed))
    with pytest.raises(ConfigError, match=re.escape(f"--unblind {hashed}: not what was frozen: {message}")):
        opened(other, out, hashed)
    assert {path: path.read_bytes() for path in out.iterdir() if path.is_file()} == before


def test_other_data_and_versions_are_named(again: tuple[Path, Path, str], monkeypatch: pytest.MonkeyPatch) -> None:
    config, out, hashed = again
    with monkeypatch.context() as patched:
        patched.setattr(frozen, "provenance", lambda: {"numpy": "9.9"})
        with pytest.raises(ConfigError, match=r"not what was frozen: versions\.\w+ was .* \(and \d+ more\)"):
            opened(config, out, hashed)
    write_events(config.parent / "events.parquet", with_signal(1))
    with pytest.raises(ConfigError, match=r"not what was frozen: data.sha256 was '\w+', is '\w+'$"):
        opened(configured(config.parent), out, hashed)
    with pytest.raises(ConfigError, match=f"knows no such hash, known are {hashed}"):
        opened(config, out, "0123456789abcdef")


def test_changes_are_told_in_one_line() -> None:
    assert changes({"a": 1}, {"a": 1}) == ""
    assert changes({"a": 1, "versions.b": 1}, {"a": 2, "versions.b": 2, "c": []}) == "a was 1, is 2 (and 2 more)"
    assert "..." in changes({"a": "x" * 100}, {})


def test_it_was_shown_here_or_it_is_not_opened(hunted: tuple[Path, Path, Json], tmp_path: Path) -> None:
    config, _, result = hunted
    with pytest.raises(ConfigError, match="this hunt was not shown blind here: run it without --unblind first"):
        opened(config, tmp_path / "elsewhere", result["blinding"]["hash"])
    assert not (tmp_path / "elsewhere").exists()


CUTS = ("edited", "first line removed", "last line removed", "unnamed line removed", "torn", "emptied", "deleted")


@pytest.mark.parametrize("verb", ["hunt", "open", "report", "hunt without [blind]", "limits without [blind]"])
@pytest.mark.parametrize("how", CUTS)
def test_a_log_that_was_edited_is_noticed(
    again: tuple[Path, Path, str], capsys: pytest.CaptureFixture[str], verb: str, how: str
) -> None:
    config, out, hashed = again
    if how == "last line removed":  # of two, the last of which a result names
        closed(config, out)
    elif how in ("first line removed", "unnamed line removed"):  # what is made again names no look
        add_look(out, "report", hashed)
    if how == "deleted":  # and a result that would name it, as by another start
        (out / "blind.json").unlink()
    log = out / "looks.jsonl"
    content = log.read_text()
    cut = content.rsplit("\n", 2)[0] + "\n"
    changed = {
        "edited": content.replace("blind tests passed", "blind tests failed"),
        "first line removed": content.split("\n", 1)[1],
        "last line removed": cut,
        "unnamed line removed": cut,
        "torn": content[:-40],
        "emptied": "",
        "deleted": None,
    }[how]
    if changed is None:
        log.unlink()
    else:
        log.write_text(changed)
    plain = {"blind": None, "data": {"path": str(load(config).data.path)}}
    limits = {"samples": {"signals": {"s": "events.parquet"}}, "limits": {"signals": {"s": {"mass": 3500.0}}}}
    changes = limits if verb.startswith("limits") else {}
    open_config = configured(config.parent / "open", **plain, **changes) if "without" in verb else config
    arguments = {
        "open": ["hunt", str(config), "--out", str(out), "--quiet", "--unblind", hashed],
        "report": ["report", str(out)],
    }.get(verb, [verb.split()[0], str(open_config), "--out", str(out), "--quiet"])
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert (captured.out, len(captured.err.splitlines())) == ("", 1)
    assert "looks.jsonl" in captured.err
    assert "edited or is damaged" in captured.err
    assert (log.read_text() if log.exists() else None) == changed


def test_a_log_may_be_longer_than_its_head_says(tmp_path: Path) -> None:
    """Of a process that was killed between the two; but the head must be whole."""
    add_look(tmp_path, "blind", "a")
    head = (tmp_path / "last_look.json").read_bytes()
    looks = add_look(tmp_path, "unblind", "a")
    (tmp_path / "last_look.json").write_bytes(head)
    assert read_looks(tmp_path) == looks
    (tmp_path / "last_look.json").write_bytes(head[:-9])
    with pytest.raises(DataError, match=r"last_look\.json: expected the number and hash of the last look"):
        add_look(tmp_path, "report", "a")


def test_a_file_in_the_place_of_the_folder_is_no_damaged_log(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = configured(tmp_path)
    (tmp_path / "out").write_text("")
    assert main(["hunt", str(config), "--out", str(tmp_path / "out"), "--quiet"]) == 2
    assert "looks" not in (said := capsys.readouterr().err)
    assert str(tmp_path / "out") in said


def test_looks_are_counted(tmp_path: Path) -> None:
    """By configuration, and up to the first opening."""
    assert read_looks(tmp_path) == []
    for shown, hashed in (("blind", "a"), ("blind", "a"), ("blind", "b"), ("unblind", "b"), ("blind", "c")):
        looks = add_look(tmp_path, shown, hashed)  # type: ignore[arg-type]
    assert read_looks(tmp_path) == looks
    counted = summary(looks)
    assert {name: counted[name] for name in ("looks", "blind_looks", "configurations", "opened")} == {
        "looks": 5,
        "blind_looks": 3,
        "configurations": 2,
        "opened": 1,
    }


def test_looks_outlive_a_change_of_configuration(again: tuple[Path, Path, str]) -> None:
    config, out, first = again
    path = str(load(config).data.path)
    other = configured(config.parent, data={"path": path, "features": ["a"]})
    hashed = closed(other, out)["blinding"]["hash"]
    result = opened(other, out, hashed)
    blinding = result["blinding"]
    assert (blinding["blind_looks"], blinding["configurations"]) == (2, 2)
    assert [look["hash"] for look in read_looks(out)] == [first, hashed, hashed]


class _Dies(InlineExecutor):
    """Ends as by Ctrl-C after some tasks."""

    left = 8

    def submit(self, *arguments: Any, **options: Any) -> Any:
        type(self).left -= 1
        if type(self).left < 0:
            raise KeyboardInterrupt
        return super().submit(*arguments, **options)


def test_a_run_that_was_killed_goes_on(hunted: tuple[Path, Path, Json], tmp_path: Path) -> None:
    """Nothing was shown, so no look was logged; what was done is not done again; the result is the same."""
    config, _, result = hunted
    dies: type[Executor] = _Dies
    with pytest.raises(KeyboardInterrupt):
        closed(config, tmp_path, dies)
    assert read_looks(tmp_path) == []
    assert not (tmp_path / "blind.json").exists()
    found = closed(config, tmp_path)
    assert told(found) == told(result)
    assert found["blinding"]["hash"] == result["blinding"]["hash"]
    assert set(Counter(entry["key"] for entry in entries(tmp_path, "done")).values()) == {1}
    _Dies.left = 3
    with pytest.raises(KeyboardInterrupt):
        run_open(load(config), tmp_path, found["blinding"]["hash"], workers=1, quiet=True, make_executor=dies)
    assert not (tmp_path / "result.json").exists()
    assert opened(config, tmp_path, found["blinding"]["hash"])["blinding"]["opened"] == 2


def test_tests_that_fail_ask_for_a_reason(tmp_path: Path) -> None:
    """A feature that gives m away: no claim is made, and nothing opened without a reason, which is kept."""
    table = events(EVENTS)
    table["a"] = np.log(table["mjj"]) + 0.02 * table["a"]
    config, out = configured(tmp_path, table), tmp_path / "run"
    result = closed(config, out)
    hashed = result["blinding"]["hash"]
    assert not result["passed"]
    assert "[4100, 4500) (weak)" in result["determined"]
    assert any("the features determine m in" in text for text in result["warnings"])
    with pytest.raises(ConfigError, match=r'determine m: expected --despite "reason" with --unblind, found none'):
        opened(config, out, hashed)
    found = opened(config, out, hashed, "to see what happens")
    assert found["p_global"] is None
    assert found["blinding"]["despite"] == "to see what happens"
    assert any("the reason given: to see what happens" in text for text in found["warnings"])
    assert found["blinding"]["overridden"]
    assert read_looks(out)[-1]["reason"] == "to see what happens"


def test_a_reason_that_nobody_asked_for(again: tuple[Path, Path, str], capsys: pytest.CaptureFixture[str]) -> None:
    """All tests passed: nothing is told as if something had failed, in the result, on the screen, in the log."""
    config, out, hashed = again
    arguments = ["hunt", str(config), "--out", str(out), "--quiet", "--workers", "1", "--unblind", hashed]
    assert main([*arguments, "--despite", "to be safe"]) == 0
    assert "all blind tests passed, nothing had to be overridden" in capsys.readouterr().out
    result = json.loads((out / "result.json").read_text())
    assert (result["blinding"]["despite"], result["blinding"]["overridden"]) == ("to be safe", False)
    assert not [text for text in result["warnings"] if "although" in text]
    reason = "all blind tests passed, nothing had to be overridden; --despite: to be safe"
    assert read_looks(out)[-1]["reason"] == reason
    if (out / "report.html").exists():
        assert "nothing had to be overridden: to be safe" in (out / "report.html").read_text()


def certificate_for(search: Search, path: Path, **changes: Any) -> Path:
    about = {"configuration": configuration_of(search), "events": float(EVENTS), "experiments": 100, "uniform": True}
    path.write_text(json.dumps({**about, "valid": True, "p_global": [0.1, 0.6], **changes}))
    return path


def test_a_certificate_is_asked_for(again: tuple[Path, Path, str]) -> None:
    config, out, _ = again
    data = {"path": str(load(config).data.path)}
    asking = configured(config.parent, data=data, blind={"certificate": "certificate.json"})
    search = load(asking)
    assert search.blind is not None
    path = config.parent / "certificate.json"
    assert search.blind.certificate == str(path)
    result = closed(asking, out)
    hashed = result["blinding"]["hash"]
    assert "expected the certificate of a calibration" in result["blinding"]["certificate"]
    for about, message in (
        (None, "expected the certificate of a calibration"),
        ({"configuration": "another"}, "certifies configuration another"),
        ({"valid": False}, "small p-values are too frequent"),
        ({"events": 2.0 * EVENTS}, f"certifies {2 * EVENTS} events within 10%, found about 6190"),
    ):
        if about is not None:
            certificate_for(search, path, **about)
        with pytest.raises(ConfigError, match=re.escape(message)):
            opened(asking, out, hashed)
    assert [look["shown"] for look in read_looks(out)] == ["blind", "blind"]
    certificate_for(search, path)
    found = opened(asking, out, hashed)
    assert found["blinding"]["certificate"]["experiments"] == 100
    # taken out again, it is another hunt
    with pytest.raises(ConfigError, match=r"blind.certificate was True, is False"):
        opened(configured(config.parent, data=data), out, hashed)


def test_others_ask_whether_windows_are_open(again: tuple[Path, Path, str]) -> None:
    config, out, hashed = again
    search = load(config)
    with pytest.raises(ConfigError, match=rf"the windows of this hunt \({hashed}\) were not opened here"):
        require_open(search, out)
    opened(config, out, hashed)
    require_open(search, out)
    other = search.model_copy(update={"seed": 5})
    with pytest.raises(ConfigError, match="were not opened here"):
        require_open(other, out)
    require_open(other.model_copy(update={"blind": None}), out)


def test_costs_of_limits_are_told_once_windows_are_open(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Not without [blind]: nobody would write down that the samples of a dry run looked."""
    changes: Json = {"samples": {"signals": {"s": "signal.parquet"}}, "limits": {"signals": {"s": {"mass": 3500.0}}}}
    write_events(tmp_path / "signal.parquet", events(500))
    config, out = configured(tmp_path, **changes), tmp_path / "run"
    dry = ["limits", str(config), "--out", str(out), "--workers", "1", "--dry-run", "0"]
    hashed = closed(config, out)["blinding"]["hash"]
    assert main(dry) == 2
    opened(config, out, hashed)
    assert main(dry) == 0
    assert [look["shown"] for look in read_looks(out)] == ["blind", "unblind"]
    capsys.readouterr()
    configured(tmp_path, **changes, blind=None)
    assert main(dry) == 2
    assert "--dry-run: its samples look into windows" in capsys.readouterr().err


def test_without_blind_it_is_a_look_as_well(again: tuple[Path, Path, str]) -> None:
    config, out, _ = again
    search = load(config).model_copy(update={"blind": None})
    result = run_without_blind(search, out, workers=1, quiet=True, make_executor=InlineExecutor)
    assert result["blinding"]["opened"] == 1
    assert read_looks(out)[-1]["reason"] == "no [blind] in the configuration"


@pytest.mark.parametrize(
    ("options", "changes", "message"),
    [
        (("--unblind", "0123"), {"blind": None}, "expected [blind] in the configuration, found none"),
        (("--despite", "why not"), {}, "despite: expected unblind with the hash of a frozen hunt beside it"),
        ((), {"blind": {"least_p": 1.5}}, "blind.least_p"),
        ((), {"scan": {"validation": [[3600.0, 4000.0]]}}, "[3600, 4000) overlaps [3300, 3700), which [blind] keeps"),
        (
            (),
            {"scan": {"windows": [[2860.0, 7900.0]], "validation": None, "sidebands": 1.0}},
            "there is no room for one",
        ),
        ((), {"scan": {"validation": [[7000.0, 7100.0]]}}, "scan.validation: the signal region of window [7000, 7100)"),
        ((), {"scan": {"windows": [[7000.0, 7300.0]]}}, "region of window [7000, 7300) holds too few events, expected"),
    ],
)
def test_what_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], changes: Json, message: str
) -> None:
    path = tmp_path / "events.parquet"
    write_events(path, events(EVENTS))
    config = write_hunt(tmp_path, **merged({**TABLES, "blind": {}}, changes))
    code = main(["hunt", str(config), "--out", str(tmp_path / "run"), "--quiet", "--workers", "1", *options])
    out, err = capsys.readouterr()
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert message in err


def test_windows_without_a_claim_are_chosen() -> None:
    """One in every part that no signal region covers, if there is room."""

    def sigma(m: float) -> float:
        return 0.03 * m

    claims = [Window(3300.0, 3700.0, 400.0), Window(3500.0, 3900.0, 400.0), Window(4700.0, 5100.0, 400.0)]
    found = outside(claims, (2800.0, 8000.0), sigma)
    assert [(w.lo, w.hi) for w in found] == [
        pytest.approx((3300 - 1000 / 3, 3300 - 500 / 3)),
        pytest.approx((3900 + 800 / 3, 3900 + 1600 / 3)),
    ]
    for window in found:
        for claim in claims:
            assert window.hi <= claim.lo or window.lo >= claim.hi
        assert window.reach == pytest.approx(window.hi - window.lo)
    assert outside(claims, (3200.0, 5200.0), sigma) == found[1:]  # a third of 100 GeV holds no peak
    assert [(w.lo, w.hi) for w in outside(claims[:2], (3200.0, 8000.0), sigma)] == [(4300.0, 4700.0)]


def test_what_reads_the_data_keeps_windows_closed(hunted: tuple[Path, Path, Json]) -> None:
    config, _, result = hunted
    found = check(config)
    assert found["events"] == result["data"]["events"]
    assert found["rows"] is None
    assert found["windows"][0] == {"lo": 3300.0, "hi": 3700.0, "n_sr": None, "n_sb": None}
    assert found["windows"][1]["n_sr"] > 0
    with pytest.raises(ConfigError, match="a view shows the events of a window"):
        view(config)


def test_the_verb_its_page_and_a_report(again: tuple[Path, Path, str], capsys: pytest.CaptureFixture[str]) -> None:
    config, out, hashed = again
    assert main(["hunt", str(config), "--out", str(out), "--quiet", "--workers", "1"]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == f"to open them     lamppost hunt {config} --out {out} --unblind {hashed}"
    assert main(["hunt", str(config), "--out", str(out), "--quiet", "--workers", "1", "--unblind", hashed]) == 0
    assert "2 at 1 configurations before the first of 1 openings" in capsys.readouterr().out
    pytest.importorskip("mplhep")
    page = (out / "blind.html").read_text()
    for part in ("All blind tests passed.", "Windows without a claim", hashed, "--unblind", "[4100, 4500)"):
        assert part in page
    assert "<script" not in page
    assert "2 blind looks at 1 configurations" in (out / "report.html").read_text()
    assert report(out, pdf=True) == (out / "blind.html", out / "report.html")
    # figures of both pages, none over another's
    drawn = sum((out / name).read_text().count("<figure") for name in ("blind.html", "report.html"))
    assert len(list((out / "figures").iterdir())) == drawn
    assert [look["shown"] for look in read_looks(out)] == ["blind", "blind", "unblind", "report"]
    assert (out / "blind.html").read_text() == page


def test_the_hash_is_of_what_decides(hunted: tuple[Path, Path, Json]) -> None:
    """Not of where files are, how a calibration is made, or how many processes there are."""
    config, _, result = hunted
    search = load(config)
    sha256 = result["data"]["sha256"]
    moved = search.model_copy(update={"data": search.data.model_copy(update={"path": "elsewhere.parquet"})})
    for same in (search, moved):
        assert hash_of(frozen_of(same, sha256)) == result["blinding"]["hash"]
    assert hash_of(frozen_of(search, "other")) != result["blinding"]["hash"]


def test_a_calibration_does_not_care(hunted: tuple[Path, Path, Json]) -> None:
    """In pseudo-data there is nothing to hide: the experiments, and what they certify, are the same."""
    search = load(hunted[0])
    plain = search.model_copy(update={"blind": None})
    assert plan_calibration(search).experiments == plan_calibration(plain).experiments
    assert configuration_of(search) == configuration_of(plain)


def test_a_damaged_log_is_no_log(tmp_path: Path) -> None:
    (tmp_path / "looks.jsonl").write_text('{"look": 1}\n')
    with pytest.raises(DataError, match="line 1 is not the one that was written"):
        add_look(tmp_path, "blind", "a")
