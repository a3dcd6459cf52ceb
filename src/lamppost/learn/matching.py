"""Densities by flow matching: continuous flows trained by regression, without a likelihood."""

from typing import Any, Literal

from pydantic import Field

from lamppost.core import Rng
from lamppost.learn.flows import Flow

__all__ = ["Matching"]


class Matching(Flow):
    """Continuous flow dy/dt = v(y, t, m) trained by conditional flow matching (arXiv:2210.02747, 2209.03003).

    v regresses to the velocity of paths that join draws of the base with events at the same m. The log density is that
    of the base less the integral of div v dt, its divergence exact. Next to a frozen background the likelihood itself
    is maximised, by derivatives of the integral: about ten times slower.
    """

    kind: Literal["matching"] = "matching"
    width: int = Field(96, ge=1, description="units of either hidden layer of the velocity network")
    integration: int = Field(12, ge=1, description="Runge-Kutta steps of log_prob, encode and decode")
    epochs: float = Field(40, gt=0, description="passes over the events")
    steps: int = Field(10000, ge=1, description="optimiser steps, at most")
    learning_rate: float = Field(1e-2, gt=0, description="Adam's highest rate: a short rise, then a cosine")
    weight_decay: float = Field(
        0.05, ge=0, description="pull of the weights towards zero at 10,000 events; falls like the root of their number"
    )

    def drawn(self, rng: Rng, features: int, given: int) -> Any:
        """Identity continuous flow."""
        from lamppost.learn.engine.matching import continuous_flow

        return continuous_flow(rng, features, given, width=self.width, steps=self.integration)

    def loss(self, *, plain: bool) -> Any:
        """Flow matching, or the likelihood of a mixture."""
        from lamppost.learn.engine.matching import matching, mixture

        return matching if plain else mixture
