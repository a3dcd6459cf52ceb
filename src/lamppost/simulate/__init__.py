"""Simulation: collisions from Pythia, what a detector sees of them, and pseudo-data without signal."""

from lamppost.simulate.detector import Detector
from lamppost.simulate.processes import Process
from lamppost.simulate.production import CHUNK, Production, Sample, parse_production, produce
from lamppost.simulate.provenance import cross_section, settings_of
from lamppost.simulate.selection import Selection
from lamppost.simulate.shower import Shower
from lamppost.simulate.wprime import Wprime

__all__ = [
    "CHUNK",
    "Detector",
    "Process",
    "Production",
    "Sample",
    "Selection",
    "Shower",
    "Wprime",
    "cross_section",
    "parse_production",
    "produce",
    "settings_of",
]
