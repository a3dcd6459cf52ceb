"""Autoencoders and their variational form: all members trained at once, events measured in chunks of one shape."""

from collections.abc import Mapping, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from lamppost.learn.engine.layers import Dense, Mlp, Tensor
from lamppost.learn.engine.training import Job, Plan, train

__all__ = ["CHUNK", "Coder", "learn", "measure"]

CHUNK = 4096
"""Events per compiled call when measuring; the last chunk is filled up, so that no event sees another shape."""
LIMIT = 12.0
"""|log variance| of the latent stays below this, so that the KL term of an outlier stays finite."""
FAR = 1e6
"""Features are measured up to here, in units of their scale, so that no square leaves float32."""


class Coder(eqx.Module):
    """Encoder z -> latent mean (and log variance, where it is variational) and decoder latent -> z."""

    encoder: Mlp
    decoder: Mlp

    @staticmethod
    def drawn(seed: int, d: int, latent: int, hidden: tuple[int, ...], variational: bool) -> "Coder":
        """Initial values; the decoder's hidden layers are the encoder's in reverse."""
        rng = np.random.default_rng([seed, 0])
        encoder = Mlp.drawn(rng, (d, *hidden, latent * (2 if variational else 1)))
        return Coder(encoder, Mlp.drawn(rng, (latent, *reversed(hidden), d)))

    def encode(self, z: Tensor) -> tuple[Tensor, Tensor | None]:
        """Mean and log variance (latent, n) of q(u|z); a plain autoencoder has no variance."""
        out, latent = self.encoder(z), self.decoder.layers[0].weight.shape[1]
        if len(out) == latent:
            return out, None
        return out[:latent], LIMIT * jnp.tanh(out[latent:] / LIMIT)


def _error(coder: Coder, z: Tensor, latent: Tensor) -> Tensor:
    return 0.5 * jnp.sum((z - coder.decoder(latent)) ** 2, axis=0)


def _kl(mean: Tensor, log_variance: Tensor | None) -> Tensor:
    if log_variance is None:
        return jnp.zeros(mean.shape[1], mean.dtype)
    return 0.5 * jnp.sum(mean**2 + jnp.exp(log_variance) - 1.0 - log_variance, axis=0)


def _loss(coder: Coder, batch: Mapping[str, Tensor], key: Tensor) -> Tensor:
    """Mean of w (reconstruction error + beta KL); beta is an input, so that another one compiles nothing."""
    z = batch["z"].T
    mean, log_variance = coder.encode(z)
    latent = mean
    if log_variance is not None:  # u = mean + sigma * noise: the gradient reaches mean and sigma
        latent = mean + jnp.exp(0.5 * log_variance) * jax.random.normal(key, mean.shape)
    return jnp.mean(batch["w"] * (_error(coder, z, latent) + batch["beta"] * _kl(mean, log_variance)))


def learn(
    z: NDArray[np.float32],
    w: NDArray[np.float32],
    seeds: Sequence[int],
    *,
    latent: int,
    hidden: tuple[int, ...],
    beta: float | None,
    plan: Plan,
) -> dict[str, NDArray[np.float32]]:
    """The trained members, one per seed, as named arrays with a leading axis of members; z (n, d), w (n,) of mean 1.

    `beta` None is a plain autoencoder.
    """
    rows = np.arange(len(z), dtype=np.int32)
    coders = [Coder.drawn(seed, z.shape[1], latent, hidden, beta is not None) for seed in seeds]
    jobs = [Job(coder, rows, seed) for coder, seed in zip(coders, seeds, strict=True)]
    pool, frozen = {"z": z, "w": w}, {"beta": np.float32(beta or 0.0)}
    return _named(train(_loss, jobs, pool, plan, frozen))


def measure(tensors: Mapping[str, NDArray[Any]], z: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
    """Reconstruction error (members, n), KL term (members, n) and mean latent (members, latent, n) of z (n, d)."""
    coders, found = _coders(tensors), []
    for start in range(0, max(len(z), 1), CHUNK):
        part = z[start : start + CHUNK].clip(-FAR, FAR)
        filled = np.concatenate([part, np.zeros((CHUNK - len(part), z.shape[1]), np.float32)])
        found.append([np.asarray(values)[..., : len(part)] for values in _measured(coders, filled)])
    return tuple(np.concatenate(parts, axis=-1) for parts in zip(*found, strict=True))


@jax.jit
def _measured(coders: Coder, z: Tensor) -> tuple[Tensor, ...]:
    def one(coder: Coder) -> tuple[Tensor, ...]:
        mean, log_variance = coder.encode(z.T)
        return _error(coder, z.T, mean), _kl(mean, log_variance), mean

    return jax.vmap(one)(coders)


def _named(coders: Coder) -> dict[str, NDArray[np.float32]]:
    return {
        f"{half}.{k}.{name}": np.asarray(getattr(layer, name))
        for half in ("encoder", "decoder")
        for k, layer in enumerate(getattr(coders, half).layers)
        for name in ("weight", "bias")
    }


def _coders(tensors: Mapping[str, NDArray[Any]]) -> Coder:
    def half(name: str) -> Mlp:
        depth = sum(key.startswith(f"{name}.") for key in tensors) // 2
        pairs = [(tensors[f"{name}.{k}.weight"], tensors[f"{name}.{k}.bias"]) for k in range(depth)]
        return Mlp(tuple(Dense(jnp.asarray(weight), jnp.asarray(bias)) for weight, bias in pairs))

    return Coder(half("encoder"), half("decoder"))
