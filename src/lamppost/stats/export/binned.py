"""A workspace as the bare numbers that a file of any format is written from."""

import re
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.polynomial.legendre import leggauss

from lamppost.core import Array
from lamppost.errors import ConfigError
from lamppost.stats.limits.systematics import Systematic
from lamppost.stats.limits.workspace import SPURIOUS, Workspace
from lamppost.stats.shapes.signals import CrystalBall, Gaussian, Peak

__all__ = ["Binned", "changes_yield", "has_formula", "moves_shape"]

NODES = 12
PRECISION = 1e-9  # of a bin's integral: costs no visible difference in -ln L for any number of events


@dataclass(frozen=True, eq=False)
class Binned:
    """Arrays of a workspace, all in equivalent events of its spectrum (`Spectrum.effective`).

    The background of bin i is b_i(p) = sum_q weight_qi exp(sum_k design_qki p_k), p the parameters of the family; a
    spectrum is fitted the better the smaller the bins, so few nodes q do.
    """

    workspace: Workspace

    def __post_init__(self) -> None:
        if (members := len(self.workspace.members)) > 1:
            msg = (
                f"export: a model of one background is needed, found {members} that are profiled: "
                "expected n_parameters, or the workspace's own choice, `workspace.chosen`"
            )
            raise ConfigError(msg)

    @property
    def edges(self) -> Array:
        """Edges of the bins (n + 1,)."""
        return self.workspace.spectrum.edges

    @property
    def observed(self) -> Array:
        """Events seen (n,)."""
        return self.workspace.spectrum.effective

    @property
    def scale(self) -> Array:
        """Sum of weights that one equivalent event stands for (n,)."""
        return self.workspace.spectrum.scale

    @property
    def parameters(self) -> Array:
        """Parameters of the background fitted alone (P,)."""
        return self.workspace.background_fit.parameters

    @cached_property
    def names(self) -> dict[str, str]:
        """Names of the nuisance parameters that every format accepts (letters, digits, _), by those of the sources.

        Raises
        ------
        ConfigError
            If two names become the same.
        """
        found = {source.name: identifier(source.name) for source in self.workspace.systematics}
        if len({*found.values(), SPURIOUS}) <= len(found):
            msg = f"export: names of systematic uncertainties differ in letters and digits, found {', '.join(found)}"
            raise ConfigError(msg)
        return found

    @cached_property
    def fractions(self) -> Array:
        """Signal expected per unit of yield (n,), everything nominal."""
        return np.asarray(self.workspace.fractions / self.scale)

    def quadrature(self, precision: float = PRECISION) -> tuple[Array, Array]:
        """Weights (q, n) and the family's design (q, P, n) at the fewest nodes that integrate the fitted shape."""
        exact = self.terms(self._rule(NODES)).sum(axis=0)
        rules = (self._rule(nodes) for nodes in range(1, NODES + 1))
        return next(
            rule
            for rule in rules
            if len(rule[0]) == NODES or np.all(np.abs(self.terms(rule).sum(axis=0) / exact - 1.0) < precision)
        )

    def terms(self, rule: tuple[Array, Array]) -> Array:
        """Contributions of the nodes of a quadrature to the background fitted alone (q, n)."""
        weight, design = rule
        return np.asarray(weight * np.exp(np.einsum("qpn,p->qn", design, self.parameters)))

    @cached_property
    def background(self) -> Array:
        """Background fitted alone (n,)."""
        return np.asarray(self.terms(self._rule(NODES)).sum(axis=0))

    @cached_property
    def directions(self) -> Array:
        """The parameters' independent changes by one standard deviation, the columns of (P, P), largest effect first.

        covariance = directions @ directions.T
        """
        covariance = self.workspace.background_fit.covariance
        size = np.sqrt(np.diag(covariance))
        values, vectors = np.linalg.eigh(covariance / np.outer(size, size))
        return np.asarray((size[:, None] * vectors * np.sqrt(np.maximum(values, 0.0)))[:, ::-1])

    @cached_property
    def slopes(self) -> Array:
        """First-order change of the background along each of `directions` (P, n)."""
        rule = self._rule(NODES)
        return np.asarray(np.einsum("qn,qpn,pk->kn", self.terms(rule), rule[1], self.directions))

    def responses(self, source: Systematic) -> tuple[Array, Array]:
        """Signal per unit of yield (n,) at +1 and -1 sigma of a source, its effect on the yield left out."""
        up, down = (self.workspace.response({source.name: nu}) / source.kappa(nu) / self.scale for nu in (1.0, -1.0))
        return np.asarray(up), np.asarray(down)

    @cached_property
    def yield_error(self) -> float:
        """Standard deviation of the signal yield with the background free, from the information at the fit."""
        rows = np.vstack([self.slopes, self.fractions])
        information = (rows / self.background) @ rows.T
        return float(np.sqrt(np.linalg.inv(information)[-1, -1]))

    @cached_property
    def yield_guess(self) -> float:
        """The signal yield after one Newton step from no signal, nuisance parameters nominal."""
        score = float(self.fractions @ (self.observed / self.background - 1.0))
        return score * self.yield_error**2

    def _rule(self, nodes: int) -> tuple[Array, Array]:
        x, w = leggauss(nodes)
        half = 0.5 * np.diff(self.edges)
        m = 0.5 * (self.edges[:-1] + self.edges[1:]) + np.outer(x, half)
        spectrum, size = self.workspace.spectrum, len(self.parameters)
        design = self.workspace.background.design(m.ravel(), spectrum.lo, spectrum.hi)[:, :size]
        return np.outer(w, half) / self.scale, design.reshape(nodes, -1, size).transpose(0, 2, 1)


def identifier(name: str) -> str:
    """A name of letters, digits and _ that starts with a letter."""
    text = re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_")
    return text if text[:1].isalpha() else f"source_{text}"


def changes_yield(source: Systematic) -> bool:
    """Whether a source changes the yield of the signal."""
    return source.kappa(1.0) != 1.0 or source.kappa(-1.0) != 1.0


def moves_shape(source: Systematic, workspace: Workspace) -> bool:
    """Whether a source changes the shape of the signal, and not its yield alone."""
    return any(
        source.shift(nu) != 0.0 or source.stretch(nu) != 0.0 or np.any(source.ramp(nu, workspace.fractions))
        for nu in (-1.0, 1.0)
    )


def has_formula(workspace: Workspace) -> bool:
    """Whether the signal is one of the peaks whose integral can be written as a formula."""
    return type(workspace.signal) in (Gaussian, CrystalBall) and isinstance(workspace.signal, Peak)
