"""Significance of the signal of a `Workspace`, with all its nuisance parameters."""

from dataclasses import dataclass
from math import sqrt
from typing import Any, NamedTuple

import numpy as np

from lamppost.core import Array
from lamppost.stats.convert import p_from_z
from lamppost.stats.limits.envelope import likelihood
from lamppost.stats.limits.statistic import Point, Profile
from lamppost.stats.limits.workspace import Workspace
from lamppost.stats.scans.local import FEW_EVENTS
from lamppost.stats.toys import (
    BLOCK,
    SINGLE,
    Seed,
    TailProbability,
    block_rng,
    run_blocks,
    seed_sequence,
    tail_probability,
)

__all__ = ["Nuisance", "Significance", "nuisances", "significance"]

TOYS = 20000  # where toys are needed


class Nuisance(NamedTuple):
    """A fitted nuisance parameter: its pull from 0 and its error, both in units of its constraint."""

    name: str
    pull: float
    error: float


@dataclass(frozen=True)
class Significance:
    """A signal at one mass chosen beforehand.

    signal, signal_error: the fitted yield, of either sign (a sum of weights), and its error, all else profiled; where
    several backgrounds are profiled as well, half the interval in which -2 ln L rises by less than one
    q0, p, z: one-sided discovery statistic (arXiv:1007.1727), its p-value and significance; no excess gives p = 0.5
    p_error: standard deviation of p from the number of toys, 0 if asymptotic
    nuisances: of the fit with a signal
    """

    mass: float
    signal: float
    signal_error: float
    q0: float
    p: float
    z: float
    p_error: float
    nuisances: tuple[Nuisance, ...]
    method: str
    n_toys: int
    n_failed: int

    def summary(self) -> dict[str, Any]:
        """The numbers, as plain Python values that JSON can hold."""
        return {**vars(self), "nuisances": [nuisance._asdict() for nuisance in self.nuisances]}


def significance(workspace: Workspace, *, toys: int | None = None, seed: Seed = 0) -> Significance:
    """The p-value of the excess over background alone, asymptotic or by toys.

    By default asymptotic where enough background is under the peak, else from up to 20,000 toys of the fit without a
    signal, in which the constraints fluctuate too; `toys` = 0 or any other number overrules that.

    Raises
    ------
    FitError
        If a fit to the data does not converge.
    """
    model = likelihood(workspace)
    q0, under = model.q0, model.under_peak
    if toys is None:
        toys = TOYS if under < FEW_EVENTS and q0 > 0.0 else 0
    values = toy_values(model, toys, seed)
    asymptotic = TailProbability(p_from_z(sqrt(q0)), sqrt(q0), "asymptotic", 0.0)
    tail = tail_probability(values, q0, SINGLE) if len(values) else asymptotic
    return Significance(
        mass=workspace.mass,
        signal=model.quoted.signal,
        signal_error=model.error(model.quoted),
        q0=q0,
        p=tail.p or 0.0,
        z=tail.z or 0.0,
        p_error=tail.error or 0.0,
        nuisances=nuisances(model, model.quoted),
        method=model.how(tail.method),
        n_toys=len(values),
        n_failed=int(np.isinf(values).sum()),
    )


def toy_values(model: Profile, toys: int, seed: Seed) -> Array:
    """q0 of toys of the fit without a signal (n,), infinite where a fit failed."""
    root = seed_sequence(seed)

    def block(number: int) -> Array:
        counts, centres = model.draw(model.null, BLOCK, block_rng(root, number))
        rows = model.q_toys(counts, centres, model.null, np.empty(0))
        return np.where(rows[:, 1] > 0, np.inf, rows[:, 0])[:, None]

    return run_blocks(toys, model.q0, block)[:, 0] if toys > 0 else np.empty(0)


def nuisances(model: Profile, point: Point) -> tuple[Nuisance, ...]:
    """The nuisance parameters of a fit; the spurious signal only if the model has one."""
    rows = zip(model.names, model.nuisances(point), model.errors(point), strict=True)
    found = [Nuisance(name, float(pull), float(error)) for name, pull, error in rows]
    return tuple(found if model.workspace.spurious > 0.0 else found[1:])
