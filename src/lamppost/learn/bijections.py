"""One-dimensional bijections with their exact slope: what features are prepared with before a density learns them.

Each one is defined on all reals, once continuously differentiable, strictly increasing and finite. `Logit` and `Log`
are curved up to a join shortly before their edges and go on linearly from there with the slope they have at the join,
y(x) = y(c) + (x - c) y'(c): values at an edge or beyond it get a finite y, an exact slope and come back unchanged.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

import numpy as np
from scipy.special import expit

from lamppost.core import Array
from lamppost.errors import DataError

__all__ = ["KINDS", "Asinh", "Bijection", "Dequantise", "Log", "Logit", "Quantile", "Standardise"]

_LARGEST = 700.0  # exp of more is no float64
_RIM = 2.0**-12  # distance of draws to the rim of an integer's cell: more than rounding to float32 moves a value


@dataclass(frozen=True)
class Bijection(ABC):
    """A strictly increasing map of the reals; its fields are plain numbers, or tuples of them."""

    kind: ClassVar[str]

    @abstractmethod
    def forward(self, x: Array) -> tuple[Array, Array]:
        """y(x) and log dy/dx of x (n,), both (n,) float64."""

    @abstractmethod
    def inverse(self, y: Array) -> Array:
        """x of y (n,)."""

    def __str__(self) -> str:
        return self.kind


@dataclass(frozen=True)
class Standardise(Bijection):
    """y = (x - shift) / scale."""

    kind = "standardise"
    shift: float
    scale: float

    def __post_init__(self) -> None:
        _positive(self.kind, scale=self.scale)

    def forward(self, x: Array) -> tuple[Array, Array]:
        return (x - self.shift) / self.scale, np.full(x.shape, -np.log(self.scale))

    def inverse(self, y: Array) -> Array:
        return self.shift + self.scale * y


@dataclass(frozen=True)
class Log(Bijection):
    """y = log((x - edge) / margin) from `margin` above the lower edge on, linear below.

    With `upper`, its reflection y = -log((edge - x) / margin) below an upper edge. `margin` is in the units of x.
    """

    kind = "log"
    edge: float
    margin: float
    upper: bool = False

    def __post_init__(self) -> None:
        _positive(self.kind, margin=self.margin)

    def forward(self, x: Array) -> tuple[Array, Array]:
        sign = -1.0 if self.upper else 1.0
        t = sign * (x - self.edge) / self.margin
        curved = np.maximum(t, 1.0)
        log = np.log(curved)
        return sign * (log + (t / curved - 1.0)), -log - np.log(self.margin)

    def inverse(self, y: Array) -> Array:
        sign = -1.0 if self.upper else 1.0
        t = np.exp(np.clip(sign * y, 0.0, _LARGEST)) + np.minimum(sign * y, 0.0)
        x: Array = self.edge + sign * self.margin * t
        return x


@dataclass(frozen=True)
class Logit(Bijection):
    """y = log((x - lo) / (hi - x)) for join_lo <= x <= join_hi, linear on either side. lo < join_lo < join_hi < hi."""

    kind = "logit"
    lo: float
    hi: float
    join_lo: float
    join_hi: float

    def __post_init__(self) -> None:
        first, middle, last = self.join_lo - self.lo, self.join_hi - self.join_lo, self.hi - self.join_hi
        _positive(self.kind, **{"join_lo - lo": first, "join_hi - join_lo": middle, "hi - join_hi": last})

    def forward(self, x: Array) -> tuple[Array, Array]:
        curved = np.clip(x, self.join_lo, self.join_hi)
        below, above = curved - self.lo, self.hi - curved
        slope = (self.hi - self.lo) / (below * above)
        return np.log(below / above) + (x - curved) * slope, np.log(slope)

    def inverse(self, y: Array) -> Array:
        (first, last), log_slope = self.forward(np.array([self.join_lo, self.join_hi]))
        curved = self.lo + (self.hi - self.lo) * expit(np.clip(y, first, last))
        width = np.exp(-log_slope)
        x: Array = curved + np.minimum(y - first, 0.0) * width[0] + np.maximum(y - last, 0.0) * width[1]
        return x


@dataclass(frozen=True)
class Asinh(Bijection):
    """y = asinh((x - centre) / scale): linear near the centre, a signed logarithm far from it."""

    kind = "asinh"
    centre: float
    scale: float

    def __post_init__(self) -> None:
        _positive(self.kind, scale=self.scale)

    def forward(self, x: Array) -> tuple[Array, Array]:
        t = (x - self.centre) / self.scale
        return np.arcsinh(t), -0.5 * np.log1p(t * t) - np.log(self.scale)

    def inverse(self, y: Array) -> Array:
        x: Array = self.centre + self.scale * np.sinh(np.clip(y, -_LARGEST, _LARGEST))
        return x


@dataclass(frozen=True)
class Quantile(Bijection):
    """Monotone rational-quadratic spline (arXiv:1906.04032) through `knots` -> `values`, linear beyond the outermost.

    With s the secant of a cell, d0 and d1 the slopes at its ends and t the position in it, y moves across the cell as
    (s t^2 + d0 t (1 - t)) / (s + (d0 + d1 - 2 s) t (1 - t)).
    """

    kind = "quantile"
    knots: tuple[float, ...]
    values: tuple[float, ...]
    slopes: tuple[float, ...]

    def __post_init__(self) -> None:
        if not 2 <= len(self.knots) == len(self.values) == len(self.slopes):
            lengths = f"{len(self.knots)} knots, {len(self.values)} values and {len(self.slopes)} slopes"
            msg = f"quantile: expected as many knots as values and slopes, two at least, found {lengths}"
            raise DataError(msg)
        steps = {"step of knots": np.diff(self.knots).min(), "step of values": np.diff(self.values).min()}
        _positive(self.kind, **steps, slope=min(self.slopes))

    def forward(self, x: Array) -> tuple[Array, Array]:
        y, log_slope = _compiled(_spline)(np.ascontiguousarray(x), *self._arrays())
        return y, log_slope

    def inverse(self, y: Array) -> Array:
        x: Array = _compiled(_inverse_spline)(np.ascontiguousarray(y), *self._arrays())
        return x

    def _arrays(self) -> tuple[Array, Array, Array]:
        return np.array(self.knots), np.array(self.values), np.array(self.slopes)

    def __str__(self) -> str:
        return f"quantile map of {len(self.knots)} knots"


@dataclass(frozen=True)
class Dequantise(Bijection):
    """y = k + u for an integer k, with u in (0, 1) drawn for the event; back by rounding down. Its log-slope is 0.

    p(k) is then the mean of p(y) over u. A value that is no integer counts as the integer below it.
    """

    kind = "dequantise"

    def forward(self, x: Array) -> tuple[Array, Array]:
        """Without draws, everything goes to the middle of its cell."""
        return self.spread(x, np.full(x.shape, 0.5)), np.zeros(x.shape)

    def spread(self, x: Array, draw: Array) -> Array:
        """y of x (n,); `draw` (n,) in [0, 1) says where in the cell [k, k + 1)."""
        y: Array = np.floor(x) + (_RIM + (1.0 - 2.0 * _RIM) * draw)
        return y

    def inverse(self, y: Array) -> Array:
        return np.floor(y)


KINDS: dict[str, type[Bijection]] = {k.kind: k for k in (Standardise, Log, Logit, Asinh, Quantile, Dequantise)}
"""Every bijection by the name it is stored under."""


def _positive(kind: str, **numbers: float) -> None:
    for name, number in numbers.items():
        if not 0.0 < number < np.inf:
            msg = f"{kind}: expected {name} > 0 and finite, found {number}"
            raise DataError(msg)


@cache
def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile at first use, so that importing costs nothing."""
    from numba import njit

    made: Callable[..., Any] = njit(function, cache=True, nogil=True, error_model="numpy")
    return made


