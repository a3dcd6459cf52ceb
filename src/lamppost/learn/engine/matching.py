"""Continuous flows: a velocity network, the differential equation it makes, and flow matching, which trains it."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from lamppost.learn.engine.density import Model, likelihood, log_mass
from lamppost.learn.engine.layers import Dense, Tensor

__all__ = ["Continuous", "Velocity", "continuous_flow", "matching", "mixture"]

QUARTER = np.pi / 2
WAVES = 2
"""Cosines and sines of the time that the network is given."""
QUICK = 4
"""Steps where 1e-3 of a standard deviation is enough: in a sampler, and inside a training."""
BLOCK = 256
"""Events that go through all steps together: what a step keeps of them stays in a processor's cache."""


class Velocity(eqx.Module):
    """dy/dt (d, n) at y (d, n) given c (k, n) and times t (n,) or (): a network of two hidden layers.

    With a and b the inputs of the hidden layers and s the SiLU, the Jacobian is W3 diag(s'(b)) W2 diag(s'(a)) W1, and
    its trace one bilinear form, s'(b)^T M s'(a) with M = W2 * (W1 W3)^T elementwise: the exact divergence costs as much
    as the velocity once more, however many features there are, and not d times as much.
    """

    first: Dense
    second: Dense
    last: Dense

    def __call__(self, y: Tensor, c: Tensor, t: Tensor) -> Tensor:
        return self.last(jax.nn.silu(self.second(jax.nn.silu(self.first(_inputs(y, c, t))))))

    def with_divergence(self, y: Tensor, c: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        """The velocity and its divergence (n,)."""
        a, slope_a = _silu(self.first(_inputs(y, c, t)))
        b, slope_b = _silu(self.second(a))
        form = self.second.weight * (self.first.weight[:, : len(y)] @ self.last.weight).T
        return self.last(b), jnp.sum(slope_b * (form @ slope_a), axis=0)


class Continuous(eqx.Module):
    """z is carried to y along dy/dt = v(y, t, c) from t = 0 to 1, by equal Runge-Kutta steps of fourth order.

    The steps are the same for every event, so that its value does not depend on its company. y (d, n), c (k, n).
    """

    velocity: Velocity
    steps: int = eqx.field(static=True)

    def encode(self, y: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        """z and log |det dz/dy| = - integral of div v dt along the way (arXiv:1806.07366)."""

        def backwards(y: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
            slope = lambda state, t: self.velocity.with_divergence(state[0], c, t)  # noqa: E731
            z, log_slope = _integral(slope, (y, jnp.zeros_like(y[0])), 1.0, -1.0 / self.steps, self.steps)
            return z, log_slope

        z, log_slope = _in_blocks(backwards, y, c)
        return z, log_slope

    def decode(self, z: Tensor, c: Tensor) -> Tensor:
        """y of z."""

        def ahead(z: Tensor, c: Tensor) -> Tensor:
            y: Tensor = _integral(lambda y, t: self.velocity(y, c, t), z, 0.0, 1.0 / self.steps, self.steps)
            return y

        y: Tensor = _in_blocks(ahead, z, c)
        return y

    def draw(self, z: Tensor, c: Tensor) -> Tensor:
        """y of z in few steps, for samples."""
        return self.quick().decode(z, c)

    def quick(self) -> "Continuous":
        """The same flow in few steps."""
        return replace(self, steps=min(self.steps, QUICK))


def continuous_flow(rng: np.random.Generator, features: int, given: int, *, width: int, steps: int) -> Continuous:
    """Continuous flow that starts as the identity."""
    first = Dense.drawn(rng, features + given + 2 * WAVES, width, gain=2.0**0.5)
    second = Dense.drawn(rng, width, width, gain=2.0**0.5)
    return Continuous(Velocity(first, second, Dense.drawn(rng, width, features, gain=0.0)), steps)


def matching(model: Model, batch: Mapping[str, Any], key: Tensor) -> Tensor:
    """Mean of w |v(y_t, t, c) - dy_t/dt|^2, y_t = cos(pi t / 2) y_0 + sin(pi t / 2) y_1 (arXiv:2210.02747, 2209.15571).

    y_1 is an event, y_0 drawn from the base at the same c. This is the straight path of rectified flows
    (arXiv:2209.03003) up to a factor and a clock that depend on t alone, hence the same map from y_0 to y_1; but where
    base and events are the same normal nothing moves, and after preprocessing they nearly are: few steps will do.
    Base draws come in antithetic pairs: at either end of the path their noise cancels in a velocity linear in y, and in
    all the gradient has less variance than from as many independent draws. A density of m is trained alongside by
    its likelihood. Batch: as for `likelihood`.
    """
    y1, c, w = batch["y"].T, batch["c"].T, batch["w"]
    key_t, key_z, key_base = jax.random.split(key, 3)
    t = jax.random.uniform(key_t, w.shape)
    near, far = jnp.cos(QUARTER * t), jnp.sin(QUARTER * t)
    z, loss = jax.random.normal(key_z, y1.shape), jnp.zeros(())
    for y0 in (_base_drawn(z, c, batch["bases"], key_base), _base_drawn(-z, c, batch["bases"], key_base)):
        v = model.flow.velocity(near * y0 + far * y1, c, t)
        loss += 0.25 * jnp.mean(w * jnp.sum((v / QUARTER - near * y1 + far * y0) ** 2, axis=0))
    if model.mass is not None:
        loss -= jnp.mean(w * log_mass(model, batch["u"].T))
    return loss


def mixture(model: Model, batch: Mapping[str, Any], key: Tensor) -> Tensor:
    """The likelihood, differentiated through few steps of the integral: no regression target exists for a mixture."""
    return likelihood(replace(model, flow=model.flow.quick()), batch, key)


def _base_drawn(z: Tensor, c: Tensor, bases: tuple[Any, ...], key: Tensor) -> Tensor:
    """The base's y of normal z (d, n): one member of each ensemble, drawn by `key`, the farthest base first."""
    for ensemble in reversed(bases):
        key, key_member = jax.random.split(key)
        member = jax.random.randint(key_member, (), 0, len(jax.tree.leaves(ensemble)[0]))
        z = jax.tree.map(lambda leaf, member=member: leaf[member], ensemble).flow.decode(z, c)
    return z


def _integral(slope: Any, start: Any, t: float, h: float, steps: int) -> Any:
    """The state after Runge-Kutta steps from time t, each of length h."""

    def moved(state: Any, by: float, slope: Any) -> Any:
        return jax.tree.map(lambda y, k: y + by * k, state, slope)

    @jax.checkpoint  # as in the layers of the other flows: computing again is cheaper than keeping
    def step(state: Any, t: Tensor) -> tuple[Any, None]:
        k1 = slope(state, t)
        k2 = slope(moved(state, h / 2, k1), t + h / 2)
        k3 = slope(moved(state, h / 2, k2), t + h / 2)
        k4 = slope(moved(state, h, k3), t + h)
        return moved(state, h / 6, jax.tree.map(lambda a, b, c, d: a + 2 * (b + c) + d, k1, k2, k3, k4)), None

    return jax.lax.scan(step, start, t + h * np.arange(steps, dtype=np.float32))[0]


def _in_blocks(function: Callable[[Tensor, Tensor], Any], y: Tensor, c: Tensor) -> Any:
    """`function(y, c)`, on a CPU block by block where the events divide into blocks."""
    n = y.shape[1]
    if n % BLOCK or jax.default_backend() != "cpu":
        return function(y, c)
    blocks = [jnp.moveaxis(x.reshape(len(x), -1, BLOCK), 1, 0) for x in (y, c)]
    found = jax.lax.map(lambda block: function(*block), tuple(blocks))
    return jax.tree.map(lambda x: jnp.moveaxis(x, 0, -2).reshape(*x.shape[1:-1], n), found)


def _inputs(y: Tensor, c: Tensor, t: Tensor) -> Tensor:
    angle = QUARTER * np.arange(1, WAVES + 1, dtype=np.float32)[:, None] * t
    waves = jnp.concatenate([jnp.cos(angle), jnp.sin(angle)])
    return jnp.concatenate([y, c, jnp.broadcast_to(waves, (2 * WAVES, y.shape[1]))])


def _silu(x: Tensor) -> tuple[Tensor, Tensor]:
    """The SiLU x p, p = 1 / (1 + exp(-x)), and its slope p + x p (1 - p)."""
    # without the barrier the compiler computes the exponential again for each use
    p: Tensor = jax.lax.optimization_barrier(jax.nn.sigmoid(x))  # type: ignore[no-untyped-call]
    return x * p, p + x * p * (1 - p)
