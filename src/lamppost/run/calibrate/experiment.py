"""One pseudo-experiment: a whole hunt in data without signal, or with a known one, in one task."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from lamppost.config import Search
from lamppost.core import Events
from lamppost.errors import DataError
from lamppost.run.artefacts import Store
from lamppost.run.calibrate.inside import inside, work_through
from lamppost.run.collect import result_of
from lamppost.run.plan import Looked, plan_in
from lamppost.run.planned import Planned
from lamppost.run.samples import Samples, load, store_events
from lamppost.run.tasks import merged_scores
from lamppost.run.view import MassModel
from lamppost.search import seed_of
from lamppost.simulate.null import NullGenerator
from lamppost.stats import Spectrum, choose

__all__ = ["Null", "draw_pseudo", "linked", "pseudo_experiment"]

Json = dict[str, Any]
WINDOW = (
    *("p_window", "z_window", "p_local", "z_local", "best_mass", "sculpting_p", "efficiency"),
    *("signal", "signal_error", "n_selected", "n_expected"),
)
"""What is kept of a window."""


@dataclass(frozen=True)
class Null:
    """What pseudo-data are drawn from: the artefact of the data, the model of the masses, how wide features come from.

    events: expected; None for as many as the data are worth, (sum w)^2 / sum w^2
    """

    data: str
    masses: MassModel
    neighbours: float
    events: float | None


@lru_cache(maxsize=2)
def _generator(path: Path, null: Null) -> tuple[NullGenerator, float]:
    """The null generator of some data, and the expected number of events; kept per process."""
    events, masses = load(Store(path.parent), path.name).events, null.masses
    edges = np.asarray(masses.edges)
    spectrum = Spectrum.from_masses(events.m, edges, events.w)
    order, criterion = masses.n_parameters, masses.criterion
    chosen = choose(spectrum, masses.function, n_parameters=order, criterion=criterion).background
    made = NullGenerator(
        events, edges, background=chosen.family, n_parameters=chosen.n_parameters, neighbours=null.neighbours
    )
    worth = float(events.w.sum() ** 2 / (events.w**2).sum())
    return made, worth if null.events is None else null.events


def draw_pseudo(
    store: Store, key: str, *, null: Null, number: int, seed: int, signal: str | None = None, injected: int = 0
) -> None:
    """Draw the events of a pseudo-experiment: a Poisson number of background and of signal.

    The background depends on seed and number alone, and fewer signal events are contained in more.

    Raises
    ------
    DataError
        If there is less signal than that.
    """
    generator, expected = _generator(store.path(null.data).resolve(), null)
    rng = np.random.default_rng(seed_of(seed, "calibrate", "null", number))
    events = generator.sample(int(rng.poisson(expected)), rng)
    label = np.zeros(len(events), dtype=np.int8)
    if signal is not None and injected > 0:
        more = _drawn_signal(load(store, signal).events, number, seed, injected)
        events = Events.concatenate([events, replace(more, w=np.ones(len(more)))])
        label = np.append(label, np.ones(len(more), dtype=np.int8))
    order = np.argsort(events.id, kind="stable")
    store_events(store, key, events[order], order, label[order], {"n_rows": len(order), "n_dropped": 0})


def _drawn_signal(pool: Events, number: int, seed: int, injected: int) -> Events:
    """Signal events by their weight, none of them twice."""
    stream = seed_of(seed, "calibrate", "signal", number)
    of_number, of_order = (np.random.default_rng(one) for one in stream.spawn(2))
    n = int(of_number.poisson(injected))
    there = np.count_nonzero(pool.w > 0)
    if n > there:
        msg = f"calibrate.strengths: {injected} take {n} signal events, there are {there} in the fit range"
        raise DataError(msg)
    # the first n of a weighted order without replacement (Efraimidis and Spirakis, 2006)
    waiting = of_order.exponential(size=len(pool))
    with np.errstate(divide="ignore"):
        return pool[np.argsort(np.where(pool.w > 0, waiting / pool.w, np.inf), kind="stable")[:n]]


def pseudo_experiment(
    store: Store,
    key: str,
    *,
    search: Search,
    samples: Samples,
    null: Null,
    number: int,
    signal: str | None = None,
    injected: int = 0,
) -> None:
    """Hunt in pseudo-data: decorrelation, trainings, thresholds, choices of the fit and toys are all done again.

    Its artefacts live as long as it does, in a folder beside its own; what is kept are the numbers of its result.
    """
    with inside(store, key, linked(samples, signal)) as (inner, planned):
        found = _hunt(inner, planned, search, samples, null, number, signal, injected)
    store.write_json(key, found)


def linked(samples: Samples, signal: str | None) -> list[str]:
    """The artefacts that a pseudo-experiment reads."""
    return list(dict.fromkeys((*samples.keys, *(() if signal is None else (signal,)))))


def _hunt(
    inner: Store,
    planned: Planned,
    search: Search,
    samples: Samples,
    null: Null,
    number: int,
    signal: str | None,
    injected: int,
) -> Json:
    arguments = {"null": null, "number": number, "seed": search.seed, "signal": signal, "injected": injected}
    data = planned.add("draw", "drawing", draw_pseudo, arguments)
    seed = int(seed_of(search.seed, "calibrate", "hunt", number).generate_state(1, np.uint64)[0] >> np.uint64(1))
    own = search.model_copy(update={"seed": seed})
    plan = plan_in(planned, own, replace(samples, data=data), "")
    work_through(inner, plan.tasks)
    result, _ = result_of(own, plan, inner)
    rows = [_row(row, looked, data, inner) for row, looked in zip(result["windows"], plan.claims, strict=True)]
    label = load(inner, data).label
    return {
        "events": result["data"]["events"],
        "injected": 0 if label is None else int(label.sum()),
        **{name: result[name] for name in ("p_global", "z_global", "best_window")},
        "windows": rows,
        "validation": [row["sculpting_p"] for row in result["validation"]],
        "inclusive": {name: result["inclusive"][name] for name in ("p_global", "z_global")},
        "control": {name: result["control"][name] for name in ("p_global", "z_global", "p_window")},
    }


def _row(row: Mapping[str, Any], looked: Looked, data: str, inner: Store) -> Json:
    """The numbers of a window, and how many injected events its best cut keeps."""
    stored = load(inner, data)
    kept = merged_scores(inner, looked.parts, stored.events.id) >= -np.log10(row["efficiency"])
    true = 0 if stored.label is None else int(stored.label[kept].sum())
    names = {name: row[name] for name in WINDOW}
    return {"method": looked.method, "lo": row["lo"], "hi": row["hi"], **names, "injected_kept": true}
