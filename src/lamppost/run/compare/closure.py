"""Does the background that a method expects look like the true one? A classifier that tells them apart says no."""

from collections.abc import Callable

import numpy as np

from lamppost.core import Events, Method, Ratio, Rng, Template, View, uniform_of
from lamppost.methods.subset import Subset, shown
from lamppost.run.compare.figures import area
from lamppost.search import seed_of

__all__ = ["Expectation", "closure_auc", "expectation_of"]

Expectation = Callable[[View, Rng], Events]


def expectation_of(method: Method) -> Expectation | None:
    """How a method makes its background expectation in the region: the events of its `template`, if it has one."""
    if isinstance(method, Subset):
        subset, inner = method, expectation_of(method.method)
        return None if inner is None else lambda view, rng: inner(subset.seen(view), rng)
    template = getattr(method, "template", None)
    return template.make if isinstance(template, Template) else None


def closure_auc(expected: Events, true: Events, seed: int) -> tuple[float, float]:
    """AUC of boosted trees that tell expected from true background by x, and its error: 0.5 if they cannot.

    By the features that are expected, if these are not all. Each half of the events is judged by what learnt from the
    other half. The error is the standard deviation for a score that knows nothing, sqrt((n + k + 1) / (12 n k)), of
    equivalent events n = (sum w)^2 / sum w^2 if weighted.
    """
    ratio, true = Ratio.parse("boosted"), shown(true, expected.names)
    halves = [uniform_of(sample.id, seed) < 0.5 for sample in (expected, true)]
    found = []
    for learn in (False, True):
        p, q = (sample[half == learn] for sample, half in zip((expected, true), halves, strict=True))
        rng = np.random.default_rng(seed_of(seed, "closure", learn))
        score = ratio.fit(p, q, given_m=False, rng=rng)
        p, q = (sample[half != learn] for sample, half in zip((expected, true), halves, strict=True))
        found.append(area(score(p), score(q), p.w, q.w))
    n, k = (float(sample.w.sum() ** 2 / (sample.w**2).sum()) for sample in (expected, true))
    return float(np.mean(found)), float(np.sqrt((n + k + 1) / (12 * n * k)))
