"""Neural classifiers of p against q: members and jobs trained at once, events scored in chunks of one shape."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import TYPE_CHECKING, Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from lamppost.core import Array, Events, Rng
from lamppost.learn.calibration import fit_calibration
from lamppost.learn.engine.chunks import in_chunks
from lamppost.learn.engine.layers import Dense, Mlp, Tensor
from lamppost.learn.engine.training import Job, Plan, batch_size, train
from lamppost.learn.network import NetworkScore
from lamppost.learn.pairs import Pair
from lamppost.learn.preprocess import Preprocess

if TYPE_CHECKING:
    from lamppost.learn.network import Network

__all__ = ["Classifier", "fit_networks", "loss", "mean_log_odds"]

LEAST_STEPS = 100
"""Steps of a training on few events: more would learn them by heart."""
REACH = 2.5
"""The ramps of a feature lie between -REACH and REACH, in units of its unit normal."""
FAR = 10.0
"""Inputs beyond are taken for FAR: nothing was seen there, and float32 stays finite."""
LARGEST = 10.0
"""Log-odds beyond are pulled back: no sample resolves exp(10), and where weights sum to less than 0 none is best."""

Tensors = dict[str, NDArray[np.float32]]


class Classifier(eqx.Module):
    """Log-odds (n,) of z (features, n): a perceptron of the features and of their ramps."""

    mlp: Mlp

    @staticmethod
    def drawn(seed: int, features: int, pieces: int, hidden: tuple[int, ...]) -> "Classifier":
        """Initial values, with log-odds near 0 everywhere."""
        sizes = (features * (1 + pieces), *hidden, 1)
        return Classifier(Mlp.drawn(np.random.default_rng([seed, 0]), sizes, last=0.1))

    def __call__(self, z: Tensor) -> Tensor:
        pieces = self.mlp.layers[0].weight.shape[1] // len(z) - 1
        return self.mlp(jnp.concatenate([z, _ramps(z, pieces)]))[0]


def _ramps(z: Tensor, pieces: int) -> Tensor:
    """(features * pieces, n): each rises from -1/2 to 1/2 over its own piece of [-REACH, REACH], flat elsewhere."""
    t = (z + REACH) * (pieces / (2 * REACH))
    ramps = jnp.clip(t[:, None] - jnp.arange(pieces)[:, None], 0.0, 1.0) - 0.5
    return ramps.reshape(-1, z.shape[1])


def loss(model: Classifier, batch: Mapping[str, Tensor], key: Tensor) -> Tensor:
    """Weighted mean of the binary cross-entropy, and what holds log-odds within LARGEST."""
    s = model(batch["z"].T)
    beyond = jax.nn.relu(jnp.abs(s) - LARGEST)
    return jnp.mean(batch["w"] * (jax.nn.softplus(s) - batch["y"] * s) + beyond**2)


def fit_networks(
    spec: "Network", jobs: Sequence[tuple[Events, Events]], *, given_m: bool, rngs: Sequence[Rng]
) -> list[NetworkScore]:
    """The fitted scores of all jobs; those of about the same size, which share a batch size, are trained together."""
    pairs = [_Coordinates.of(spec, p, q, given_m=given_m, rng=rng) for (p, q), rng in zip(jobs, rngs, strict=True)]
    scores: dict[int, NetworkScore] = {}
    order = sorted(range(len(pairs)), key=lambda k: pairs[k].shape)
    for _, group in groupby(order, key=lambda k: pairs[k].shape):
        alike = list(group)
        scores |= zip(alike, _fit_alike(spec, [pairs[k] for k in alike], given_m), strict=True)
    return [scores[k] for k in range(len(pairs))]


@dataclass(frozen=True)
class _Coordinates:
    """Both samples of a job: z (n, d), whether of p (n,), w (n,) of mean 1; rows and seed of every member."""

    preprocess: Preprocess
    z: NDArray[np.float32]
    is_p: NDArray[np.bool_]
    w: Array
    seen: list[NDArray[np.int32]]
    seeds: list[int]

    @staticmethod
    def of(spec: "Network", p: Events, q: Events, *, given_m: bool, rng: Rng) -> "_Coordinates":
        pair = Pair.of(spec.kind, p, q, given_m=given_m)
        preprocess = Preprocess.fit(pair.x, np.abs(pair.w), pair.names + (("m",) if given_m else ()))
        z = preprocess.forward(pair.x, np.concatenate([p.id, q.id]))[0]
        seen = [pair.part(spec.fraction, rng).astype(np.int32) for _ in range(spec.members)]
        seeds = [int(seed) for seed in rng.integers(2**31, size=spec.members)]
        return _Coordinates(preprocess, _within(z), pair.is_p, pair.w, seen, seeds)

    @cached_property
    def shape(self) -> tuple[int, int]:
        """What must agree for jobs to be trained together: features, and the power of two of events per member."""
        return self.z.shape[1], len(self.seen[0]).bit_length()


def _fit_alike(spec: "Network", pairs: Sequence[_Coordinates], given_m: bool) -> Iterator[NetworkScore]:
    starts = np.cumsum([0, *(len(pair.w) for pair in pairs)])
    jobs = [
        Job(Classifier.drawn(seed, pair.z.shape[1], spec.pieces, spec.hidden), (start + rows).astype(np.int32), seed)
        for pair, start in zip(pairs, starts, strict=False)
        for rows, seed in zip(pair.seen, pair.seeds, strict=True)
    ]
    columns = [{"z": pair.z, "y": pair.is_p.astype(np.float32), "w": pair.w.astype(np.float32)} for pair in pairs]
    pool = {name: np.concatenate([column[name] for column in columns]) for name in ("z", "y", "w")}
    batch = batch_size(len(jobs[0].rows), spec.batch)
    plan = Plan(batch, spec.epochs, spec.learning_rate, spec.weight_decay, spec.average, LEAST_STEPS)
    tensors = _named(train(loss, jobs, pool, plan))
    for k, pair in enumerate(pairs):
        own = {name: array[k * spec.members : (k + 1) * spec.members] for name, array in tensors.items()}
        yield NetworkScore(pair.preprocess, own, given_m, _calibration(spec, pair, own))


def _calibration(spec: "Network", pair: _Coordinates, tensors: Tensors) -> Any:
    if spec.calibrate == "none":
        return None
    fresh = np.ones((spec.members, len(pair.w)), bool)
    for member, rows in zip(fresh, pair.seen, strict=True):
        member[rows] = False
    each = in_chunks(_each_log_odds, _classifiers(tensors), pair.z.T)[0].astype(np.float64)
    kept = fresh.any(axis=0)
    scores = (each * fresh).sum(axis=0)[kept] / fresh.sum(axis=0)[kept]
    return fit_calibration(spec.calibrate, scores, pair.is_p[kept], pair.w[kept])


def mean_log_odds(tensors: Mapping[str, NDArray[Any]], z: NDArray[np.float32]) -> Array:
    """Mean log-odds (n,) of the members at z (n, d)."""
    return in_chunks(_mean_log_odds, _classifiers(tensors), _within(z).T)[0].astype(np.float64)


@jax.jit
def _each_log_odds(classifiers: Classifier, z: Tensor) -> tuple[Tensor]:
    # one after the other: a layer of one member stays in the processor's cache
    return (jax.lax.map(lambda classifier: classifier(z), classifiers),)


@jax.jit
def _mean_log_odds(classifiers: Classifier, z: Tensor) -> tuple[Tensor]:
    return (_each_log_odds(classifiers, z)[0].mean(axis=0),)


def _within(z: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.clip(z, -FAR, FAR)


def _named(classifiers: Classifier) -> Tensors:
    layers = enumerate(classifiers.mlp.layers)
    return {f"{k}.{name}": np.asarray(getattr(layer, name)) for k, layer in layers for name in ("weight", "bias")}


def _classifiers(tensors: Mapping[str, NDArray[Any]]) -> Classifier:
    depth = len(tensors) // 2
    layers = [Dense(jnp.asarray(tensors[f"{k}.weight"]), jnp.asarray(tensors[f"{k}.bias"])) for k in range(depth)]
    return Classifier(Mlp(tuple(layers)))
