"""The parameters of a peak from simulated signal events, of one mass or of several at once."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import gammaincc

from lamppost.core import Array
from lamppost.errors import FitError, optional
from lamppost.stats.shapes.interpolation import events_of
from lamppost.stats.shapes.signals import Peak, Signal
from lamppost.stats.spectrum import Spectrum

__all__ = ["ShapeFit", "fit_signal_shape"]

LIMITS = {
    "offset": (-0.45, 0.45),
    "resolution": (1e-5, 1.0),
    "alpha_low": (0.1, 6.0),
    "alpha_high": (0.1, 6.0),
    "n_low": (1.01, 60.0),
    "n_high": (1.01, 60.0),
}
STARTS = {"alpha_low": 1.5, "alpha_high": 1.5, "n_low": 4.0, "n_high": 4.0}
FEWEST = 50.0  # equivalent events
PER_BIN, MOST_BINS = 20.0, 40  # equivalent events expected in a bin of the goodness of fit, and bins at most
STEP = 0.02  # of an error, for derivatives event by event


@dataclass(frozen=True, eq=False)
class ShapeFit:
    """A peak fitted to signal events.

    signal: the fitted spec, ready for a scan or a limit
    names, values, errors (P,), covariance (P, P): its parameters
    at_limit: those that ended where they may go no farther (a tail too thin to be measured, say); no error means much
        there
    events: equivalent events fitted, (sum w)^2 / sum w^2; left_out: share of the weight outside the window
    chi2, ndf, p_value: Pearson's in bins of equal probability. After an unbinned fit chi2 lies between the
        distributions of ndf and of ndf + P degrees of freedom (Chernoff and Lehmann 1954): p_value errs to the low side
    converged: whether a minimum was found, with a positive curvature
    """

    signal: Peak
    names: tuple[str, ...]
    values: Array
    errors: Array
    covariance: Array
    at_limit: tuple[str, ...]
    events: float
    left_out: float
    chi2: float
    ndf: int
    p_value: float
    converged: bool


@dataclass(frozen=True, eq=False)
class Sample:
    """Events of a fit: r = m / M (n,) inside the window, weights w (n,), and their histogram if the fit is binned.

    In r the shape is that of a signal of mass 1.
    """

    r: Array
    w: Array
    window: tuple[float, float]
    spectrum: Spectrum | None

    @property
    def worth(self) -> float:
        """Equivalent events per unit of weight: sum w / sum w^2."""
        return float(self.w.sum() / np.square(self.w).sum())

    def log_density(self, peak: Peak) -> Array:
        """ln of the shape, normalised in the window, at every event (n,)."""
        inside = peak.resolution * self.integrals(peak, np.array(self.window))[0]
        density = np.maximum(peak.density((self.r - 1.0 - peak.offset) / peak.resolution), 1e-300)
        return np.asarray(np.log(density / inside))

    def integrals(self, peak: Peak, edges: Array) -> Array:
        """Integrals of the shape, not normalised, between edges in r."""
        return np.maximum(peak.integrals((edges - 1.0 - peak.offset) / peak.resolution), 1e-300)

    def cost(self, peak: Peak) -> float:
        """-ln L in equivalent events: -sum w ln p(r), or that of scaled Poisson counts with a free total."""
        if self.spectrum is None:
            return -self.worth * float(self.w @ self.log_density(peak))
        n, share = self.spectrum.effective, self.integrals(peak, self.spectrum.edges)
        return float(n.sum() * np.log(np.sum(share / self.spectrum.scale)) - n @ np.log(share))

    def goodness(self, peak: Peak, parameters: int) -> tuple[float, int]:
        """Pearson's chi2 in bins of equal probability, and its degrees of freedom."""
        fine = np.linspace(*self.window, 4001)
        below = np.append(0.0, np.cumsum(self.integrals(peak, fine)))
        events = self.worth * float(self.w.sum())
        bins = int(np.clip(events / PER_BIN, parameters + 2, MOST_BINS))
        edges = np.interp(np.linspace(0.0, below[-1], bins + 1), below, fine)
        contents, _ = np.histogram(self.r, edges, weights=self.w)
        share = np.diff(np.interp(edges, fine, below)) / below[-1]
        expected = events * share
        return float(np.sum((self.worth * contents - expected) ** 2 / expected)), bins - 1 - parameters


