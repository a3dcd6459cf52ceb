"""Every registered density keeps one contract: it is normalised, invertible, fair to weights, and finds the truth."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lamppost
from lamppost import storage
from lamppost.core import Array, Conditional, Density, Events
from lamppost.errors import ConfigError, DataError
from lamppost.learn.density import FittedDensity
from lamppost.spec import kinds
from small_specs import content, default, distance, sample

jax = pytest.importorskip("jax")
N = 4200  # or up to half as many more, nearly everywhere, so that nearly nothing compiles again
LOSS = 0.05  # nats per event: some 200 effective parameters learnt from N events lose 200 / 2N = 0.024
LOWEST, HIGHEST = 0.0, 3.0  # masses
GAP = 1.2, 1.8
SHIFT = np.array([0.5, -0.3])
EVERY = pytest.mark.parametrize("kind", kinds(Density))


def fit(kind: str, events: Events, seed: int = 3, spec: Any = None, **further: Any) -> FittedDensity:
    made = (spec or default(Density, kind)).fit(events, np.random.default_rng(seed), **further)
    assert isinstance(made, FittedDensity)
    return made


def fit_one(kind: str, events: Events, **further: Any) -> FittedDensity:
    """One member, which costs a third, where nothing is asked of an ensemble."""
    return fit(kind, events, spec=default(Density, kind, members=1), **further)


def edges(seed: int, n: int = N, m: float | None = None) -> Events:
    """A feature that begins at 0 and falls exponentially, on a scale that goes with m and with b; b flat in [0, 1]."""
    rng = np.random.default_rng(seed)
    masses = rng.uniform(LOWEST, HIGHEST, n) if m is None else np.full(n, m)
    b = rng.random(n)
    a = (1 + 0.2 * masses) * (1 + b) * rng.exponential(size=n)
    return sample(np.column_stack([a, b]), masses, seed=seed)


def log_edges(events: Events) -> Array:
    a, b = events.x.T.astype(np.float64)
    scale = (1 + 0.2 * events.m) * (1 + b)
    return np.where((a >= 0) & (b >= 0) & (b <= 1), -a / scale - np.log(scale), -np.inf)


def smooth(seed: int, n: int = N, inside: bool = False) -> Events:
    """Two correlated normal features, whose mean and width go with m; m outside of the gap, or inside."""
    rng = np.random.default_rng(seed)
    m = rng.uniform(*GAP, n) if inside else rng.uniform(LOWEST, HIGHEST - (GAP[1] - GAP[0]), n)
    m = m if inside else np.where(m < GAP[0], m, m + GAP[1] - GAP[0])
    g = rng.normal(size=(n, 2))
    a = 0.3 * m**2 + (0.5 + 0.2 * m) * g[:, 0]
    return sample(np.column_stack([a, 0.6 * g[:, 0] + 0.8 * g[:, 1] - 0.3 * m]), m, seed=seed)


def log_smooth(events: Events) -> Array:
    a, b = events.x.T.astype(np.float64)
    width = 0.5 + 0.2 * events.m
    g = (a - 0.3 * events.m**2) / width
    h = (b + 0.3 * events.m - 0.6 * g) / 0.8
    return np.asarray(-0.5 * (g**2 + h**2) - np.log(2 * np.pi * 0.8 * width))


@cache
def on_edges(kind: str) -> FittedDensity:
    return fit(kind, edges(1))


@cache
def one_member(kind: str) -> FittedDensity:
    return fit_one(kind, edges(1))


@cache
def beside_gap(kind: str) -> FittedDensity:
    return fit(kind, smooth(1))


@cache
def on_top(kind: str) -> FittedDensity:
    """Events of the other density, moved: learnt with that one as the base."""
    return fit(kind, moved(kind, 11), base=beside_gap(kind))


@cache
def moved(kind: str, seed: int) -> Events:
    events = smooth(seed)
    drawn = beside_gap(kind).sample(events.m, np.random.default_rng(seed))
    return events.with_x(drawn + SHIFT.astype(np.float32))


def between(nodes: Array) -> Array:
    """Weights of the trapezium rule for ascending nodes (n,)."""
    steps = np.diff(nodes)
    return np.asarray(0.5 * (np.append(steps, 0.0) + np.insert(steps, 0, 0.0)))


def grid(density: FittedDensity, m: float, n: int = 150) -> tuple[Events, Array]:
    """Events on a grid of both features, dense where events are, and their probabilities."""
    nodes = density.preprocess.inverse(np.linspace([-6.5, -6.5], [6.5, 6.5], n)).astype(np.float64)
    x = np.stack(np.meshgrid(*nodes.T, indexing="ij"), axis=-1).reshape(-1, 2)
    area = np.multiply.outer(between(nodes[:, 0]), between(nodes[:, 1])).reshape(-1)
    events = sample(x, np.full(len(x), m))
    return events, np.exp(density.log_prob(events)) * area


def loss(density: Conditional, truth: Callable[[Events], Array], events: Events) -> float:
    """Nats per event of the truth that the fitted density loses."""
    return float(np.mean(truth(events) - density.log_prob(events)))


def test_first_kinds_are_there() -> None:
    assert set(kinds(Density)) >= {"affine", "quadratic", "spline", "maf"}


@EVERY
def test_invertible(kind: str) -> None:
    """To 1e-5 of a feature's spread in the training and for fresh events; beyond, of the distance from the mean."""
    density, seen = on_edges(kind), edges(1)
    spread = seen.x.std(axis=0)
    beyond = seen.x + np.random.default_rng(4).choice([-0.5, 0.0, 0.5], seen.x.shape) * spread
    events = Events.concatenate([seen, edges(2), sample(beyond, seen.m)])
    scale = np.broadcast_to(spread, events.x.shape).copy()
    scale[-len(beyond) :] = np.maximum(spread, np.abs(beyond - seen.x.mean(axis=0)))
    for member in range(density.members):
        back = density.decode(density.encode(events, member), events.m, member)
        error = np.abs(back - events.x) / scale
        assert error.max() < 1e-5, f"at {events.x[error.max(axis=1).argmax()]}"


