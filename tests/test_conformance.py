"""Every registered kind of every role keeps one contract; so will the next one."""

import inspect
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from pydantic import ValidationError

from lamppost.config import parse
from lamppost.core import Array, Density, Events, Method, Outlier, Ratio, Rng, Score, Template, View, Window
from lamppost.errors import ConfigError
from lamppost.spec import Role, digest, kinds, make
from lamppost.storage import load, pack_json, save
from small_specs import content, default

ROLES: tuple[type[Role], ...] = (Ratio, Density, Outlier, Template, Method)
EVERY = [pytest.param(role, kind, id=f"{role.role}-{kind}") for role in ROLES for kind in kinds(role)]
SCORING = [case for case in EVERY if case.values[0] in (Ratio, Outlier, Method)]
COMPARING = [case for case in SCORING if case.values[0] is Method]
WINDOW = Window(1.0, 2.0, 1.0)
NAMES = ("a", "b")
GROUPS = {"j1": ("a",), "j2": ("b",)}


def drawn(rng: Rng, n: int, lo: float, hi: float, shift: float = 0.0) -> Events:
    """Two normal features, the first moved by `shift`, and m flat between lo and hi."""
    x = rng.normal(size=(n, 2)) + np.array([shift, 0.0])
    ids = rng.integers(2**63, size=n).astype(np.uint64)
    return Events(ids, x.astype(np.float32), rng.uniform(lo, hi, n), np.ones(n), NAMES, GROUPS)


@cache
def toy() -> View:
    """A region a third of which is signal, its sidebands, and all that a labelled comparison may add."""
    rng = np.random.default_rng(1)
    signal, background = drawn(rng, 200, 1.0, 2.0, 2.0), drawn(rng, 400, 1.0, 2.0)
    return View(
        sr=Events.concatenate([signal, background]),
        sb=Events.concatenate([drawn(rng, 400, 0.0, 1.0), drawn(rng, 400, 2.0, 3.0)]),
        window=WINDOW,
        sim=drawn(rng, 600, 0.0, 3.0),
        signals={"blob": drawn(rng, 300, 1.0, 2.0, 2.0)},
        sample_m=lambda n, rng: rng.uniform(1.0, 2.0, n),
        reference=drawn(rng, 800, 1.0, 2.0),
    )


def fit(role: type[Role], kind: str, view: View, seed: int = 3) -> Score:
    spec, rng = default(role, kind), np.random.default_rng(seed)
    if role is Ratio:
        return spec.fit(view.sr, view.sb, given_m=False, rng=rng)
    return spec.fit(view.sr if role is Outlier else view, rng)


@cache
def fitted(role: type[Role], kind: str) -> Score:
    return fit(role, kind, toy())


def changed(view: View, change: Callable[[Events], Events]) -> View:
    """The view with every sample of it changed."""
    assert view.sim is not None
    assert view.reference is not None
    return replace(
        view,
        sr=change(view.sr),
        sb=change(view.sb),
        sim=change(view.sim),
        reference=change(view.reference),
        signals={name: change(sample) for name, sample in view.signals.items()},
    )


def samples(view: View) -> Iterator[Events]:
    yield from (view.sr, view.sb, *view.signals.values())
    yield from (sample for sample in (view.sim, view.reference) if sample is not None)


def test_first_kinds_are_there() -> None:
    found = {role.role: set(kinds(role)) for role in ROLES}
    assert found["ratio"] >= {"boosted", "network"}
    assert found["density"] >= {"affine", "quadratic", "spline", "maf"}
    assert found["outlier"] >= {"autoencoder", "vae"}
    assert found["template"] >= {"sidebands", "interpolated", "transported", "reweighted", "morphed"}
    assert found["method"] >= {"weak", "random", "idealised", "supervised", "cwola", "cathode", "curtains", "lacathode"}
    assert found["method"] >= {"anode", "ranode", "salad", "sa_cwola", "feta", "tnt", "combination"}


