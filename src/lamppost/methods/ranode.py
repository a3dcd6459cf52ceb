"""`ranode`: a signal density next to a frozen background, by the likelihood of their mixture."""

from dataclasses import dataclass, replace
from typing import Annotated, Literal, cast

import numpy as np
from pydantic import BeforeValidator, Field, SerializeAsAny

from lamppost.core import Array, Density, Events, Method, Rng, Score, View, Window, uniform_of
from lamppost.errors import DataError
from lamppost.methods.mass_model import MassDensity, at_nearest_mass, masses_in_region
from lamppost.methods.nested import Ensemble, nest, unnest
from lamppost.storage import fitted

__all__ = ["Ranode", "RanodeScore"]

_MASSES = 100_000
_DRAWS = 2000
_HELD_OUT = 0.3
_ROUNDS = 200
_SPARE = 8

Part = Annotated[float, Field(gt=0, lt=1)]


class Ranode(Method):
    """R-ANODE (arXiv:2312.11629): maximises sum log[w p_S(x, m) + (1 - w) p_B(x|m) p_B(m)] over p_S in the region.

    p_B(x|m) is learnt in the sidebands and frozen, p_B(m) is that of the smooth model of the masses. The flow has to
    learn the signal alone instead of a per mille change of everything, which is why it sees small signals. The score is
    log p_S(x|peak) - log p_B(x|m), p_S at the median mass of the signal: a cut on p_S(x, m) itself would carve a peak
    into the spectrum, and so would one on p_S(x|m), which is purest where the signal is.

    Scanned, w is taken from a grid: the smallest whose p_S gives events kept out of the fit a likelihood within one
    standard error of the best, since p_S can always take background for its own and a larger w then costs nothing.
    Learned with p_S, w is an upper estimate for the same reason. What p_S took of the background is subtracted from the
    w and the samples of the fitted score, not from the score itself, whose order it leaves alone: the part kappa =
    median p_S/p_B over the region, right as long as the signal sits in less than half of the background.

    Assumes a well interpolated p_B: where it is wrong by more than the signal, p_S learns the error.
    """

    kind: Literal["ranode"] = "ranode"
    density: Annotated[SerializeAsAny[Density], BeforeValidator(Density.parse)] = Field(
        default_factory=lambda: Density.parse({"kind": "spline", "members": 4}), description="the background's density"
    )
    signal: Annotated[SerializeAsAny[Density], BeforeValidator(Density.parse)] = Field(
        default_factory=lambda: Density.parse({"kind": "spline", "holdout": 0.0}), description="the signal's density"
    )
    fraction: Part | Literal["scan", "learn"] = Field(
        "scan", description="the signal's part w of the region's events: scanned, learned, or given"
    )
    grid: tuple[Part, ...] = Field(
        (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1), min_length=1, description="what a scan of w tries"
    )

    def fit(self, view: View, rng: Rng) -> Score:
        """p_B, then p_S; ConfigError if the view has no masses for the region."""
        mass = MassDensity.fit(masses_in_region(view, _MASSES, rng, self.kind), view.window)
        background = cast(Ensemble, self.density.fit(view.sb, rng))
        log_b = background.log_prob(view.sr) + mass(view.sr.m)
        seed = int(rng.integers(2**63))
        if self.fraction == "learn":
            signal = self._signal(view.sr, log_b, "learn", seed)
            w = float(np.mean(signal.fractions or ()))
        else:
            chosen, w = self._scan(view.sr, log_b, seed) if self.fraction == "scan" else (self.fraction, self.fraction)
            signal = self._signal(view.sr, log_b, chosen, seed)
        shared = background_share(signal.log_prob(view.sr) - log_b, view.sr.w)
        score = RanodeScore(signal, background, view.window, view.sr.names, w * (1 - shared), shared, mass, np.nan)
        return replace(score, peak=float(np.median(score.sample(_DRAWS, rng).m)))

    def _signal(self, events: Events, log_b: Array, fraction: float | Literal["learn"], seed: int) -> Ensemble:
        # the same draws for every fraction: differences are due to the fraction alone
        fitted = self.signal.fit(
            events, np.random.default_rng(seed), log_background=log_b, fraction=fraction, joint=True
        )
        return cast(Ensemble, fitted)

    def _scan(self, events: Events, log_b: Array, seed: int) -> tuple[float, float]:
        """The fraction of the grid to fit with, and the fraction of held-out events that its p_S makes most likely."""
        held = uniform_of(events.id, seed) < _HELD_OUT
        weight, grid = events.w[held], sorted(self.grid)
        excess = [self._signal(events[~held], log_b[~held], w, seed).log_prob(events[held]) - log_b[held] for w in grid]
        gains = np.array([np.logaddexp(np.log(w) + e, np.log1p(-w)) for w, e in zip(grid, excess, strict=True)])
        lost = gains[np.argmax(gains @ weight)] - gains
        near = lost @ weight <= np.sqrt(lost**2 @ weight**2)
        chosen = int(np.argmax(near))
        return grid[chosen], most_likely_fraction(excess[chosen], weight)


