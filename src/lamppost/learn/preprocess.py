"""Features as densities like them: near a unit normal, by bijections whose log-Jacobian is exact.

Values outside the range seen in training are not lost: every bijection goes on beyond its edges, so they get a finite
z and come back unchanged. What no bijection can map, nan and infinities, is an error.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamppost.core import Array, uniform_of
from lamppost.errors import ConfigError, DataError
from lamppost.learn.bijections import KINDS, Bijection, Dequantise
from lamppost.learn.choices import CHOICES, Column, fit_chain

__all__ = ["Preprocess", "check_finite"]

_DRAWS = 1 << 33  # keys of the draws that spread integers
_FINITE = float(np.finfo(np.float32).max)
_AUTOMATIC: Mapping[str, str] = MappingProxyType({})
Floats = NDArray[np.float32] | Array


@dataclass(frozen=True)
class Preprocess:
    """Fitted: z_j = the bijections `steps[j]` applied to feature `names[j]`, one after the other.

    Features of integers are spread over [k, k + 1) first, by a draw that the event's id and the feature's place alone
    decide, and come back by rounding down: to the same integer as long as float32 rounding of z moves them by less than
    2^-12 (multiplicities always; in features of thousands of values the far tail may come back one lower or higher).
    """

    names: tuple[str, ...]
    steps: tuple[tuple[Bijection, ...], ...]

    @classmethod
    def fit(cls, x: Floats, w: Array, names: Iterable[str], choices: Mapping[str, str] = _AUTOMATIC) -> "Preprocess":
        """Learn the bijections of features x (n, d) with weights w (n,) >= 0; `choices` overrides them by feature.

        A feature is judged by its values: integers are dequantised; hard edges on both sides ask for a logit, one
        hard edge or one heavy tail for a log, two heavy tails for asinh. From 2000 effective events on a map of
        quantiles to a unit normal follows, below it is standardised. Events of weight 0 are not looked at.
        DataError: nan or infinite values, a constant feature, no weight. ConfigError: unknown feature or choice.
        """
        names = tuple(names)
        _known("feature", choices, names)
        _known("choice", choices.values(), CHOICES)
        if not (np.isfinite(w).all() and (w >= 0).all() and (w > 0).any()):
            msg = "preprocess: expected finite weights >= 0, at least one > 0"
            raise DataError(msg)
        check_finite(x, names, w > 0)
        rows = np.flatnonzero(w)
        steps = []
        for j, name in enumerate(names):
            column = Column.sort(np.asarray(x[rows, j], dtype=np.float64), np.asarray(w[rows], dtype=np.float64))
            if column.x[0] == column.x[-1]:
                msg = f"feature {name!r} is {column.x[0]:g} in all {len(rows)} events, expected one that varies"
                raise DataError(msg)
            steps.append(fit_chain(column, choices.get(name, "auto")))
        return cls(names, tuple(steps))

    def forward(self, x: Floats, ids: NDArray[np.uint64]) -> tuple[NDArray[np.float32], Array]:
        """z (n, d) and log |dz/dx| (n,) of features x (n, d); `ids` (n,) decide the draws that spread integers.

        DataError: nan or infinite values.
        """
        check_finite(x, self.names)
        z, log_jacobian = np.empty(x.shape, dtype=np.float32), np.zeros(len(x))
        for j, chain in enumerate(self.steps):
            y = x[:, j].astype(np.float64)
            for step in chain:
                if isinstance(step, Dequantise):
                    y = step.spread(y, uniform_of(ids, _DRAWS + j))
                else:
                    y, log_slope = step.forward(y)
                    log_jacobian += log_slope
            z[:, j] = np.clip(y, -_FINITE, _FINITE)
        return z, log_jacobian

    def inverse(self, z: Floats) -> NDArray[np.float32]:
        """Features x (n, d) of z (n, d); what is beyond float32 becomes its largest number."""
        x = np.empty(z.shape, dtype=np.float32)
        for j, chain in enumerate(self.steps):
            y = z[:, j].astype(np.float64)
            for step in reversed(chain):
                y = step.inverse(y)
            x[:, j] = np.clip(y, -_FINITE, _FINITE)
        return x

    def describe(self) -> str:
        """One line per feature: `mj1: log, quantile map of 64 knots`."""
        return "\n".join(
            f"{name}: {', '.join(map(str, chain))}" for name, chain in zip(self.names, self.steps, strict=True)
        )

    def to_table(self) -> dict[str, Any]:
        """All there is to it as plain JSON values; floats keep their bits."""
        steps = [[{"kind": step.kind, **asdict(step)} for step in chain] for chain in self.steps]
        return {"names": list(self.names), "steps": steps}

    @classmethod
    def from_table(cls, table: Mapping[str, Any]) -> "Preprocess":
        """Read back what `to_table` wrote. DataError: a damaged table."""
        try:
            steps = tuple(tuple(_step(entry) for entry in chain) for chain in table["steps"])
            names = tuple(map(str, table["names"]))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            msg = f"preprocess: damaged table ({type(error).__name__}: {error})"
            raise DataError(msg) from None
        if len(names) != len(steps):
            msg = f"preprocess: damaged table ({len(names)} names for {len(steps)} features)"
            raise DataError(msg)
        return cls(names, steps)


def _step(entry: Mapping[str, Any]) -> Bijection:
    fields = {name: tuple(value) if isinstance(value, list) else value for name, value in entry.items()}
    return KINDS[str(fields.pop("kind"))](**fields)


def _known(what: str, asked: Iterable[str], known: Iterable[str]) -> None:
    for name in asked:
        if name not in known:
            msg = f"preprocess: unknown {what} {name!r}, known are {', '.join(known)}"
            raise ConfigError(msg)


def check_finite(x: Floats, names: tuple[str, ...], rows: NDArray[np.bool_] | None = None) -> None:
    """DataError for the first value of x (n, d) that is not finite, in `rows` (n,) or anywhere."""
    if x.ndim != 2 or x.shape[1] != len(names):
        msg = f"preprocess: expected features of shape (n, {len(names)}), found {x.shape}"
        raise DataError(msg)
    if (bad := ~np.isfinite(x)).any() and (rows is None or (bad := bad & rows[:, None]).any()):
        row, j = (int(k) for k in np.argwhere(bad)[0])
        msg = f"feature {names[j]!r} is {x[row, j]} in row {row}, expected a finite number"
        raise DataError(msg)
