"""The method-blind pillar: spectra, smooth backgrounds, bump hunts with their look-elsewhere effect, limits, exports.

Compiled code is loaded at the first fit, not here.
"""

from lamppost.stats.convert import p_from_z, z_from_p
from lamppost.stats.counts.abcd import Abcd, Closure, closure_test
from lamppost.stats.counts.count_limits import CountLimit, count_limit
from lamppost.stats.counts.counting import Count, CountResult, count_significance, expected_significance
from lamppost.stats.fits.fit import fit_background
from lamppost.stats.fits.fitted import BackgroundFit, OrderStep
from lamppost.stats.limits.impacts import ImpactTable, impacts
from lamppost.stats.limits.limits import Limit, upper_limit
from lamppost.stats.limits.pulls import BiasTest, Coverage, bias_test, coverage
from lamppost.stats.limits.shared_limits import shared_limits
from lamppost.stats.limits.significance import Significance, significance
from lamppost.stats.limits.systematics import (
    MassShift,
    Normalisation,
    Systematic,
    TemplateShift,
    WidthShift,
    systematic,
)
from lamppost.stats.limits.workspace import Workspace
from lamppost.stats.scans.bumphunter import BumpHunterResult, bump_hunter
from lamppost.stats.scans.choices import Choice, Criterion, choose
from lamppost.stats.scans.combine import Combination, combine
from lamppost.stats.scans.correlation import Correlation, bootstrap_correlation
from lamppost.stats.scans.goodness import Goodness, GoodnessTest, goodness_of_fit
from lamppost.stats.scans.local import LocalSignificance, local_significance
from lamppost.stats.scans.result import JointResult, ScanResult
from lamppost.stats.scans.scan import joint_scan, mass_grid, scan
from lamppost.stats.scans.spurious import SpuriousSignal, spurious_signal
from lamppost.stats.scans.upcrossings import Upcrossings, upcrossings
from lamppost.stats.shapes.background import Background, Dijet, Polynomial, background
from lamppost.stats.shapes.families import UA2, Diphoton
from lamppost.stats.shapes.interpolation import Interpolated, Template
from lamppost.stats.shapes.signal_fit import ShapeFit, fit_signal_shape
from lamppost.stats.shapes.signals import CrystalBall, Gaussian, Signal, signal
from lamppost.stats.spectrum import Spectrum, bin_edges

__all__ = [
    "UA2",
    "Abcd",
    "Background",
    "BackgroundFit",
    "BiasTest",
    "BumpHunterResult",
    "Choice",
    "Closure",
    "Combination",
    "Correlation",
    "Count",
    "CountLimit",
    "CountResult",
    "Coverage",
    "Criterion",
    "CrystalBall",
    "Dijet",
    "Diphoton",
    "Gaussian",
    "Goodness",
    "GoodnessTest",
    "ImpactTable",
    "Interpolated",
    "JointResult",
    "Limit",
    "LocalSignificance",
    "MassShift",
    "Normalisation",
    "OrderStep",
    "Polynomial",
    "ScanResult",
    "ShapeFit",
    "Signal",
    "Significance",
    "Spectrum",
    "SpuriousSignal",
    "Systematic",
    "Template",
    "TemplateShift",
    "Upcrossings",
    "WidthShift",
    "Workspace",
    "background",
    "bias_test",
    "bin_edges",
    "bootstrap_correlation",
    "bump_hunter",
    "choose",
    "closure_test",
    "combine",
    "count_limit",
    "count_significance",
    "coverage",
    "expected_significance",
    "fit_background",
    "fit_signal_shape",
    "goodness_of_fit",
    "impacts",
    "joint_scan",
    "local_significance",
    "mass_grid",
    "p_from_z",
    "scan",
    "shared_limits",
    "signal",
    "significance",
    "spurious_signal",
    "systematic",
    "upcrossings",
    "upper_limit",
    "z_from_p",
]
