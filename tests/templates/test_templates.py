"""What each template takes, carries over and refuses."""

from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pytest

from lamppost.core import Array, Conditional, Density, Events, Rng, Template, View
from lamppost.errors import ConfigError, DataError
from lamppost.run.compare.closure import closure_auc
from lamppost.spec import make
from small_specs import content, sample
from smooth_background import DECAY, FEW_TREES, WINDOW, background, beside, distorted, masses, view

pytest.importorskip("jax")
FLOW = {"kind": "affine", "layers": 4, "hidden": [32, 32], "weight_decay": 0.3}
SPECS: dict[str, dict[str, Any]] = {
    "sidebands": {},
    "interpolated": {"density": FLOW},
    "transported": {"density": FLOW},
    "reweighted": {"ratio": FEW_TREES},
    "morphed": {"base": FLOW, "density": FLOW},
    "simulated": {},
}
ASSISTED = "reweighted", "morphed"
EVERY = pytest.mark.parametrize("kind", SPECS)
SHORT = {**FLOW, "steps": 100}


def template(kind: str, given: View, seed: int = 1, **changes: Any) -> Events:
    return make(Template, {"kind": kind, **SPECS[kind], **changes}).make(given, np.random.default_rng(seed))


def quick(kind: str) -> dict[str, Any]:
    """Settings with which a flow learns next to nothing, where that does not matter."""
    return {name: SHORT for name in SPECS[kind] if name != "ratio"}


@EVERY
def test_events_of_the_region_are_never_used(kind: str) -> None:
    """How many there are may count, nothing else of them."""
    given, rng = view(), np.random.default_rng(8)
    n = len(given.sr)
    ids, far = rng.integers(2**63, size=n).astype(np.uint64), np.full((n, 2), 1e3, np.float32)
    others = Events(ids, far, given.sr.m[::-1], rng.uniform(5, 6, n), given.sr.names)
    one, other = (template(kind, v, **quick(kind)) for v in (given, replace(given, sr=others)))
    assert content(one) == content(other)


@pytest.mark.parametrize("kind", ["interpolated", "transported", "morphed"])
def test_seed_decides_and_names_are_new(kind: str) -> None:
    """The same seed, the same bits; no event of the template can be taken for one of the data or the simulation."""
    one, again, other = (template(kind, view(), seed, **quick(kind)) for seed in (1, 1, 2))
    assert content(one) == content(again)
    assert not np.array_equal(one.x, other.x)
    assert len(np.unique(one.id)) == (len(view().sb) if kind == "transported" else len(one))
    sim = view().sim
    assert sim is not None
    for known in (view().sr, view().sb, sim):
        assert not np.isin(one.id, known.id).any()


@pytest.mark.parametrize("kind", ["interpolated", "transported"])
@pytest.mark.parametrize("oversample", [0.3, 5])
def test_size_is_that_of_the_region(kind: str, oversample: float) -> None:
    assert len(template(kind, view(), oversample=oversample, **quick(kind))) == np.ceil(oversample * len(view().sr))


