"""Densities by normalising flows: coupling flows with three coupling functions, and masked autoregressive flows."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Annotated, Any, Literal, final

from pydantic import BeforeValidator, Field, PlainSerializer

from lamppost.core import Array, Conditional, Density, Events, Rng

__all__ = ["Affine", "Flow", "Maf", "Quadratic", "Spline"]

Choices = Annotated[
    tuple[tuple[str, str], ...],
    BeforeValidator(lambda value: tuple(sorted(value.items())) if isinstance(value, Mapping) else value),
    PlainSerializer(dict, return_type=dict),
]


class Flow(Density):
    """What all flows share: an ensemble trained at once by weighted maximum likelihood."""

    members: int = Field(1, ge=1, le=1000, description="flows in the ensemble, each on its own resampled events")
    epochs: float = Field(20, gt=0, description="passes over the events, within the limits on steps")
    least: int = Field(100, ge=1, description="optimiser steps, at least")
    steps: int = Field(1500, ge=1, description="optimiser steps, at most")
    batch: int = Field(1024, ge=16, description="events per step, at most: fewer where there are few events")
    learning_rate: float = Field(2e-3, gt=0, description="Adam's highest rate: a short rise, then a cosine")
    weight_decay: float = Field(
        1.5,
        ge=0,
        description="pull of the weights towards zero, where a flow is the identity, at 10,000 events; "
        "it falls like the root of their number; none next to a frozen background",
    )
    average: float = Field(0.25, gt=0, le=1, description="last part of the training over which weights are averaged")
    holdout: float = Field(0.1, ge=0, le=0.9, description="part of the events kept out, for the held-out likelihood")
    transforms: Choices = Field((), description="preprocessing by feature, where the automatic choice is not wanted")

    @abstractmethod
    def drawn(self, rng: Rng, features: int, given: int) -> Any:
        """An untrained bijection of y (features, n) given c (given, n)."""

    @abstractmethod
    def loss(self, *, plain: bool) -> Any:
        """What training minimises; not `plain`: next to a frozen background."""

    @final
    def fit(
        self,
        events: Events,
        rng: Rng,
        *,
        base: Conditional | None = None,
        log_background: Array | None = None,
        fraction: float | Literal["learn"] = 1.0,
        joint: bool = False,
    ) -> Conditional:
        """The fitted density."""
        from lamppost.learn.engine.fitting import fit_density

        return fit_density(self, events, rng, base=base, log_background=log_background, fraction=fraction, joint=joint)


class _Coupling(Flow):
    layers: int = Field(6, ge=1, description="coupling layers")
    hidden: tuple[int, ...] = Field((64, 64), description="widths of the hidden layers of every layer's network")

    @final
    def loss(self, *, plain: bool) -> Any:
        """The likelihood."""
        return _likelihood()


class Affine(_Coupling):
    """Coupling flow of affine functions (real NVP, arXiv:1605.08803): the cheapest."""

    kind: Literal["affine"] = "affine"

    def drawn(self, rng: Rng, features: int, given: int) -> Any:
        """Identity coupling flow."""
        from lamppost.learn.engine.flow import coupling_flow

        return coupling_flow(rng, features, given, function="affine", layers=self.layers, hidden=self.hidden, bins=0)


class Quadratic(_Coupling):
    """Coupling flow of piecewise quadratic functions (arXiv:1808.03856)."""

    kind: Literal["quadratic"] = "quadratic"
    bins: int = Field(8, ge=2, le=64, description="pieces of every function")

    def drawn(self, rng: Rng, features: int, given: int) -> Any:
        """Identity coupling flow."""
        from lamppost.learn.engine.flow import coupling_flow

        return coupling_flow(
            rng, features, given, function="quadratic", layers=self.layers, hidden=self.hidden, bins=self.bins
        )


class Spline(_Coupling):
    """Coupling flow of monotone rational-quadratic splines (neural spline flow, arXiv:1906.04032)."""

    kind: Literal["spline"] = "spline"
    bins: int = Field(8, ge=2, le=64, description="pieces of every function")

    def drawn(self, rng: Rng, features: int, given: int) -> Any:
        """Identity coupling flow."""
        from lamppost.learn.engine.flow import coupling_flow

        return coupling_flow(
            rng, features, given, function="spline", layers=self.layers, hidden=self.hidden, bins=self.bins
        )


class Maf(Flow):
    """Masked autoregressive flow (arXiv:1705.07057); the defaults are the 15 blocks of 128 of CATHODE (2109.00546)."""

    kind: Literal["maf"] = "maf"
    blocks: int = Field(15, ge=1, description="autoregressive blocks, alternately forwards and backwards")
    width: int = Field(128, ge=1, description="hidden units per block")

    def loss(self, *, plain: bool) -> Any:
        """The likelihood."""
        return _likelihood()

    def drawn(self, rng: Rng, features: int, given: int) -> Any:
        """Identity masked autoregressive flow."""
        from lamppost.learn.engine.flow import masked_flow

        return masked_flow(rng, features, given, blocks=self.blocks, hidden=self.width)


def _likelihood() -> Any:
    from lamppost.learn.engine.density import likelihood

    return likelihood
