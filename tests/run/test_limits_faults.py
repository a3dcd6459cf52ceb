"""Limits by injection when some of it fails: a training, a fit, a p-value, pseudo-data; and searches that end early."""

import json
from collections.abc import Callable
from dataclasses import replace
from math import inf
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lamppost.cli import main
from lamppost.config import load
from lamppost.errors import FitError
from lamppost.run import InlineExecutor
from lamppost.run.artefacts import Store
from lamppost.run.limits import excluded as excluding
from lamppost.run.limits.bands import Repeated, Toys, draw_limits
from lamppost.run.limits.excluded import Question, exclude
from lamppost.run.limits.expected import Expected, null_of
from lamppost.run.limits.experiment import pseudo_limits
from lamppost.run.limits.limits import run_limits
from lamppost.run.limits.points import Point
from lamppost.run.limits.procedure import Procedure
from lamppost.run.limits.warn import lost
from lamppost.run.planned import Planned, plan_samples
from lamppost.run.tasks import attempt
from small_hunt import Json, events, write_events, write_hunt

MASS, STRENGTH = 3400.0, 120.0
LIMITS: Json = {"repeats": 1, "toys": 20, "pseudo_data": 0, "signals": {"peak": {"mass": MASS}}}
TOYS = Toys(30, 1, (STRENGTH,))


def configured(folder: Path, **limits: Any) -> Path:
    """A hunt with trees that take no time, and limits on a peak that the feature `a` shows."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(5)
    signal = {"event": np.arange(900), "mjj": rng.normal(MASS, 60.0, 900), "a": rng.normal(2.5, 0.3, 900)}
    write_events(folder / "signal.parquet", {**signal, "b": rng.exponential(size=900), "w": np.ones(900)})
    write_events(folder / "events.parquet", events(6000))
    return write_hunt(
        folder,
        scan={"windows": [[3200.0, 3600.0]], "efficiency": 0.03},
        method={"kind": "weak", "ratio": {"kind": "boosted", "members": 1, "rounds": 10}},
        samples={"signals": {"peak": "signal.parquet"}},
        limits={**LIMITS, **limits},
    )


def limited(config: Path, out: Path, **how: Any) -> Json:
    result: Json = run_limits(load(config), out, workers=1, quiet=True, make_executor=InlineExecutor, **how)
    return result


def weak_of(result: Json) -> Json:
    row: Json = result["signals"]["peak"]["rows"][-1]
    return row


class Trained:
    """A procedure with three trainings at one strength, in a store."""

    def __init__(self, folder: Path) -> None:
        self.search = load(configured(folder, strengths=[STRENGTH], repeats=3))
        planned, self.store = Planned(), Store(folder / "store")
        self.store.folder.mkdir()
        self.procedure = Procedure(planned, self.search, plan_samples(planned, self.search)[0])
        (family,) = self.procedure.families
        self.procedure._train(family, STRENGTH)
        for task in planned.tasks.values():
            task.function(self.store, task.key, **task.arguments)
        (self.point,) = family.row(0)
        (self.signal,) = self.procedure.signals

    @property
    def question(self) -> Question:
        return self.signal.question

    def excluded(self, selections: tuple[str, ...], key: str) -> Json:
        exclude(self.store, key, selections=selections, question=self.question)
        found: Json = self.store.read_json(key)
        return found

    def band(self, selections: tuple[str, ...], excluded: str, key: str, pseudo: tuple[str, ...] = ()) -> Json:
        point, made = Point(STRENGTH, selections, excluded), (Repeated(STRENGTH, pseudo),) if pseudo else ()
        arguments: Json = {"points": (point,), "at": 0, "pseudo": made, "toys": TOYS}
        arguments |= {"question": self.question, "everything": self.question, "name": "weak"}
        inclusive = self.procedure.inclusive(self.signal).point
        draw_limits(self.store, key, data=self.signal.sample.data, inclusive=inclusive, **arguments)
        found: Json = self.store.read_json(key)
        return found


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return Trained(tmp_path_factory.mktemp("trained"))


def failing(fit: Callable[..., Any], hopeless: Callable[[Any], bool]) -> Callable[..., Any]:
    """A fit that fails for some workspaces."""

    def tried(workspace: Any, **options: Any) -> Any:
        if hopeless(workspace):
            msg = "the fit does not converge"
            raise FitError(msg)
        return fit(workspace, **options)

    return tried


def counts_of(trained: Trained, selection: str, which: str) -> list[float]:
    found: list[float] = trained.store.read_arrays(selection)[1]["selections"][0][which]["counts"]
    return found


def test_a_failed_training_is_as_if_it_was_not_there(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that could not be trained, and one whose limit cannot be fitted: neither efficiency nor band knows of it."""
    first, second, third = trained.point.selections
    trained.store.write_arrays("failed.parquet", {"score": np.empty(0)}, {"failed": "no training"})
    wanted = trained.excluded((first, third), "two.json")
    band = trained.band((first, third), "two.json", "toys-two.json")
    found = trained.excluded((first, "failed.parquet", third), "with.json")
    assert found == {**wanted, "used": [0, 2], "failed": ["no training"]}
    assert trained.band((first, "failed.parquet", third), "with.json", "toys-with.json") == band
    hopeless = counts_of(trained, second, "spectrum")
    limit = failing(excluding.upper_limit, lambda one: one.spectrum.counts.tolist() == hopeless)
    monkeypatch.setattr(excluding, "upper_limit", limit)
    found = trained.excluded((first, second, third), "unfitted.json")
    assert found == {**wanted, "used": [0, 2], "failed": ["the fit does not converge"]}
    assert trained.band((first, second, third), "unfitted.json", "toys-unfitted.json") == band


