"""The `Search` that a TOML file describes."""

from pathlib import Path
from typing import Any

from pydantic import Field, model_validator

from lamppost.config.blind import Blind
from lamppost.config.calibrate import Calibrate
from lamppost.config.limits import Limits
from lamppost.config.setup import Setup, loaded, parsed
from lamppost.core import Window
from lamppost.errors import ConfigError
from lamppost.search import joined, outside, windows

__all__ = ["Search", "control_region", "load", "parse"]


VALIDATION = "scan.validation"


class Search(Setup):
    """A whole blind search: one TOML file."""

    calibrate: Calibrate = Field(default_factory=Calibrate, description="the same hunt in pseudo-data")
    limits: Limits = Field(default_factory=Limits, description="what is excluded of injected signals")
    blind: Blind | None = Field(None, description="keep the windows closed until the hunt is frozen")

    @model_validator(mode="after")
    def _blind(self) -> "Search":
        for name, method in self.methods.items():
            if method.needs_truth:
                msg = f"methods.{name}: {method.kind!r} sees the truth, a hunt cannot use it"
                raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _injected(self) -> "Search":
        known, wanted = self.samples.signals, self.calibrate.signal
        if wanted is not None and wanted not in known:
            msg = f"calibrate.signal: expected one of {', '.join(known) or 'none'} of samples.signals, found {wanted!r}"
            raise ValueError(msg)
        if self.calibrate.strengths and wanted is None and len(known) != 1:
            msg = f"calibrate.signal: expected the name of one of {len(known)} samples.signals to inject, found none"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _limited(self) -> "Search":
        try:
            self.limits.refuse(self.samples.signals, self.methods, (*self.data.names, self.data.mass))
        except ConfigError as error:
            raise ValueError(str(error)) from None
        return self

    def claim_windows(self) -> list[Window]:
        """The windows a claim is made for."""
        return windows(self.scan.windows, self.scan.sidebands, self.fit.range)

    @property
    def hidden(self) -> tuple[tuple[float, float], ...]:
        """What is closed while blind: intervals of m that cover the windows a claim is made for."""
        return joined(self.claim_windows())

    def validation_windows(self) -> list[Window]:
        """The windows that only test the procedure; while blind there is always one, outside of all others."""
        listed = windows(self.scan.validation or [], self.scan.sidebands, self.fit.range, VALIDATION)
        if self.blind is None:
            return listed
        return listed or outside(self.claim_windows(), self.fit.range, self.fit.signal.sigma)

    def check_windows(self) -> None:
        """Look at every window once: ConfigError if one of them does not fit."""
        validation = self.validation_windows()
        for name in self.limits.signals:
            self.signal_windows(name)
        if self.blind is None:
            self.claim_windows()
            return
        if not validation:
            lo, hi = self.fit.range
            msg = (
                f"{VALIDATION}: blind, a hunt needs a window outside of all of scan.windows, and there is no room for "
                f"one in the fit range [{lo:g}, {hi:g})"
            )
            raise ConfigError(msg)
        for window in validation:
            for lo, hi in self.hidden:
                if window.lo < hi and lo < window.hi:
                    msg = f"{VALIDATION}: window {window} overlaps [{lo:g}, {hi:g}), which [blind] keeps closed"
                    raise ConfigError(msg)

    def signal_windows(self, name: str) -> list[Window]:
        """The windows in which a limit on this signal is set, the nearest first: its mass decides, not what was seen.

        Raises
        ------
        ConfigError
            If no window contains the mass.
        """
        mass = self.limits.signals[name].mass
        around = [window for window in self.claim_windows() if window.lo <= mass < window.hi]
        if not around:
            msg = f"limits.signals.{name}.mass: expected a mass in one of scan.windows, found {mass:g}"
            raise ConfigError(msg)
        around.sort(key=lambda window: (abs(mass - 0.5 * (window.lo + window.hi)), window))
        return around if self.limits.windows == "all" else around[:1]


def parse(table: dict[str, Any], where: str = "configuration") -> Search:
    """The search that a table describes; ConfigError, one line, if it describes none."""
    return parsed(Search, table, where)


def load(path: Path) -> Search:
    """Read and check a TOML file; relative paths are relative to its folder."""
    return loaded(Search, path)


def control_region(search: Search) -> Search:
    """The same hunt in the events that `select` rejects, where nothing is blind.

    Raises
    ------
    ConfigError
        If there is no `select`.
    """
    if search.data.select is None:
        msg = "data.select: expected a condition to invert for a control region, found none"
        raise ConfigError(msg)
    return search.model_copy(update={"data": search.data.model_copy(update={"invert": True}), "blind": None})
