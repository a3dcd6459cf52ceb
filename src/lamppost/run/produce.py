"""From a production to a file of collisions, or of their features, chunk by chunk."""

from pathlib import Path
from typing import Unpack

from lamppost import __version__
from lamppost.config.extract import parse_extraction
from lamppost.errors import ConfigError
from lamppost.features import Extraction
from lamppost.run.arrow import arrow_collisions, arrow_features
from lamppost.run.artefacts import Store, provenance
from lamppost.run.extract import describe
from lamppost.run.graph import Task
from lamppost.run.plug_ins import plug_ins
from lamppost.run.running import How
from lamppost.run.table import Made, check_target, make_table
from lamppost.simulate import Production, produce, settings_of
from lamppost.spec import digest

__all__ = ["run_production"]


def run_production(
    production: Production,
    out: Path,
    *,
    preset: str | None = None,
    **how: Unpack[How],
) -> Made:
    """Generate all events and write them, process after process, to the parquet file `out`.

    Every chunk has random numbers of its own, from the seed, the process and the chunk's number. With `preset` the
    features of that set are written instead of the particles.

    Raises
    ------
    LamppostError
        If a process or the preset is at fault, before anything is written, or the file cannot be written.
    """
    check_target(out)
    if not production.chunks():
        msg = f"simulate: no events, expected some of {', '.join(production.processes)}"
        raise ConfigError(msg)
    extraction = None if preset is None else parse_extraction({"features": {"preset": preset}}, "simulate")
    simulation = settings_of(production)
    made_by = [provenance(), *plug_ins(production)]
    tasks = [
        Task(
            key=f"simulate-{digest('simulate', production.of(name), extraction, name, index, events, *made_by)}.arrow",
            stage="simulate",
            label=f"{name}: chunk {index}, {events} events",
            function=simulate,
            arguments={
                "production": production,
                "extraction": extraction,
                "name": name,
                "index": index,
                "events": events,
            },
        )
        for name, index, events in production.chunks()
    ]
    about = {"schema": 1, "lamppost": __version__, "simulation": simulation}
    if extraction is not None:
        about |= describe(extraction)
    return make_table(out, tasks, about, **how)


def simulate(
    store: Store, key: str, *, production: Production, extraction: Extraction | None, name: str, index: int, events: int
) -> None:
    """One chunk of one process."""
    collisions, counts = produce(production, name, index, events)
    if extraction is None:
        store.write_table(key, arrow_collisions(collisions, counts))
    else:
        store.write_table(key, arrow_features(extraction.table(collisions), counts, {}))
