"""The ABCD method: the background of a signal region from three others, with a signal in all and a closure error."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import hypot, isfinite, log, log1p

import numpy as np
from scipy.special import gammaincc

from lamppost.core import Array
from lamppost.errors import FitError
from lamppost.stats.counts.channels import Channels
from lamppost.stats.counts.counting import check_count

__all__ = ["Abcd", "Closure", "closure_test"]

REGIONS = "abcd"


@dataclass(frozen=True)
class Abcd:
    """Counts in four regions cut by two variables that are independent in the background: b_D = kappa b_B b_C / b_A.

    a, b, c, d: events; D is the signal region, A the one opposite. A signal of s events in D puts s times
    `contamination` = (A, B, C) into the others. `kappa` +- `closure` (relative): how far the background is from
    closing, a log-normal nuisance with standard deviation ln(1 + closure), as `closure_test` measures it.
    signal_error: relative uncertainty of the signal's yield, log-normal; it matters to limits.

    Raises
    ------
    FitError
        If a number is negative or undefined, or a count is not whole.
    """

    a: float
    b: float
    c: float
    d: float
    contamination: tuple[float, float, float] = (0.0, 0.0, 0.0)
    kappa: float = 1.0
    closure: float = 0.0
    signal_error: float = 0.0

    def __post_init__(self) -> None:
        for name in REGIONS:
            check_count(f"region {name.upper()}", getattr(self, name))
        numbers = {"closure": self.closure, "signal_error": self.signal_error}
        numbers |= {f"contamination of {name.upper()}": x for name, x in zip(REGIONS, self.contamination, strict=False)}
        for name, value in numbers.items():
            if not (isfinite(value) and value >= 0.0):
                msg = f"abcd: {name} must be a number of at least 0, found {value!r}"
                raise FitError(msg)
        if len(self.contamination) != 3 or not (isfinite(self.kappa) and self.kappa > 0.0):
            msg = f"abcd: expected contaminations of A, B, C and kappa > 0, found {self.contamination}, {self.kappa!r}"
            raise FitError(msg)
        if not min(self.a, self.b + self.c) > 0.0:
            msg = f"abcd: {self.a:g} events in A and {self.b:g}, {self.c:g} in B and C predict no background"
            raise FitError(msg)

    @property
    def predicted(self) -> tuple[float, float]:
        """kappa B C / A and its error: of the counts, where one of zero counts as one, and of the closure."""
        counts = [max(value, 1.0) for value in (self.a, self.b, self.c)]
        relative = hypot(*(value**-0.5 for value in counts), self.closure)
        return self.kappa * self.b * self.c / self.a, self.kappa * counts[1] * counts[2] / counts[0] * relative

    def channels(self) -> Channels:
        """The likelihood: free ln b_A, ln b_B, ln b_C; constrained closure and signal yield."""
        levels = np.log(np.maximum([self.a, self.b, self.c], 0.3))
        design = np.array([[1, 0, 0, 0, 0], [0, 1, 0, 0, 0], [0, 0, 1, 0, 0], [-1, 1, 1, log1p(self.closure), 0]])
        used = np.array([True, True, True, self.closure > 0.0, self.signal_error > 0.0])
        return Channels(
            n=np.array([self.a, self.b, self.c, self.d], dtype=np.float64),
            signal=np.array([*self.contamination, 1.0]),
            offset=np.array([*levels, levels[1] + levels[2] - levels[0] + log(self.kappa)]),
            design=design[:, used].astype(np.float64),
            linear=np.zeros(4, dtype=bool),
            slope=np.array([0.0, 0.0, 0.0, 0.0, log1p(self.signal_error)])[used],
            constrained=np.array([False, False, False, True, True])[used],
            centre=np.zeros(int(used.sum())),
            start=np.zeros(int(used.sum())),
        )


@dataclass(frozen=True, eq=False)
class Closure:
    """How well ABCD predicts region D of slices without a signal.

    predicted, predicted_errors, observed (k,): of each slice, the errors from the counts in A, B and C
    pulls (k,): sqrt of twice the log likelihood ratio of free and closing counts, with the sign of observed - predicted
    p_value: of sum pulls^2 with k degrees of freedom
    kappa, kappa_error: the common factor observed / predicted and its statistical error
    spread: standard deviation of ln kappa from slice to slice beyond statistics
    closure: relative uncertainty to put into an `Abcd` with kappa 1: what is seen of a factor, what statistics cannot
        exclude of one, and the spread
    """

    predicted: Array
    predicted_errors: Array
    observed: Array
    pulls: Array
    p_value: float
    kappa: float
    kappa_error: float
    spread: float
    closure: float


def closure_test(slices: Sequence[Abcd]) -> Closure:
    """Compare prediction and observation in control slices, cut so that no signal is in them.

    ln kappa of a slice is ln(a d / (b c)), with 1/2 added to every count (Haldane 1955), its variance the sum of the
    four 1 / (n + 1/2). The spread is the one of DerSimonian and Laird (1986).

    Raises
    ------
    FitError
        If there is no slice.
    """
    if not slices:
        msg = "closure: expected at least one control slice"
        raise FitError(msg)
    n = np.array([[one.a, one.b, one.c, one.d] for one in slices]).T
    predicted, errors = np.array([Abcd(*counts).predicted for counts in n.T]).T
    pulls = np.sign(n[3] - predicted) * np.sqrt(deviance(n))
    log_kappa = np.array([1.0, -1.0, -1.0, 1.0]) @ np.log(n + 0.5)
    variance = np.sum(1.0 / (n + 0.5), axis=0)
    weight = 1.0 / variance
    mean = float(weight @ log_kappa / weight.sum())
    excess = float(weight @ (log_kappa - mean) ** 2) - (len(slices) - 1)
    freedom = float(weight.sum() - weight @ weight / weight.sum())
    between = max(0.0, excess / freedom) if len(slices) > 1 else 0.0
    weight = 1.0 / (variance + between)
    mean, error = float(weight @ log_kappa / weight.sum()), float(weight.sum() ** -0.5)
    return Closure(
        predicted=predicted,
        predicted_errors=errors,
        observed=n[3],
        pulls=pulls,
        p_value=float(gammaincc(0.5 * len(slices), 0.5 * np.sum(pulls**2))),
        kappa=float(np.exp(mean)),
        kappa_error=float(np.exp(mean)) * error,
        spread=between**0.5,
        closure=float(np.expm1(hypot(max(abs(mean), error), between**0.5))),
    )


def deviance(n: Array) -> Array:
    """Twice the log likelihood ratio (k,) of counts (4, k) against those of equal margins that close."""
    total = n.sum(axis=0)
    # rows (A, B) and (C, D), columns (A, C) and (B, D): what closes are products of the margins
    rows, columns = (n[0] + n[1], n[2] + n[3]), (n[0] + n[2], n[1] + n[3])
    expected = np.array([rows[i // 2] * columns[i % 2] for i in range(4)]) / total
    terms = np.where(n > 0.0, n * np.log(np.where(n > 0.0, n, 1.0) / np.where(n > 0.0, expected, 1.0)), 0.0)
    return np.asarray(np.maximum(2.0 * terms.sum(axis=0), 0.0))
