"""What is fitted to a plain spectrum, and all that can be asked of the fit."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BeforeValidator, Field, PositiveInt, SerializeAsAny, ValidationError, model_validator

from lamppost.config.fit import Family, Several, refuse_in_vain, share_scale
from lamppost.core import Array
from lamppost.errors import ConfigError
from lamppost.spec import Spec, explain
from lamppost.stats import (
    Background,
    BackgroundFit,
    BumpHunterResult,
    Criterion,
    ImpactTable,
    Limit,
    LocalSignificance,
    ScanResult,
    Signal,
    Spectrum,
    Systematic,
    Upcrossings,
    Workspace,
)
from lamppost.stats.scans.choices import at_fixed_mass

__all__ = ["SpectrumFit", "described"]

Source = Annotated[SerializeAsAny[Systematic], BeforeValidator(Systematic.parse)]


class SpectrumFit(Spec):
    """What is fitted to a spectrum: backgrounds, signal, what may be wrong with both; see `lamppost.stats.scan`."""

    background: Several[Family] = Field(
        default_factory=lambda: (Background.parse("dijet"),),
        min_length=1,
        description="a family, or several of which the smallest AIC decides",
    )
    signal: Annotated[SerializeAsAny[Signal], BeforeValidator(Signal.parse)] = Field(
        default_factory=lambda: Signal.parse("crystal_ball"), description="shape and detector resolution"
    )
    n_parameters: PositiveInt | Literal["aic", "f_test"] | None = Field(
        None, description="by default found by F-test, and all profiled where the criterion is an envelope"
    )
    criterion: Criterion | None = Field(
        None,
        description="how a family is chosen, or `envelope`: all orders are profiled; "
        "by default the smallest AIC, and an envelope at a fixed mass and in limits, where no toys repeat a choice",
    )
    lower_edges: Several[float] = Field((), description="the range begins at the lowest of these that fits")
    systematics: tuple[Source, ...] = Field((), description="uncertainties of the signal, in limits")
    spurious: Several[Family] = Field((), description="families whose spectra `background` may mistake for a signal")

    @model_validator(mode="before")
    @classmethod
    def _sqrt_s_beside_background(cls, table: Any) -> Any:
        """`sqrt_s` may stand beside the names of the families that have it."""
        return share_scale(table, "background", "spurious")

    @model_validator(mode="after")
    def _one_range(self) -> "SpectrumFit":
        if self.spurious and self.lower_edges:
            msg = "spurious signals are those of one range: expected no lower_edges beside `spurious`"
            raise ValueError(msg)
        refuse_in_vain(self.background, self.spurious, self.criterion or "aic")
        return self

    def scan(
        self,
        observed: Spectrum,
        *,
        masses: Sequence[float] | None = None,
        window: tuple[float, float] | None = None,
        toys: int = 10000,
        seed: int = 1,
    ) -> ScanResult:
        """The bump hunt, the spurious signal carried as a nuisance."""
        from lamppost.stats import scan

        for name, value in (("toys", toys), ("seed", seed)):
            if value < 0:
                msg = f"{name}: expected 0 or more, found {value}"
                raise ConfigError(msg)
        return scan(observed, **self._asked(observed, masses, window), toys=toys, seed=seed)

    def upcrossings(
        self,
        observed: Spectrum,
        *,
        masses: Sequence[float] | None = None,
        window: tuple[float, float] | None = None,
        toys: int = 1000,
        seed: int = 1,
    ) -> Upcrossings:
        """The same hunt judged by up-crossings, for global p-values that no number of toys would show."""
        from lamppost.stats import upcrossings

        return upcrossings(observed, **self._asked(observed, masses, window), toys=toys, seed=seed)

    def bump_hunter(self, observed: Spectrum, *, toys: int = 10000, seed: int = 1) -> BumpHunterResult:
        """Excesses of any width, without the signal."""
        from lamppost.stats import bump_hunter

        return bump_hunter(observed, **self._chosen, toys=toys, seed=seed)

    def local(self, observed: Spectrum, mass: float, *, toys: int = 20000, seed: int = 1) -> LocalSignificance:
        """The excess at a mass chosen without looking: nothing is added for looking elsewhere.

        Without a criterion all backgrounds are profiled, over the range that `lower_edges` lead to.
        """
        from lamppost.stats import choose, local_significance

        if self.criterion is None and self.lower_edges:
            chosen = choose(observed, self.background, n_parameters=self.n_parameters, lower_edges=self.lower_edges)
            alone = self.model_copy(update={"lower_edges": ()})
            return alone.local(chosen.spectrum, mass, toys=toys, seed=seed)

        false = self._spurious(observed, np.array([mass]), None)
        width = None if false is None else float(false[0])
        given = {**self._chosen, "criterion": self.criterion, "signal": self.signal, "spurious": width}
        return local_significance(observed, mass, **given, toys=toys, seed=seed)

    def limits(
        self, found: ScanResult, masses: Sequence[float], *, level: float = 0.95, toys: int | None = None, seed: int = 1
    ) -> list[Limit]:
        """CLs limits at these masses, over the range that the scan chose; see `workspace`."""
        from lamppost.stats import upper_limit

        return [upper_limit(self.workspace(found, mass), level=level, toys=toys, seed=seed) for mass in masses]

    def impacts(self, found: ScanResult, mass: float, *, level: float = 0.95) -> ImpactTable:
        """What every uncertainty does to yield and limit at this mass."""
        from lamppost.stats import impacts

        return impacts(self.workspace(found, mass), level=level)

    def workspace(self, found: ScanResult, mass: float) -> Workspace:
        """The statistical model of one mass over the range that the scan chose.

        It profiles all backgrounds, unless a criterion, an order or a spurious signal says that one is chosen: then it
        is `model`.
        """
        families = self.background
        if at_fixed_mass(self.criterion, len(families), self.n_parameters, bool(self.spurious)) != "envelope":
            return self.model(found, mass)
        return Workspace(
            found.spectrum,
            mass,
            background=families[0],
            alternatives=families[1:],
            n_parameters=self.n_parameters,
            signal=self.signal,
            systematics=self.systematics,
        )

    def model(self, found: ScanResult, mass: float) -> Workspace:
        """The statistical model of one mass with the one background, and the range, that the scan chose."""
        fitted = found.background
        spurious = self._false_signal(found.spectrum, fitted, np.array([mass]))
        return Workspace(
            found.spectrum,
            mass,
            background=fitted.family,
            n_parameters=fitted.n_parameters,
            signal=self.signal,
            systematics=self.systematics,
            spurious=0.0 if spurious is None else float(spurious[0]),
        )

    @property
    def _chosen(self) -> dict[str, Any]:
        """How the background is chosen."""
        names = ("background", "n_parameters", "lower_edges")
        return {**{name: getattr(self, name) for name in names}, "criterion": self.criterion or "aic"}

    def _asked(
        self, observed: Spectrum, masses: Sequence[float] | None, window: tuple[float, float] | None
    ) -> dict[str, Any]:
        """What a scan is told."""
        from lamppost.stats import mass_grid

        grid = mass_grid(observed, self.signal, window) if masses is None else np.asarray(masses, dtype=np.float64)
        return {
            **self._chosen,
            "signal": self.signal,
            "masses": None if masses is None and not self.spurious else grid,
            "window": window,
            "spurious": self._spurious(observed, grid, window),
        }

    def _spurious(self, observed: Spectrum, masses: Array, window: tuple[float, float] | None) -> Array | None:
        """Of the background that the scan will choose, which looks at the data with the window masked."""
        from lamppost.stats import choose

        if not self.spurious:
            return None
        chosen = choose(
            observed,
            self.background,
            n_parameters=self.n_parameters,
            criterion=self.criterion or "aic",
            masked=window,
        )
        return self._false_signal(observed, chosen.background, masses)

    def _false_signal(self, observed: Spectrum, fitted: BackgroundFit, masses: Array) -> Array | None:
        from lamppost.stats import spurious_signal

        if not self.spurious:
            return None
        found = spurious_signal(
            observed,
            fitted.family,
            self.spurious,
            signal=self.signal,
            masses=masses,
            n_parameters=fitted.n_parameters,
        )
        return found.largest


def described(table: dict[str, Any], path: str = "model") -> SpectrumFit:
    """The fit that a table describes: `background`, `signal`, `systematics`, `spurious`, `n_parameters`, `lower_edges`.

    Raises
    ------
    ConfigError
        If a key is unknown or a value makes no sense.
    """
    try:
        return SpectrumFit.model_validate(table)
    except ValidationError as error:
        raise ConfigError(f"{path}: {explain(error)}") from None
