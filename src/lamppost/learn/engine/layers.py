"""Multilayer perceptrons on batches (features, events): the long axis is the inner one, as vector units want it."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import equinox as eqx
import jax
import numpy as np

__all__ = ["Dense", "Mlp", "Tensor", "stacked"]

Tensor = jax.Array


class Dense(eqx.Module):
    """y = W x + b for x (inputs, n); W (outputs, inputs)."""

    weight: Tensor
    bias: Tensor

    @staticmethod
    def drawn(rng: np.random.Generator, inputs: int, outputs: int, *, gain: float = 1.0) -> "Dense":
        """He-like initial values; gain 0 makes a layer that starts as zero."""
        scale = gain / np.sqrt(max(inputs, 1))
        weight = rng.normal(size=(outputs, inputs)) * scale
        return Dense(np.asarray(weight, np.float32), np.zeros(outputs, np.float32))  # type: ignore[arg-type]

    def __call__(self, x: Tensor) -> Tensor:
        return self.weight @ x + self.bias[:, None]


class Mlp(eqx.Module):
    """Dense layers with SiLU between them: smooth, so that what it learns interpolates smoothly in m."""

    layers: tuple[Dense, ...]

    @staticmethod
    def drawn(rng: np.random.Generator, sizes: tuple[int, ...], *, last: float = 1.0) -> "Mlp":
        """Sizes from inputs to outputs; `last` is the gain of the last layer."""
        pairs = list(pairwise(sizes))
        gains = [2.0**0.5] * (len(pairs) - 1) + [last]
        return Mlp(tuple(Dense.drawn(rng, i, o, gain=g) for (i, o), g in zip(pairs, gains, strict=True)))

    def __call__(self, x: Tensor) -> Tensor:
        for layer in self.layers[:-1]:
            x = jax.nn.silu(layer(x))
        return self.layers[-1](x)


def stacked(models: Sequence[Any]) -> Any:
    """Models of one shape as one model whose arrays have a leading axis."""
    return jax.tree.map(lambda *leaves: np.stack(leaves), *models)
