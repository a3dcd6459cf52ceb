"""Normalising flows: coupling layers and masked autoregressive blocks, conditional on c."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from lamppost.learn.engine.couplings import BOUND, Univariate, affine, quadratic, spline
from lamppost.learn.engine.layers import Dense, Mlp, Tensor, stacked

__all__ = ["Coupling", "Flow", "Made", "coupling_flow", "masked_flow"]

FUNCTIONS: dict[str, tuple[Univariate, Callable[[int], int]]] = {
    "affine": (affine, lambda bins: 2),
    "quadratic": (quadratic, lambda bins: 2 * bins - 1),
    "spline": (spline, lambda bins: 3 * bins - 1),
}
"""Function of one variable and its number of parameters for a number of bins."""


class Coupling(eqx.Module):
    """The second half of x is transformed, by parameters that a network computes from the first half and c."""

    net: Mlp
    function: str = eqx.field(static=True)

    def __call__(self, x: Tensor, c: Tensor, *, inverse: bool) -> tuple[Tensor, Tensor]:
        kept = len(x) // 2
        # what a network has never seen it is not asked about: an event far outside still comes back
        raw = self.net(jnp.concatenate([jnp.clip(x[:kept], -BOUND, BOUND), c]))
        raw = raw.reshape(-1, len(x) - kept, x.shape[1])
        moved, log_slope = FUNCTIONS[self.function][0](raw, x[kept:], inverse)
        return jnp.concatenate([x[:kept], moved]), jnp.sum(log_slope, axis=0)


class Made(eqx.Module):
    """An affine function of every x_i, with parameters that depend on x_1 .. x_(i-1) and c (arXiv:1502.03509)."""

    first: Dense
    context: Dense
    last: Dense
    direct: Dense

    def parameters(self, x: Tensor, c: Tensor) -> Tensor:
        """Raw affine parameters (2, d, n)."""
        d, hidden = len(x), len(self.first.bias)
        # hidden unit of degree g sees x_0 .. x_g; those of degree -1 see c alone
        degree = np.arange(hidden) % d - 1
        sees = (degree[:, None] >= np.arange(d)).astype(np.float32)
        seen = np.tile(degree < np.arange(d)[:, None], (2, 1)).astype(np.float32)
        h = (self.first.weight * sees) @ jnp.clip(x, -BOUND, BOUND) + self.first.bias[:, None] + self.context.weight @ c
        h = jax.nn.silu(h)
        raw = (self.last.weight * seen) @ h + self.last.bias[:, None] + self.direct.weight @ c
        return raw.reshape(2, d, -1)

    def __call__(self, x: Tensor, c: Tensor, *, inverse: bool) -> tuple[Tensor, Tensor]:
        if inverse:  # x_1 is right after the first pass, x_2 after the second, ...
            found = jax.lax.fori_loop(0, len(x), lambda _, y: affine(self.parameters(y, c), x, True)[0], x * 0)
            return found, -jnp.sum(affine(self.parameters(found, c), found, False)[1], axis=0)
        image, log_slope = affine(self.parameters(x, c), x, False)
        return image, jnp.sum(log_slope, axis=0)


class Flow(eqx.Module):
    """Layers applied one after the other, each to another order of the features. y (d, n), c (k, n)."""

    layers: Any
    """One layer whose arrays have a leading axis: compiled once, run in a loop."""
    orders: tuple[tuple[int, ...], ...] = eqx.field(static=True)

    def encode(self, y: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        """z and log |det dz/dy|."""
        return self._run(y, c, inverse=False)

    def decode(self, z: Tensor, c: Tensor) -> Tensor:
        """y of z."""
        return self._run(z, c, inverse=True)[0]

    def _run(self, x: Tensor, c: Tensor, *, inverse: bool) -> tuple[Tensor, Tensor]:
        # permutations as matrices: exact, and the gradient of a gather, a scatter, is slow on a CPU
        orders = jnp.asarray(np.eye(len(x), dtype=np.float32)[np.array(self.orders)])

        @jax.checkpoint  # computing a layer again is cheaper than keeping what its gradient needs
        def one(state: tuple[Tensor, Tensor], layer: tuple[Any, Tensor]) -> tuple[tuple[Tensor, Tensor], None]:
            (x, total), (function, order) = state, layer
            image, log_slope = function(order @ x, c, inverse=inverse)
            return (order.T @ image, total + log_slope), None

        start = (x, jnp.zeros_like(x[0]))
        return jax.lax.scan(one, start, (self.layers, orders), reverse=inverse)[0]


def coupling_flow(
    rng: np.random.Generator,
    features: int,
    given: int,
    *,
    function: str,
    layers: int,
    hidden: tuple[int, ...],
    bins: int,
) -> Flow:
    """Coupling flow that starts as the identity."""
    kept, per_value = features // 2, FUNCTIONS[function][1](bins)
    sizes = (kept + given, *hidden, per_value * (features - kept))
    nets = [Coupling(Mlp.drawn(rng, sizes, last=0.0), function) for _ in range(layers)]
    return Flow(stacked(nets), split_orders(features, layers))


def masked_flow(rng: np.random.Generator, features: int, given: int, *, blocks: int, hidden: int) -> Flow:
    """Masked autoregressive flow that starts as the identity; every other block runs through the features backwards."""
    drawn = [
        Made(
            Dense.drawn(rng, features, hidden, gain=2.0**0.5),
            Dense.drawn(rng, given, hidden),
            Dense.drawn(rng, hidden, 2 * features, gain=0.0),
            Dense.drawn(rng, given, 2 * features, gain=0.0),
        )
        for _ in range(blocks)
    ]
    ahead = tuple(range(features))
    return Flow(stacked(drawn), tuple(ahead if i % 2 == 0 else ahead[::-1] for i in range(blocks)))


def split_orders(features: int, layers: int) -> tuple[tuple[int, ...], ...]:
    """Orders of the features such that few layers let every feature depend on every other one.

    Layers come in pairs that transform either half given the other; each pair separates as many features as it can that
    no pair before it separated.
    """
    rng = np.random.default_rng(0)
    orders: list[tuple[int, ...]] = []
    apart = np.zeros((features, features))
    while len(orders) < layers:
        tried = [rng.permutation(features) for _ in range(64)]
        halves = [(o[: features // 2], o[features // 2 :]) for o in tried]
        new = [float(np.exp(-apart[np.ix_(*half)]).sum()) for half in halves]
        first, second = halves[int(np.argmax(new))]
        apart[np.ix_(first, second)] += 1
        apart[np.ix_(second, first)] += 1
        orders += [(*first, *second), (*second, *first)]
    return tuple(tuple(map(int, order)) for order in orders[:layers])
