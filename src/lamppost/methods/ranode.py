"""`ranode`: a signal density next to a frozen background, by the likelihood of their mixture."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field, SerializeAsAny

from lamppost.core import Array, Density, Events, Method, Rng, Score, View, Window
from lamppost.errors import ConfigError, DataError
from lamppost.methods.mass_model import MassDensity, at_nearest_mass, masses_in_region
from lamppost.methods.nested import Ensemble, ensemble, nest, unnest
from lamppost.methods.signal_density import Normals, fit_signal
from lamppost.storage import fitted

__all__ = ["Ranode", "RanodeScore"]

_MASSES = 100_000
_FAR = 1e6
"""Coordinates beyond this are taken for this."""

Part = Annotated[float, Field(gt=0, lt=1)]


class Ranode(Method):
    """R-ANODE (arXiv:2312.11629): maximises sum log[w p_S(x, m) + (1 - w) p_B(x|m) p_B(m)] over p_S in the region.

    p_B(x|m) is learnt in the sidebands and frozen, p_B(m) is that of the smooth model of the masses. Only the signal is
    left to learn, instead of a per mille change of everything, which is why small signals are seen. The paper takes a
    flow for p_S; with some hundred signal events it finds spikes instead. Here p_S(x, m) is a normal density in
    coordinates in which the background's features are normal, found from many starts: see `fit_signal`. The score is
    log p_S(x) - log p_B(x|m), p_S integrated over m: a cut on p_S(x, m) would carve a peak into the spectrum.

    Assumes a well interpolated p_B, and a signal that is one cluster of events: of several, p_S is the most significant
    one. Fails where p_B is wrong by more than the signal, whose place such an error takes, and where many events share
    one value; without a signal it points at the largest fluctuation or error. Where features follow m, a cut does not
    keep the same part of events at all masses: p_S(x) stays where it is, the background moves. w is that of the
    cluster, less than the signal's if that has tails in which nothing tells it from the background.
    """

    kind: Literal["ranode"] = "ranode"
    density: Annotated[SerializeAsAny[Density], BeforeValidator(Density.parse)] = Field(
        default_factory=lambda: Density.parse({"kind": "spline", "members": 4, "steps": 1000, "holdout": 0.0}),
        description="the background's density",
    )
    fraction: Part | Literal["learn", "scan"] = Field(
        "learn", description="the signal's part w of the region's events: learned with p_S, scanned, or given"
    )
    grid: tuple[Part, ...] = Field(
        (3e-4, 6e-4, 1e-3, 2e-3, 3e-3, 6e-3, 1e-2, 2e-2, 3e-2, 6e-2, 1e-1),
        min_length=1,
        description="of which a scan takes the w of the highest likelihood",
    )

    def fit(self, view: View, rng: Rng) -> Score:
        """p_B, then p_S; ConfigError if the view has no masses for the region."""
        mass = MassDensity.fit(masses_in_region(view, _MASSES, rng, self.kind), view.window)
        background = ensemble(self.kind, self.density.fit(view.sb, rng))
        if not isinstance(background, _Background):
            msg = f"method 'ranode' needs a density with `preprocess`, found {type(background).__name__}"
            raise ConfigError(msg)
        y, log_slope = _coordinates(background, view.sr)
        u, log_unit = _mass_coordinate(view.sr.m, view.window)
        log_b = background.log_prob(view.sr) - log_slope + mass(view.sr.m) - log_unit
        joint, seed = np.column_stack([y, u]), int(rng.integers(2**63))

        def fitted_at(fraction: float | None) -> tuple[Normals, float, float]:
            # the same starts for every fraction: differences are due to the fraction alone
            return fit_signal(joint, log_b, view.sr.w, np.random.default_rng(seed), fraction)

        if self.fraction == "scan":
            signal, w, _ = max((fitted_at(part) for part in self.grid), key=lambda found: found[2])
        else:
            signal, w, _ = fitted_at(None if self.fraction == "learn" else self.fraction)
        return RanodeScore(signal, background, view.window, view.sr.names, w)


class _Map(Protocol):
    def forward(self, x: NDArray[np.float32], ids: NDArray[np.uint64]) -> tuple[NDArray[np.float32], Array]: ...

    def inverse(self, z: Array) -> NDArray[np.float32]: ...


@runtime_checkable
class _Background(Ensemble, Protocol):
    """A density that knows coordinates in which each feature alone is about normal."""

    @property
    def preprocess(self) -> _Map: ...


def _coordinates(background: _Background, events: Events) -> tuple[Array, Array]:
    """y (n, d) and log |dy/dx| (n,)."""
    y, log_slope = background.preprocess.forward(events.x, events.id)
    return y.astype(np.float64).clip(-_FAR, _FAR), log_slope


def _spread(window: Window) -> float:
    """The standard deviation of a mass anywhere in the window."""
    return float((window.hi - window.lo) / np.sqrt(12))


def _mass_coordinate(m: Array, window: Window) -> tuple[Array, float]:
    """Masses (n,) about the middle of the window in units of its spread, and log |du/dm|."""
    return (m - 0.5 * (window.lo + window.hi)) / _spread(window), -float(np.log(_spread(window)))


@fitted("ranode")
@dataclass(frozen=True, eq=False)
class RanodeScore:
    """Fitted: p_S(y, u) in the coordinates of the background's density, that density, and the `fraction` of signal."""

    signal: Normals
    background: _Background
    window: Window
    names: tuple[str, ...]
    fraction: float

    def __call__(self, events: Events) -> Array:
        """log p_S(x) - log p_B(x|m) (n,); beyond the sidebands with the p_B at their outer edges."""
        lo, hi = self.window.lo - self.window.reach, self.window.hi + self.window.reach
        events = at_nearest_mass(events if events.names == self.names else events.select(self.names), lo, hi)
        y, log_slope = _coordinates(self.background, events)
        return self.signal.log_prob(y) + log_slope - self.background.log_prob(events)

    def sample(self, n: int, rng: Rng) -> Events:
        """n events of the signal, features and masses."""
        lo, hi = self.window.lo, np.nextafter(self.window.hi, -np.inf)
        edges, _ = _mass_coordinate(np.array([lo, hi]), self.window)
        y = self.signal.sample(n, rng, (float(edges[0]), float(edges[1])))
        m = 0.5 * (self.window.lo + self.window.hi) + _spread(self.window) * y[:, -1]
        ids = rng.integers(2**63, size=n).astype(np.uint64)
        x = self.background.preprocess.inverse(y[:, :-1])
        return Events(ids, x, m.clip(lo, hi), np.ones(n), self.names)

    def to_bytes(self) -> bytes:
        """A safetensors file with the background's density in it."""
        window = (self.window.lo, self.window.hi, self.window.reach)
        about: dict[str, Any] = {"window": window, "names": self.names, "fraction": self.fraction}
        tensors = {"centre": self.signal.centre, "variance": self.signal.variance, "part": self.signal.part}
        return nest("ranode", about, {"background": self.background}, tensors)

    @classmethod
    def from_bytes(cls, data: bytes) -> "RanodeScore":
        """Read back what `to_bytes` wrote; DataError if damaged or newer."""
        about, parts, tensors = unnest(data, "ranode")
        try:
            signal = Normals(tensors["centre"], tensors["variance"], tensors["part"])
            names, fraction = tuple(about["names"]), float(about["fraction"])
            return cls(signal, parts["background"], Window(*about["window"]), names, fraction)
        except (KeyError, TypeError, ValueError) as error:
            msg = f"ranode: damaged content ({error})"
            raise DataError(msg) from None
