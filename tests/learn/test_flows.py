"""Flows: bijections with the Jacobian they claim in any number of dimensions, and what a fit must take."""

import logging
import subprocess
import sys
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import pytest

from lamppost.core import Array, Density, Events
from lamppost.errors import ConfigError, DataError
from lamppost.learn.density import FittedDensity
from lamppost.learn.flows import Affine, Flow, Maf, Spline
from lamppost.spec import make
from small_specs import default, distance, sample

jax = pytest.importorskip("jax")
KINDS = ("affine", "quadratic", "spline", "maf")
EVERY = pytest.mark.parametrize("kind", KINDS)
N = 64


def drawn(kind: str, features: int, seed: int = 1) -> Any:
    """A flow whose every weight is drawn at random: far from the identity, on which a flow starts."""
    rng = np.random.default_rng(seed)
    flow = default(Density, kind, **({} if kind == "maf" else {"layers": 6})).drawn(rng, features, 1)

    def moved(leaf: Any) -> Any:
        noise = rng.normal(size=leaf.shape).astype(np.float32)
        return leaf + 0.1 * noise / np.sqrt(leaf.shape[-1] if leaf.ndim > 2 else 1)

    return jax.tree.map(moved, flow)


def normal(features: int, seed: int = 2) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(features, N)).astype(np.float32), rng.normal(size=(1, N)).astype(np.float32)


@EVERY
@pytest.mark.parametrize("features", [1, 2, 3, 5])
def test_bijection(kind: str, features: int) -> None:
    """There and back; log |det| is that of the Jacobian by automatic differentiation; an event depends on itself."""
    flow = drawn(kind, features)
    y, c = normal(features)
    z, log_slope = (np.asarray(out) for out in jax.jit(lambda y, c: flow.encode(y, c))(y, c))
    assert np.abs(z - y).max() > 0.1
    back = jax.jit(lambda z, c: flow.decode(z, c))(z, c)
    np.testing.assert_allclose(back, y, atol=5e-5)  # slopes of random weights are steep

    def one(y: Any, c: Any) -> Any:
        return flow.encode(y[:, None], c[:, None])[0][:, 0]

    jacobians = np.asarray(jax.jit(jax.vmap(jax.jacfwd(one)))(y.T, c.T), dtype=np.float64)
    np.testing.assert_allclose(log_slope, np.linalg.slogdet(jacobians)[1], atol=1e-4)
    assert (np.linalg.slogdet(jacobians)[0] == 1).all()
    if features > 1:
        every = np.abs(jacobians).max(axis=0) > 1e-6
        assert every.all()  # the layers' orders let every feature act on every other one


@EVERY
def test_starts_as_the_identity(kind: str) -> None:
    for features in (1, 4):
        flow = make(Density, kind).drawn(np.random.default_rng(1), features, 1)  # type: ignore[attr-defined]
        y, c = normal(features)
        z, log_slope = flow.encode(y, c)
        signs = np.abs(np.asarray(z)) - np.abs(y)
        np.testing.assert_allclose(signs, 0, atol=1e-5)
        np.testing.assert_allclose(log_slope, 0, atol=1e-5)


def test_masked_flow_is_autoregressive() -> None:
    """One block: feature i is moved by those before it alone, and so is its scale."""
    spec = Maf(blocks=1, width=32)
    rng = np.random.default_rng(3)
    flow = spec.drawn(rng, 4, 1)
    flow = jax.tree.map(lambda leaf: leaf + rng.normal(size=leaf.shape).astype(np.float32), flow)
    y, c = normal(4)
    jacobian = np.asarray(jax.jacfwd(lambda y: flow.encode(y[:, None], c[:, :1])[0][:, 0])(y[:, 0]))
    np.testing.assert_array_equal(np.triu(jacobian, 1), 0)
    assert (np.abs(jacobian[np.tril_indices(4)]) > 1e-6).all()
    by_mass = np.asarray(jax.jacfwd(lambda c: flow.encode(y[:, :1], c[:, None])[0][:, 0])(c[:, 0]))
    assert (np.abs(by_mass) > 1e-6).all()


