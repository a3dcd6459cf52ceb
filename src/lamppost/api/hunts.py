"""From a configuration to a result and a report."""

import os
from importlib.resources import files
from pathlib import Path
from typing import Any, Unpack

from lamppost.api.folders import Options, Source, how_of, setup_of, show
from lamppost.config import Search, load, parse
from lamppost.core import View
from lamppost.errors import ConfigError
from lamppost.io import read
from lamppost.run import MassModel, SmoothMass, blind_view, check_events, check_windows, run_hunt, write_file
from lamppost.search import QuantileMap

__all__ = ["check", "hunt", "init", "view"]

SAMPLE = "lhco_like_sample.parquet"


def hunt(
    config: Search | Source,
    out: "str | os.PathLike[str]",
    *,
    pdf: bool = False,
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
    options
        Workers, cache and the like, see `Options`: the result does not depend on them.

    Returns
    -------
    The content of `result.json`; with `dry_run` what it would cost.

    Raises
    ------
    LamppostError
        One line that names the file, column, window or parameter at fault.
    """
    search = setup_of(config, Search, load, parse)
    folder = Path(out)
    result = run_hunt(search, folder, **how_of(options))
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


def init(path: "str | os.PathLike[str]") -> tuple[Path, Path]:
    """Write a commented TOML for the embedded sample, and the sample beside it.

    Raises
    ------
    ConfigError
        If the TOML is there already, or another file stands where the sample belongs.
    """
    target = Path(path)
    template, content = (files("lamppost.data").joinpath(name) for name in ("hunt.toml", SAMPLE))
    beside = target.parent / SAMPLE
    if target.exists():
        msg = f"{target}: is there already and was not touched"
        raise ConfigError(msg)
    sample = content.read_bytes()
    if beside.exists() and beside.read_bytes() != sample:
        msg = f"{beside}: another file stands where the sample belongs"
        raise ConfigError(msg)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        msg = f"{target.parent}: cannot be made: {error.strerror}"
        raise ConfigError(msg) from None
    write_file(beside, sample)
    text = template.read_text(encoding="utf-8").format(name=target.name, sample=SAMPLE)
    write_file(target, text.encode())
    return target, beside


def check(config: "str | os.PathLike[str]") -> dict[str, Any]:
    """Read configuration and data as `hunt` would and say what it would do: events, windows, bins, trainings."""
    search = load(Path(config))
    claims, validation = search.claim_windows(), search.validation_windows()
    sample = read(search.data, mass_range=search.fit.range)
    check_events(sample.events, search.fit.range)
    check_windows(sample.events, claims)
    check_windows(sample.events, validation, "scan.validation")
    m, w = sample.events.m, sample.events.w
    return {
        "events": len(sample.events),
        "rows": sample.n_rows,
        "dropped": sample.n_dropped,
        "sha256": sample.sha256,
        "features": list(search.data.names),
        "windows": [
            {"lo": x.lo, "hi": x.hi, "n_sr": float(w[x.inside(m)].sum()), "n_sb": float(w[x.beside(m)].sum())}
            for x in claims + validation
        ],
        "bins": len(search.fit.edges) - 1,
        "trainings": len(claims + validation) * search.scan.folds * len(search.methods),
    }
