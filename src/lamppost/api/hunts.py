"""From a configuration to a result and a report."""

import os
from importlib.resources import files
from pathlib import Path
from typing import Any, Unpack

from lamppost.api.folders import Options, Source, how_of, region_of, setup_of, show
from lamppost.config import Search, load, parse
from lamppost.core import Events, View, Window
from lamppost.errors import ConfigError
from lamppost.io import read
from lamppost.run import write_file
from lamppost.run.blind.stage import is_logged, run_blind, run_open, run_without_blind
from lamppost.run.blind.tasks import outside
from lamppost.run.hunt import run_hunt
from lamppost.run.samples import check_events, check_windows
from lamppost.run.view import MassModel, SmoothMass, blind_view
from lamppost.search import QuantileMap

__all__ = ["check", "hunt", "init", "view"]

SAMPLE = "lhco_like_sample.parquet"
EXAMPLES = {"hunt": (SAMPLE,), "case": ()}
"""Worked examples, and the files that belong beside each."""


def hunt(
    config: Search | Source,
    out: "str | os.PathLike[str]",
    *,
    pdf: bool = False,
    unblind: str | None = None,
    despite: str | None = None,
    invert: bool = False,
    **options: Unpack[Options],
) -> dict[str, Any]:
    """Run a blind search from events to a global p-value.

    In a script call it below `if __name__ == "__main__":`, since worker processes import the script.

    Parameters
    ----------
    config
        A TOML file, the table it would hold, or a `Search`.
    out
        The run folder. If it holds an earlier, perhaps interrupted run, only what is missing or changed is done.
    pdf
        The figures of the report as PDF as well.
    unblind, despite
        With `[blind]` in the configuration: open the windows of the hunt that was frozen with this hash; the reason to
        do so although blind tests failed, which is logged.
    invert
        Hunt in the control region, the events that `select` rejects; nothing is blind there.
    options
        Workers, cache and the like, see `Options`: the result does not depend on them.

    Returns
    -------
    The content of `result.json`; of `blind.json` while the windows are closed; with `dry_run` what it would cost.

    Raises
    ------
    LamppostError
        One line that names the file, column, window or parameter at fault.
    """
    search = region_of(setup_of(config, Search, load, parse), invert=invert)
    folder = Path(out)
    how = how_of(options)
    if unblind is not None:
        result = run_open(search, folder, unblind, despite, **how)
    elif despite is not None:
        msg = "despite: expected unblind with the hash of a frozen hunt beside it, found none"
        raise ConfigError(msg)
    elif search.blind is not None:
        result = run_blind(search, folder, **how)
    elif is_logged(folder):
        result = run_without_blind(search, folder, **how)
    else:
        result = run_hunt(search, folder, **how)
    show(folder, result, pdf=pdf)
    return result


def view(config: Search | Source, window: int = 0, *, decorrelate: bool = False) -> View:
    """What a method may see of a window, for a look at what it learns: `Method.parse("ranode").fit(view, rng)`.

    All events of the region and the sidebands, simulated samples, and masses from a smooth model. A score fitted to it
    has seen the events that it would score: only a hunt, which keeps them apart, makes a claim.

    Parameters
    ----------
    config
        As `hunt` takes it.
    window, decorrelate
        The number of the window, from 0. Whether features are decorrelated from m, as hunts do for some methods.

    Raises
    ------
    LamppostError
        One line that names the file, column, window or parameter at fault.
    """
    search = setup_of(config, Search, load, parse)
    if search.blind is not None:
        msg = "[blind]: a view shows the events of a window, expected a configuration that keeps none closed"
        raise ConfigError(msg)
    windows = search.claim_windows()
    if not 0 <= window < len(windows):
        msg = f"window: expected a number from 0 to {len(windows) - 1}, found {window}"
        raise ConfigError(msg)
    chosen, limits = windows[window], search.fit.range
    events = read(search.data, mass_range=limits).events
    check_events(events, limits)
    check_windows(events, [chosen])
    simulation, signals = search.samples.simulation, search.samples.signals
    return blind_view(
        events,
        chosen,
        SmoothMass(events.m, events.w, chosen, MassModel.of(search.fit)),
        QuantileMap.fit(events, chosen) if decorrelate else lambda seen: seen,
        sim=None if simulation is None else read(search.sample(simulation), mass_range=limits).events,
        signals={name: read(search.sample(paths), mass_range=limits).events for name, paths in signals.items()},
    )


def init(path: "str | os.PathLike[str]", example: str = "hunt") -> tuple[Path, ...]:
    """Write a commented TOML: for the embedded sample, which is written beside it, or another worked example.

    `example` is "hunt", or "case": a search like that of CMS, for tables of dijets of your own. Returns the files.

    Raises
    ------
    ConfigError
        If the TOML is there already, another file stands where the sample belongs, or there is no such example.
    """
    target = Path(path)
    if example not in EXAMPLES:
        msg = f"example: expected one of {', '.join(EXAMPLES)}, found {example!r}"
        raise ConfigError(msg)
    if target.exists():
        msg = f"{target}: is there already and was not touched"
        raise ConfigError(msg)
    beside = [(target.parent / name, files("lamppost.data").joinpath(name).read_bytes()) for name in EXAMPLES[example]]
    for file, content in beside:
        if file.exists() and file.read_bytes() != content:
            msg = f"{file}: another file stands where the sample belongs"
            raise ConfigError(msg)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        msg = f"{target.parent}: cannot be made: {error.strerror}"
        raise ConfigError(msg) from None
    for file, content in beside:
        write_file(file, content)
    template = files("lamppost.data").joinpath(f"{example}.toml").read_text(encoding="utf-8")
    write_file(target, template.format(name=target.name, sample=SAMPLE).encode())
    return target, *(file for file, _ in beside)


def check(config: "str | os.PathLike[str]", *, invert: bool = False) -> dict[str, Any]:
    """Read configuration and data as `hunt` would and say what it would do: events, windows, bins, trainings.

    With `[blind]` the events outside of the closed windows are counted, and none in or beside these.
    """
    search = region_of(load(Path(config)), invert=invert)
    claims, validation, closed = search.claim_windows(), search.validation_windows(), search.blind is not None
    sample = read(search.data, mass_range=search.fit.range)
    check_events(sample.events, search.fit.range)
    check_windows(sample.events, claims, counted=not closed)
    events = outside(sample.events, search.hidden) if closed else sample.events
    check_windows(events, validation, "scan.validation")
    return {
        "events": len(events),
        "rows": None if closed else sample.n_rows,
        "dropped": None if closed else sample.n_dropped,
        "sha256": sample.sha256,
        "features": list(search.data.names),
        "control_region": search.data.region if search.data.invert else None,
        "closed": [list(region) for region in search.hidden] if closed else [],
        "windows": [
            *(_window(events, window, counted=not closed) for window in claims),
            *(_window(events, window) for window in validation),
        ],
        "bins": len(search.fit.edges) - 1,
        "trainings": len(claims + validation) * search.scan.folds * len(search.methods),
        "limits": {name: [[x.lo, x.hi] for x in search.signal_windows(name)] for name in search.limits.signals},
    }


def _window(events: Events, window: Window, *, counted: bool = True) -> dict[str, Any]:
    m, w = events.m, events.w
    n_sr, n_sb = (float(w[rows].sum()) if counted else None for rows in (window.inside(m), window.beside(m)))
    return {"lo": window.lo, "hi": window.hi, "n_sr": n_sr, "n_sb": n_sb}
