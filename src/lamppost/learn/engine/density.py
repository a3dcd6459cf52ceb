"""Log densities of flows, their ensembles and their bases, and what training maximises."""

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp

from lamppost.learn.engine.layers import Tensor

__all__ = ["Model", "decode", "draw", "encode", "likelihood", "log_densities", "log_density", "log_mass", "normal"]

SWIFT = 20.0
"""How much faster than a weight the log-odds of a fraction move: it may have to fall from a tenth to per mille."""


class Model(eqx.Module):
    """p(x | m) by a bijection; with `mass` p(x, m); with `odds` a fraction learned next to a frozen background."""

    flow: Any
    mass: Any = None
    odds: Tensor | None = None
    """Log-odds of the fraction over SWIFT."""


def normal(z: Tensor) -> Tensor:
    """Log density (n,) of the unit normal at z (d, n)."""
    log_density: Tensor = -0.5 * jnp.sum(z**2, axis=0) - 0.5 * len(z) * np.log(2 * np.pi)
    return log_density


def log_density(model: Model, y: Tensor, c: Tensor, bases: tuple[Any, ...]) -> Tensor:
    """log p(y | c) (n,) of y (d, n) = log base(z | c) + log |det dz/dy|; `bases` are ensembles, the nearest first."""
    z, log_slope = model.flow.encode(y, c)
    log_p: Tensor = log_slope + (log_densities(bases[0], z, c, bases[1:]) if bases else normal(z))
    return log_p


def log_densities(models: Any, y: Tensor, c: Tensor, bases: tuple[Any, ...]) -> Tensor:
    """Log of the mean density (n,) of an ensemble."""
    each = jax.vmap(lambda model: log_density(model, y, c, bases))(models)
    log_mean: Tensor = logsumexp(each, axis=0) - np.log(len(each))
    return log_mean


def log_mass(model: Model, u: Tensor) -> Tensor:
    """log p(u) (n,) of the transformed mass u (1, n)."""
    z, log_slope = model.mass.encode(u, u[:0])
    log_p: Tensor = log_slope + normal(z)
    return log_p


def likelihood(model: Model, batch: Mapping[str, Any], key: Tensor) -> Tensor:
    """Minus the mean of w log p, or of w log(f p + (1 - f) p_B) where the batch holds a background (arXiv:2312.11629).

    Batch: y (n, d), c (n, 1), w (n,); u (n, 1) for p(x, m); background (n,) log p_B in the coordinates y, u;
    log_fraction (n,) and log_rest (n,) unless the fraction is learned; bases.
    """
    log_p = log_density(model, batch["y"].T, batch["c"].T, batch["bases"])
    if model.mass is not None:
        log_p = log_p + log_mass(model, batch["u"].T)
    if "background" in batch:
        if model.odds is None:
            signal, rest = batch["log_fraction"], batch["log_rest"]
        else:
            signal, rest = jax.nn.log_sigmoid(SWIFT * model.odds), jax.nn.log_sigmoid(-SWIFT * model.odds)
        log_p = jnp.logaddexp(signal + log_p, rest + batch["background"])
    return -jnp.mean(batch["w"] * log_p)


@jax.jit
def log_prob_members(everything: tuple[Any, tuple[Any, ...]], y: Tensor, c: Tensor) -> tuple[Tensor]:
    """Log densities (members, n)."""
    models, bases = everything
    return (jax.vmap(lambda model: log_density(model, y, c, bases))(models),)


@jax.jit
def log_mass_members(models: Any, u: Tensor) -> tuple[Tensor]:
    """Log densities (members, n) of the transformed mass."""
    return (jax.vmap(lambda model: log_mass(model, u))(models),)


@jax.jit
def encode(model: Any, y: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    """z (d, n) and the log slope (n,) of one member."""
    z, log_slope = model.flow.encode(y, c)
    return z, log_slope


@jax.jit
def decode(model: Any, z: Tensor, c: Tensor) -> tuple[Tensor]:
    """y (d, n) of one member."""
    return (model.flow.decode(z, c),)


@jax.jit
def draw(model: Any, z: Tensor, c: Tensor) -> tuple[Tensor]:
    """y (d, n) of one member, by its quick way where it has one: for samples, which nothing has to map back."""
    return (getattr(model.flow, "draw", model.flow.decode)(z, c),)


@jax.jit
def decode_mass(model: Any, z: Tensor) -> tuple[Tensor]:
    """u (1, n) of one member."""
    return (model.mass.decode(z, z[:0]),)