def background_share(log_ratio: Array, weight: Array) -> float:
    """The part of p_S that is background: the weighted median of p_S/p_B (n,) over the region, at most 0.99."""
    order = np.argsort(log_ratio, kind="stable")
    level = np.cumsum(weight[order]) / weight.sum()
    return float(min(np.exp(np.interp(0.5, level, log_ratio[order])), 0.99))


def most_likely_fraction(log_ratio: Array, weight: Array) -> float:
    """The w in (0, 1) that maximises sum weight log(w p_S/p_B + 1 - w), log_ratio (n,) = log p_S/p_B, by bisection."""
    excess = np.expm1(np.minimum(log_ratio, 300.0))
    low, high = 1e-6, 1 - 1e-6
    for _ in range(_ROUNDS):
        w = np.sqrt(low * high)
        if weight @ (excess / (1 + w * excess)) > 0:
            low = w
        else:
            high = w
    return float(np.sqrt(low * high))


@fitted("ranode")
@dataclass(frozen=True, eq=False)
class RanodeScore:
    """Fitted: the densities of signal and background, and that of the background in m alone.

    `fraction` of the region's events are signal, half of it below the mass `peak`; `shared` is the part of the signal's
    density that is background.
    """

    signal: Ensemble
    background: Ensemble
    window: Window
    names: tuple[str, ...]
    fraction: float
    shared: float
    mass: MassDensity
    peak: float

    def __call__(self, events: Events) -> Array:
        """log p_S(x|peak) - log p_B(x|m) (n,); outside the region with the p_B at its nearer edge."""
        peak = np.full(len(events), self.peak)
        return self.signal.log_prob(replace(events, m=peak)) - self.background.log_prob(
            at_nearest_mass(events, self.window)
        )

    def sample(self, n: int, rng: Rng) -> Events:
        """n events of the signal: drawn from p_S, less the part that is background."""
        drawn = self._drawn(_SPARE * n, rng)
        log_b = self.background.log_prob(drawn) + self.mass(drawn.m)
        excess = 1 - self.shared * np.exp(np.minimum(log_b - self.signal.log_prob(drawn), 300.0))
        # kept with that probability; where too few are, others fill up
        order = np.argsort(rng.random(len(drawn)) > excess, kind="stable")
        return drawn[order[:n]]

    def _drawn(self, n: int, rng: Rng) -> Events:
        m = self.signal.sample_mass(n, rng).clip(self.window.lo, self.window.hi)
        ids = rng.integers(2**63, size=n).astype(np.uint64)
        return Events(ids, self.signal.sample(m, rng), m, np.ones(n), self.names)

    def to_bytes(self) -> bytes:
        """A safetensors file with both densities in it."""
        window = (self.window.lo, self.window.hi, self.window.reach)
        about = {"window": window, "names": self.names, "fraction": self.fraction, "shared": self.shared}
        tensors = {"nodes": self.mass.nodes, "log_p": self.mass.log_p}
        parts = {"signal": self.signal, "background": self.background}
        return nest("ranode", about | {"peak": self.peak}, parts, tensors)

    @classmethod
    def from_bytes(cls, data: bytes) -> "RanodeScore":
        """Read back what `to_bytes` wrote; DataError if damaged or newer."""
        about, parts, tensors = unnest(data, "ranode")
        try:
            mass = MassDensity(tensors["nodes"], tensors["log_p"])
            window, names = Window(*about["window"]), tuple(about["names"])
            numbers = about["fraction"], about["shared"], mass, about["peak"]
            return cls(parts["signal"], parts["background"], window, names, *numbers)
        except (KeyError, TypeError, ValueError) as error:
            msg = f"ranode: damaged content ({error})"
            raise DataError(msg) from None