@pytest.mark.parametrize(("role", "kind"), EVERY)
def test_spec(role: type[Role], kind: str) -> None:
    spec = make(role, kind)
    assert spec.kind == kind
    assert type(spec) is kinds(role)[kind]
    assert type(spec).__doc__
    assert inspect.getdoc(type(spec)) != inspect.getdoc(role)
    read_back = make(role, json.loads(spec.model_dump_json()))
    assert read_back == spec
    assert digest(read_back) == digest(spec)
    assert hash(read_back) == hash(spec)
    with pytest.raises(ValidationError, match="frozen"):
        spec.kind = "another"
    with pytest.raises(ConfigError, match="unknown key 'surely_not'"):
        make(role, {"kind": kind, "surely_not": 1})


@pytest.mark.parametrize(("role", "kind"), EVERY)
def test_every_parameter_is_described(role: type[Role], kind: str) -> None:
    fields = kinds(role)[kind].model_fields
    assert [name for name, field in fields.items() if name != "kind" and not field.description] == []
    assert [name for name, field in fields.items() if field.is_required()] == []


@pytest.mark.parametrize(("role", "kind"), SCORING)
def test_scores_are_finite_numbers(role: type[Role], kind: str) -> None:
    for sample in samples(toy()):
        scores = fitted(role, kind)(sample)
        assert scores.shape == (len(sample),)
        assert scores.dtype == np.float64
        assert np.isfinite(scores).all()


@pytest.mark.parametrize(("role", "kind"), SCORING)
def test_same_seed_same_bits_and_input_untouched(role: type[Role], kind: str) -> None:
    view = toy()
    before = [content(sample) for sample in samples(view)]
    again = fit(role, kind, view)
    assert again.to_bytes() == fitted(role, kind).to_bytes()
    assert again(view.sr).tobytes() == fitted(role, kind)(view.sr).tobytes()
    assert [content(sample) for sample in samples(view)] == before


@pytest.mark.parametrize(("role", "kind"), SCORING)
def test_an_event_is_scored_alone(role: type[Role], kind: str) -> None:
    """Neither the order of the events nor who else is among them changes a score."""
    score, events = fitted(role, kind), toy().sr
    scores = score(events)
    order = np.random.default_rng(5).permutation(len(events))
    np.testing.assert_array_equal(score(events[order]), scores[order])
    np.testing.assert_array_equal(score(events[100:137]), scores[100:137])
    np.testing.assert_array_equal(score(events[7:8]), scores[7:8])
    np.testing.assert_array_equal(score(replace(events, w=events.w * 3)), scores)


@pytest.mark.parametrize(("role", "kind"), COMPARING)
def test_weight_two_is_the_event_twice(role: type[Role], kind: str) -> None:
    """Of what is compared one side is weighted: that moves the scores, and doubling its events moves them as far."""
    where = toy().sr
    high = where.x[:, 1] > 0

    def moved(change: Callable[[Events], Events]) -> float:
        view = replace(toy(), sr=change(toy().sr), signals={name: change(s) for name, s in toy().signals.items()})
        scores = np.mean([fit(role, kind, view, seed)(where) for seed in (3, 4, 5)], axis=0)
        return float(scores[high].mean() - scores[~high].mean())

    plain = moved(lambda events: events)
    heavy = moved(lambda events: replace(events, w=np.where(events.x[:, 1] > 0, 2.0, 1.0)))
    twice = moved(lambda events: events[np.repeat(np.arange(len(events)), np.where(events.x[:, 1] > 0, 2, 1))])
    assert abs(heavy - twice) <= 0.3 * abs(heavy - plain)


@pytest.mark.parametrize(("role", "kind"), SCORING)
@pytest.mark.parametrize("unit", [1024.0, 1e-3])
def test_units_of_features_do_not_matter(role: type[Role], kind: str, unit: float) -> None:
    def scaled(events: Events) -> Events:
        return events.with_x((events.x * unit).astype(np.float32))

    view = toy()
    scores, rescaled = fitted(role, kind)(view.sr), fit(role, kind, changed(view, scaled))(scaled(view.sr))
    assert np.corrcoef(scores, rescaled)[0, 1] > 0.99


