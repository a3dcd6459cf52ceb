"""Calibration of a learned score to the log density ratio, on events that took no part in learning it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from lamppost.core import Array
from lamppost.errors import DataError

__all__ = ["Calibration", "fit_calibration"]

_FLATTEST = 1e-3  # least log-odds per standard deviation of the scores: what knows nothing keeps its order all the same


@dataclass(frozen=True)
class Calibration:
    """A strictly increasing map of scores: linear between knots, `slope` below the first and above the last."""

    knots: tuple[float, ...]
    values: tuple[float, ...]
    slope: float

    def __call__(self, scores: Array) -> Array:
        """Calibrated log ratio (n,) of scores (n,)."""
        beyond = scores - np.clip(scores, self.knots[0], self.knots[-1])
        calibrated: Array = np.interp(scores, self.knots, self.values) + self.slope * beyond
        return calibrated

    def to_table(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {"knots": list(self.knots), "values": list(self.values), "slope": self.slope}

    @classmethod
    def from_table(cls, table: Mapping[str, Any]) -> Self:
        """Read back what `to_table` wrote."""
        return cls(tuple(table["knots"]), tuple(table["values"]), float(table["slope"]))


def fit_calibration(
    kind: Literal["temperature", "isotonic"], scores: Array, is_p: NDArray[np.bool_], w: Array
) -> Calibration:
    """The map that makes scores (n,) of events of p and of q (`is_p` (n,)) with weights w (n,) a log p/q.

    Each sample is scaled to unit weight. `temperature` is a s + b with a > 0, by logistic regression of the class on
    the score (Platt scaling); `isotonic` a monotone regression of the class (arXiv:1706.04599 compares the two), made
    strictly increasing by straight lines between its steps. The scores must come from models that did not see the
    events: a model's confidence in its own training events says nothing about others.

    Raises
    ------
    DataError
        If a sample has no positive weight, `isotonic` meets negative weights, or no best temperature exists because
        negative weights outweigh the others or because the score tells all of p from all of q.
    """
    scale = float(scores.std())
    totals = np.where(is_p, w[is_p].sum(), w[~is_p].sum())
    if not (np.isfinite(scores).all() and is_p.any() and not is_p.all() and (totals > 0).all()):
        msg = f"calibration: expected finite scores of two samples of positive weight, found {is_p.sum()} events of p "
        msg += f"and {(~is_p).sum()} of q with weights {w[is_p].sum():g} and {w[~is_p].sum():g}"
        raise DataError(msg)
    if not scale > 0:
        return Calibration((float(scores[0]),), (0.0,), 1.0)
    if kind == "isotonic":
        return _isotonic(scores, is_p, w / totals, _FLATTEST / scale)
    centre = float(scores.mean())
    slope, offset = _temperature((scores - centre) / scale, is_p, w / totals)
    return Calibration((centre,), (offset,), slope / scale)


def _temperature(z: Array, is_p: NDArray[np.bool_], w: Array) -> tuple[float, float]:
    """Slope and offset of the log-odds in the standardised score; where the best slope is no slope, the flattest."""
    both = np.column_stack([z, np.ones_like(z)])
    slope, offset = _newton(both, np.zeros_like(z), is_p, w)
    if slope >= _FLATTEST:
        return slope, offset
    return _FLATTEST, _newton(both[:, 1:], _FLATTEST * z, is_p, w)[0]


def _newton(x: Array, fixed: Array, is_p: NDArray[np.bool_], w: Array) -> list[float]:
    """Parameters t of the logistic regression with log-odds x t + fixed, to the precision of the numbers."""
    from scipy.special import expit

    def loss(t: Array) -> float:
        return float(w @ np.logaddexp(0.0, np.where(is_p, -1.0, 1.0) * (x @ t + fixed)))

    t = np.zeros(x.shape[1])
    for _ in range(50):
        p = expit(x @ t + fixed)
        hessian = (x * (w * p * (1 - p))[:, None]).T @ x
        if np.linalg.eigvalsh(hessian)[0] <= 1e-9:  # not convex, or flat: no best value in reach
            break
        step = np.linalg.solve(hessian, x.T @ (w * (is_p - p)))
        if np.abs(step).max() < 1e-9:
            return [float(value) for value in t]
        length = 1.0
        while length > 1e-4 and loss(t + length * step) > loss(t) + 1e-12:
            length /= 2
        t = t + length * step
    msg = "calibration: no best temperature, for negative weights outweigh the others or the score separates p from q"
    raise DataError(msg)


def _isotonic(scores: Array, is_p: NDArray[np.bool_], w: Array, flattest: float) -> Calibration:
    from scipy.optimize import isotonic_regression

    if (w < 0).any():
        msg = f"calibration: isotonic takes no negative weights, found {(w < 0).sum()}: use 'temperature'"
        raise DataError(msg)
    _, where = np.unique(scores, return_inverse=True)  # equal scores are one point
    p, q, total = (np.bincount(where, part) for part in (w * is_p, w * ~is_p, w * scores))
    filled = p + q > 0
    p, q, total = p[filled], q[filled], total[filled]
    blocks = _starts(isotonic_regression(p / (p + q), weights=p + q).x)
    p, q, total = (np.add.reduceat(part, blocks) for part in (p, q, total))
    # one event more of either kind in every block: finite log-odds, and steps of few events do not stand out
    odds = np.log((p + _one_event(w[is_p])) / (q + _one_event(w[~is_p])))
    steps = isotonic_regression(odds, weights=p + q).x
    first = _starts(steps)
    knots = np.add.reduceat(total, first) / np.add.reduceat(p + q, first)
    values = steps[first] + flattest * (knots - knots.mean())
    rise = (values[-1] - values[0]) / (knots[-1] - knots[0]) if len(knots) > 1 else flattest
    return Calibration(tuple(knots.tolist()), tuple(values.tolist()), float(rise))


def _starts(steps: Array) -> NDArray[np.int64]:
    """Where a rising sequence rises; differences that rounding makes are none."""
    starts: NDArray[np.int64] = np.flatnonzero(np.diff(steps, prepend=-np.inf) > 1e-9)
    return starts


def _one_event(w: Array) -> float:
    """Weight of a typical event: the square of the sum over the sum of squares is how many there are."""
    return float(w @ w / w.sum())
