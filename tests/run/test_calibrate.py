"""Calibration: what pseudo-experiments are made of, what is said of their p-values, what a certificate is good for."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lamppost.api import report
from lamppost.api.folders import show
from lamppost.cli import main
from lamppost.config import Search, load
from lamppost.errors import ConfigError, FitError
from lamppost.run import InlineExecutor, process_pool
from lamppost.run.artefacts import Store
from lamppost.run.calibrate import calibration, experiment
from lamppost.run.calibrate.calibration import plan, run_calibration
from lamppost.run.calibrate.certificate import certified, configuration_of
from lamppost.run.calibrate.experiment import Null, draw_pseudo
from lamppost.run.calibrate.judged import covered, power, uniformity
from lamppost.run.hunt import run_hunt
from lamppost.run.plan import plan_in
from lamppost.run.samples import load as load_stored
from small_hunt import TIMES, Json, events, write_events, write_hunt

EVENTS = 20_000
SETTINGS: Json = {"experiments": 3, "strengths": [150], "injected": 2}
FAST: Json = {
    "scan": {"windows": [[3200.0, 3600.0]], "efficiency": 0.03},
    "method": {"kind": "weak", "ratio": {"kind": "boosted", "members": 1, "rounds": 10}},
}


def configured(folder: Path, **changes: Any) -> Path:
    """A hunt, a signal that `a` shows, and how to calibrate."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(5)
    signal = {"event": np.arange(600), "mjj": rng.normal(3400.0, 60.0, 600), "a": rng.normal(2.5, 0.3, 600)}
    write_events(folder / "signal.parquet", {**signal, "b": rng.exponential(size=600), "w": np.ones(600)})
    if not (folder / "events.parquet").exists():  # of fewer, pseudo-data keep too many of the data's fluctuations
        write_events(folder / "events.parquet", events(EVENTS + 37))
    tables: Json = {"samples": {"signals": {"peak": "signal.parquet"}}, "calibrate": SETTINGS}
    return write_hunt(folder, **FAST, **{**tables, **changes})


def calibrated(config: Path, out: Path, make_executor: Any = InlineExecutor) -> Json:
    """In this process, without a page."""
    result: Json = run_calibration(load(config), out, workers=1, quiet=True, make_executor=make_executor)
    return result


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished calibration, its configuration beside it. Do not write into it."""
    folder = tmp_path_factory.mktemp("calibrate")
    calibrated(configured(folder), folder / "run")
    return folder / "run"


def timeless(path: Path) -> Json:
    return {name: value for name, value in json.loads(path.read_text()).items() if name not in TIMES}


def test_what_is_found(finished: Path) -> None:
    result = timeless(finished / "calibration.json")
    null, (strong,) = result["null"], result["power"]
    assert null["global"]["n"] == 3
    assert result["events"] == pytest.approx(EVENTS, abs=400)
    assert all(0.0 < p <= 1.0 for p in null["global"]["values"])
    assert null["global"]["values"] == sorted(null["global"]["values"])
    # a signal that a feature shows is seen, and the yield is counted against the events that were kept
    assert strong["events"] == 150
    assert strong["global"]["z"][0] > 2.3  # all that 100 toys can say
    assert strong["inclusive"]["z"][0] <= strong["global"]["z"][0]
    assert 75 < strong["kept"] < 400
    assert abs(strong["coverage"]["pull"][0]) < 3.0
    assert result["certificate"]["p_global"] == null["global"]["values"]
    assert json.loads((finished / "certificate.json").read_text()) == result["certificate"]
    assert not list((finished / "artefacts").glob("*.work"))


def test_it_does_not_count_what_is_in_closed_windows(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All events less those outside, which a blind hunt tells, would be exactly that; pseudo-data are the same."""
    monkeypatch.setattr("lamppost.run.cluster.process_pool", lambda workers: InlineExecutor())
    shutil.copytree(finished, tmp_path / "run")
    config = configured(tmp_path, blind={}, data={"path": str(finished.parent / "events.parquet")})
    assert main(["calibrate", str(config), "--out", str(tmp_path / "run"), "--quiet", "--workers", "1"]) == 0
    result, plain = (timeless(path / "calibration.json") for path in (tmp_path / "run", finished))
    assert result["null"] == plain["null"]
    assert {result["data"]["events"], result["events"], result["certificate"]["events"]} == {19600}
    assert not {"rows", "dropped"} & result["data"].keys()
    counts = {f"{plain['data']['events']}", f"{plain['events']:.0f}"}
    for text in (capsys.readouterr().out, json.dumps(result), (tmp_path / "run" / "certificate.json").read_text()):
        assert not counts & set(re.findall(r"\d+", text))