@pytest.mark.parametrize("features", [2, 3, 4, 7])
def test_orders_separate_all_pairs(features: int) -> None:
    """Six layers: of any two features one was at least once transformed given the other."""
    from lamppost.learn.engine.flow import split_orders

    orders = split_orders(features, 6)
    assert all(sorted(order) == list(range(features)) for order in orders)
    halves = [(set(order[: features // 2]), set(order[features // 2 :])) for order in orders]
    for i, j in combinations(range(features), 2):
        assert any({i, j} & kept and {i, j} & moved for kept, moved in halves), (i, j)
    assert split_orders(features, 5) == orders[:5]


def curve(seed: int, n: int) -> Events:
    """Five features that all hang together, at one mass."""
    rng = np.random.default_rng(seed)
    t = rng.normal(size=(n, 1))
    x = np.hstack([t, t**2, np.sin(2 * t), -t, t**3 / 5]) + 0.3 * rng.normal(size=(n, 5))
    return sample(x, np.full(n, 100.0), seed=seed)


def log_curve(events: Events) -> Array:
    t, w = np.polynomial.hermite_e.hermegauss(200)
    means = np.stack([t, t**2, np.sin(2 * t), -t, t**3 / 5])
    squares = (((events.x.astype(np.float64)[:, :, None] - means) / 0.3) ** 2).sum(axis=1)
    return np.asarray(np.log(np.exp(-0.5 * squares) @ (w / w.sum()) + 1e-300) - 5 * np.log(0.3 * np.sqrt(2 * np.pi)))


@EVERY
def test_many_features_at_one_mass(kind: str) -> None:
    """Better by far than independent features; a constant mass is no reason to fail."""
    density = default(Density, kind).fit(curve(1, 4000), np.random.default_rng(1))
    fresh = curve(2, 4000)
    marginals = 0.0
    for name in fresh.names:
        one = default(Density, "affine").fit(curve(1, 4000).select([name]), np.random.default_rng(1))
        marginals += one.log_prob(fresh.select([name])).mean()
        if kind != "affine":
            break
    found, truth = density.log_prob(fresh).mean(), log_curve(fresh).mean()
    assert found < truth + 0.1
    assert truth - found < 0.8
    if kind == "affine":
        assert found - marginals > 1.5
    assert np.isfinite(density.log_prob(fresh[:10].with_x(fresh.x[:10] * 100))).all()


def test_integers_stay_integers() -> None:
    """A multiplicity: samples are integers, and p(k) is found, as the mean of the density over its cell."""
    rng = np.random.default_rng(4)
    n, m = 4000, rng.uniform(0, 3, 4000)
    k = rng.poisson(3 + m, n)
    density = default(Density, "spline").fit(sample(k[:, None].astype(float), m), np.random.default_rng(1))
    at = np.full(20_000, 1.5)
    drawn = density.sample(at, np.random.default_rng(2))
    np.testing.assert_array_equal(drawn, np.round(drawn))
    from scipy.stats import poisson

    values = np.arange(15)
    truth = poisson.pmf(values, 4.5)
    found = np.array([(drawn == value).mean() for value in values])
    np.testing.assert_allclose(found, truth, atol=0.03)
    cells = sample(np.repeat(values, 500)[:, None].astype(float), np.full(7500, 1.5))
    claimed = np.exp(density.log_prob(cells)).reshape(15, 500).mean(axis=1)
    np.testing.assert_allclose(claimed, found, atol=0.02)


def test_far_outside_of_what_was_seen() -> None:
    """Events and masses a long way off: a finite density that falls, and events that come back."""
    rng = np.random.default_rng(5)
    m = rng.uniform(0, 3, 4000)
    events = sample(np.column_stack([rng.exponential(size=4000), rng.uniform(size=4000)]), m)
    for kind in KINDS:
        density = default(Density, kind).fit(events, np.random.default_rng(1))
        usual = density.log_prob(events).min()
        for x, mass in (([1e4, 0.5], 1.0), ([-1.0, 0.5], 1.0), ([1.0, 3.0], 1.0), ([1e30, -1e30], 1.0)):
            far = sample(np.array([x]), np.array([mass]))
            assert np.isfinite(density.log_prob(far)).all(), (kind, x)
            assert density.log_prob(far)[0] < usual, (kind, x)
        assert np.isfinite(density.log_prob(sample(np.array([[1.0, 0.5]]), np.array([1e6])))).all(), kind
        assert np.isfinite(density.sample(np.full(10, 30.0), np.random.default_rng(1))).all(), kind


@pytest.mark.parametrize("n", [20, 300])
def test_few_events(n: int) -> None:
    """No better than they can be known, but finite, and no worse than a normal by much."""
    rng = np.random.default_rng(6)
    events = sample(rng.normal(size=(n, 2)), rng.uniform(0, 3, n))
    fresh = sample(rng.normal(size=(4000, 2)), rng.uniform(0, 3, 4000))
    for kind in KINDS:
        log_p = default(Density, kind).fit(events, np.random.default_rng(1)).log_prob(fresh)
        assert np.isfinite(log_p).all()
        assert log_p.mean() > -np.log(2 * np.pi) - 1 - {20: 3.0, 300: 0.5}[n]


def test_another_size_compiles_nothing(caplog: pytest.LogCaptureFixture) -> None:
    spec = default(Density, "affine", members=1)

    def compiled(n: int) -> list[str]:
        rng = np.random.default_rng(n)
        events = sample(rng.normal(size=(n, 2)), rng.uniform(0, 3, n))
        caplog.clear()
        with jax.log_compiles(), caplog.at_level(logging.WARNING):
            density = spec.fit(events, np.random.default_rng(1))
            density.sample(events.m, np.random.default_rng(1))
        return [record.message for record in caplog.records if "Finished XLA compilation" in record.message]

    assert len(compiled(4100)) > 0
    assert compiled(4700) == []


def test_no_holdout() -> None:
    rng = np.random.default_rng(7)
    events = sample(rng.normal(size=(4000, 2)), rng.uniform(0, 3, 4000))
    density = default(Density, "affine", holdout=0.0, members=1).fit(events, np.random.default_rng(1))
    assert density.held_out is None
    assert FittedDensity.from_bytes(density.to_bytes()).held_out is None


def test_masses_can_be_drawn_where_they_were_learnt() -> None:
    rng = np.random.default_rng(8)
    m = 3000 + 400 * rng.exponential(size=4000)
    density = default(Density, "affine").fit(
        sample(rng.normal(size=(4000, 1)), m), np.random.default_rng(1), joint=True
    )
    drawn = density.sample_mass(4000, np.random.default_rng(2))
    assert distance(drawn, m, np.ones(4000)) < 1.95 * np.sqrt(2 / 4000) + 0.02


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "affine", "members": 0},
        {"kind": "spline", "bins": 1},
        {"kind": "quadratic", "layers": 0},
        {"kind": "maf", "blocks": 0},
        {"kind": "maf", "holdout": 1.0},
        {"kind": "affine", "bins": 8},
        {"kind": "spline", "transforms": {"a": 3}},
    ],
)
def test_specs_that_make_no_sense(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"density '{wrong['kind']}'"):
        make(Density, wrong)


def test_transforms_in_a_table() -> None:
    spec = make(Density, {"kind": "spline", "transforms": {"b": "log", "a": "logit"}})
    assert isinstance(spec, Flow)
    assert spec.transforms == (("a", "logit"), ("b", "log"))
    assert make(Density, spec.model_dump(mode="json")) == spec
    assert hash(spec) != hash(Spline())


def test_defaults() -> None:
    """The MAF is that of CATHODE; the couplings share one shape."""
    assert (Maf().blocks, Maf().width) == (15, 128)
    assert Affine().hidden == Spline().hidden


def test_spec_needs_no_framework() -> None:
    code = "import sys, lamppost.learn.flows, lamppost.learn.density; print({'jax', 'optax'} & {*sys.modules})"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"


def test_what_no_training_can_be_made_of_is_refused() -> None:
    rng = np.random.default_rng(40)
    events = sample(rng.normal(size=(500, 2)), rng.uniform(size=500))
    spec = default(Density, "affine", members=1)
    heavy = replace(events, w=np.where(np.arange(500) == 7, np.inf, 1.0))
    with pytest.raises(DataError, match="1 of 500 weights are not finite"):
        spec.fit(heavy, rng)
    with pytest.raises(DataError, match="below infinity"):
        spec.fit(events, rng, log_background=np.full(500, np.inf), fraction=0.5)
    with pytest.raises(DataError, match="no longer numbers"):
        default(Density, "affine", members=1, learning_rate=1e30).fit(events, rng)
    base = spec.fit(events, rng)
    with pytest.raises(ConfigError, match="transforms have no effect"):
        default(Density, "affine", transforms={"a": "standardise"}).fit(events, rng, base=base)
    for member in (1, -1):
        with pytest.raises(ConfigError, match=f"a member below 1, found {member}"):
            base.encode(events, member)
    with pytest.raises(ConfigError, match="bins"):
        make(Density, {"kind": "spline", "bins": 65})