def fit_signal_shape(
    m: Array,
    w: Array | None,
    mass: float | Array,
    kind: str = "crystal_ball",
    *,
    window: tuple[float, float] = (0.5, 1.5),
    edges: Array | None = None,
) -> ShapeFit:
    """Fit a peak (`gaussian` or `crystal_ball`) to signal events of masses m (n,) and weights w (n,), None for 1 each.

    `mass` is the mass that was simulated, or that of every event (n,): then one shape in m / M is fitted to samples of
    all masses. Events with m / M outside `window` are left out and the shape is normalised inside. Unbinned, or with
    `edges` of m / M binned. Maximum likelihood by iminuit (extra `stats`). Weights, negative ones too: the maximum of
    sum w ln p, with the covariance H^-1 (sum w^2 g g^T) H^-1 of the events' gradients g (arXiv:1911.01303); binned, a
    scaled Poisson likelihood (`Spectrum`).

    Raises
    ------
    FitError
        If the events are fewer than 50 equivalent ones, do not match, or the kind has no parameters to fit.
    """
    sample, left_out = prepare(m, w, mass, window, edges)
    template = Signal.parse(kind)
    if not isinstance(template, Peak):
        msg = f"signal fit: a {template.kind} has no parameters to fit"
        raise FitError(msg)
    names = tuple(name for name in LIMITS if name in type(template).model_fields)

    def peak(values: Iterable[float]) -> Peak:
        # unchecked: the minimiser keeps to the limits, and a thousand validations cost more than the likelihood
        return template.model_copy(update=dict(zip(names, map(float, values), strict=True)))

    minuit = minimise(lambda values: sample.cost(peak(values)), names, start(sample))
    values = np.array(minuit.values, dtype=np.float64)
    converged = bool(minuit.valid and minuit.accurate)
    covariance = np.full((len(names), len(names)), np.nan)
    if minuit.covariance is not None:
        covariance = np.array(minuit.covariance, dtype=np.float64)
        if edges is None:
            covariance = sandwich(sample, peak, values, covariance)
    best = peak(values)
    chi2, ndf = sample.goodness(best, len(names))
    return ShapeFit(
        signal=best,
        names=names,
        values=values,
        errors=np.sqrt(np.diag(covariance)),
        covariance=covariance,
        at_limit=tuple(name for name, value in zip(names, values, strict=True) if at_limit(name, value)),
        events=sample.worth * float(sample.w.sum()),
        left_out=left_out,
        chi2=chi2,
        ndf=ndf,
        p_value=float(gammaincc(0.5 * ndf, 0.5 * chi2)),
        converged=converged,
    )


def prepare(
    m: Array, w: Array | None, mass: float | Array, window: tuple[float, float], edges: Array | None
) -> tuple[Sample, float]:
    """The sample to fit, and the share of the weight that is left out."""
    m, w = events_of(m, w, "signal fit")
    mass = np.asarray(mass, dtype=np.float64)
    if mass.shape not in ((), m.shape) or not (np.isfinite(mass).all() and (mass > 0.0).all()):
        msg = f"signal fit: expected one positive mass, or that of each of {len(m)} events, found {mass.shape}"
        raise FitError(msg)
    if edges is not None:
        edges = np.asarray(edges, dtype=np.float64)
        window = float(edges[0]), float(edges[-1])
    if not 0.0 <= window[0] < 1.0 < window[1]:
        msg = f"signal fit: the window in m / M must lie around 1, found [{window[0]:g}, {window[1]:g}]"
        raise FitError(msg)
    r = m / mass
    kept = (r >= window[0]) & (r < window[1])
    total, squares = float(w[kept].sum()), float(np.square(w[kept]).sum())
    if not (total > 0.0 and total**2 >= FEWEST * squares):
        msg = f"signal fit: {total**2 / squares if total > 0.0 else 0.0:.1f} equivalent events, {FEWEST:g} are needed"
        raise FitError(msg)
    weights = None if (w == 1.0).all() else w[kept]
    spectrum = None if edges is None else Spectrum.from_masses(r[kept], edges, weights)
    return Sample(r[kept], w[kept], window, spectrum), 1.0 - total / float(w.sum())


def start(sample: Sample) -> dict[str, float]:
    """Where the fit starts: median and central 68 % of the events."""
    order = np.argsort(sample.r)
    below = np.cumsum(np.abs(sample.w[order]))
    low, middle, high = np.interp([0.16, 0.5, 0.84], below / below[-1], sample.r[order])
    inside = {"offset": middle - 1.0, "resolution": 0.45 * (high - low)} | STARTS
    return {
        name: float(np.clip(value, 0.99 * LIMITS[name][0], 0.99 * LIMITS[name][1])) for name, value in inside.items()
    }


def minimise(cost: Callable[[Array], float], names: tuple[str, ...], starts: dict[str, float]) -> Any:
    """The minimum of `cost` by iminuit, strategy 1, with the inverse of its curvature."""
    minuit = optional("iminuit", "stats").Minuit(cost, np.array([starts[name] for name in names]), name=names)
    minuit.errordef, minuit.tol, minuit.strategy = 0.5, 0.01, 1
    for name in names:
        minuit.limits[name] = LIMITS[name]
        minuit.errors[name] = 0.1 * starts[name] if name != "offset" else 0.2 * starts["resolution"]
    minuit.migrad()
    minuit.hesse()
    return minuit


def sandwich(sample: Sample, peak: Callable[[Array], Peak], values: Array, inverse: Array) -> Array:
    """Covariance (P, P) of the maximum of a weighted likelihood, from the inverse of its curvature."""
    steps = STEP * np.sqrt(np.diag(inverse))
    gradients = np.empty((len(values), len(sample.r)))
    for k, step in enumerate(steps):
        shift = np.where(np.arange(len(values)) == k, step, 0.0)
        up, down = sample.log_density(peak(values + shift)), sample.log_density(peak(values - shift))
        gradients[k] = (up - down) / (2.0 * step)
    weighted = sample.worth * sample.w * gradients
    return np.asarray(inverse @ (weighted @ weighted.T) @ inverse)


def at_limit(name: str, value: float) -> bool:
    """Whether a parameter sits on an end of its range."""
    low, high = LIMITS[name]
    return min(value - low, high - value) < 1e-3 * abs(value)