def test_a_failed_p_value_leaves_the_limit(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second, third = trained.point.selections
    wanted = trained.excluded((first, second, third), "three.json")
    hopeless = counts_of(trained, second, "injected")
    seen = failing(excluding.significance, lambda one: one.spectrum.counts.tolist() == hopeless)
    monkeypatch.setattr(excluding, "significance", seen)
    found = trained.excluded((first, second, third), "p.json")
    assert found["excluded"] == wanted["excluded"]
    assert [one["p_failed"] for one in found["trainings"]] == [[], ["the fit does not converge"], []]
    assert [one["p_injected"] is None for one in found["trainings"]] == [False, True, False]
    left = [one["p_injected"] for one in wanted["trainings"][::2]]
    assert found["p_injected"] == pytest.approx(np.median(left))


def test_a_failed_fit_to_all_events_spoils_no_other_band(trained: Trained) -> None:
    selections = trained.point.selections
    trained.excluded(selections, "all.json")
    wanted = trained.band(selections, "all.json", "toys-all.json")
    inclusive = trained.store.path(trained.procedure.inclusive(trained.signal).point.excluded)
    kept = inclusive.read_bytes()
    nothing = {**trained.store.read_json(inclusive.name), "excluded": None, "expected": None, "used": []}
    trained.store.write_json(inclusive.name, nothing)
    found = trained.band(selections, "all.json", "toys-nothing.json")
    inclusive.write_bytes(kept)
    assert found["inclusive"] == [None] * TOYS.n
    # other random numbers, for there is one selection less: standard error of a mean of logarithms, five times
    spread = np.std(np.log(wanted["limits"])) * np.sqrt(2.0 / TOYS.n)
    assert abs(np.mean(np.log(found["limits"])) - np.mean(np.log(wanted["limits"]))) < 5.0 * spread + 0.01


def test_failed_trainings_in_pseudo_data_are_counted(trained: Trained) -> None:
    """Two sets tell how analyses differ, one does not; what is left out is said; that nothing is kept is no failure."""
    selections = trained.point.selections
    found = trained.excluded(selections, "point.json")
    names = []
    for number, part in enumerate((0.8, None, 1.2, inf)):
        names.append(f"pseudo-{number}.json")
        made = {"failed": ["no"] * (part is None), "expected": None}
        if part is not None and part < inf:
            made["expected"] = [part * one for one in found["expected"]]
        trained.store.write_json(names[-1], made)
    held = trained.band(selections, "point.json", "held.json")
    some = trained.band(selections, "point.json", "some.json", tuple(names[:3]))
    few = trained.band(selections, "point.json", "few.json", tuple(names[:2]))
    lost = trained.band(selections, "point.json", "lost.json", tuple(names))
    assert (some["lost"], some["sets"], lost["lost"], lost["sets"]) == (["no"], 2, ["no"], 3)
    assert (few["lost"], few["sets"], few["limits"]) == (["no"], 0, held["limits"])
    # of three sets one excludes nothing, whatever its pseudo-spectrum
    assert abs(lost["limits"].count(None) - TOYS.n / 3.0) < 4.0 * np.sqrt(TOYS.n * 2.0 / 9.0)
    assert None not in some["limits"]


@pytest.mark.parametrize(
    ("limits", "key", "message"),
    [
        ({"injections": 2}, "bound", "the search ended after 2 injections, and none is as large as what it is"),
        ({"injections": 4}, "coarse", "the search ended after 4 injections, and their crossing is known less well"),
        ({"strengths": [0, 5]}, "bound", "no injection of 2 in limits.strengths is as large as what it is expected"),
    ],
)
def test_a_search_that_ends_early_says_so(tmp_path: Path, limits: Json, key: str, message: str) -> None:
    result = limited(configured(tmp_path, **limits), tmp_path / "run")
    row = weak_of(result)
    assert row[key].startswith(message)
    assert any(text.startswith(f"peak, weak, [3200, 3600), 0.03: {message}") for text in result["warnings"])
    advice = "add larger ones" if "strengths" in limits else "set limits.injections higher"
    assert advice in row[key]
    assert row["expected_method"] == "20 pseudo-spectra, trained selections held"


def test_pseudo_data_that_cannot_be_searched_are_a_failed_experiment(trained: Trained) -> None:
    """Too few events in a window: the others go on without it."""
    samples = trained.procedure.samples
    null = null_of(trained.search, samples)
    arguments: Json = {"function": pseudo_limits, "search": trained.search, "samples": samples, "number": 0}
    attempt(trained.store, "experiment.json", **arguments, null=replace(null, events=60.0))
    assert "events" in trained.store.read_json("experiment.json")["failed"]


def test_failed_experiments_are_counted(trained: Trained) -> None:
    expected, label = Expected(trained.procedure), trained.procedure.families[0].label(0)
    trained.store.write_json("0.json", {"limits": {"peak": {label: 50.0, "inclusive": None}}})
    trained.store.write_json("1.json", {"failed": "no fit"})
    expected.experiments = ["0.json", "1.json"]
    band = expected.band(trained.store, "peak", label)
    assert (band["pseudo"], band["pseudo_inclusive"]) == ([50.0], [None])
    assert band["expected_method"] == "1 of 2 pseudo-experiments with all trainings"
    assert lost(expected.made(trained.store)) == ["1 of 2 pseudo-experiments failed, the first: no fit"]


def test_data_that_cannot_be_imitated_leave_trained_selections_held(tmp_path: Path) -> None:
    """The null generator takes no negative weights; limits, and bands, are set all the same."""
    config = configured(tmp_path, strengths=[STRENGTH], pseudo_data=2)
    table = events(6000)
    table["w"][::50] = -0.1
    write_events(tmp_path / "events.parquet", table)
    config.write_text(config.read_text().replace("[data]", '[data]\nweight = "w"'))
    result = limited(config, tmp_path / "run")
    assert weak_of(result)["expected"][2] > 0.0
    left = "2 sets of pseudo-data could not be searched, trained selections are held; the first: "
    assert any(left in text and "negative weights" in text for text in result["warnings"])


def test_an_estimate_of_as_many_injections_as_there_may_be(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing but samples is run; tasks are those of all injections, of pseudo-data and of expected limits."""
    config, out = configured(tmp_path, injections=5, repeats=2, pseudo_data=3), tmp_path / "run"
    command = ["limits", str(config), "--out", str(out), "--dry-run", "0", "--workers", "1"]
    assert main([*command, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    stages = {row["stage"]: row["planned"] for row in found["stages"]}
    # 3 folds, of 5 injections twice; inclusive and every injection have a limit, inclusive and weak a band
    # trainings in 3 sets of pseudo-data, at 3 strengths twice, and the limits there
    assert (stages["fit"], stages["exclude"], stages["pseudo"], stages["toys"]) == (30, 6 + 9, 18, 2)
    assert not (out / "limits.json").exists()
    assert main(command) == 0
    assert "most searches end before limits.injections" in capsys.readouterr().out
    config = configured(tmp_path, experiments=4)
    assert main([*command, "--json"]) == 0
    stages = {row["stage"]: row["planned"] for row in json.loads(capsys.readouterr().out)["stages"]}
    assert (stages["limits"], "toys" in stages) == (4, False)
