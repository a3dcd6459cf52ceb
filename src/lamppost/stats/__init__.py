"""The method-blind pillar: spectra, smooth backgrounds, bump hunts with their look-elsewhere effect.

Compiled code is loaded at the first fit, not here.
"""

from lamppost.stats.convert import p_from_z, z_from_p
from lamppost.stats.fit import BackgroundFit, OrderStep, fit_background
from lamppost.stats.result import JointResult, ScanResult
from lamppost.stats.scan import joint_scan, mass_grid, scan
from lamppost.stats.shapes import Background, Dijet, Polynomial, background
from lamppost.stats.signals import CrystalBall, Gaussian, Signal, signal
from lamppost.stats.spectrum import Spectrum, bin_edges

__all__ = [
    "Background",
    "BackgroundFit",
    "CrystalBall",
    "Dijet",
    "Gaussian",
    "JointResult",
    "OrderStep",
    "Polynomial",
    "ScanResult",
    "Signal",
    "Spectrum",
    "background",
    "bin_edges",
    "fit_background",
    "joint_scan",
    "mass_grid",
    "p_from_z",
    "scan",
    "signal",
    "z_from_p",
]
