"""What a user calls: from collisions to features, from a configuration to a result and a report."""

from lamppost.api.calibration import calibrate
from lamppost.api.campaigns import cache, progress
from lamppost.api.comparison import compare, reach
from lamppost.api.exclusion import limits
from lamppost.api.folders import Options, TableOptions, report
from lamppost.api.hunts import check, hunt, init, view
from lamppost.api.particles import agreement, display, features, simulate
from lamppost.api.spectra import fit, spectrum
from lamppost.api.spectrum_fit import SpectrumFit, described
from lamppost.api.statements import ready_to_write, write_statements

__all__ = [
    "Options",
    "SpectrumFit",
    "TableOptions",
    "agreement",
    "cache",
    "calibrate",
    "check",
    "compare",
    "described",
    "display",
    "features",
    "fit",
    "hunt",
    "init",
    "limits",
    "progress",
    "reach",
    "ready_to_write",
    "report",
    "simulate",
    "spectrum",
    "view",
    "write_statements",
]
