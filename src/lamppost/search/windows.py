"""Where to look: windows on a grid or from a list."""

from collections.abc import Callable, Sequence

from pydantic import Field, model_validator

from lamppost.core import Window
from lamppost.errors import ConfigError
from lamppost.spec import Spec

__all__ = ["Grid", "joined", "outside", "windows"]


class Grid(Spec):
    """All signal regions [lo, lo + width) with `from` <= lo and lo + width <= `to`, in steps of `step`."""

    start: float = Field(alias="from", description="lower edge of the first signal region, in the units of m")
    stop: float = Field(alias="to", description="no signal region reaches beyond this mass")
    width: float = Field(gt=0, description="width of every signal region")
    step: float = Field(gt=0, description="distance between the lower edges of neighbouring signal regions")

    @model_validator(mode="after")
    def _holds_a_window(self) -> "Grid":
        if self.start + self.width > self.stop * (1 + 1e-12):
            msg = f"no window of width {self.width:g} fits between from = {self.start:g} and to = {self.stop:g}"
            raise ValueError(msg)
        return self

    def regions(self) -> list[tuple[float, float]]:
        """Lower and upper edge of every signal region."""
        n = int((self.stop - self.start - self.width) / self.step * (1 + 1e-12) + 1e-9) + 1
        below = [self.start + i * self.step for i in range(n)]
        return [(lo, min(lo + self.width, self.stop)) for lo in below]  # rounding must not carry the last beyond


def windows(
    regions: Grid | Sequence[tuple[float, float]],
    reach: float | None,
    fit_range: tuple[float, float],
    key: str = "scan.windows",
) -> list[Window]:
    """The windows of a grid or list; `reach` of the sidebands defaults to each window's width.

    `key` is what the configuration calls them.

    Raises
    ------
    ConfigError
        If a window is empty or listed twice, or it or its sidebands leave the fit range.
    """
    pairs = regions.regions() if isinstance(regions, Grid) else list(regions)
    found = [Window(float(lo), float(hi), float(reach if reach is not None else hi - lo)) for lo, hi in pairs]
    low, high = fit_range
    for window in found:
        if not window.hi > window.lo:
            msg = f"{key}: window {window} is empty, expected lo < hi"
            raise ConfigError(msg)
        if window.lo < low or window.hi > high:
            msg = f"{key}: window {window} lies outside the fit range [{low:g}, {high:g})"
            raise ConfigError(msg)
        if window.lo - window.reach < low - 1e-9 * low and window.hi + window.reach > high + 1e-9 * high:
            msg = f"scan.sidebands: those of window {window} leave the fit range [{low:g}, {high:g}) on both sides"
            raise ConfigError(msg)
    if len(set(found)) < len(found):
        msg = f"{key}: a window is listed twice"
        raise ConfigError(msg)
    return found


def joined(listed: Sequence[Window]) -> tuple[tuple[float, float], ...]:
    """The signal regions as intervals that neither touch nor overlap, ascending."""
    found: list[tuple[float, float]] = []
    for lo, hi in sorted((window.lo, window.hi) for window in listed):
        if found and lo <= found[-1][1]:
            found[-1] = found[-1][0], max(hi, found[-1][1])
        else:
            found.append((lo, hi))
    return tuple(found)


def outside(
    claims: Sequence[Window], fit_range: tuple[float, float], resolution: Callable[[float], float]
) -> list[Window]:
    """A window in every part of the fit range that no signal region covers, ascending.

    It is as wide as the narrowest signal region, or a third of what there is, and so is the reach of its sidebands,
    which end where a signal region does. Parts too small for a window of one `resolution(m)` hold none, and the part
    above all regions, where events run out, only if no other does.
    """
    edges = [fit_range[0], *(edge for region in joined(claims) for edge in region), fit_range[1]]
    found = []
    for number, (lo, hi) in enumerate(zip(edges[::2], edges[1::2], strict=True)):
        width = min(min(window.hi - window.lo for window in claims), (hi - lo) / 3)
        start = hi - 2 * width if number == 0 else lo + width  # beside the nearest signal region
        if width > 0 and width >= resolution(start):
            found.append(Window(start, start + width, width))
    return found[:-1] if len(found) > 1 and found[-1].lo >= edges[-2] else found