@EVERY
def test_log_prob_is_the_jacobian_of_encode(kind: str) -> None:
    """log p = log N(z) + log |det dz/dy| + log |det dy/dx|, dz/dy by automatic differentiation."""
    from lamppost.learn.engine.density import encode
    from lamppost.learn.engine.fitting import one_of

    density, events = on_edges(kind), edges(5, 200)
    y, log_slope = density.preprocess.forward(events.x, events.id)
    c = ((events.m - density.shift) / density.scale).astype(np.float32)
    each = density.member_log_probs(events)
    for member in range(density.members):
        model = one_of(density._models, member)

        def z_of(y: Any, c: Any, model: Any = model) -> Any:
            return encode(model, y[:, None], c[None, None])[0][:, 0]

        jacobian = np.asarray(jax.jit(jax.vmap(jax.jacfwd(z_of)))(y, c), dtype=np.float64)
        z = density.encode(events, member).astype(np.float64)
        log_normal = -0.5 * (z**2).sum(axis=1) - np.log(2 * np.pi)
        truth = log_normal + np.linalg.slogdet(jacobian)[1] + log_slope
        np.testing.assert_allclose(each[member], truth, atol=1e-4)


@EVERY
@pytest.mark.parametrize("m", [0.2, 1.5, 2.9])
def test_integrates_to_one(kind: str, m: float) -> None:
    assert grid(on_edges(kind), m)[1].sum() == pytest.approx(1.0, abs=0.01)


