"""What every systematic uncertainty does to the fitted yield and to the limit."""

from dataclasses import dataclass
from math import hypot, sqrt
from typing import Any, NamedTuple

from lamppost.stats.limits.envelope import likelihood
from lamppost.stats.limits.limits import observed_limit
from lamppost.stats.limits.significance import nuisances
from lamppost.stats.limits.statistic import Profile
from lamppost.stats.limits.workspace import Workspace

__all__ = ["Impact", "ImpactTable", "impacts"]


class Impact(NamedTuple):
    """One source: its fitted pull and error, and what moves if it is held one such error up or down.

    signal_up, signal_down: shift of the fitted yield; limit_up, limit_down: shift of the observed limit
    """

    name: str
    pull: float
    error: float
    signal_up: float
    signal_down: float
    limit_up: float
    limit_down: float

    @property
    def size(self) -> float:
        """The larger shift of the yield."""
        return max(abs(self.signal_up), abs(self.signal_down))


@dataclass(frozen=True)
class ImpactTable:
    """Sources by falling impact on the yield, and what they come to together.

    signal: the fitted yield; error: all sources profiled; statistical: all held where they were fitted;
    summed: sizes of all impacts and the statistical error in quadrature
    limit, limit_statistical: asymptotic limits with all sources profiled, and held where they were fitted
    """

    mass: float
    level: float
    rows: tuple[Impact, ...]
    signal: float
    error: float
    statistical: float
    summed: float
    limit: float
    limit_statistical: float

    @property
    def systematic(self) -> float:
        """What the profiled sources add to the statistical error, in quadrature."""
        return sqrt(max(self.error**2 - self.statistical**2, 0.0))

    def summary(self) -> dict[str, Any]:
        """The numbers, as plain Python values that JSON can hold."""
        return {**vars(self), "systematic": self.systematic, "rows": [row._asdict() for row in self.rows]}


def impacts(workspace: Workspace, *, level: float = 0.95) -> ImpactTable:
    """The impact of every source: it is held at its fitted value plus and minus its error, all else is fitted again.

    Raises
    ------
    FitError
        If a fit does not converge.
    ConfigError
        If the level is not in [0.5, 1).
    """
    model = likelihood(workspace)
    best, limit = model.quoted, observed_limit(model, level)
    rows, statistical = [], model
    for name, pull, error in nuisances(model, best):
        sides = [model.held(name, pull + sign * error) for sign in (1.0, -1.0)]
        signal_up, signal_down = (side.quoted.signal - best.signal for side in sides)
        limit_up, limit_down = (observed_limit(side, level) - limit for side in sides)
        rows.append(Impact(name, pull, error, signal_up, signal_down, limit_up, limit_down))
        statistical = statistical.held(name, pull)
    alone = error_of(statistical)
    return ImpactTable(
        mass=workspace.mass,
        level=level,
        rows=tuple(sorted(rows, key=lambda row: -row.size)),
        signal=best.signal,
        error=model.error(best),
        statistical=alone,
        summed=hypot(alone, *(row.size for row in rows)),
        limit=limit,
        limit_statistical=observed_limit(statistical, level),
    )


def error_of(model: Profile) -> float:
    """Error of the fitted yield."""
    return model.error(model.quoted)
