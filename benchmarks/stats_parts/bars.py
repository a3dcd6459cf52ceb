"""What had to be shown: a figure, what was wanted, and whether that was met."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from learn_parts.tables import markdown

__all__ = ["Bar", "at_least", "at_most", "table", "verdict", "within"]


class Bar(NamedTuple):
    """A requirement: what, the figure found and the one wanted in words, and the verdict."""

    what: str
    found: str
    wanted: str
    met: bool

    def cells(self) -> list[str]:
        return [self.what, self.found, self.wanted, "met" if self.met else "**NOT met**"]


def at_least(what: str, value: float, wanted: float, form: str = ",.4g", unit: str = "") -> Bar:
    """No less than what was wanted."""
    return Bar(what, f"{value:{form}}{unit}", f"≥ {wanted:,g}{unit}", bool(value >= wanted))


def at_most(what: str, value: float, wanted: float, form: str = ",.4g", unit: str = "") -> Bar:
    """No more than what was wanted."""
    return Bar(what, f"{value:{form}}{unit}", f"≤ {wanted:,g}{unit}", bool(value <= wanted))


def within(what: str, value: float, centre: float, half: float, form: str = ".4g") -> Bar:
    """No farther from `centre` than `half`."""
    return Bar(what, f"{value:{form}}", f"{centre:g} ± {half:.3g}", bool(abs(value - centre) <= half))


def table(bars: Sequence[Bar]) -> str:
    return markdown(["requirement", "found", "wanted", ""], [bar.cells() for bar in bars])


def verdict(bars: Mapping[str, Sequence[Bar]]) -> str:
    """How many were met, of all and of each section by its title."""
    every = [bar for found in bars.values() for bar in found]
    parts = [f"{title}: {sum(bar.met for bar in found)} of {len(found)}" for title, found in bars.items() if found]
    return f"{sum(bar.met for bar in every)} of {len(every)} requirements are met. {'; '.join(parts)}."