@EVERY
def test_sampling_agrees_with_log_prob(kind: str) -> None:
    """Distances that two samples of one distribution exceed once in 10^4 tests, plus that of a grid of this step."""
    density, n, m = on_edges(kind), 20_000, 1.0
    nodes, p = grid(density, m)
    drawn = density.sample(np.full(n, m), np.random.default_rng(6))
    allowed = 2.23 / np.sqrt(n) + 0.005
    for feature, values in zip(drawn.T, nodes.x.T, strict=True):
        assert distance(feature, values, p) < allowed
    high = np.exp(density.log_prob(nodes))
    found = density.log_prob(sample(drawn, np.full(n, m)))
    assert distance(found, np.log(high), p) < allowed


@EVERY
def test_the_truth_is_found(kind: str) -> None:
    assert loss(on_edges(kind), log_edges, edges(7, 8000)) < LOSS
    assert loss(beside_gap(kind), log_smooth, smooth(7, 8000)) < LOSS


@EVERY
def test_held_out_likelihood(kind: str) -> None:
    """That of a tenth of the events: within what so few can say of the truth's, less what learning loses."""
    truth = log_smooth(smooth(1))
    held_out = beside_gap(kind).held_out
    assert held_out is not None
    assert abs(held_out - truth.mean()) < 4 * truth.std() / np.sqrt(0.1 * N) + LOSS


@EVERY
def test_gap_in_the_mass(kind: str) -> None:
    """The region between the sidebands was never seen: density and samples follow from how they change beside it."""
    inside = smooth(8, 8000, inside=True)
    assert abs(loss(beside_gap(kind), log_smooth, inside)) < 2 * LOSS
    drawn = beside_gap(kind).sample(inside.m, np.random.default_rng(9))
    for found, truth in zip(drawn.T, inside.x.T, strict=True):
        assert distance(found, truth.astype(np.float64), np.ones(len(truth))) < 1.95 * np.sqrt(2 / 8000) + 0.03


@EVERY
def test_same_seed_same_bits_and_input_untouched(kind: str) -> None:
    events = edges(1)
    before = content(events)
    again, other = fit(kind, events), fit(kind, events, seed=4)
    assert content(events) == before
    assert again.to_bytes() == on_edges(kind).to_bytes() != other.to_bytes()
    for density in (again, on_edges(kind)):
        drawn = [density.sample(events.m, np.random.default_rng(seed)).tobytes() for seed in (1, 1, 2)]
        assert drawn[0] == drawn[1] != drawn[2]
    assert again.log_prob(events).tobytes() == on_edges(kind).log_prob(events).tobytes()


