"""Where the tables of events come from: what their files say, and the section that the page makes of it."""

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from lamppost.simulate.shower import Shower
from learn_parts.tables import markdown
from methods_parts.sections import wrapped

__all__ = ["how", "section"]

Json = dict[str, Any]

TITLE = "How the tables were made"
DULL = ("Print:", "Beams:id", "Random:setSeed")
"""Settings of Pythia that decide about no event."""


def how(path: Path) -> str:
    """How a table of events was simulated, by its own metadata."""
    metadata = pq.read_schema(path).metadata or {}
    if b"lamppost" in metadata:
        return simulated(json.loads(metadata[b"lamppost"])["simulation"])
    if b"simulation" in metadata:
        about = json.loads(metadata[b"simulation"])
        settings = [one for one in about["settings"] if not one.startswith(DULL)]
        return f"Pythia {about['versions']['pythia8mc']}: {'; '.join(settings)}"
    return "not stated"


def simulated(about: Json) -> str:
    """The command, and what of the shower is not its default."""
    processes = " ".join(f"{name}={process['events']}" for name, process in about["processes"].items())
    usual = Shower().model_dump(mode="json")
    shower = [f"{name} = {json.dumps(value)}" for name, value in about["shower"].items() if value != usual[name]]
    command = f"`lamppost simulate {processes} --seed {about['seed']} --features wide`"
    return f"{command}, `[shower]` {', '.join(shower)}" if shower else command


def section(about: Json) -> str:
    """The text of the page: tables, then sources."""
    text = (
        "`python benchmarks/methods.py prepare TABLES --more MORE --out OUT` joins the tables below; those named wide "
        "hold the features of all sets, the others four. Events with values that are not finite are dropped."
    )
    rows = [
        [name, f"{table['events']:,}", table["dropped"], ", ".join(table["sources"]), table["sha256"][:12]]
        for name, table in about.items()
    ]
    sources = {source: text for table in about.values() for source, text in table["sources"].items()}
    made = [wrapped(f"- {source}: {text}") for source, text in sources.items()]
    listed = markdown(["table", "events", "dropped", "sources", "SHA-256 begins"], rows)
    return "\n\n".join([f"## {TITLE}", wrapped(text), listed, "\n".join(made)]) + "\n"