def _spline(x: Array, knots: Array, values: Array, slopes: Array) -> tuple[Array, Array]:
    last = knots.shape[0] - 1
    y, log_slope = np.empty_like(x), np.empty_like(x)
    for i in range(x.shape[0]):
        if not knots[0] < x[i] < knots[last]:
            end = 0 if x[i] <= knots[0] else last
            y[i] = values[end] + (x[i] - knots[end]) * slopes[end]
            log_slope[i] = np.log(slopes[end])
            continue
        k, beyond = 0, last
        while beyond - k > 1:
            middle = (k + beyond) // 2
            k, beyond = (middle, beyond) if knots[middle] <= x[i] else (k, middle)
        width, rise, d0, d1 = knots[k + 1] - knots[k], values[k + 1] - values[k], slopes[k], slopes[k + 1]
        s, t = rise / width, (x[i] - knots[k]) / width
        rest = t * (1.0 - t)
        below = s + (d0 + d1 - 2.0 * s) * rest
        y[i] = values[k] + rise * (s * t * t + d0 * rest) / below
        log_slope[i] = np.log((s / below) ** 2 * (d1 * t * t + 2.0 * s * rest + d0 * (1.0 - t) ** 2))
    return y, log_slope


def _inverse_spline(y: Array, knots: Array, values: Array, slopes: Array) -> Array:
    last = knots.shape[0] - 1
    x = np.empty_like(y)
    for i in range(y.shape[0]):
        if not values[0] < y[i] < values[last]:
            end = 0 if y[i] <= values[0] else last
            x[i] = knots[end] + (y[i] - values[end]) / slopes[end]
            continue
        k, beyond = 0, last
        while beyond - k > 1:
            middle = (k + beyond) // 2
            k, beyond = (middle, beyond) if values[middle] <= y[i] else (k, middle)
        width, rise, d0, d1 = knots[k + 1] - knots[k], values[k + 1] - values[k], slopes[k], slopes[k + 1]
        s, up = rise / width, y[i] - values[k]
        bend = up * (d0 + d1 - 2.0 * s)
        # a t^2 + b t + c = 0; this form of the root loses no digits where a is small
        a, b, c = rise * (s - d0) + bend, rise * d0 - bend, -s * up
        root = np.sqrt(max(b * b - 4.0 * a * c, 0.0))
        x[i] = knots[k] + width * min(2.0 * c / (-b - root), 1.0)
    return x