def test_the_same_bits_however_it_is_run(finished: Path, tmp_path: Path) -> None:
    """Two processes, and some of it lost and done again."""
    config = configured(tmp_path)
    calibrated(config, tmp_path / "run", lambda: process_pool(2))
    first = timeless(tmp_path / "run" / "calibration.json")
    expected = timeless(finished / "calibration.json")
    expected["data"]["path"] = first["data"]["path"]
    assert first == expected
    hunts = sorted((tmp_path / "run" / "artefacts").glob("hunt-*.json"))
    assert len(hunts) == 5
    hunts[0].unlink()
    hunts[1].write_bytes(hunts[1].read_bytes()[:-20])
    (tmp_path / "run" / "artefacts" / f"{hunts[0].stem}.work").mkdir()  # of a worker that was killed
    (tmp_path / "run" / "artefacts" / "hunt-of-another-configuration.work").mkdir()
    calibrated(config, tmp_path / "run")
    assert timeless(tmp_path / "run" / "calibration.json") == first
    assert not list((tmp_path / "run" / "artefacts").glob("*.work"))


def test_more_experiments_are_added_to_those_there_are(finished: Path, tmp_path: Path) -> None:
    config = configured(tmp_path, calibrate={"experiments": 4, "strengths": []})
    few, many = (plan(load(c)).experiments for c in (configured(tmp_path / "few"), config))
    assert set(few[0]) < set(many[0])
    assert len(many[0]) == 4


def test_pseudo_data(tmp_path: Path) -> None:
    """Background by number and seed alone, Poisson numbers, fewer signal events contained in more, none twice."""
    search = load(configured(tmp_path))
    planned = plan(search)
    store = Store(tmp_path / "store")
    store.folder.mkdir()
    for task in planned.tasks[:2]:
        task.function(store, task.key, **task.arguments)
    null = Null(planned.events, plan_arguments(planned)["null"].masses, 0.5, 3000.0)
    signal = plan_arguments(planned)["samples"].signals[0][1]

    def drawn(number: int, injected: int) -> Any:
        key = f"draw-{number}-{injected}.parquet"
        draw_pseudo(store, key, null=null, number=number, seed=1, signal=signal, injected=injected)
        return load_stored(store, key)

    alone, weak, strong = (drawn(0, n) for n in (0, 50, 200))
    assert alone.label.sum() == 0
    sets = [set(one.events.id[one.label == 1].tolist()) for one in (weak, strong)]
    assert sets[0] < sets[1]
    assert len(sets[1]) == strong.label.sum()
    for one in (weak, strong):
        np.testing.assert_array_equal(one.events.id[one.label == 0], alone.events.id)
        assert (np.diff(one.events.id.astype(float)) >= 0).all()
    sizes = [len(drawn(number, 0).events) for number in range(1, 13)]
    assert len(set(sizes)) > 6
    assert np.mean(sizes) == pytest.approx(3000, abs=4 * np.sqrt(3000 / 12))


def plan_arguments(planned: Any) -> Any:
    return next(task.arguments for task in planned.tasks if task.key.startswith("hunt-"))


