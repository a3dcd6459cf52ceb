"""What a method sees of a window: region, sidebands, simulation, and masses from a smooth model of the sidebands."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, Self

import numpy as np

from lamppost.config import Fit
from lamppost.core import Array, Events, Rng, View, Window
from lamppost.errors import FitError
from lamppost.stats import Background, Criterion, Spectrum, choose

__all__ = ["Mapped", "MassModel", "SmoothMass", "blind_view"]

_NODES = 2049


@dataclass(frozen=True)
class MassModel:
    """What is fitted to the mass spectrum in bins `edges`: one of these families; `n_parameters` None: by F-test.

    Bins that overlap the intervals `hidden` are left out.
    """

    edges: tuple[float, ...]
    function: tuple[Background, ...]
    n_parameters: int | Literal["aic"] | None = None
    criterion: Criterion = "aic"
    hidden: tuple[tuple[float, float], ...] = ()

    @classmethod
    def of(cls, fit: Fit) -> Self:
        """That of a [fit] table."""
        return cls(tuple(fit.edges.tolist()), fit.function, fit.n_parameters, fit.criterion)


@dataclass(frozen=True, eq=False)
class SmoothMass:
    """The mass spectrum of the background in the region: the model fitted with the window masked.

    m (n,), w (n,): of all events of the fit range. Nothing is fitted before the first mass is drawn: most methods
    draw none.
    """

    m: Array
    w: Array
    window: Window
    model: MassModel

    @cached_property
    def _quantiles(self) -> tuple[Array, Array]:
        masked = (self.window.lo, self.window.hi)
        spectrum = Spectrum.from_masses(self.m, np.asarray(self.model.edges), self.w, self.model.hidden)
        try:
            about, order = self.model, self.model.n_parameters
            chosen = choose(spectrum, about.function, n_parameters=order, criterion=about.criterion, masked=masked)
        except FitError as error:
            msg = f"the smooth model of the masses beside window {self.window}: {error}"
            raise FitError(msg) from None
        nodes = np.linspace(*masked, _NODES)
        density = chosen.background.density(nodes)
        sums = np.append(0.0, np.cumsum(0.5 * (density[1:] + density[:-1])))
        return sums / sums[-1], nodes

    def __call__(self, n: int, rng: Rng) -> Array:
        """Masses (n,) in the region; FitError if the spectrum cannot be fitted."""
        drawn = np.interp(rng.random(n), *self._quantiles)
        return np.minimum(drawn, np.nextafter(self.window.hi, -np.inf))  # the upper edge is no longer inside


@dataclass(frozen=True, eq=False)
class Mapped(Mapping[str, Events]):
    """Samples of which something is made when they are looked at: few methods look at the signals."""

    samples: Mapping[str, Events]
    made: Callable[[Events], Events]

    def __getitem__(self, name: str) -> Events:
        return self.made(self.samples[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self.samples)

    def __len__(self) -> int:
        return len(self.samples)


def blind_view(
    data: Events,
    window: Window,
    sample_m: Callable[[int, Rng], Array],
    seen: Callable[[Events], Events],
    *,
    sim: Events | None = None,
    signals: Mapping[str, Events] | None = None,
) -> View:
    """The view of unlabelled data; `seen` is what is done to the features of every sample, decorrelation or nothing."""
    return View(
        sr=seen(data[window.inside(data.m)]),
        sb=seen(data[window.beside(data.m)]),
        window=window,
        sim=None if sim is None else seen(sim),
        signals=Mapped(signals or {}, seen),
        sample_m=sample_m,
    )
