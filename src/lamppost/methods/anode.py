"""`anode`: the ratio of two densities, that of the region's data and that of the sidebands carried into the region."""

from dataclasses import dataclass
from typing import Annotated, Literal, cast

import numpy as np
from pydantic import BeforeValidator, Field, SerializeAsAny

from lamppost.core import Array, Density, Events, Method, Rng, Score, View, Window
from lamppost.errors import DataError
from lamppost.methods.mass_model import at_nearest_mass, expected_in_region, masses_in_region
from lamppost.methods.nested import Ensemble, ensemble, nest, unnest
from lamppost.storage import fitted

__all__ = ["Anode", "AnodeScore"]

_MASSES = 4097


class Anode(Method):
    """ANODE (arXiv:2001.04990): log p_data(x|m) - log p_background(x|m).

    p_data is learnt in the region; p_background in the sidebands, and interpolated in m. Assumes that p(x|m) changes
    smoothly with m; features may depend on m. Fails where a density is hard to learn, at edges and in tails: both
    densities carry the full error of theirs, which a classifier of region against template never has to face, so that
    the ratio is noisier than that of weak supervision and small signals drown first. Where features follow m, events
    beside the region are compared with densities at its edges, which are not theirs. Gives the background above a cut
    without a look at the region: `AnodeScore.background_above`.
    """

    kind: Literal["anode"] = "anode"
    density: Annotated[SerializeAsAny[Density], BeforeValidator(Density.parse)] = Field(
        default_factory=lambda: Density.parse({"kind": "spline", "members": 4, "steps": 800, "holdout": 0.0}),
        description="what learns both densities; several members correct the background estimate for its optimism",
    )

    def fit(self, view: View, rng: Rng) -> Score:
        """Both densities; ConfigError if the view has no masses for the region."""
        masses = masses_in_region(view, 10 * _MASSES, rng, self.kind)
        quantiles = np.quantile(masses, np.linspace(0, 1, _MASSES))
        background = ensemble(self.kind, self.density.fit(view.sb, rng))
        data = ensemble(self.kind, self.density.fit(view.sr, rng))
        return AnodeScore(data, background, view.window, view.sr.names, quantiles, expected_in_region(view))


@fitted("anode")
@dataclass(frozen=True, eq=False)
class AnodeScore:
    """Fitted: both densities, and what a background estimate needs.

    `masses` are quantiles of the background's mass in the region, `expected` its events there and their error, in the
    view that was fitted: of the training folds in a hunt; None where a sideband holds too little to tell.
    """

    data: Ensemble
    background: Ensemble
    window: Window
    names: tuple[str, ...]
    masses: Array
    expected: tuple[float, float] | None

    def __call__(self, events: Events) -> Array:
        """log p_data(x|m) - log p_background(x|m) (n,); outside the region at its nearer edge."""
        events = at_nearest_mass(events, self.window.lo, self.window.hi)
        return self.data.log_prob(events) - self.background.log_prob(events)

    def background_above(
        self, thresholds: Array, rng: Rng, *, expected: tuple[float, float] | None = None, draws: int = 50_000
    ) -> tuple[Array, Array]:
        """Background events (k,) in the region with scores of at least `thresholds` (k,), and their errors (k,).

            n = N c integral p_background(x|m) p(m) [score >= threshold] dx dm

        by drawing from the interpolated density. N and its error are `expected`, or what the sidebands' masses give.
        A high score is where p_background is too low by chance as well as where there is a signal, so that the bare
        integral comes out too small. By how much, its members tell, each learnt on resampled events: c compares, above
        a cut on the score made with one member, the integral of the others with that of this one. A single member
        tells nothing, and c = 1.

        The error joins that of N, of the draws, the standard deviation of the integral over members, and all that c
        changes: resampling knows of chance alone, not of what all members get wrong in the interpolation. Where no draw
        is above the cut, the error is that of one.

        Raises
        ------
        DataError
            If nothing says how many events there are in all.
        """
        if expected is None and self.expected is None:
            msg = f"anode: a sideband of {self.window} holds too little to say what to expect: give `expected`"
            raise DataError(msg)
        thresholds = np.atleast_1d(np.asarray(thresholds, dtype=np.float64))
        total, total_error = cast(tuple[float, float], expected or self.expected)
        m = np.interp(rng.random(draws), np.linspace(0, 1, len(self.masses)), self.masses)
        inside, spread, factor = self._above(thresholds, m, rng)
        n = total * factor * inside
        least = np.maximum(inside, 1 / draws)
        relative = np.sqrt((total_error / total) ** 2 + 1 / (draws * least) + (factor - 1) ** 2)
        return n, total * factor * np.hypot(least * relative, spread)

    def _above(self, thresholds: Array, m: Array, rng: Rng) -> tuple[Array, Array, Array]:
        """Parts (k,) of p_background(x|m) with such scores, their standard deviations over members, and c."""
        ids = rng.integers(2**63, size=len(m)).astype(np.uint64)
        events = Events(ids, self.background.sample(m, rng), m, np.ones(len(m)), self.names)
        each, data = self.background.member_log_probs(events), self.data.log_prob(events)
        mean = np.logaddexp.reduce(each, axis=0) - np.log(len(each))
        above = ((data - mean)[:, None] >= thresholds).astype(np.float64)
        parts = np.exp(each - mean)
        if len(parts) == 1:
            return above.mean(axis=0), np.zeros(len(thresholds)), np.ones(len(thresholds))
        spread = (parts @ above / len(m)).std(axis=0, ddof=1)
        own, others = np.zeros(len(thresholds)), np.zeros(len(thresholds))
        for member, part in zip(each, parts, strict=True):
            kept = (data - member)[:, None] >= thresholds
            own += part @ kept
            others += (len(parts) - part) @ kept / (len(parts) - 1)
        return above.mean(axis=0), spread, np.where(own > 0, others / np.maximum(own, 1e-300), 1.0)

    def to_bytes(self) -> bytes:
        """A safetensors file with both densities in it."""
        window = (self.window.lo, self.window.hi, self.window.reach)
        about = {"window": window, "expected": self.expected, "names": self.names}
        return nest(
            "anode",
            about,
            {"data": self.data, "background": self.background},
            {"masses": self.masses},
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> "AnodeScore":
        """Read back what `to_bytes` wrote; DataError if damaged or newer."""
        about, parts, tensors = unnest(data, "anode")
        try:
            lo, hi, reach = about["window"]
            expected = None if about["expected"] is None else (about["expected"][0], about["expected"][1])
            window, names = Window(lo, hi, reach), tuple(about["names"])
            return cls(parts["data"], parts["background"], window, names, tensors["masses"], expected)
        except (KeyError, TypeError, ValueError) as cause:
            msg = f"anode: damaged content ({cause})"
            raise DataError(msg) from None
