"""Flow matching: the differential equation, its exact divergence, and densities whose truth is known."""

import subprocess
import sys
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import ks_2samp

from lamppost.core import Array, Density, Events
from lamppost.learn.density import FittedDensity
from lamppost.learn.matching import Matching
from lamppost.spec import make

jax = pytest.importorskip("jax")
jnp = jax.numpy
SMALL = Matching(width=32, epochs=12, batch=256, holdout=0)
LO, HI = 0.4, 0.6
"""The gap in m that no fit sees."""


def events(x: NDArray[Any], m: Array, w: Array | None = None) -> Events:
    ids = np.arange(len(x), dtype=np.uint64)
    return Events(ids, x.astype(np.float32), m, np.ones(len(x)) if w is None else w, ("a", "b"))


def bent(m: Array, seed: int) -> Events:
    """a ~ N(2 m, 1) and b ~ N(a^2 / 4, 1) at masses m."""
    rng = np.random.default_rng(seed)
    a = rng.normal(2 * m)
    return events(np.column_stack([a, rng.normal(a**2 / 4)]), m)


def log_bent(e: Events) -> Array:
    a, b = e.x[:, 0].astype(float), e.x[:, 1].astype(float)
    return np.asarray(-((a - 2 * e.m) ** 2 + (b - a**2 / 4) ** 2) / 2 - np.log(2 * np.pi))


@cache
def fitted() -> FittedDensity:
    m = np.random.default_rng(1).uniform(0, 1, 40_000)
    return fit(SMALL, bent(m[(m < LO) | (m > HI)], 2))


def fit(spec: Matching, e: Events, seed: int = 3, **how: Any) -> FittedDensity:
    density = spec.fit(e, np.random.default_rng(seed), **how)
    assert isinstance(density, FittedDensity)
    return density


def any_flow(features: int, scale: float, steps: int = 12) -> Any:
    """A flow of random weights that moves events by some `scale` standard deviations."""
    from lamppost.learn.engine.layers import Dense
    from lamppost.learn.engine.matching import continuous_flow

    rng = np.random.default_rng(0)
    flow = continuous_flow(rng, features, 1, width=32, steps=steps)
    return replace(flow, velocity=replace(flow.velocity, last=Dense.drawn(rng, 32, features, gain=scale)))