@pytest.mark.parametrize(("role", "kind"), SCORING)
def test_score_is_saved_and_loaded(role: type[Role], kind: str, tmp_path: Path) -> None:
    score = fitted(role, kind)
    save(score, tmp_path / "score")  # type: ignore[arg-type]
    read_back = load(tmp_path / "score")
    assert type(read_back) is type(score)
    assert read_back.to_bytes() == score.to_bytes()
    np.testing.assert_array_equal(read_back(toy().sr), score(toy().sr))


@pytest.mark.parametrize("kind", kinds(Method))
def test_truth_is_for_comparisons_only(kind: str) -> None:
    spec, blind = default(Method, kind), replace(toy(), reference=None, signals={})
    table = {
        "data": {"path": "events.parquet", "mass": "m", "features": ["a"]},
        "scan": {"windows": [[3000.0, 3500.0]]},
        "fit": {"range": [2000.0, 5000.0]},
        "method": kind,
    }
    if type(spec).needs_truth:
        with pytest.raises(ConfigError, match="sees the truth"):
            spec.fit(blind, np.random.default_rng(1))
        with pytest.raises(ConfigError, match="sees the truth"):
            parse(table)
    else:
        with_truth, without = (spec.fit(view, np.random.default_rng(1)) for view in (toy(), blind))
        np.testing.assert_array_equal(with_truth(toy().sr), without(toy().sr))
        assert parse(table).methods[kind].kind == kind


@pytest.mark.parametrize("kind", kinds(Template))
def test_template_stands_for_the_background(kind: str) -> None:
    spec, view = default(Template, kind), toy()
    before = [content(sample) for sample in samples(view)]
    made, again = (spec.make(view, np.random.default_rng(3)) for _ in range(2))
    assert isinstance(spec.decorrelate, bool)
    assert made.names == view.sr.names
    assert len(made) > 0
    assert np.isfinite(made.x).all()
    assert made.w.sum() > 0
    assert content(made) == content(again)
    assert [content(sample) for sample in samples(view)] == before
    assert abs(np.average(made.x[:, 0], weights=made.w)) < 5 / np.sqrt(len(made))  # that of background, not of signal


@pytest.fixture
def nearest() -> Iterator[type[Method]]:
    """A method of one class in one file, as an outsider would write it."""

    class NearestScore:
        def __init__(self, centre: list[float]) -> None:
            self.centre = centre

        def __call__(self, events: Events) -> Array:
            return -np.sum((events.x - np.asarray(self.centre)) ** 2, axis=1, dtype=np.float64)

        def to_bytes(self) -> bytes:
            return pack_json("nearest", {"centre": self.centre})

    class Nearest(Method):
        """Distance to the mean of the region."""

        kind: Literal["nearest"] = "nearest"
        power: float = 2.0

        def fit(self, view: View, rng: Rng) -> Score:
            return NearestScore(view.sr.x.mean(axis=0).tolist())

    yield Nearest
    Method.registry.pop("nearest")


def test_a_new_kind_is_found(nearest: type[Method]) -> None:
    assert kinds(Method)["nearest"] is nearest
    assert make(Method, {"kind": "nearest", "power": 1.5}) == nearest(power=1.5)
    search = parse(
        {
            "data": {"path": "events.parquet", "mass": "m", "features": ["a"]},
            "scan": {"windows": [[3000.0, 3500.0]]},
            "fit": {"range": [2000.0, 5000.0]},
            "methods": {"mine": {"kind": "nearest"}},
        }
    )
    assert isinstance(search.methods["mine"], nearest)
    assert search.model_dump(mode="json")["methods"]["mine"] == {"kind": "nearest", "power": 2.0}
    assert not search.decorrelated(search.methods["mine"])
    assert np.isfinite(search.methods["mine"].fit(toy(), np.random.default_rng(1))(toy().sr)).all()
