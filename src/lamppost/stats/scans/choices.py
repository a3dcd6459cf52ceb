"""What an analysis decides by looking at the data: the family of its background, the order, the range."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from lamppost.errors import ConfigError, FitError
from lamppost.stats.fits.fit import BackgroundFit, Order, orders
from lamppost.stats.scans.result import Tried
from lamppost.stats.shapes.background import Background
from lamppost.stats.shapes.background import background as parse_background
from lamppost.stats.shapes.signals import Gaussian
from lamppost.stats.spectrum import Spectrum

__all__ = ["AtLeast", "Choice", "Criterion", "Plan", "at_fixed_mass", "choose"]

Criterion = Literal["aic", "p_value", "envelope"]
AtLeast = int | Sequence[int | None] | None
"""The fewest parameters of every family, or of each."""


@dataclass(frozen=True, eq=False)
class Choice:
    """The background that was chosen: spectrum (cut to its range), background (the fit), tried (all in question)."""

    spectrum: Spectrum
    background: BackgroundFit
    tried: tuple[Tried, ...]


@dataclass(frozen=True)
class Plan:
    """How a background is chosen; see `choose`."""

    families: tuple[Background, ...]
    n_parameters: Order
    at_least: tuple[int | None, ...]
    criterion: Criterion
    lower_edges: tuple[float, ...]

    def orders(self, family: Background, at_least: int | None, bins: int) -> Sequence[Order]:
        """What is tried of a family: one order, however it is chosen, or all for an envelope."""
        if self.criterion != "envelope" or isinstance(self.n_parameters, int):
            return (self.n_parameters,)
        lowest, highest = orders(family, self.n_parameters, bins, at_least)
        return range(lowest, highest + 1)

    def firsts(self, spectrum: Spectrum) -> list[int]:
        """The first bins of the ranges, widest first; FitError if a lower edge is not one of the spectrum."""
        found = []
        for edge in sorted(set(self.lower_edges)):
            first = int(np.abs(spectrum.edges[:-1] - edge).argmin())
            if not abs(spectrum.edges[first] - edge) <= 1e-9 * (spectrum.hi - spectrum.lo):
                msg = f"lower_edges: {edge:g} is not where a bin begins, the nearest is {spectrum.edges[first]:g}"
                raise FitError(msg)
            found.append(first)
        return found or [0]


def plan(
    background: object, n_parameters: Order, at_least: AtLeast, criterion: Criterion, lower_edges: Sequence[float]
) -> Plan:
    """The plan that user input describes.

    Raises
    ------
    ConfigError
        If there is no background, one is not a known kind, the criterion does not exist, or `at_least` is a list of
        another length.
    """
    families = tuple(parse_background(value) for value in listed(background))
    if not families:
        msg = "background: expected at least one family, found none"
        raise ConfigError(msg)
    if criterion not in ("aic", "p_value", "envelope"):
        msg = f"criterion: expected 'aic', 'p_value' or 'envelope', found {criterion!r}"
        raise ConfigError(msg)
    if criterion == "envelope" and isinstance(n_parameters, str):
        msg = f"criterion: an envelope holds all orders: expected no n_parameters, or a number, found {n_parameters!r}"
        raise ConfigError(msg)
    if criterion == "envelope" and len(lower_edges) > 1:
        msg = f"criterion: an envelope has one range: expected at most one lower edge, found {len(lower_edges)}"
        raise ConfigError(msg)
    fewest = tuple(at_least) if isinstance(at_least, Sequence) else (at_least,) * len(families)
    if len(fewest) != len(families):
        msg = f"at_least: expected a number, or one for each of {len(families)} families, found {len(fewest)}"
        raise ConfigError(msg)
    return Plan(families, n_parameters, fewest, criterion, tuple(float(edge) for edge in lower_edges))


def at_fixed_mass(
    criterion: Criterion | None, families: int, n_parameters: Order, nuisance: bool, ranges: int = 1
) -> Criterion:
    """The criterion of a statement at one mass if the user names none: an envelope, where there is a choice to profile.

    An asymptotic formula takes no account of a choice made on the data: p-values and errors would come out too small.
    A spurious signal (`nuisance`), several ranges and an order chosen as asked stand in the way.
    """
    if criterion is not None:
        return criterion
    fixed = families == 1 and isinstance(n_parameters, int)
    return "aic" if fixed or isinstance(n_parameters, str) or nuisance or ranges > 1 else "envelope"


def listed(background: object) -> list[object]:
    """One background or several, as a list."""
    return list(background) if isinstance(background, Sequence) and not isinstance(background, str) else [background]


def choose(
    spectrum: Spectrum,
    background: object = ("dijet", "diphoton", "ua2"),
    *,
    n_parameters: Order = None,
    at_least: AtLeast = None,
    criterion: Criterion = "aic",
    lower_edges: Sequence[float] = (),
    masked: tuple[float, float] | None = None,
) -> Choice:
    """Choose family, order and range of the background, as `lamppost.stats.scan` does in the data and in every toy.

    `background` is one family or a list of them, each a kind name, a table or a spec; every one gets its order by
    `n_parameters` and `at_least` as in `scan`. Of the families that converge the one with the smallest AIC (deviance +
    2 parameters) is taken, or with the criterion "p_value" the one with the largest Pearson p-value; with "envelope"
    every order of every family is tried, and that of the smallest deviance + parameters taken. With `lower_edges`
    (edges of bins) the range begins at the lowest of them from which the family so chosen fits with a p-value of at
    least 0.05, or else at the one with the largest. Bins that overlap `masked` = (lo, hi) are left out.

    Raises
    ------
    FitError
        If nothing converges, an order does not exist, or a lower edge is not where a bin begins.
    ConfigError
        If a background is not a known kind.
    """
    from lamppost.stats.scans.procedure import procedure

    chosen = plan(background, n_parameters, at_least, criterion, lower_edges)
    made = procedure(spectrum, chosen, Gaussian(), np.empty(0), masked)
    return Choice(made.best.search.model.spectrum, made.best.search.background, made.tried)
