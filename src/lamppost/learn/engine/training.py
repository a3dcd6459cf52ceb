"""Training many models of one shape at once: jit(vmap(scan)) over members, folds and windows.

Every job draws its minibatches from one common pool of events by index, so nothing is padded and nothing compiles
again for a sample of another size. A job's number of steps, learning rate and average depend on its own size alone:
steps beyond its own end change nothing, and it gives the same model in any company.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from numpy.typing import NDArray

from lamppost.errors import DataError
from lamppost.learn.engine.layers import Tensor, stacked

__all__ = ["Job", "Plan", "batch_size", "train"]

CHUNK = 64
"""Steps per compiled call: progress and interruption happen between calls."""
Loss = Callable[[Any, Mapping[str, Tensor], Tensor], Tensor]


@dataclass(frozen=True)
class Plan:
    """How to train: events per step, passes over the data (within `least` and `most` steps), Adam's highest rate."""

    batch: int
    epochs: float
    learning_rate: float
    weight_decay: float = 0.0
    average: float = 0.25
    least: int = 300
    most: int = 1_000_000
    decay_at: int | None = None
    """Number of events the weight decay is given for: it falls like the root of a job's number; None: it does not."""

    def steps(self, n: int) -> int:
        """Optimiser steps for a job of n events."""
        return int(np.clip(np.ceil(self.epochs * n / self.batch), self.least, max(self.most, self.least)))

    def decay(self, n: int) -> float:
        """Weight decay for a job of n events."""
        return self.weight_decay * (self.decay_at / n) ** 0.5 if self.decay_at else self.weight_decay


@dataclass(frozen=True)
class Job:
    """One model to train: its start, the rows of the pool it may see, and its seed."""

    model: Any
    rows: NDArray[np.int32]
    seed: int


def batch_size(n: int, largest: int) -> int:
    """A power of two: about 32 batches per pass, between 128 and `largest`."""
    return int(np.clip(2 ** int(np.log2(max(n / 32, 1))), min(128, largest), largest))


def train(
    loss: Loss,
    jobs: Sequence[Job],
    pool: Mapping[str, NDArray[Any]],
    plan: Plan,
    frozen: Mapping[str, Any] | None = None,
) -> Any:
    """Minimise the mean of `loss(model, batch, key)` for all jobs together.

    `pool` holds arrays (n, ...), a batch their rows (batch, ...) and whatever is `frozen`. Adam with linear warm-up and
    cosine decay; the returned models (leading axis: jobs) are the mean of the weights over the last `plan.average` of
    the steps (arXiv:1803.05407): validation loss does not see a signal of per mille, so no epoch is picked by it.
    """
    models = stacked([job.model for job in jobs])
    steps = np.array([plan.steps(len(job.rows)) for job in jobs])
    keys = jnp.stack([jax.random.key(job.seed) for job in jobs])
    events = {name: jnp.asarray(_padded(array)) for name, array in pool.items()}
    orders = [_Order(job, plan.batch) for job in jobs]
    state = _starting()(models)
    decays = np.array([plan.decay(len(job.rows)) for job in jobs], np.float32)
    run = _compiled(loss, plan.learning_rate, plan.average)
    for _ in range(0, int(steps.max()), CHUNK):
        rows = np.stack([order.draw(CHUNK) for order in orders])
        state = run(state, events, frozen or {}, rows, keys, steps, decays)
    if not all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves(state.mean)):
        msg = "training: the weights are no longer numbers; expected a smaller learning rate or less extreme events"
        raise DataError(msg)
    return state.mean


class _Order:
    """Shuffled passes over a job's rows, cut into batches."""

    def __init__(self, job: Job, batch: int) -> None:
        self.rng = np.random.default_rng([job.seed, 1])
        self.rows, self.batch = job.rows, batch
        self.left: NDArray[np.int32] = np.empty(0, np.int32)

    def draw(self, steps: int) -> NDArray[np.int32]:
        need = steps * self.batch
        parts, have = [self.left], len(self.left)
        while have < need:
            parts.append(self.rng.permutation(self.rows))
            have += len(self.rows)
        drawn = np.concatenate(parts)
        self.left = drawn[need:]
        return drawn[:need].reshape(steps, self.batch)


class _State(eqx.Module):
    model: Any
    moments: Any
    mean: Any
    step: Tensor


def _optimiser() -> optax.GradientTransformation:
    return optax.chain(optax.clip_by_global_norm(1.0), optax.scale_by_adam(b2=0.99))


@lru_cache(maxsize=1)
def _starting() -> Any:
    return jax.jit(jax.vmap(_start))


def _start(model: Any) -> _State:
    return _State(model, _optimiser().init(model), jax.tree.map(jnp.copy, model), jnp.zeros((), jnp.int32))


@lru_cache(maxsize=64)
def _compiled(loss: Loss, learning_rate: float, average: float) -> Any:
    one = partial(_chunk, loss, learning_rate, average)
    if jax.default_backend() == "cpu":  # as fast as vmap there, and a job's bits are the same in any company
        return jax.jit(partial(_in_turn, one), donate_argnums=0)
    return jax.jit(jax.vmap(one, in_axes=(0, None, None, 0, 0, 0, 0)), donate_argnums=0)


def _in_turn(one: Any, state: _State, pool: Any, frozen: Any, *per_job: Tensor) -> _State:
    ended: _State = jax.lax.map(lambda job: one(job[0], pool, frozen, *job[1:]), (state, *per_job))
    return ended


def _chunk(
    loss: Loss,
    learning_rate: float,
    average: float,
    state: _State,
    pool: Mapping[str, Tensor],
    frozen: Mapping[str, Any],
    rows: Tensor,
    key: Tensor,
    steps: Tensor,
    decay: Tensor,
) -> _State:
    def step(state: _State, rows: Tensor) -> _State:
        batch = {name: array[rows] for name, array in pool.items()} | dict(frozen)
        slope = jax.grad(loss)(state.model, batch, jax.random.fold_in(key, state.step))
        return _moved(state, slope, steps, learning_rate, average, decay)

    def step_unless_done(state: _State, rows: Tensor) -> tuple[_State, None]:
        return jax.lax.cond(state.step < steps, step, lambda state, rows: state, state, rows), None

    return jax.lax.scan(step_unless_done, state, rows)[0]


def _moved(state: _State, slope: Any, steps: Tensor, highest: float, average: float, decay: Tensor) -> _State:
    updates, moments = _optimiser().update(slope, state.moments, state.model)
    done = (state.step + 0.5) / steps
    rate = highest * jnp.minimum(done / 0.05, 0.5 * (1 + jnp.cos(jnp.pi * done)) * 0.98 + 0.02)
    # a single number is no weight: nothing pulls it to zero
    model = jax.tree.map(lambda p, u: p - rate * (u + (decay * p if p.ndim else 0.0)), state.model, updates)
    late = state.step + 1 - jnp.floor(steps * (1 - average))  # how many late steps so far
    part = jnp.where(late > 0, 1 / jnp.maximum(late, 1), 0.0)
    mean = jax.tree.map(lambda a, p: a + part * (p - a), state.mean, model)
    return _State(model, moments, mean, state.step + 1)


def _padded(array: NDArray[Any]) -> NDArray[Any]:
    """Rows up to the next of a few sizes, so that a sample of another size compiles nothing; nobody draws them."""
    n = len(array)
    size = 1024
    while size < n:
        size *= 2
    return np.concatenate([array, np.zeros((size - n, *array.shape[1:]), array.dtype)]) if size > n else array
