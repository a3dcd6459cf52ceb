"""Cut and count: events seen against a background that is known to some precision."""

from dataclasses import dataclass, replace
from math import exp, expm1, isfinite, log, log1p, sqrt
from typing import Literal, Self

import numpy as np
from scipy.special import betainc, gammainc

from lamppost.core import Array
from lamppost.errors import FitError
from lamppost.stats.convert import p_from_z, z_from_p
from lamppost.stats.counts.channels import Channels, Counting
from lamppost.stats.toys import SINGLE, Seed, block_rng, seed_sequence, tail_probability

__all__ = ["Constraint", "Count", "CountResult", "Method", "count_significance", "expected_significance"]

Constraint = Literal["gamma", "gaussian", "lognormal"]
Method = Literal["marginal", "profile", "toys"]

NODES = 4001  # of the integral over the background
FAR = 1e5  # counts from which the incomplete gamma function of scipy is too rough in the tail
ENOUGH = 25.0  # background events from which asymptotic formulae hold
SAME = 1e-7  # difference of statistics that is rounding


@dataclass(frozen=True)
class Count:
    """`observed` events where `background` +- `error` are expected, and the law by which the background is uncertain.

    constraint is one of

    - "gamma": known from a control sample, n_off ~ Poisson(tau b), tau = background / error^2 (the on/off problem);
      a background of 0 +- error means that nothing was seen where one event would have counted `error`
    - "gaussian": the estimate is normal around the true b, with standard deviation `error`
    - "lognormal": the logarithm of the estimate is, with standard deviation ln(1 + error / background)

    signal_error: relative uncertainty of the signal's yield, log-normal; it matters to limits

    Raises
    ------
    FitError
        If a number is negative or undefined, `observed` is not whole, or nothing says what background there may be.
    """

    observed: float
    background: float
    error: float = 0.0
    constraint: Constraint = "gamma"
    signal_error: float = 0.0

    def __post_init__(self) -> None:
        check_count("observed", self.observed)
        for name in ("background", "error", "signal_error"):
            value = getattr(self, name)
            if not (isfinite(value) and value >= 0.0):
                msg = f"counting: {name} must be a number of at least 0, found {value!r}"
                raise FitError(msg)
        if self.constraint not in ("gamma", "gaussian", "lognormal"):
            msg = f"counting: unknown constraint {self.constraint!r}, known are gamma, gaussian, lognormal"
            raise FitError(msg)
        if self.background == 0.0 and (self.error == 0.0 or self.constraint != "gamma"):
            msg = "counting: a background of 0 needs an error and a gamma constraint: what one control event counts"
            raise FitError(msg)

    @classmethod
    def on_off(cls, n_on: float, n_off: float, tau: float, *, signal_error: float = 0.0) -> Self:
        """The on/off problem: n_off events in a control sample with `tau` times the background of the n_on events."""
        check_count("n_off", n_off, whole=False)
        if not (isfinite(tau) and tau > 0.0):
            msg = f"counting: tau must be positive, found {tau!r}"
            raise FitError(msg)
        return cls(n_on, n_off / tau, sqrt(n_off) / tau if n_off else 1.0 / tau, "gamma", signal_error)

    @property
    def control(self) -> tuple[float, float]:
        """n_off and tau of the control sample that a gamma constraint stands for."""
        if self.background == 0.0:
            return 0.0, 1.0 / self.error
        return (self.background / self.error) ** 2, self.background / self.error**2

    def channels(self) -> Channels:
        """The likelihood; a strength is a number of signal events."""
        n, offset = [self.observed], [log(self.background) if self.background else 0.0]
        design: list[list[float]] = [[]]
        linear = False
        constrained: list[bool] = []
        start: list[float] = []
        if self.error > 0.0 and self.constraint == "gamma":
            off, tau = self.control
            level = log(max(self.background, 0.1 / tau))
            n, offset, design = [self.observed, off], [level, level + log(tau)], [[1.0], [1.0]]
            constrained, start = [False], [0.0]
        elif self.error > 0.0:
            relative = self.error / self.background
            linear = self.constraint == "gaussian"
            design, constrained, start = [[relative if linear else log1p(relative)]], [True], [0.0]
        slope = [0.0] * len(start)
        if self.signal_error > 0.0:
            design = [[*row, 0.0] for row in design]
            slope, constrained, start = [*slope, log1p(self.signal_error)], [*constrained, True], [*start, 0.0]
        return Channels(
            n=np.array(n, dtype=np.float64),
            signal=np.array([1.0, 0.0][: len(n)]),
            offset=np.array(offset),
            design=np.array(design, dtype=np.float64).reshape(len(n), len(start)),
            linear=np.full(len(n), linear),
            slope=np.array(slope, dtype=np.float64),
            constrained=np.array(constrained, dtype=bool),
            centre=np.zeros(len(start)),
            start=np.array(start, dtype=np.float64),
        )


@dataclass(frozen=True)
class CountResult:
    """signal +- signal_error: maximum-likelihood events, free to be negative; p, z: of no signal, and how they came.

    error: one standard deviation of p, of toys; zero otherwise
    """

    signal: float
    signal_error: float
    p: float
    z: float
    method: str
    error: float = 0.0


