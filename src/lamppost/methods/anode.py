"""`anode`: the ratio of two densities, that of the region's data and that of the sidebands carried into the region."""

from dataclasses import dataclass, replace
from typing import Annotated, Literal, cast

import numpy as np
from pydantic import BeforeValidator, Field, SerializeAsAny

from lamppost.core import Array, Density, Events, Method, Rng, Score, View, Window, uniform_of
from lamppost.errors import DataError
from lamppost.methods.mass_model import at_nearest_mass, expected_in_region, masses_in_region
from lamppost.methods.nested import Ensemble, nest, unnest
from lamppost.storage import fitted

__all__ = ["Anode", "AnodeScore"]

_MASSES = 4097
_HELD_OUT = 0.2


class Anode(Method):
    """ANODE (arXiv:2001.04990): log p_data(x|m) - log p_background(x|m).

    p_data is learnt in the region; p_background in the sidebands, and interpolated in m. Assumes that p(x|m) changes
    smoothly with m; features may depend on m. Fails where a density is hard to learn, at edges and in tails: both
    densities carry the full error of theirs, which a classifier of region against template never has to face, so that
    the ratio is noisier than that of weak supervision and small signals drown first. Gives the background above a cut
    without a look at the region.
    """

    kind: Literal["anode"] = "anode"
    density: Annotated[SerializeAsAny[Density], BeforeValidator(Density.parse)] = Field(
        default_factory=lambda: Density.parse({"kind": "spline", "members": 4, "holdout": 0.0}),
        description="what learns both densities; the spread of its members is in the error of the background estimate",
    )

    def fit(self, view: View, rng: Rng) -> Score:
        """Both densities; ConfigError if the view has no masses for the region."""
        masses = masses_in_region(view, 10 * _MASSES, rng, self.kind)
        quantiles = np.quantile(masses, np.linspace(0, 1, _MASSES))
        held = uniform_of(view.sb.id, int(rng.integers(2**63))) < _HELD_OUT
        background = cast(Ensemble, self.density.fit(view.sb[~held], rng))
        data = cast(Ensemble, self.density.fit(view.sr, rng))
        blank = AnodeScore(
            data, background, view.window, view.sr.names, quantiles, expected_in_region(view), np.empty(0)
        )
        control = view.sb[held]
        return replace(blank, control=np.stack([control.m, control.w, blank(control)]))


@fitted("anode")
@dataclass(frozen=True, eq=False)
class AnodeScore:
    """Fitted: both densities, and what a background estimate needs.

    `masses` are quantiles of the background's mass in the region, `expected` its events there and their error,
    `control` (3, n) mass, weight and score of sideband events that no density saw.
    """

    data: Ensemble
    background: Ensemble
    window: Window
    names: tuple[str, ...]
    masses: Array
    expected: tuple[float, float]
    control: Array

    def __call__(self, events: Events) -> Array:
        """log p_data(x|m) - log p_background(x|m) (n,); outside the region at its nearer edge."""
        events = at_nearest_mass(events, self.window)
        return self.data.log_prob(events) - self.background.log_prob(events)

    def background_above(
        self, thresholds: Array, rng: Rng, *, expected: tuple[float, float] | None = None, draws: int = 50_000
    ) -> tuple[Array, Array]:
        """Background events (k,) in the region with scores of at least `thresholds` (k,), and their errors (k,).

            n = N c integral p_background(x|m) p(m) [score >= threshold] dx dm

        by drawing from the interpolated density. N and its error are `expected`, or what the sidebands' masses give.
        A high score is where p_background is too low by chance as well as where there is a signal, so that the bare
        integral comes out too small: c = (observed + 1) / (predicted + 1) compares the same integral at the masses of
        held-out sideband events with how many of these have such a score.

        The error joins that of N, of the draws, of c (Poisson), and that of the interpolation: the standard deviation
        of the integral over the members, each learnt on resampled events.
        """
        thresholds = np.atleast_1d(np.asarray(thresholds, dtype=np.float64))
        total, total_error = expected or self.expected
        m, w, score = self.control
        inside, spread = self._above(thresholds, np.interp(rng.random(draws), _levels(self.masses), self.masses), rng)
        beside, _ = self._above(thresholds, rng.choice(m, draws, p=w / w.sum()), rng)
        effective = w.sum() ** 2 / (w @ w)
        observed = effective / w.sum() * ((score[:, None] >= thresholds) * w[:, None]).sum(axis=0)
        factor = (observed + 1) / (effective * beside + 1)
        n = total * inside * factor
        drawn = 1 / (draws * np.maximum(inside, 1 / draws)) + 1 / (draws * np.maximum(beside, 1 / draws))
        relative = np.sqrt((total_error / total) ** 2 + drawn + 1 / (observed + 1))
        return n, np.hypot(n * relative, total * factor * spread)

    def _above(self, thresholds: Array, m: Array, rng: Rng) -> tuple[Array, Array]:
        """Parts (k,) of p_background(x|m) with such scores, and their standard deviations over members."""
        ids = rng.integers(2**63, size=len(m)).astype(np.uint64)
        events = Events(ids, self.background.sample(m, rng), m, np.ones(len(m)), self.names)
        each = self.background.member_log_probs(events)
        part = np.exp(each - np.logaddexp.reduce(each, axis=0)) * len(each)
        above = (self(events)[:, None] >= thresholds).astype(np.float64)
        spread = (part @ above / len(m)).std(axis=0, ddof=1) if len(each) > 1 else np.zeros(len(thresholds))
        return above.mean(axis=0), spread

    def to_bytes(self) -> bytes:
        """A safetensors file with both densities in it."""
        window = (self.window.lo, self.window.hi, self.window.reach)
        about = {"window": window, "expected": self.expected, "names": self.names}
        return nest(
            "anode",
            about,
            {"data": self.data, "background": self.background},
            {"masses": self.masses, "control": self.control},
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> "AnodeScore":
        """Read back what `to_bytes` wrote; DataError if damaged or newer."""
        about, parts, tensors = unnest(data, "anode")
        try:
            lo, hi, reach = about["window"]
            expected, error = about["expected"]
            window, names = Window(lo, hi, reach), tuple(about["names"])
            arrays = tensors["masses"], (expected, error), tensors["control"]
            return cls(parts["data"], parts["background"], window, names, *arrays)
        except (KeyError, TypeError, ValueError) as cause:
            msg = f"anode: damaged content ({cause})"
            raise DataError(msg) from None


def _levels(quantiles: Array) -> Array:
    return np.linspace(0, 1, len(quantiles))