def test_a_hunt_that_fails_counts_against_us(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = iter(range(1000))

    def failing(*arguments: Any) -> Any:
        if next(calls) % 4 == 0:
            raise FitError("no fit")
        return plan_in(*arguments)

    monkeypatch.setattr(experiment, "plan_in", failing)
    result = calibrated(configured(tmp_path, calibrate={"experiments": 4, "strengths": []}), tmp_path / "run")
    null = result["null"]["global"]
    assert null["failed"] == 1
    assert null["values"][0] == 0.0
    assert not null["valid"]
    assert not result["certificate"]["valid"]
    assert any("1 of 4 hunts without signal failed, the first: no fit" in text for text in result["warnings"])
    assert not list((tmp_path / "run" / "artefacts").glob("*.work"))


def test_judgement() -> None:
    """Uniform ones pass, too many small ones never do, too few are valid but not uniform."""
    p = (np.arange(500) + 0.5) / 500
    right, small, rare = (uniformity(values.tolist()) for values in (p, p**1.5, p**0.6))
    assert right["valid"]
    assert right["uniform"]
    assert right["below"]["0.05"][0] == pytest.approx(0.05)
    assert right["below"]["0.05"][1] < 0.05 < right["below"]["0.05"][2]
    assert not small["valid"]
    assert not small["uniform"]
    assert rare["valid"]
    assert not rare["uniform"]
    half = np.where(p < 0.5, p, 1.0)
    assert uniformity(half.tolist(), atom=True)["uniform"]
    assert not uniformity(half.tolist())["uniform"]
    assert not uniformity([None] * 60)["valid"]
    assert not uniformity(p[::25].tolist())["valid"]


def test_of_a_single_window_p_is_one_where_nothing_exceeds() -> None:
    """Of the random score as of the hunt; of two windows it is not."""
    p = (np.arange(500) + 0.5) / 500
    hunts = [
        {
            **{"p_global": one, "inclusive": {"p_global": one}, "control": {"p_global": one}},
            "windows": [{"p_window": one, "sculpting_p": one, "z_local": 0.0}],
        }
        for one in np.where(p < 0.5, p, 1.0)
    ]
    single, several = (calibration._null(hunts, hunts, windows, 1) for windows in (1, 2))
    assert all(single[name]["uniform"] for name in ("global", "window", "inclusive", "random score"))
    assert not any(several[name]["uniform"] for name in ("global", "random score"))


def test_power_and_coverage() -> None:
    found = power([1.0, 3.5, None, 6.0])
    assert found["without_claim"] == 1
    assert found["seen"]["3"][0] == 0.5
    rng = np.random.default_rng(1)
    rows = [{"signal": 20.0 + 5.0 * z, "signal_error": 5.0, "injected_kept": 20} for z in rng.normal(size=2000)]
    within = covered(rows)["within"]
    assert within["1"][1] < 0.6827 < within["1"][2]
    assert within["2"][1] < 0.9545 < within["2"][2]


def certificate_of(finished: Path, path: Path, **changes: Any) -> Path:
    found = json.loads((finished / "certificate.json").read_text())
    path.write_text(json.dumps({**found, "valid": True, **changes}))
    return path


def test_a_certificate_is_about_one_hunt(finished: Path, tmp_path: Path) -> None:
    def search(**changes: Any) -> Search:
        return load(configured(tmp_path, **changes))

    path = certificate_of(finished, tmp_path / "certificate.json")
    assert certified(path, search(), EVENTS)["experiments"] == 3
    for same in ({"seed": 7}, {"calibrate": {"experiments": 50}}):
        assert configuration_of(search(**same)) == configuration_of(search())
    with pytest.raises(ConfigError, match="certifies configuration"):
        certified(path, search(fit={"n_parameters": 2}), EVENTS)
    with pytest.raises(ConfigError, match=r"certifies \d+ events within 10%, found about 26100"):
        certified(path, search(), 25_000)
    with pytest.raises(ConfigError, match="small p-values are too frequent"):
        certified(certificate_of(finished, tmp_path / "bad.json", valid=False), search(), EVENTS)
    for text in ("", "[]", '{"configuration": 1}'):
        (tmp_path / "broken.json").write_text(text)
        with pytest.raises(ConfigError, match="expected the certificate of a calibration"):
            certified(tmp_path / "broken.json", search(), EVENTS)


@pytest.mark.parametrize(
    ("changes", "options", "message"),
    [
        ({"samples": {}}, (), "calibrate.signal: expected the name of one of 0 samples.signals to inject, found none"),
        ({"calibrate": {"signal": "other"}}, (), "expected one of peak of samples.signals, found 'other'"),
        ({"calibrate": {"experiments": 0}}, (), "calibrate.experiments"),
        ({}, ("--experiments", "0"), "experiments: expected at least 1, found 0"),
        ({"calibrate": {"experiments": 1, "strengths": [5000], "injected": 1}}, (), "signal events, there are 600"),
    ],
)
def test_what_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], changes: Json, options: tuple[str, ...], message: str
) -> None:
    config = configured(tmp_path, **changes)
    if "samples" in changes:
        config.write_text(config.read_text().replace('[samples.signals]\npeak = "signal.parquet"\n', ""))
    code = main(["calibrate", str(config), "--out", str(tmp_path / "run"), "--quiet", "--workers", "2", *options])
    out, err = capsys.readouterr()
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert message in err


def test_the_verb_and_its_page(tmp_path: Path, capsys: pytest.CaptureFixture[str], finished: Path) -> None:
    config = configured(tmp_path, data={"path": str(finished.parent / "events.parquet")})
    assert main(["calibrate", str(config), "--out", str(tmp_path / "run"), "--quiet", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["null"]["global"]["n"] == 3
    assert main(["calibrate", str(config), "--out", str(tmp_path / "run"), "--quiet"]) == 0
    text = capsys.readouterr().out
    assert "3 pseudo-experiments" in text
    assert "150 signal events: Z = " in text
    pytest.importorskip("mplhep")
    page = report(tmp_path / "run")[0].read_text()
    assert (tmp_path / "run" / "calibration.html").read_text() == page
    for part in ("p-values without signal", "Power", "Configuration certified", "150"):
        assert part in page
    assert "<script" not in page


def test_every_result_in_a_folder_has_its_page(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A hunt beside a calibration: both pages are written, by the hunt and by `lamppost report`, which names both."""
    pytest.importorskip("mplhep")
    out = tmp_path / "run"
    shutil.copytree(finished, out)
    run_hunt(load(finished.parent / "hunt.toml"), out, workers=1, quiet=True, make_executor=InlineExecutor)
    pages = [out / name for name in ("report.html", "calibration.html")]
    show(out, {}, pdf=False)
    written = [page.read_text() for page in pages]
    for page in pages:
        page.unlink()
    assert main(["report", str(out)]) == 0
    assert capsys.readouterr().out.splitlines() == [str(page) for page in pages]
    assert [page.read_text() for page in pages] == written


def test_a_bump_in_the_data_is_not_in_the_pseudo_data(tmp_path: Path) -> None:
    table = events(EVENTS)
    table["mjj"][:800] = np.random.default_rng(3).normal(3400.0, 40.0, 800)
    config = configured(tmp_path, calibrate={"experiments": 3, "strengths": []})
    write_events(tmp_path / "events.parquet", table)
    result = calibrated(config, tmp_path / "run")
    assert np.median([1.0 - p for p in result["null"]["inclusive"]["values"]]) < 0.95
    assert result["null"]["inclusive"]["smallest"] > 1e-4
