"""Figures of merit of a score on labelled test events: cuts, efficiencies, SIC, AUC.

SIC = eps_S / sqrt(eps_B). Its maximum means nothing without its floor: here at least `FLOOR` background events, a
count known to 20 %. Events with equal scores are kept or rejected together; an efficiency between two cuts is
interpolated linearly, as if ties were broken at random.
"""

from dataclasses import dataclass
from typing import Literal, Self

import numpy as np

from lamppost.core import Array

__all__ = ["EPS_B", "EPS_S", "FIGURES", "FLOOR", "Cuts", "area", "curves", "figures"]

FLOOR = 25
"""Background events above the tightest cut at which a maximum is looked for."""
EPS_B = np.logspace(-5, 0, 101)
"""Background efficiencies of the stored ROC curve."""
EPS_S = np.logspace(-2, 0, 81)
"""Signal efficiencies of the stored SIC curve."""
FIGURES = ("sic_max", "sic_at_eps_b_1e-3", "sic_at_eps_s_0.2", "auc")


@dataclass(frozen=True, eq=False)
class Cuts:
    """Background and signal events above every distinct cut (k,), the tightest first, none kept before it."""

    background: Array
    signal: Array

    @classmethod
    def of(cls, background: Array, signal: Array) -> Self:
        """All cuts on the scores of background (n,) and signal (k,)."""
        scores = np.concatenate([background, signal])
        order = np.argsort(-scores, kind="stable")
        is_signal = order >= len(background)
        last = np.append(np.diff(scores[order]) != 0, True)
        n_b, n_s = (np.append(0.0, np.cumsum(rows)[last]) for rows in (~is_signal, is_signal))
        return cls(n_b, n_s)

    def eps_s_at(self, eps_b: Array) -> Array:
        """Signal efficiency (k,) at background efficiencies (k,); of cuts that keep as much background the loosest."""
        found: Array = _between(eps_b * self.background[-1], self.background, self.signal, "right") / self.signal[-1]
        return found

    def eps_b_at(self, eps_s: Array) -> Array:
        """Background efficiency (k,) at signal efficiencies (k,); of cuts that keep as much signal the tightest."""
        found: Array = _between(eps_s * self.signal[-1], self.signal, self.background, "left") / self.background[-1]
        return found


def _between(target: Array, x: Array, y: Array, side: Literal["left", "right"]) -> Array:
    above = np.clip(np.searchsorted(x, target, side), 1, len(x) - 1)
    run = x[above] - x[above - 1]
    part = np.where(run > 0, (target - x[above - 1]) / np.where(run > 0, run, 1.0), 1.0)
    found: Array = y[above - 1] + np.clip(part, 0.0, 1.0) * (y[above] - y[above - 1])
    return found


def figures(background: Array, signal: Array) -> dict[str, float]:
    """Every figure of merit of test scores of background (n,), n >= `FLOOR`, and signal (k,).

    SIC at eps_S = 0.2 counts one background event where fewer are kept: a lower bound then.
    """
    cuts = Cuts.of(background, signal)
    n_b, n_s = cuts.background[-1], cuts.signal[-1]
    allowed = cuts.background >= FLOOR
    sic = cuts.signal[allowed] / n_s / np.sqrt(cuts.background[allowed] / n_b)
    best = int(np.argmax(sic))
    at = cuts.eps_b_at(np.array([0.2]))[0]
    return {
        "sic_max": float(sic[best]),
        "eps_b_at_max": float(cuts.background[allowed][best] / n_b),
        "sic_at_eps_b_1e-3": float(cuts.eps_s_at(np.array([1e-3]))[0] / np.sqrt(1e-3)),
        "sic_at_eps_s_0.2": float(0.2 / np.sqrt(max(at, 1.0 / n_b))),
        "auc": area(signal, background),
    }


def curves(background: Array, signal: Array) -> dict[str, list[float | None]]:
    """Signal efficiency at `EPS_B`, with at least one background event, and SIC at `EPS_S`, with `FLOOR` of them."""
    cuts = Cuts.of(background, signal)
    n_b = cuts.background[-1]
    eps_s, eps_b = cuts.eps_s_at(EPS_B), cuts.eps_b_at(EPS_S)
    return {
        "eps_s": [float(y) if x * n_b >= 1 else None for x, y in zip(EPS_B, eps_s, strict=True)],
        "sic": [float(y / np.sqrt(x)) if x * n_b >= FLOOR else None for x, y in zip(eps_b, EPS_S, strict=True)],
    }


def area(p: Array, q: Array, w_p: Array | None = None, w_q: Array | None = None) -> float:
    """AUC: the probability that a score of p (n,) exceeds one of q (k,), equal ones counted half; weights optional."""
    w_p, w_q = (np.ones(len(s)) if w is None else w for s, w in ((p, w_p), (q, w_q)))
    order = np.argsort(q, kind="stable")
    below = np.append(0.0, np.cumsum(w_q[order]))
    low, high = (below[np.searchsorted(q[order], p, side)] for side in ("left", "right"))
    return float(w_p @ (0.5 * (low + high)) / (w_p.sum() * below[-1]))