def count_significance(
    counting: Counting, *, method: Method | None = None, toys: int = 100_000, seed: Seed = 0
) -> CountResult:
    """Is there a signal in a `Count` or an `Abcd`? The one-sided p-value of no signal.

    - "marginal" (the default of a `Count`): P(N >= observed), averaged over the background. With a gamma constraint
      that is Z_Bi, the binomial test of on against off, exact and never too optimistic; averaged over a Gaussian it is
      too optimistic at high Z (arXiv:physics/0702156)
    - "profile": sqrt(q0) of the profile likelihood, asymptotic (arXiv:1007.1727); p = 0.5 for a negative signal
    - "toys": the same q0, judged by toys of the background that fits the data best without a signal

    Without a `method`, an `Abcd` is judged asymptotically or, if it expects fewer than 25 events, by toys; the result
    says which.

    Raises
    ------
    FitError
        If a fit does not converge, or an average is asked for what is no `Count`.
    """
    channels = counting.channels()
    strength, theta = channels.fit()
    error = channels.error(strength, theta)
    if method == "marginal" or (method is None and isinstance(counting, Count)):
        if not isinstance(counting, Count):
            msg = f"counting: no background to average over in {type(counting).__name__}; profile it, or make toys"
            raise FitError(msg)
        p, text = marginal(counting)
        return CountResult(strength, error, p, z_from_p(p), text)
    q0 = float(channels.q0()[0])
    if not np.isfinite(q0):
        msg = f"counts {channels.n.tolist()}: a fit without or with a signal does not converge"
        raise FitError(msg)
    expected = channels.background_expected()
    few = f"{expected:.3g} background events expected"
    if q0 == 0.0:
        return CountResult(strength, error, 0.5, 0.0, "q0 = 0: the fitted signal is not positive")
    if method == "profile" or (method is None and expected >= ENOUGH):
        return CountResult(strength, error, p_from_z(sqrt(q0)), sqrt(q0), f"asymptotic q0, {few}")
    rng = block_rng(seed_sequence(seed), 0)
    values = channels.q0(*channels.toys(0.0, *channels.noise(toys, rng)))
    tail = tail_probability(values, q0 - SAME, SINGLE)
    if tail.p is None or tail.z is None:
        msg = f"counting: toys need a positive number of them, found {toys}"
        raise FitError(msg)
    return CountResult(strength, error, tail.p, tail.z, f"{tail.method}; {few}", tail.error or 0.0)


def expected_significance(counting: Counting, signal: float) -> float:
    """Median Z of `signal` events beside the background that is expected, by the Asimov data set (arXiv:1007.1727).

    What was observed where the signal is does not enter. With a gamma constraint on b +- e and n = s + b, Z^2 / 2 is
    n ln(n (b + e^2) / (b^2 + n e^2)) - b^2 / e^2 ln(1 + e^2 s / (b (b + e^2))).
    """
    if not (isfinite(signal) and signal >= 0.0):
        msg = f"counting: the signal must be a number of at least 0, found {signal!r}"
        raise FitError(msg)
    channels = counting.channels()
    asimov = replace(channels, n=channels.expected(signal, channels.start))
    return sqrt(float(asimov.q0()[0]))


def marginal(count: Count) -> tuple[float, str]:
    """P(N >= observed) averaged over the background, and what it is called."""
    n, b, error = count.observed, count.background, count.error
    if error > 0.0 and count.constraint == "gamma":
        off, tau = count.control
        p = float(betainc(n, off + 1.0, 1.0 / (1.0 + tau))) if n > 0 else 1.0
        return p, f"Z_Bi, exact: {off:.4g} control events, tau = {tau:.4g}"
    if error == 0.0:
        return float(poisson_tail(n, np.array([b]))[0]), "Poisson, exact"
    x = np.linspace(-10.0, 40.0, NODES)
    weight = np.exp(-0.5 * x**2)
    if count.constraint == "gaussian":
        x = np.linspace(max(-10.0, -b / error), 40.0, NODES)
        weight = np.exp(-0.5 * x**2)
        mean = np.maximum(b + error * x, 0.0)
    else:
        mean = b * np.exp(log1p(error / b) * x)
    p = float(np.trapezoid(weight * poisson_tail(n, mean), x) / np.trapezoid(weight, x))
    return min(p, 1.0), f"Poisson, averaged over a {count.constraint} background"


def poisson_tail(n: float, mean: Array) -> Array:
    """P(N >= n) for Poisson means (k,)."""
    if n == 0.0:
        return np.ones_like(mean)
    near = np.clip(mean, n - 50.0 * sqrt(n), n + 50.0 * sqrt(n))  # farther away it is 0 or 1
    if n < FAR:
        return np.asarray(gammainc(n, np.minimum(mean, 1e300)))
    from lamppost.stats.scans.intervals import log_poisson_tail

    return np.array([exp(log_poisson_tail(n, b)) if n > b else -expm1(log_poisson_tail(n - 1.0, b)) for b in near])


def check_count(name: str, value: float, *, whole: bool = True) -> None:
    """Refuse what is no count; FitError."""
    if not (isfinite(value) and value >= 0.0 and (value == int(value) or not whole)):
        msg = f"counting: {name} must be a {'whole ' if whole else ''}number of at least 0, found {value!r}"
        raise FitError(msg)