def unit(features: int, n: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(5)
    return jnp.asarray(rng.normal(size=(features, n)), jnp.float32), jnp.asarray(rng.normal(size=(1, n)), jnp.float32)


def test_made_by_its_kind_without_jax() -> None:
    code = "import sys, lamppost.learn.matching; sys.exit('jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    assert isinstance(make(Density, "matching"), Matching)


@pytest.mark.parametrize("features", [1, 3])
def test_divergence_is_the_trace_of_the_jacobian(features: int) -> None:
    velocity = any_flow(features, 1.0).velocity
    y, c = unit(features, 50)
    t = jnp.linspace(0, 1, 50)
    v, divergence = velocity.with_divergence(y, c, t)
    one = jax.vmap(lambda y, c, t: jax.jacfwd(lambda q: velocity(q[:, None], c[:, None], t)[:, 0])(y), (1, 1, 0))
    # sums of some 1000 products of order 1 / 32 in float32
    np.testing.assert_allclose(divergence, jnp.trace(one(y, c, t), axis1=1, axis2=2), atol=1e-5)
    np.testing.assert_allclose(v, velocity(y, c, t), atol=1e-5)


def test_starts_as_the_identity() -> None:
    y, c = unit(2, 10)
    z, log_slope = any_flow(2, 0.0).encode(y, c)
    assert (z == y).all()
    assert (log_slope == 0).all()


def test_decode_inverts_encode_and_the_slope_is_that_of_the_map() -> None:
    flow, (y, c) = any_flow(3, 0.7), unit(3, 512)
    z, log_slope = flow.encode(y, c)
    assert jnp.abs(z - y).max() > 0.5
    assert jnp.abs(flow.decode(z, c) - y).max() < 1e-5
    one = jax.vmap(lambda y, c: jax.jacfwd(lambda q: flow.encode(q[:, None], c[:, None])[0][:, 0])(y), (1, 1))
    np.testing.assert_allclose(log_slope, jnp.linalg.slogdet(one(y, c))[1], atol=1e-4)
    few = flow.encode(y[:, :100], c[:, :100])  # too few for blocks
    np.testing.assert_allclose(few[0], z[:, :100], atol=1e-5)
    np.testing.assert_allclose(few[1], log_slope[:100], atol=1e-5)


def test_error_falls_with_the_fourth_power_of_the_step() -> None:
    y, c = unit(3, 512)
    exact = any_flow(3, 0.7, 32).decode(y, c)
    coarse, fine = (float(jnp.sqrt(jnp.mean((any_flow(3, 0.7, s).decode(y, c) - exact) ** 2))) for s in (2, 4))
    assert 3.3 < np.log2(coarse / fine) < 5.0  # the order itself only as the step goes to 0


def test_nothing_moves_where_events_are_like_the_base() -> None:
    """At v = 0 and normal events the gradient of the loss is noise: its mean over draws falls with their number."""
    from lamppost.learn.engine.density import Model
    from lamppost.learn.engine.matching import matching

    model, n, draws = Model(any_flow(2, 0.0)), 4096, 16
    rng = np.random.default_rng(7)
    gradient = jax.jit(jax.grad(lambda model, batch, key: matching(model, batch, key)))
    slopes = []
    for k in range(draws):
        y, c = (jnp.asarray(rng.normal(size=(n, d)), jnp.float32) for d in (2, 1))
        batch = {"y": y, "c": c, "w": jnp.ones(n), "bases": ()}
        slopes.append(np.concatenate([np.ravel(x) for x in jax.tree.leaves(gradient(model, batch, jax.random.key(k)))]))
    of = np.array(slopes)[:, np.std(slopes, axis=0) > 0]
    pull = of.mean(axis=0) / of.std(axis=0, ddof=1) * np.sqrt(draws)
    assert of.shape[1] >= 64
    # mean square of Student's t of 15 degrees of freedom: 15 / 13, and correlated parts make it vary by about 1/2
    assert np.mean(pull**2) < 15 / 13 + 3 * 0.5


@pytest.mark.parametrize("m", [0.2, 0.5, 0.8])
def test_density_is_the_true_one_even_in_the_gap(m: float) -> None:
    truth = bent(np.full(20_000, m), 11)
    lost = log_bent(truth) - fitted().log_prob(truth)
    # The mean is a Kullback-Leibler divergence: some 200 effective parameters per 32 000 events cost 0.003. Its own
    # error is 0.0006. A fit blind to m would lose 0.027 at 0.5, where it is the least.
    assert -0.002 < lost.mean() < 0.01


@pytest.mark.parametrize("m", [0.2, 0.5, 0.8])
def test_density_integrates_to_one(m: float) -> None:
    a, b = np.linspace(-5, 7, 161), np.linspace(-6, 16, 221)
    grid = np.stack(np.meshgrid(a, b, indexing="ij"), -1).reshape(-1, 2)
    p = np.exp(fitted().log_prob(events(grid, np.full(len(grid), m))))
    assert p.sum() * (a[1] - a[0]) * (b[1] - b[0]) == pytest.approx(1, abs=0.01)


def test_samples_are_of_the_density() -> None:
    """log p of samples against log p of true events reweighted to the density, by Kolmogorov's distance."""
    n, m = 20_000, np.full(20_000, 0.5)
    density, truth = fitted(), bent(m, 12)
    log_p = density.log_prob(truth)
    w = np.exp(log_p - log_bent(truth))
    rows = np.random.default_rng(13).choice(n, n, p=w / w.sum())
    drawn = truth.with_x(density.sample(m, np.random.default_rng(14)))
    for mine, other in ((density.log_prob(drawn), log_p[rows]), (drawn.x[:, 0], truth.x[rows, 0])):
        # 1.95 sqrt(2 / n) at 0.1 %; resampling doubles the variance of one side
        assert ks_2samp(mine, other).statistic < 1.95 * np.sqrt(3 / n)


def test_round_trip_of_events() -> None:
    e = bent(np.random.default_rng(20).uniform(0, 1, 5000), 21)
    z = fitted().encode(e)
    assert np.abs((fitted().decode(z, e.m) - e.x) / e.x.std(axis=0)).max() < 1e-5
    assert np.abs(z.std(axis=0) - 1).max() < 0.05


def test_quick_samples_are_near_the_exact_ones() -> None:
    z, c = unit(2, 5000)
    flow = fitted()._member(0).flow
    assert jnp.sqrt(jnp.mean((flow.draw(z, c) - flow.decode(z, c)) ** 2)) < 1e-3


def test_same_seed_same_bits_and_saved_and_restored() -> None:
    e = bent(np.random.default_rng(30).uniform(0, 1, 2000), 31)
    spec = Matching(width=32, epochs=1, holdout=0)
    first, second = (fit(spec, e).log_prob(e) for _ in range(2))
    again = FittedDensity.from_bytes(fit(spec, e).to_bytes())
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(first, again.log_prob(e))
    np.testing.assert_array_equal(first[:10], again.log_prob(e[:10]))


def test_weights_choose_the_events() -> None:
    rng = np.random.default_rng(40)
    x = rng.normal(size=(6000, 2)) + np.repeat([[3.0, 0.0], [-3.0, 0.0]], 3000, axis=0)
    w = np.repeat([3.0, 1.0], 3000)
    density = fit(SMALL, events(x, rng.uniform(0, 1, 6000), w))
    part = (density.sample(np.full(8000, 0.5), rng)[:, 0] > 0).mean()
    # binomial errors of 3000 events each and of the sample, and the blur of a small network between the two
    assert part == pytest.approx(0.75, abs=0.03)


def test_base_and_masses() -> None:
    """Starting from another density, an ensemble: what is left to learn is the shift; p(x, m) = p(m) p(x | m)."""
    rng = np.random.default_rng(50)
    m = rng.uniform(0, 1, 4000)
    base = fit(SMALL.model_copy(update={"members": 2}), bent(m, 51))
    moved = bent(m, 52)
    moved = moved.with_x(moved.x + np.float32([0.5, 0.0]))
    density = fit(SMALL, moved, base=base, joint=True)
    assert density.base is base
    probe = density.sample(m, rng).mean(axis=0) - bent(m, 53).x.mean(axis=0)
    # four samples of 4000 events of spread 1.2 and 1.5
    np.testing.assert_allclose(probe, [0.5, 0.0], atol=3 * 1.5 * np.sqrt(4 / 4000))
    truth = bent(np.full(4000, 0.5), 54)
    truth = truth.with_x(truth.x + np.float32([0.5, 0.0]))
    lost = log_bent(bent(np.full(4000, 0.5), 54)) - density.log_prob(truth)  # p(m) = 1
    assert abs(lost.mean()) < 0.1


def test_residual_next_to_a_frozen_background() -> None:
    """A narrow signal at (2, 2) on a unit normal: the mixture's likelihood finds its place and its part."""
    rng = np.random.default_rng(60)
    n, part = 3000, 0.2
    x = rng.normal(size=(n, 2))
    x[: int(part * n)] = 2 + 0.3 * x[: int(part * n)]
    e = events(x, rng.uniform(0, 1, n))
    background = -0.5 * (e.x.astype(float) ** 2).sum(axis=1) - np.log(2 * np.pi)
    spec = Matching(width=16, epochs=40, holdout=0)
    density = fit(spec, e, log_background=background, fraction="learn")
    found = density.sample(np.full(2000, 0.5), rng)
    # the data alone allow 0.02 and 0.01; a short training leaves a little of the background in the signal
    np.testing.assert_allclose(np.median(found, axis=0), [2, 2], atol=0.15)
    assert density.fractions is not None
    assert density.fractions[0] == pytest.approx(part, abs=0.05)