@EVERY
def test_members_in_a_batch_are_members_alone(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from lamppost.learn.engine import fitting, layers

    together = fitting.train

    def alone(loss: Any, jobs: Any, pool: Any, plan: Any, frozen: Any = None) -> Any:
        trained = [together(loss, [job], pool, plan, frozen) for job in jobs]
        return layers.stacked([fitting.one_of(models, 0) for models in trained])

    monkeypatch.setattr(fitting, "train", alone)
    one_by_one = fit(kind, edges(1))
    assert one_by_one.members == 3
    for name, tensor in on_edges(kind).tensors.items():
        np.testing.assert_allclose(one_by_one.tensors[name], tensor, atol=1e-5, err_msg=name)
    events = edges(2)
    np.testing.assert_allclose(one_by_one.member_log_probs(events), on_edges(kind).member_log_probs(events), atol=1e-4)


@EVERY
def test_weight_two_is_the_event_twice(kind: str) -> None:
    """Either doubles the density where b is high: log 2 more between there and elsewhere."""
    events, where = edges(1), edges(10)

    def high(events: Events) -> Any:
        return events.x[:, 1] > 0.8

    def excess(changed: Events) -> float:
        log_p = fit_one(kind, changed).log_prob(where)
        return float(log_p[high(where)].mean() - log_p[~high(where)].mean())

    plain = excess(events)
    heavy = excess(replace(events, w=np.where(high(events), 2.0, 1.0)))
    twice = excess(events[np.repeat(np.arange(N), np.where(high(events), 2, 1))])
    # 800 events on one side: 0.04 of statistical error, in each of the three
    for double in (heavy, twice):
        assert double - plain == pytest.approx(np.log(2), abs=0.16)


@EVERY
def test_scale_of_weights_does_not_matter(kind: str) -> None:
    heavy = fit_one(kind, replace(edges(1), w=np.full(N, 8.0)))
    np.testing.assert_allclose(heavy.log_prob(edges(2)), one_member(kind).log_prob(edges(2)), atol=1e-4)


@EVERY
def test_events_without_weight_do_not_count(kind: str) -> None:
    """A fifth more events of weight 0, far away from all others."""
    events, far = edges(1), edges(12, N // 5)
    far = replace(far.with_x(far.x + np.float32(20.0)), w=np.zeros(len(far)), m=far.m + 50.0)
    density = fit_one(kind, Events.concatenate([events, far]))
    assert loss(density, log_edges, edges(7, 8000)) < LOSS


@EVERY
def test_order_of_features_and_of_events_does_not_matter(kind: str) -> None:
    """Nothing but noise: the same loss, and densities no further from each other than each is from the truth."""
    events, fresh = edges(1), edges(7, 8000)
    swapped = fit_one(kind, events.select(["b", "a"])).log_prob(fresh.select(["b", "a"]))
    shuffled = fit_one(kind, events[np.random.default_rng(13).permutation(N)]).log_prob(fresh)
    plain = one_member(kind).log_prob(fresh)
    for changed in (swapped, shuffled):
        assert np.mean(log_edges(fresh) - changed) < LOSS
        assert np.mean((changed - plain) ** 2) < 4 * LOSS  # 2 KL = mean square, of each from the truth


@EVERY
@pytest.mark.parametrize("unit", [1024.0, 1e-3])
def test_units_do_not_matter(kind: str, unit: float) -> None:
    events, fresh = edges(1), edges(7, 8000)
    scaled = [sample.with_x((sample.x * np.float32(unit)).astype(np.float32)) for sample in (events, fresh)]
    change = fit_one(kind, scaled[0]).log_prob(scaled[1]) + 2 * np.log(unit) - one_member(kind).log_prob(fresh)
    assert np.sqrt(np.mean(change**2)) < 0.01
    assert np.abs(change).max() < 0.5


@EVERY
def test_unit_of_the_mass_does_not_matter(kind: str) -> None:
    events, fresh = edges(1), edges(7)
    density = fit_one(kind, replace(events, m=1000 * events.m + 2000))
    change = density.log_prob(replace(fresh, m=1000 * fresh.m + 2000)) - one_member(kind).log_prob(fresh)
    assert np.sqrt(np.mean(change**2)) < 0.01


@EVERY
def test_an_event_is_measured_alone(kind: str) -> None:
    """Bit by bit: neither the order of the events nor who else is among them changes a log density."""
    events = edges(14, 9000)
    for density in (on_edges(kind), on_top(kind)):
        log_p, z = density.log_prob(events), density.encode(events)
        order = np.random.default_rng(15).permutation(len(events))
        for rows in (order, slice(8190, 8195), slice(7, 8), slice(0, 0)):
            np.testing.assert_array_equal(density.log_prob(events[rows]), log_p[rows])
            np.testing.assert_array_equal(density.encode(events[rows]), z[rows])
        np.testing.assert_array_equal(density.log_prob(replace(events, w=events.w * 3)), log_p)
        back = density.decode(z, events.m)
        np.testing.assert_array_equal(density.decode(z[order], events.m[order]), back[order])


@EVERY
def test_ensemble(kind: str) -> None:
    """The mean of the members' densities, which agree less where there are fewer events."""
    density, events = on_edges(kind), edges(16)
    each = density.member_log_probs(events)
    assert each.shape == (3, N)
    np.testing.assert_allclose(density.log_prob(events), np.log(np.exp(each).mean(axis=0)), atol=1e-9)
    np.testing.assert_allclose(density.spread(events), each.std(axis=0), atol=1e-12)
    far = events.x[:, 0] > np.quantile(events.x[:, 0], 0.99)
    near = events.x[:, 0] < np.quantile(events.x[:, 0], 0.8)
    assert 0 < density.spread(events)[near].mean() < 0.8 * density.spread(events)[far].mean()


@EVERY
@pytest.mark.parametrize("made", [on_edges, on_top], ids=["alone", "with base"])
def test_saved_and_loaded(kind: str, made: Callable[[str], FittedDensity], tmp_path: Path) -> None:
    density, events = made(kind), edges(17)
    lamppost.save(density, tmp_path / "density")
    for back in (lamppost.load(tmp_path / "density"), FittedDensity.from_bytes(density.to_bytes())):
        assert type(back) is type(density)
        assert back.to_bytes() == density.to_bytes()
        assert back.log_prob(events).tobytes() == density.log_prob(events).tobytes()
        assert back.encode(events, 1).tobytes() == density.encode(events, 1).tobytes()
        drawn = [one.sample(events.m, np.random.default_rng(1)).tobytes() for one in (back, density)]
        assert drawn[0] == drawn[1]
        assert (back.spec, back.held_out, back.members) == (density.spec, density.held_out, density.members)


@EVERY
def test_damaged_and_newer_files_are_refused(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    density, path = on_edges(kind), tmp_path / "density"
    good = density.to_bytes()
    rng = np.random.default_rng(18)
    for at in (*rng.integers(len(good), size=10), len(good) - 1):
        path.write_bytes(good[:at] + bytes([good[at] ^ 16]) + good[at + 1 :])
        with pytest.raises(DataError, match=r"density: .*damaged|density: .*newer"):
            lamppost.load(path)
        with pytest.raises(DataError):
            FittedDensity.from_bytes(good[:at])
    monkeypatch.setattr(storage, "SCHEMA", storage.SCHEMA + 1)
    path.write_bytes(density.to_bytes())
    monkeypatch.undo()
    with pytest.raises(DataError, match=r"density: schema \d+ is newer than the \d+ .*install a newer lamppost"):
        lamppost.load(path)


@EVERY
def test_on_top_of_another_density(kind: str) -> None:
    """The base's events moved by a known amount: the same density, moved; the flow undoes the move."""
    top, base, fresh = on_top(kind), beside_gap(kind), moved(kind, 19)
    before = fresh.with_x(fresh.x - SHIFT.astype(np.float32))
    assert np.mean(base.log_prob(before) - top.log_prob(fresh)) < LOSS
    carried = top.encode(fresh)
    usual = base.sample(fresh.m, np.random.default_rng(20)).astype(np.float64)
    for found, truth, unmoved in zip(carried.T, usual.T, fresh.x.T, strict=True):
        allowed = 1.95 * np.sqrt(2 / N) + 0.03
        assert distance(found, truth, np.ones(N)) < allowed < distance(unmoved, truth, np.ones(N))
    back = top.decode(carried, fresh.m)
    assert (np.abs(back - fresh.x) / fresh.x.std(axis=0)).max() < 1e-4  # two roundings of x to float32 on the way
    assert top.base is base
    assert grid(top, 1.0)[1].sum() == pytest.approx(1.0, abs=0.01)
    drawn = top.sample(fresh.m, np.random.default_rng(21))
    for found, truth in zip(drawn.T, fresh.x.T, strict=True):
        assert distance(found, truth.astype(np.float64), np.ones(N)) < allowed


PEAK, WIDTH = np.array([2.5, 1.5]), 0.15
"""A narrow signal among the events beside the gap."""


def mixture(seed: int, part: float) -> tuple[Events, Events, Events]:
    """Background with a part of signal, the signal of it, and a further, pure sample of signal."""
    rng = np.random.default_rng(seed)
    background, count = smooth(seed), int(part * N)
    pure = [smooth(seed + k, count) for k in (1, 2)]
    signal, fresh = (events.with_x(rng.normal(PEAK, WIDTH, (count, 2)).astype(np.float32)) for events in pure)
    return Events.concatenate([background[: N - count], signal]), signal, fresh


@EVERY
def test_signal_next_to_a_frozen_background(kind: str) -> None:
    events, _, fresh = mixture(22, 0.1)
    density = fit_one(kind, events, log_background=log_smooth(events), fraction=0.1)
    assert density.fractions is None
    drawn = density.sample(fresh.m, np.random.default_rng(23))
    np.testing.assert_allclose(np.median(drawn, axis=0), PEAK, atol=WIDTH)
    truth = -0.5 * (((fresh.x - PEAK) / WIDTH) ** 2).sum(axis=1) - np.log(2 * np.pi * WIDTH**2)
    assert np.mean(truth - density.log_prob(fresh)) < 1.0  # of 3 nats between signal and all events
    total = np.logaddexp(np.log(0.1) + density.log_prob(events), np.log(0.9) + log_smooth(events))
    assert density.held_out == pytest.approx(total.mean(), abs=4 * total.std() / np.sqrt(0.1 * N))


def narrow(seed: int, part: float = 0.2) -> tuple[Events, Array, Array]:
    """A signal narrow in x and in m next to a background flat in m; log densities of the background and of both."""
    rng = np.random.default_rng(seed)
    count = round(part * N)
    x = np.concatenate([rng.normal(size=N - count), rng.normal(2.0, 0.2, count)])
    m = np.concatenate([rng.uniform(LOWEST, HIGHEST, N - count), rng.normal(1.5, 0.15, count)])
    log_background = -0.5 * x**2 - 0.5 * np.log(2 * np.pi) - np.log(HIGHEST - LOWEST)
    log_signal = -0.5 * ((x - 2) / 0.2) ** 2 - 0.5 * ((m - 1.5) / 0.15) ** 2 - np.log(2 * np.pi * 0.2 * 0.15)
    return (
        sample(x[:, None], m, seed=seed),
        log_background,
        np.logaddexp(np.log1p(-part) + log_background, np.log(part) + log_signal),
    )


@EVERY
def test_joint_density_with_a_learned_fraction(kind: str) -> None:
    """p(x, m) next to a known background.

    What the signal takes of the background changes no likelihood: the fraction has a lower bound, the sum is known.
    """
    events, log_background, _ = narrow(24)
    density = fit(kind, events, log_background=log_background, fraction="learn", joint=True)
    assert density.mass is not None
    assert density.fractions is not None
    assert len(density.fractions) == 3
    fraction = float(np.mean(density.fractions))
    assert 0.2 - 4 * 0.007 < fraction < 0.9  # 0.007: what so many events know of it where both shapes are known
    fresh, log_background, log_both = narrow(27)
    found = np.logaddexp(np.log(fraction) + density.log_prob(fresh), np.log1p(-fraction) + log_background)
    assert np.mean(log_both - found) < 2 * LOSS  # one affine function is a normal: the peak has other tails
    nodes, masses = (
        steps.inverse(np.linspace([-6.0], [6.0], 400))[:, 0].astype(np.float64)
        for steps in (density.preprocess, density.mass)
    )
    x_at, m_at = (axis.reshape(-1) for axis in np.meshgrid(nodes, masses, indexing="ij"))
    p = np.exp(density.log_prob(sample(x_at[:, None], m_at)))
    p *= np.multiply.outer(between(nodes), between(masses)).reshape(-1)
    assert p.sum() == pytest.approx(1.0, abs=0.01)
    drawn = density.sample_mass(20_000, np.random.default_rng(25))
    assert distance(drawn, m_at, p) < 2.23 / np.sqrt(20_000) + 0.005
    assert np.median(drawn) == pytest.approx(1.5, abs=0.1)
    x = density.sample(drawn, np.random.default_rng(26))[:, 0]
    assert distance(x, x_at, p) < 2.23 / np.sqrt(20_000) + 0.005
    read = FittedDensity.from_bytes(density.to_bytes())
    assert read.fractions == density.fractions
    assert read.log_prob(fresh).tobytes() == density.log_prob(fresh).tobytes()


@EVERY
def test_transforms_reach_the_preprocessing(kind: str) -> None:
    spec = default(Density, kind, members=1, transforms={"a": "standardise", "b": "logit"})
    density = fit(kind, edges(1), spec=spec)
    assert [[step.kind for step in chain] for chain in density.preprocess.steps] == [
        ["standardise"],
        ["logit", "standardise"],
    ]
    with pytest.raises(ConfigError, match="unknown choice 'wrong', known are auto"):
        fit(kind, edges(1), spec=default(Density, kind, transforms={"a": "wrong"}))
    with pytest.raises(ConfigError, match="unknown feature 'c', known are a, b"):
        fit(kind, edges(1), spec=default(Density, kind, transforms={"c": "log"}))


def nan_in(values: Any) -> Any:
    spoiled = np.array(values)
    spoiled.reshape(-1)[7] = np.nan
    return spoiled


BAD: list[tuple[str, Callable[[Events], Any], Any]] = [
    ("19 events", lambda events: (events[:19], {}), DataError),
    ("weight 0", lambda events: (replace(events, w=0 * events.w), {}), DataError),
    ("negative", lambda events: (replace(events, w=np.where(np.arange(N) < 3, -1.0, 1.0)), {}), DataError),
    ("weight", lambda events: (replace(events, w=nan_in(events.w)), {}), DataError),
    ("'b' is nan in row 3", lambda events: (events.with_x(nan_in(events.x)), {}), DataError),
    ("m.* nan in row 7", lambda events: (replace(events, m=nan_in(events.m)), {}), DataError),
    ("fraction in", lambda events: (events, {"fraction": 1.5, "log_background": np.zeros(N)}), ConfigError),
    ("fraction in", lambda events: (events, {"fraction": 0.0, "log_background": np.zeros(N)}), ConfigError),
    ("fraction in", lambda events: (events, {"fraction": "lern", "log_background": np.zeros(N)}), ConfigError),
    ("needs the log density", lambda events: (events, {"fraction": 0.1}), ConfigError),
    (f"{N} log background", lambda events: (events, {"fraction": 0.1, "log_background": np.zeros(5)}), DataError),
    ("log background", lambda events: (events, {"fraction": 0.1, "log_background": nan_in(np.zeros(N))}), DataError),
    ("base fitted by lamppost", lambda events: (events, {"base": object()}), ConfigError),
    ("base has features a, b", lambda events: (events.select(["b", "a"]), {"base": beside_gap("affine")}), DataError),
]


@EVERY
@pytest.mark.parametrize(("found", "spoil", "error"), BAD)
def test_refusals(kind: str, found: str, spoil: Callable[[Events], Any], error: type[Exception]) -> None:
    events, further = spoil(edges(1))
    with pytest.raises(error, match=found) as refused:
        fit(kind, events, **further)
    assert "\n" not in str(refused.value)


@EVERY
def test_what_was_not_fitted_is_refused(kind: str) -> None:
    density, events = on_edges(kind), edges(1)
    np.testing.assert_array_equal(density.log_prob(events.select(["b", "a"])), density.log_prob(events))
    with pytest.raises(DataError, match="no feature 'b', known are a"):
        density.log_prob(events.select(["a"]))
    with pytest.raises(DataError, match="'b' is nan in row 7"):
        density.log_prob(events.with_x(np.column_stack([events.x[:, 0], nan_in(events.x[:, 1])])))
    with pytest.raises(ConfigError, match="joint=True"):
        density.sample_mass(3, np.random.default_rng(1))
