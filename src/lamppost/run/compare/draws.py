"""Labelled events, and the draws made of them: data with a known injection, known truth, and events held out."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamppost.core import Events, Window
from lamppost.errors import DataError
from lamppost.run.artefacts import Store
from lamppost.run.compare.figures import FLOOR
from lamppost.run.samples import Stored, check_windows, load
from lamppost.search import seed_of

__all__ = ["Draw", "Share", "check_draws", "classes", "draw", "inject"]


@dataclass(frozen=True)
class Share:
    """What decides about the draws of a comparison, next to the events: who gets which part, and the seed."""

    window: Window
    test: float
    reference: float
    seed: int

    def parts(self, n: int, *key: Any) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """A permutation of n rows that only seed and key decide, cut into test, reference and rest."""
        order = np.random.default_rng(seed_of(self.seed, "draw", *key)).permutation(n)
        first = round(self.test * n)
        second = first + round(self.reference * n)
        return order[:first], order[first:second], order[second:]


@dataclass(frozen=True)
class Draw:
    """One draw at one strength; no event is in two of these.

    data: background and injected signal, the whole fit range, without labels
    reference: background that is known to be background; truth: signal that is known to be signal
    test, test_signal: held out to judge
    injected: signal events in the data, in the region and in all
    """

    data: Events
    reference: Events
    truth: Events
    test: Events
    test_signal: Events
    injected: tuple[int, int]


def classes(stored: Stored) -> tuple[Events, NDArray[np.int8]]:
    """The events (n,) of a labelled sample and their labels."""
    assert stored.label is not None
    return stored.events, stored.label


def draw(events: Events, label: NDArray[np.int8], share: Share, number: int, strength: float) -> Draw:
    """Draw `number` of labelled events with signal injected at this strength.

    N signal events of any mass are injected, N = strength x B / f: B the background events of the data that are in
    the region, f the part of all signal events that lies there. The number inside is then right on average. The
    parts depend on the number alone, and a weaker injection is contained in a stronger one.

    Raises
    ------
    DataError
        If there is less signal than that.
    """
    background, signal = events[label == 0], events[label == 1]
    test, reference, rest = share.parts(len(background), "background", number)
    test_signal, truth, pool = share.parts(len(signal), "signal", number)
    inside = share.window.inside
    expected = strength * int(inside(background.m[rest]).sum())
    part = float(inside(signal.m).mean())
    n = round(expected / part) if part > 0 else 0
    if n > len(pool) or (expected > 0 and part == 0):
        msg = (
            f"compare.strengths: {strength:g} takes {expected:.0f} signal events in the region {share.window}, "
            f"{len(pool)} of any mass are left for data, expected {part:.0%} of them in it"
        )
        raise DataError(msg)
    injected = signal[pool[:n]]
    data = Events.concatenate([background[rest], injected])
    return Draw(
        data=data[np.argsort(data.id, kind="stable")],
        reference=background[reference],
        truth=signal[truth],
        test=background[test],
        test_signal=signal[test_signal],
        injected=(int(inside(injected.m).sum()), n),
    )


def check_draws(store: Store, key: str, *, data: str, share: Share, draws: int, strengths: tuple[float, ...]) -> None:
    """Refuse draws on which a comparison means nothing, and count the events of all of them; trainings wait for this.

    Raises
    ------
    DataError
        If there is too little signal, too few events to learn from, or so few to judge by that no cut has a floor.
    """
    events, label = classes(load(store, data))
    found = []
    for number in range(draws):
        first = draw(events, label, share, number, strengths[0])
        check_windows(first.data, [share.window])
        counts = {name: _inside(getattr(first, name), share) for name in ("test", "test_signal", "reference")}
        for name, what in (("test", "background"), ("test_signal", "signal")):
            if counts[name] < FLOOR:
                msg = f"compare.test: {counts[name]} {what} events in the region held out, expected at least {FLOOR}"
                raise DataError(msg)
        others = [_counted(draw(events, label, share, number, strength), share) for strength in strengths[1:]]
        found.append(counts | {"strengths": [_counted(first, share), *others]})
    store.write_json(key, found)


def _inside(events: Events, share: Share) -> int:
    return int(share.window.inside(events.m).sum())


def _counted(drawn: Draw, share: Share) -> dict[str, int]:
    inside, everywhere = drawn.injected
    data = _inside(drawn.data, share)
    return {"data": len(drawn.data), "region": data, "injected_region": inside, "injected": everywhere}


def inject(store: Store, key: str, *, data: str, background: float, seed: int, number: int, events: int) -> None:
    """Draw `number` of unlabelled data for a hunt: a part of the background and so many signal events of any mass.

    Each is the beginning of a permutation that seed and number decide, so that fewer events are contained in more.

    Raises
    ------
    DataError
        If there is less signal than that.
    """
    _, label = classes(load(store, data))
    rows = []
    for name, value in (("background", 0), ("signal", 1)):
        of = np.flatnonzero(label == value)
        n = events if value else round(background * len(of))
        if n > len(of):
            msg = f"reach.events: expected at most the {len(of)} signal events that there are, found {n}"
            raise DataError(msg)
        rows.append(np.random.default_rng(seed_of(seed, "reach", name, number)).permutation(of)[:n])
    store.write_arrays(key, {"rows": np.sort(np.concatenate(rows))}, {"of": data})
