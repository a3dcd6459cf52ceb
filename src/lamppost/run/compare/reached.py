"""From the hunts in data with injected signal to the content of `reach.json`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf, sqrt
from statistics import median
from typing import NamedTuple

import numpy as np

from lamppost.config import Comparison
from lamppost.run.artefacts import Store
from lamppost.run.collect import SCULPTED, claim_of, row_of
from lamppost.run.compare.bands import band
from lamppost.run.compare.collect import header
from lamppost.run.compare.crossing import crossing, interval
from lamppost.run.compare.draws import classes
from lamppost.run.plan import Looked
from lamppost.run.samples import Stored
from lamppost.run.work import Json
from lamppost.search import seed_of

__all__ = ["INCLUSIVE", "STOP", "Background", "Outcome", "outcome_of", "result_of"]

INCLUSIVE = "inclusive"
"""Name of the fit to all events, which every hunt makes."""
STOP = 2
"""No more hunts by a method once the median was too small for so many numbers of events in a row."""


class Background(NamedTuple):
    """Background events in the data of a draw, all and those in the region."""

    events: int
    region: int


@dataclass(frozen=True)
class Outcome:
    """The hunts by a method for one number of injected events, draw by draw: what they claim, None if nothing.

    `keys` are the artefacts they are made of, `sculpted` counts hunts in which the kept fraction was not flat in m,
    `apart` those whose windows count in full since their correlations are not known, `failed` those in which a fit
    failed, the first for this `reason`: they claim nothing.
    """

    events: int
    z_global: tuple[float | None, ...]
    p_global: tuple[float | None, ...]
    z_local: tuple[float | None, ...]
    sculpted: int
    apart: int
    failed: int
    reason: str | None
    keys: frozenset[str]

    @property
    def claimed(self) -> list[float]:
        """Global Z of each draw; a hunt that makes no claim has seen nothing."""
        return [0.0 if z is None else z for z in self.z_global]

    @property
    def median(self) -> float:
        """Median global Z."""
        return median(self.claimed)


def outcome_of(
    store: Store, name: str, events: int, hunts: Sequence[Sequence[Looked]], together: Sequence[str | None], how: str
) -> Outcome:
    """What the hunts of a method in all draws came to, their windows combined as `fit.combine` says.

    together: what combines the windows of each by their correlations, if anything
    """
    claims: list[tuple[float | None, float | None]] = []
    local: list[float | None] = []
    bent = apart = 0
    reasons: list[str] = []
    for looks, combined in zip(hunts, together, strict=True):
        if why := [found["failed"] for look in looks if "failed" in (found := store.read_json(look.measured))]:
            claims.append((None, None))
            local.append(None)
            reasons.append(why[0])
            continue
        rows = [row_of(look, store) for look in looks]
        joined = None if combined is None else store.read_json(combined)
        claim = rows[0] if name == INCLUSIVE else claim_of(rows, how, joined)
        apart += joined is not None and "refused" in joined
        claims.append((claim["z_global"], claim["p_global"]))
        local.append(rows[claim.get("best_window", 0)]["z_local"])
        bent += name != INCLUSIVE and any(row["sculpting_p"] < SCULPTED / len(rows) for row in rows)
    keys = (
        key for looks in hunts for look in looks for key in (*look.fits, *look.parts, look.measured, look.mass) if key
    )
    z, p = zip(*claims, strict=True)
    made = frozenset(keys) | {key for key in together if key is not None}
    return Outcome(events, z, p, tuple(local), bent, apart, len(reasons), next(iter(reasons), None), made)


def result_of(
    comparison: Comparison,
    stored: Stored,
    sha256: str,
    background: Sequence[Background],
    costs: Mapping[str, float],
    found: Mapping[str, Sequence[Outcome]],
) -> Json:
    """The content of `reach.json`, times of the run apart.

    `background` is that of each draw, `costs` the CPU seconds of every artefact.
    """
    hunt = comparison.hunt()
    _, label = classes(stored)
    part = float(comparison.window.inside(stored.events.m[label == 1]).mean())
    scale = _Scale(part, float(np.mean([one.region for one in background])))
    return {
        **header(comparison, stored, sha256),
        "reach": comparison.reach.model_dump(mode="json", exclude={"windows"}),
        "windows": [{"lo": w.lo, "hi": w.hi, "reach": w.reach} for w in hunt.claim_windows()],
        "hunt": {**hunt.scan.model_dump(mode="json", include={"folds", "efficiency"}), "toys": hunt.fit.toys},
        "draw": {
            "background": background[0].events,
            "background_region": scale.background,
            "signal_in_region": part,
        },
        "definitions": _definitions(comparison),
        "methods": {
            name: {
                "kind": None if name == INCLUSIVE else hunt.methods[name].kind,
                **_reach(outcomes, comparison, scale),
                "cpu_s": sum(costs.get(key, 0.0) for one in outcomes for key in one.keys)
                / sum(len(one.z_global) for one in outcomes),
            }
            for name, outcomes in found.items()
        },
        "warnings": _warnings(comparison, found),
    }


@dataclass(frozen=True)
class _Scale:
    """What a number of injected events is in the region: `part` of all signal is there, beside `background` events."""

    part: float
    background: float

    def s_over_b(self, events: float) -> float:
        return events * self.part / self.background

    def sigma(self, events: float) -> float:
        return events * self.part / sqrt(self.background)


def _reach(outcomes: Sequence[Outcome], comparison: Comparison, scale: _Scale) -> Json:
    z, events = comparison.reach.z, [one.events for one in outcomes]
    least = crossing(events, [one.median for one in outcomes], z)
    ends = None
    if comparison.reach.draws > 1:
        claimed = np.array([one.claimed for one in outcomes])
        ends = interval(events, claimed, z, seed_of(comparison.seed, "bootstrap of reach"))
    outside = {inf: f"above {events[0]}", 0.0: f"below {events[-1]}"}
    bound = outside.get(least)
    return {
        "reach": None if bound else least,
        "bound": bound,
        "interval": None if ends is None else [end if 0 < end < inf else None for end in ends],
        "interval_bound": None if ends is None else [outside.get(end) for end in ends],
        "s_over_b": None if bound else scale.s_over_b(least),
        "sigma": None if bound else scale.sigma(least),
        "points": [
            {
                "events": one.events,
                "s_over_b": scale.s_over_b(one.events),
                "sigma": scale.sigma(one.events),
                "median": one.median,
                "band": band(one.claimed),
                "z_global": list(one.z_global),
                "p_global": list(one.p_global),
                "z_local": list(one.z_local),
                "sculpted": one.sculpted,
            }
            for one in outcomes
        ],
    }


def _definitions(comparison: Comparison) -> Json:
    settings = comparison.reach
    return {
        "events": "signal events of any mass in the data of a hunt",
        "s_over_b": f"signal over background in {comparison.window}, on average over draws",
        "sigma": f"signal over the square root of background in {comparison.window}: before any selection",
        "global Z": "of a whole blind hunt by this method alone, all windows and places counted; a hunt that makes no "
        "claim counts as 0",
        "reach": f"the smallest number of events whose median global Z over draws is {settings.z:g}, between two "
        f"numbers linear in their logarithm. No smaller number is tried after {STOP} in a row with a median below that",
        "interval": "68 % of 2000 bootstrap samples of the draws; an end that is null, a dash, lies outside of the "
        "numbers that were tried, on the side that interval_bound names. Draws of the same labelled events share some, "
        "and vary less than independent data would",
        "draws": f"{100 * settings.background:g} % of the labelled background each; fewer signal events are contained "
        "in more",
        "cpu_s": "mean processor time of one hunt: trainings, fits and toys",
        "inclusive": "the fit to all events, nothing selected",
    }


def _warnings(comparison: Comparison, found: Mapping[str, Sequence[Outcome]]) -> list[str]:
    """What a reader must know before believing a figure, one line each."""
    blind = comparison.hunt().methods
    lines = [f"{name} sees the truth: no hunt can use it" for name in comparison.methods if name not in blind]
    for name, outcomes in found.items():
        hunts = sum(len(one.z_global) for one in outcomes)
        if failed := sum(one.failed for one in outcomes):
            reason = next(one.reason for one in outcomes if one.reason is not None)
            lines.append(f"{name}: a fit failed in {failed} of {hunts} hunts, which count as no claim; first: {reason}")
        if refused := sum(z is None for one in outcomes for z in one.z_global) - failed:
            lines.append(f"{name}: no claim in {refused} of {hunts} hunts, since the features determine m")
        if bent := sum(one.sculpted for one in outcomes):
            lines.append(f"{name}: the kept fraction is not flat in m in {bent} of {hunts} hunts")
        if apart := sum(one.apart for one in outcomes):
            lines.append(f"{name}: every window counts in full in {apart} of {hunts} hunts: correlations are not known")
    return lines