def test_a_sideband_event_is_used_as_often_as_any_other() -> None:
    given = replace(view(), sb=replace(view().sb, w=1 + np.arange(len(view().sb)) / 1e5))  # weights as names
    made = template("transported", given, density=SHORT)
    _, times = np.unique(made.w, return_counts=True)
    assert len(times) == len(given.sb)
    assert set(times) == {len(made) // len(given.sb), len(made) // len(given.sb) + 1}
    assert len(np.unique(np.column_stack([made.w, made.id]), axis=0)) == len(given.sb)  # what is one event has one id


def test_a_classifier_that_is_judged_by_other_events_does_not_know_copies_by_heart() -> None:
    """Copies of one sideband event on both sides of a split would tell the template from the truth it is equal to."""
    rng = np.random.default_rng(13)
    few = replace(view(), sb=beside(rng, 2000))
    made = template("transported", few, density=SHORT, oversample=8)
    split = replace(made, id=rng.integers(2**63, size=len(made)).astype(np.uint64))  # as if they were strangers
    truth = background(rng, len(made))
    (together, error), (apart, _) = (closure_auc(events, truth, 1) for events in (made, split))
    assert apart - together > 4 * error


def one_feature(g: Array, m: Array) -> Array:
    return (0.2 * m**2 + (0.5 + 0.2 * m) * g[:, 0])[:, None]


def test_an_event_keeps_its_place_among_those_of_its_mass() -> None:
    """With one feature only one rising map exists: the event g widths off the mean is g widths off elsewhere."""
    sb, rng = beside(np.random.default_rng(3), 8000), np.random.default_rng(4)
    g = rng.normal(size=(len(sb), 1))
    sb = replace(sample(one_feature(g, sb.m), sb.m), w=1 + np.arange(len(sb)) / 1e5)
    made = template("transported", replace(view(), sb=sb))
    source = np.rint((made.w - 1) * 1e5).astype(int)
    expected = one_feature(g[source], made.m)
    assert rms(made.x - expected) < 0.5 * rms(sb.x[source] - expected)  # what is left of the way that it had to go


def rms(difference: Array) -> float:
    return float(np.sqrt((difference**2).mean()))


def test_simulation_is_moved_by_the_map_that_makes_data_of_it() -> None:
    """With one feature only one rising map exists; what was done to the simulation is undone, in place."""
    rng = np.random.default_rng(5)
    sb = beside(rng, 8000)
    sb = sample(one_feature(rng.normal(size=(len(sb), 1)), sb.m), sb.m)
    m, g = masses(16_000, rng, 0, 3), rng.normal(size=(16_000, 2))
    sim = replace(sample(one_feature(distorted(g, m), m), m), w=rng.uniform(0.5, 1.5, len(m)))
    inside = WINDOW.inside(m)
    made = template("morphed", replace(view(), sb=sb, sim=sim))
    np.testing.assert_array_equal(made.m, m[inside])
    np.testing.assert_array_equal(made.w, sim.w[inside])
    expected = one_feature(g, m)[inside]
    assert rms(made.x - expected) < 0.5 * rms(sim.x[inside] - expected)


def test_simulation_is_weighted_by_the_ratio_of_densities() -> None:
    rng = np.random.default_rng(6)
    sb = beside(rng, 8000)
    sb = sample(rng.normal(0.4 * sb.m[:, None], 1.0), sb.m)  # mean 0.4 m, that of simulation 0
    sim = background(rng, 16_000, 0, 3)
    sim = sim.with_x(rng.normal(size=(len(sim), 2)).astype(np.float32)).select(["a"])
    made = template("reweighted", replace(view(), sb=sb, sim=sim))
    region = sim[WINDOW.inside(sim.m)]
    for name in ("id", "x", "m"):
        np.testing.assert_array_equal(getattr(made, name), getattr(region, name))
    truth = 0.4 * region.m * (region.x[:, 0] - 0.2 * region.m)
    assert np.std(np.log(made.w) - truth) < 0.5 * np.std(truth)  # few trees, which see m in steps
    assert abs(np.polyfit(truth, np.log(made.w), 1)[0] - 1) < 0.2


@EVERY
def test_events_of_weight_zero_are_as_if_they_were_not_there(kind: str) -> None:
    """A fifth of the sidebands and of the simulation is rubbish without weight: the template is the background's."""
    rng = np.random.default_rng(7)
    assert view().sim is not None

    def with_rubbish(events: Events) -> Events:
        rubbish = events[rng.permutation(len(events))[: len(events) // 5]]
        return Events.concatenate([events, replace(rubbish.with_x(rubbish.x + 20), w=np.zeros(len(rubbish)))])

    made = template(kind, replace(view(), sb=with_rubbish(view().sb), sim=with_rubbish(view().sim)))  # type: ignore[arg-type]
    seen = made.x[made.w > 0]
    assert (seen.max(axis=0) < 10).all()


def test_weights_that_cancel_leave_the_reweighted_simulation_alone() -> None:
    """Events at the same place with weights 1 and -1, in data and in simulation."""
    rng = np.random.default_rng(9)

    def with_cancelling(events: Events) -> Events:
        some = events[rng.permutation(len(events))[: len(events) // 10]]
        moved = some.with_x(some.x + np.float32(1.0))
        return Events.concatenate([events, moved, replace(moved, w=-moved.w)])

    assert view().sim is not None
    given = replace(view(), sb=with_cancelling(view().sb), sim=with_cancelling(view().sim))  # type: ignore[arg-type]
    made, plain = template("reweighted", given), template("reweighted", view())
    assert (made.w < 0).any()
    off = np.average(made.x, axis=0, weights=made.w) - np.average(plain.x, axis=0, weights=plain.w)
    assert np.abs(off / plain.x.std(axis=0)).max() < 4 * np.sqrt(1 / len(view().sb) + 1 / len(plain))


@pytest.mark.parametrize("kind", ["interpolated", "transported", "morphed"])
def test_no_density_of_negative_weights(kind: str) -> None:
    sb = replace(view().sb, w=np.where(np.arange(len(view().sb)) % 9 == 0, -1.0, 1.0))
    with pytest.raises(DataError, match="negative") as refused:
        template(kind, replace(view(), sb=sb), **quick(kind))
    assert "\n" not in str(refused.value)


def test_simulation_as_it_stands() -> None:
    sim = view().sim
    assert sim is not None
    assert content(template("simulated", view())) == content(sim[WINDOW.inside(sim.m)])


@pytest.mark.parametrize("n", [0, 19])
@pytest.mark.parametrize(
    ("kind", "where"), [("simulated", "region"), *((k, w) for k in ASSISTED for w in ("region", "sidebands"))]
)
def test_next_to_no_simulation(kind: str, where: str, n: int) -> None:
    sim = view().sim
    assert sim is not None
    there = WINDOW.inside(sim.m) == (where == "region")
    few = sim[~there | (np.cumsum(there) <= n)]
    expected = (
        rf"^template '{kind}': {n} simulated events of weight {n} in the {where} of window \[1, 2\), expected .*20"
    )
    with pytest.raises(DataError, match=expected) as refused:
        template(kind, replace(view(), sim=few), **quick(kind))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("kind", ["simulated", *ASSISTED])
def test_simulation_without_weight(kind: str) -> None:
    sim = view().sim
    assert sim is not None
    with pytest.raises(DataError, match=r"of weight 0 in the region .* expected at least 20 of positive weight$"):
        template(kind, replace(view(), sim=replace(sim, w=np.zeros(len(sim)))), **quick(kind))


@pytest.mark.parametrize("kind", ["simulated", *ASSISTED])
def test_no_simulation(kind: str) -> None:
    with pytest.raises(ConfigError, match=rf"^template '{kind}' needs .*\[samples\] simulation, found none$"):
        template(kind, replace(view(), sim=None))


@pytest.mark.parametrize("kind", ["interpolated", "transported"])
def test_no_masses(kind: str) -> None:
    with pytest.raises(ConfigError, match=rf"^template '{kind}' needs masses in the region.*a hunt gives it"):
        template(kind, replace(view(), sample_m=None))


def test_a_density_that_maps_nothing() -> None:
    class Blob:
        def log_prob(self, events: Events) -> Array:
            return np.zeros(len(events))

        def sample(self, m: Array, rng: Rng) -> Any:
            return np.zeros((len(m), 2), np.float32)

    class Sampler(Density):
        """Draws zeros."""

        kind: Literal["sampler"] = "sampler"

        def fit(self, events: Events, rng: Rng, **further: Any) -> Conditional:
            return Blob()

    try:
        assert not template("interpolated", view(), density="sampler").x.any()
        for kind in ("transported", "morphed"):
            with pytest.raises(ConfigError, match=f"^template '{kind}' needs a density with encode and decode"):
                template(kind, view(), density="sampler")
    finally:
        Density.registry.pop("sampler")


def test_members_take_turns() -> None:
    """An ensemble's template is made by all of its members, and is the background like that of one."""
    flow = {**FLOW, "members": 2}
    truth = background(np.random.default_rng(11), 100_000).x.mean(axis=0)
    for kind in ("transported", "interpolated"):
        made = template(kind, view(), density=flow)
        assert np.abs((made.x.mean(axis=0) - truth) / made.x.std(axis=0)).max() < 5 * np.sqrt(5 / len(view().sb))


def test_toy_spectrum_falls() -> None:
    m = masses(100_000, np.random.default_rng(12))
    low = (1 - np.exp(-DECAY / 2)) / (1 - np.exp(-DECAY))
    assert abs((m < 1.5).mean() - low) < 4 * np.sqrt(low * (1 - low) / len(m))
