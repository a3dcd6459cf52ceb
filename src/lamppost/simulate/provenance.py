"""What a simulated file says about its making."""

from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

from lamppost.simulate.detector import Cms
from lamppost.simulate.generator import Generator
from lamppost.simulate.production import CHUNK, Production, lines

__all__ = ["cross_section", "settings_of"]

_LIBRARIES = ("pythia8mc", "fastjet", "awkward", "numpy", "numba")


def settings_of(production: Production) -> dict[str, Any]:
    """All settings of a production as JSON knows them: also those of Pythia, the veto, the detector and the versions.

    Raises
    ------
    LamppostError
        If Pythia is not installed, or does not start with the settings of one of the processes.
    """
    described = production.model_dump(mode="json")
    for name, sample in production.processes.items():
        pythia, veto = lines(production, name), sample.process.recipe(production.select).veto
        Generator(pythia, 1, where=f"processes.{name}")  # better now than in the middle of a run
        described["processes"][name] |= {"pythia": list(pythia), "veto": None if veto is None else asdict(veto)}
    if isinstance(production.detector, Cms):
        described["detector"]["card"] = production.detector.card().plain()
    versions = {name: version(name) for name in _LIBRARIES}
    return {**described, "events_per_chunk": CHUNK, "versions": versions}


def cross_section(counts: Mapping[str, float]) -> float:
    """Cross-section [fb] of the selected events, from the counts of one sample, of one chunk or added over several.

    That of the events Pythia finished times the part of them that was selected; 1 mb = 10^12 fb.
    """
    return 1e12 * counts["tried_times_mb"] / counts["tried"] * counts["selected"] / counts["seen"]
