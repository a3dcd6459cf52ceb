"""What repetitions of an analysis would exclude, by the rule of limits, from trainings at a few strengths in each."""

from collections.abc import Iterable, Sequence
from math import inf, log

import numpy as np

from lamppost.core import Array

__all__ = ["FACTOR", "around", "between", "rule"]

FACTOR = 1.5
"""About how far from the injection that is quoted, on either side, pseudo-data are trained in."""
FAR = 1e9
"""Events that are never excluded: so far away that a line to there crosses where training begins to help."""


def around(quoted: Iterable[float], others: Sequence[float]) -> tuple[float, ...]:
    """Some strengths, and of those that could be injected one below and one above all of them, rising.

    They are those nearest to a factor of 1.5 away.
    """
    inside = sorted(set(quoted))
    least, most = inside[0], inside[-1]
    below = min((s for s in others if s < least), key=lambda s: abs(log(least / s / FACTOR)), default=least)
    above = min((s for s in others if s > most), key=lambda s: abs(log(s / most / FACTOR)), default=most)
    return tuple(dict.fromkeys((below, *inside, above)))


def between(strengths: Sequence[float] | Array, trained: Array, medians: Array, known: Array, of_data: Array) -> Array:
    """Expected e(s) (t, g) of repetitions at `strengths` (g,), which were trained at a few of them only.

    trained, medians (k,), (t, k): rising, and what each repetition is expected to exclude there; infinite: nothing
    known, of_data (p,): injections into the data, rising, and what is expected to be excluded with these

    On lines in the logarithms between the strengths trained, and beyond them as steep as the data are; beyond what is
    known of these, level.
    """
    x, knots = np.log(strengths), np.log(trained)
    inside = np.clip(x, knots[0], knots[-1])
    weights = np.stack([np.interp(inside, knots, row) for row in np.eye(len(knots))])
    steep = np.interp(x, np.log(known), np.log(of_data)) - np.interp(inside, np.log(known), np.log(of_data))
    return np.asarray(np.exp(np.log(np.minimum(medians, FAR)) @ weights + steep))


def rule(strengths: Array, expected: Array, pulls: Array) -> Array:
    """The limits (n,) of repetitions: each is quoted by the injection whose max(s, expected e(s)) is smallest.

    strengths (g,): injections; expected (n, g): the median of what each excludes
    pulls (n,): what is excluded over its median
    """
    chosen = np.maximum(strengths, expected).argmin(axis=1)
    limits = np.maximum(strengths[chosen], pulls * expected[np.arange(len(pulls)), chosen])
    return np.asarray(np.where(limits < 0.1 * FAR, limits, inf))
