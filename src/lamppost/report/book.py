"""What every section of the page is made of: the files of a hunt, lists of facts, captioned figures."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure

from lamppost.report.drawing import Draw
from lamppost.report.text import captioned, escape, known, number

__all__ = ["Hunt", "Part", "chosen", "facts", "false_signal", "figure", "span"]

Part = Mapping[str, Any]


@dataclass(frozen=True)
class Hunt:
    """What the sections read: the two JSON files, and how to turn a figure into SVG."""

    result: Part
    details: Part
    draw: Draw

    @property
    def windows(self) -> Sequence[Part]:
        return self.result.get("windows") or ()

    @property
    def best(self) -> Part | None:
        """The window with the largest excess."""
        index = self.result.get("best_window")
        return self.windows[index] if isinstance(index, int) and 0 <= index < len(self.windows) else None

    @property
    def mass_name(self) -> str:
        return str(self.part("data").get("mass") or self.details.get("mass") or "mass")

    @property
    def unit(self) -> str:
        """The unit of the mass, empty if the result does not name it."""
        return str(self.part("data").get("unit") or "")

    @property
    def mass(self) -> str:
        """The name of the mass, with its unit if that is known."""
        return f"{self.mass_name} [{self.unit}]" if self.unit else self.mass_name

    @property
    def inclusive_spectrum(self) -> Part | None:
        """The spectrum before any cut."""
        part = (self.details.get("inclusive") or {}).get("spectrum") or {}
        return part if part.get("edges") and part.get("counts") else None

    def best_point(self, window: Part, text: str) -> tuple[float, float, str] | None:
        """Mass and local p-value of a window's best point, and what to write beside it."""
        m, p = window.get("best_mass"), window.get("p_local")
        return (m, p, text) if known(m) and known(p) else None

    @property
    def combined(self) -> bool:
        """Whether the windows count for what they are worth together."""
        return known(self.result.get("effective_windows"))

    def part(self, name: str) -> Part:
        """A part of the result that may be missing."""
        return self.result.get(name) or {}

    def details_of(self, index: int) -> Part:
        """The figures' numbers of a window; empty if there are none."""
        windows = self.details.get("windows") or ()
        return windows[index] or {} if index < len(windows) else {}

    def trials(self, window: Part) -> float | None:
        """How many independent looks a hunt with this window takes: p_global = 1 - (1 - p_local)^trials.

        Looks inside the window follow from its toys, and every window that makes a claim counts once, or as many as all
        are worth together where their correlations are known. None for a window without a claim, for p-values too near
        to 1 or too far apart to tell, and if no global p-value is given.
        """
        local, inside = window.get("p_local"), window.get("p_window")
        if self.result.get("p_global") is None or not window.get("claim", True) or not (known(local) and known(inside)):
            return None
        if not 0.0 < local <= inside < 0.999 or inside > 1e4 * local:
            return None
        return self._looks() * math.log1p(-inside) / math.log1p(-local)

    def _looks(self) -> float:
        """How many independent windows all that make a claim are worth: their number, if nothing else is known."""
        p, smallest = self.result.get("p_global"), (self.best or {}).get("p_window")
        if self.combined and known(p) and known(smallest) and 0.0 < smallest <= p < 0.999:
            return math.log1p(-p) / math.log1p(-smallest)
        return sum(bool(window.get("claim", True)) for window in self.windows)


def span(window: Part) -> str:
    """The edges of a window, as in [3300, 3700)."""
    return f"[{number(window.get('lo'), 'g')}, {number(window.get('hi'), 'g')})"


def chosen(window: Part, detail: Part) -> Part:
    """The entry of the efficiency that the result quotes, the first one if none is."""
    entries = detail.get("efficiencies") or ()
    same = [entry for entry in entries if entry.get("efficiency") == window.get("efficiency")]
    return next(iter([*same, *entries]), {})


def facts(pairs: Sequence[tuple[str, str]]) -> str:
    """A list of names and values; values are HTML."""
    return f'<dl class="list">{"".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in pairs)}</dl>'


def false_signal(part: Part) -> list[tuple[str, str]]:
    """The spurious signal at the best mass, as a fact, if one was asked for."""
    events = part.get("spurious")
    return [("Spurious signal", f"{number(events, '.3g')} events, a nuisance of the fit")] if known(events) else []


def figure(
    hunt: Hunt,
    key: str,
    title: str,
    caption: str,
    needs: tuple[Part, str],
    make: Callable[[], Figure],
    *,
    wide: bool = False,
) -> str:
    """A captioned figure, or a note if one of the keys it needs is not there. Title and caption are plain text."""
    part, keys = needs
    missing = [name for name in keys.split() if not part.get(name)]
    if missing:
        return (
            f'<p class="note">No figure “{escape(title)}”: details.json has no {escape(", ".join(missing))} for it.</p>'
        )
    return captioned(hunt.draw(key, title, make()), title, caption, wide=wide)
